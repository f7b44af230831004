//! Archives and packages that are broken or hostile: one clear message, and nothing written.

use super::debs::{ARCHIVE_KEY, DATE, Deb, STRANGER_KEY, deb, gzip, signed};
use super::{Project, app};

fn project(packages: &[Deb]) -> Project {
    Project::new(packages, "packages = [\"app\"]")
}

/// Runs `build`, which has to fail, and checks that nothing was written.
fn refused(project: &Project, code: i32) -> String {
    let said = project.bad(code, &["build", "-o", "oci:out"]);
    assert!(!project.path("out").exists());
    said
}

fn release(project: &Project) -> String {
    String::from_utf8(project.mirror.take("dists/stable/InRelease")).unwrap()
}

#[test]
fn signed_lists_that_are_not_right_are_refused() {
    type Change = fn(&str) -> String;
    let changes: [(&str, Change, &str); 5] = [
        ("unsigned", |text| text.split("\n\n").nth(1).unwrap().to_owned(), "not exactly one signed message"),
        ("changed", |text| text.replace("Suite: stable", "Suite: stabel"), "ARCHIVE"),
        ("two messages", |text| format!("{text}{text}"), "not exactly one signed message"),
        ("text before", |text| format!("Suite: stable\n\n{text}"), "not exactly one signed message"),
        ("text behind", |text| format!("{text}SHA256:\n"), "not exactly one signed message"),
    ];
    for (name, change, message) in changes {
        let project = project(&[app("")]);
        let text = release(&project);
        project.mirror.put("dists/stable/InRelease", change(&text).into_bytes());
        let said = refused(&project, 3);
        assert!(said.contains("could not use the suite `stable` of `ARCHIVE`") && said.contains(message), "{name}: {said}");
        assert!(!project.path("hardened.lock").exists());
    }
}

#[test]
fn another_key_and_another_time_are_refused() {
    let stranger = project(&[app("")]);
    stranger.mirror.publish(&[app("")], DATE, "", STRANGER_KEY);
    refused(&stranger, 3);
    let expired = project(&[app("")]);
    expired.mirror.publish(&[app("")], DATE, "Valid-Until: Sun, 12 Jul 2026 00:00:00 UTC\n", ARCHIVE_KEY);
    let said = refused(&expired, 3);
    assert!(said.contains("2026-07-12") || said.contains("expired") || said.contains("valid"), "{said}");
    let future = project(&[app("")]);
    future.mirror.publish(&[app("")], 4_000_000_000, "", ARCHIVE_KEY);
    let said = refused(&future, 3);
    assert!(said.contains("clock"), "{said}");
    let older = project(&[app("")]);
    older.good(&["lock"]);
    older.mirror.publish(&[app("")], DATE - 86_400, "", ARCHIVE_KEY);
    let before = older.lock();
    let said = older.bad(3, &["lock", "--update"]);
    assert!(said.contains("was seen before") && said.contains("the mirror is behind"), "{said}");
    assert_eq!(older.lock(), before);
}

#[test]
fn broken_lists_of_packages_are_refused() {
    let good = project(&[app("")]);
    let path = "dists/stable/main/binary-amd64/Packages.gz";
    let bytes = good.mirror.take(path);
    let mut flipped = bytes.clone();
    flipped[20] ^= 1;
    for (name, bytes) in [
        ("truncated", bytes[..bytes.len() - 3].to_vec()),
        ("flipped", flipped),
        ("other", gzip(b"Package: app\n")),
        ("longer", [bytes.clone(), vec![0; 9]].concat()),
    ] {
        let project = project(&[app("")]);
        project.mirror.put(path, bytes);
        let said = refused(&project, 3);
        assert!(
            said.contains("could not fetch `dists/stable/main/binary-amd64/Packages.gz`") && said.contains("another file"),
            "{name}: {said}"
        );
    }
    // One that is signed for, and unpacks without end.
    let project = project(&[]);
    let bomb = gzip(&vec![b'\n'; 8 << 20]);
    let sum = super::debs::sha256(&bomb);
    let text = format!(
        "Suite: stable\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n {sum} {} main/binary-amd64/Packages.gz\n {sum} 1000 main/binary-amd64/Packages",
        bomb.len()
    );
    project.mirror.put("dists/stable/InRelease", signed(&text, ARCHIVE_KEY).into_bytes());
    project.mirror.put(path, bomb);
    let said = refused(&project, 3);
    assert!(said.contains("could not read `main/binary-amd64/Packages.gz` of the suite `stable`"), "{said}");
}

#[test]
fn packages_that_are_not_what_the_list_says_are_refused() {
    let path = "pool/main/app/app_1.0_amd64.deb";
    let bytes = app("").bytes();
    let mut flipped = bytes.clone();
    flipped[200] ^= 1;
    for (name, bytes) in [("truncated", bytes[..bytes.len() / 2].to_vec()), ("flipped", flipped), ("swapped", deb("other", "1").bytes())] {
        let project = project(&[app("")]);
        project.mirror.put(path, bytes);
        let said = refused(&project, 3);
        assert!(said.contains("could not fetch the package `app` 1.0") && said.contains("another file"), "{name}: {said}");
        // Once the archive has the right one, all is well.
        project.mirror.put(path, app("").bytes());
        project.good(&["build", "-q", "-o", "oci:out"]);
    }
}

#[test]
fn a_package_that_calls_itself_otherwise_than_its_list_is_refused() {
    let project = project(&[app("")]);
    // The list vouches for a file that is another package.
    let bytes = deb("other", "9").bytes();
    let index = format!(
        "Package: app\nVersion: 1.0\nArchitecture: amd64\nFilename: pool/x.deb\nSize: {}\nSHA256: {}\n\n",
        bytes.len(),
        super::debs::sha256(&bytes)
    );
    let packed = gzip(index.as_bytes());
    let text = format!(
        "Suite: stable\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n {} {} main/binary-amd64/Packages.gz",
        super::debs::sha256(&packed),
        packed.len()
    );
    project.mirror.put("pool/x.deb", bytes);
    project.mirror.put("dists/stable/main/binary-amd64/Packages.gz", packed);
    project.mirror.put("dists/stable/InRelease", signed(&text, ARCHIVE_KEY).into_bytes());
    let said = refused(&project, 3);
    assert!(said.contains("its `Package` is `other`, and the lock says `app`"), "{said}");
}

#[test]
fn a_damaged_package_in_the_cache_is_noticed() {
    let project = project(&[app("libone"), deb("libone", "1").file("usr/lib/one", b"one")]);
    project.good(&["build", "-q", "-o", "oci:out"]);
    let lock: toml::Table = project.lock().parse().unwrap();
    let digest = lock["base"]["platforms"][0]["packages"][1]["digest"].as_str().unwrap().strip_prefix("sha256:").unwrap().to_owned();
    let path = project.path(&format!("cache/blobs/sha256/{}/{digest}", &digest[..2]));
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    for kind in ["packages-1", "layers-1"] {
        std::fs::remove_dir_all(project.path("cache").join(kind)).unwrap();
    }
    // It is removed, and fetched again by the next command at the latest.
    let first = project.run(&["build", "-q", "-o", "oci:again"]);
    if !first.status.success() {
        assert!(String::from_utf8_lossy(&first.stderr).contains("damaged"), "{}", String::from_utf8_lossy(&first.stderr));
        project.good(&["build", "-q", "-o", "oci:again"]);
    }
    assert_eq!(super::layers_of(&project.path("out")), super::layers_of(&project.path("again")));
}

#[test]
fn a_package_that_is_not_there_is_told_with_near_names() {
    let project = Project::new(&[app(""), deb("libssl3t64", "1")], "packages = [\"app\", \"libssl3\"]");
    let said = refused(&project, 2);
    assert!(said.contains("there is no package `libssl3` for `amd64`") && said.contains("`libssl3t64`"), "{said}");
    assert!(said.contains("hardened.toml:6:"), "{said}");
    let versions = Project::new(&[app("")], "packages = [\"app=7\"]");
    let said = refused(&versions, 2);
    assert!(said.contains("there is no version 7 of `app`, only 1.0"), "{said}");
}

#[test]
fn dependencies_that_cannot_be_had_are_told_with_the_chain() {
    let project = project(&[app("libone"), deb("libone", "1").field("Depends: libtwo (>= 3)"), deb("libtwo", "2")]);
    let said = refused(&project, 2);
    assert!(said.contains("`app` → `libone`") && said.contains("libtwo (>= 3)"), "{said}");
}

#[test]
fn two_packages_with_one_file_are_refused() {
    let project =
        project(&[app("libone, libtwo"), deb("libone", "1").file("usr/lib/x", b"one"), deb("libtwo", "1").file("usr/lib/x", b"two")]);
    let said = refused(&project, 2);
    assert!(said.contains("the packages `libone` and `libtwo` both have `/usr/lib/x`"), "{said}");
    assert!(said.contains("exclude = [\"libtwo\"]"), "{said}");
}

#[test]
fn a_version_that_left_the_archive_is_told_with_the_way_on() {
    let project = project(&[app("")]);
    project.good(&["lock"]);
    project.mirror.take("pool/main/app/app_1.0_amd64.deb");
    let said = refused(&project, 3);
    assert!(said.contains("could not fetch the package `app` 1.0 (`pool/main/app/app_1.0_amd64.deb`)"), "{said}");
    assert!(said.contains("hardened vendor"), "{said}");
}

#[test]
fn certificates_and_keys_that_are_none_are_refused() {
    let project = Project::new(&[app("")], "packages = [\"app\"]\ncertificates = [\"corp.pem\"]");
    let said = refused(&project, 2);
    assert!(said.contains("could not read the certificates in `corp.pem`"), "{said}");
    std::fs::write(project.path("archive.gpg"), "no key").unwrap();
    std::fs::remove_file(project.path("hardened.lock")).ok();
    let said = refused(&project, 2);
    assert!(said.contains("could not use the keys in `archive.gpg`"), "{said}");
}

#[test]
fn recipes_that_ask_for_nonsense_are_told_all_at_once() {
    let project = Project::new(&[app("")], "flavour = \"pythn3\"\nsuite = \"trxie\"\npackages = [\"App!\"]\nexclude = [\"*\"]\nlayers = 1");
    let said = refused(&project, 2);
    for message in ["`trxie` is no suite", "`App!` is not a package", "`*` is no package and no pattern", "`base.debian.layers` is 1"] {
        assert!(said.contains(message), "{message}: {said}");
    }
    project.recipe("flavour = \"pythn3\"\nsuite = \"trixie\"");
    assert!(refused(&project, 2).contains("write `flavour = \"python3\"`"));
}
