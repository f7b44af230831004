//! Archives and packages that are broken or hostile: one clear message, and nothing written.

use super::damage::{damage, damages_of, files};
use super::debs::{ARCHIVE_KEY, DATE, Deb, Mirror, STRANGER_KEY, deb, gzip, signed};
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
    assert!(said.contains("was seen before") && said.contains("the mirror is out of date"), "{said}");
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
    for kind in ["packages-2", "layers-2"] {
        std::fs::remove_dir_all(project.path("cache").join(kind)).unwrap();
    }
    // It is removed, and fetched again at once.
    let again = project.run(&["build", "-o", "oci:again"]);
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(again.status.success() && said.contains("a file in the cache was damaged"), "{said}");
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
    for message in
        ["there is no suite `trxie`", "`App!` is not a package", "`*` is neither a package name nor a pattern", "`base.debian.layers` is 1"]
    {
        assert!(said.contains(message), "{message}: {said}");
    }
    project.recipe("flavour = \"pythn3\"\nsuite = \"trixie\"");
    assert!(refused(&project, 2).contains("write `flavour = \"python3\"`"));
}

#[test]
fn locks_that_lead_elsewhere_are_refused() {
    let project = project(&[app("libone"), deb("libone", "1:2-3")]);
    project.good(&["lock"]);
    let good = project.lock();
    let address = project.mirror.address.clone();
    let line = good.lines().find(|line| line.contains("name = \"libone\"")).unwrap();
    let size = line.split("size = ").nth(1).unwrap().split(',').next().unwrap();
    for (from, to, message) in [
        ("archive = ADDRESS", "archive = \"http://169.254.169.254/latest\"", "is not one of the archives in the lock"),
        ("archive = ADDRESS", "archive = \"debian\"", "is not one of the archives in the lock"),
        ("pool/main/libone/", "../../", "the `path` of the package `libone` cannot be"),
        ("pool/main/libone/", "http://a\\u001b/", "the `path` of the package `libone` cannot be"),
        ("name = \"libone\"", "name = \"../libone\"", "the `name` of the package"),
        ("version = \"1:2-3\"", "version = \"1:2-3 x\"", "the `version` of the package `libone` cannot be"),
        ("architecture = \"amd64\"", "architecture = \"amd64/\"", "the `architecture` of the package `libone` cannot be"),
        ("source = \"libone\"", "source = \"\"", "the `source` of the package `libone` cannot be"),
        ("snapshot = \"2026", "snapshot = \"?x/", "the `snapshot` of the package `libone` cannot be"),
        ("size = SIZE", "size = 9000000000000000000", "the package `libone` cannot have 9000000000000000000 bytes"),
        ("size = SIZE", "size = -1", "not a lock"),
        ("name = \"libone\"", "name = \"app\"", "the package `app` is listed twice for `linux/amd64`"),
        ("name = \"libone\"", "nome = \"libone\"", "not a lock"),
    ] {
        let from = from.replace("ADDRESS", &format!("\"{address}\"")).replace("SIZE", size);
        assert!(line.contains(&from), "{from}: {line}");
        let edited = good.replace(line, &line.replacen(&from, to, 1));
        std::fs::write(project.path("hardened.lock"), edited).unwrap();
        project.mirror.asked();
        let said = refused(&project, 2);
        assert!(said.contains(message) && !said.contains('\u{1b}'), "{to}: {said}");
        assert!(project.mirror.asked().is_empty(), "{to}");
    }
    let edited = good.replacen("date = \"2026-07-11T", "date = \"yesterday ", 1);
    std::fs::write(project.path("hardened.lock"), edited).unwrap();
    assert!(refused(&project, 2).contains("the date of the suite `stable` is not a time"));
}

#[test]
fn a_lock_that_calls_a_known_package_otherwise_is_refused() {
    let project = project(&[app("libone"), deb("libone", "1")]);
    project.good(&["build", "-q", "-o", "oci:good"]);
    let edited = project.lock().replacen("name = \"libone\"", "name = \"libtwo\"", 1);
    std::fs::write(project.path("hardened.lock"), edited).unwrap();
    let said = refused(&project, 3);
    assert!(said.contains("its `Package` is `libone`, and the lock says `libtwo`"), "{said}");
}

#[test]
fn a_file_below_another_packages_link_is_refused() {
    let mut second = deb("libtwo", "1").file("usr/lib/x/passwd", b"root::0:0:::/bin/sh");
    second.unlisted.push("usr/lib/x".to_owned());
    let project = project(&[app("libone, libtwo"), deb("libone", "1").file("usr/lib/x", b"->/etc"), second]);
    let said = refused(&project, 2);
    assert!(said.contains("`/usr/lib/x/passwd` lies below `/usr/lib/x`, which is not a folder in the package `libone`"), "{said}");
}

/// Puts suites of Debian and of its security updates on a mirror, with these packages in the first.
fn publish_debian(mirror: &Mirror, packages: &[Deb], key: &str) {
    for (folder, suite) in [("debian", "trixie"), ("debian", "trixie-updates"), ("debian-security", "trixie-security")] {
        let stanza = |package: &Deb| {
            let bytes = package.bytes();
            let (name, version, size, sum) = (&package.name, &package.version, bytes.len(), super::debs::sha256(&bytes));
            mirror.put(&format!("{folder}/pool/{name}.deb"), bytes);
            format!("Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/{name}.deb\nSize: {size}\nSHA256: {sum}\n\n")
        };
        let index: String = packages.iter().filter(|_| suite == "trixie").map(stanza).collect();
        let packed = gzip(index.as_bytes());
        let text = format!(
            "Suite: stable\nCodename: {suite}\nDate: Sat, 11 Jul 2026 10:16:37 UTC\nArchitectures: amd64\nComponents: main\nSHA256:\n {} {} main/binary-amd64/Packages.gz",
            super::debs::sha256(&packed),
            packed.len()
        );
        mirror.put(&format!("{folder}/dists/{suite}/main/binary-amd64/Packages.gz"), packed);
        mirror.put(&format!("{folder}/dists/{suite}/InRelease"), signed(&text, key).into_bytes());
    }
}

#[test]
fn what_one_mirror_sent_is_not_believed_after_another_answered() {
    let project = project(&[]);
    let (bad, good) = (Mirror::new(&[]), Mirror::new(&[]));
    let swapped = deb("app", "9.9").program("usr/bin/app", b"swapped");
    publish_debian(&bad, &[swapped], STRANGER_KEY);
    publish_debian(&good, &[app("")], ARCHIVE_KEY);
    let recipe = "[image]\nname = \"registry.example.no/shop/api\"\n\n[base]\ndebian = { suite = \"trixie\", packages = [\"app\"], keys = [\"archive.gpg\"] }\n\n[process]\nentrypoint = [\"/usr/bin/app\"]\n";
    std::fs::write(project.path("hardened.toml"), recipe).unwrap();
    let mirrors = format!("{}/debian,{}/debian/", bad.address, good.address);
    project.good(&["build", "-q", "-o", "oci:out", "--debian-mirror", &mirrors]);
    let lock = project.lock();
    assert!(lock.contains("version = \"1.0\"") && !lock.contains("9.9") && lock.contains("archive = \"debian\""), "{lock}");
    assert!(bad.asked().iter().any(|path| path == "/debian/dists/trixie/InRelease"));
    assert!(good.asked().iter().any(|path| path == "/debian/pool/app.deb"));
}

#[test]
fn all_packages_that_are_not_there_are_told_in_one_run() {
    let project = Project::new(&[app("")], "packages = [\"app\", \"one-missing\", \"apq\", \"third=1\"]");
    // What is there for one platform only is told beside what is nowhere, and nothing is told twice.
    for platforms in ["linux/amd64", "linux/amd64,linux/arm64"] {
        let said = project.bad(2, &["lock", "--platform", platforms]);
        for name in ["one-missing", "apq", "third"] {
            assert_eq!(said.matches(&format!("there is no package `{name}` for `amd64`")).count(), 1, "{said}");
        }
        assert_eq!(said.matches("there is no package").count(), if platforms == "linux/amd64" { 3 } else { 4 }, "{said}");
        assert!(said.contains("similar names: `app`") && said.contains("hardened.toml"), "{said}");
        assert!(!project.path("hardened.lock").exists());
    }
}

#[test]
fn damage_to_any_file_of_the_cache_is_made_good_by_the_next_command() {
    let project = project(&[app("libone"), deb("libone", "1").file("usr/lib/one", b"one").file("usr/share/doc/libone/changelog.gz", b"")]);
    project.good(&["build", "-q", "-o", "oci:out"]);
    let (lock, expected) = (project.lock(), super::layers_of(&project.path("out")));
    let all = files(&project.path("cache"));
    assert!(all.len() > 8, "{all:?}");
    for file in all {
        for (name, how) in damages_of(&file) {
            if file.exists() {
                damage(&file, *how);
            }
            let _ = std::fs::remove_dir_all(project.path("again"));
            // Without what is known of packages and layers, these are read again.
            for kind in ["packages-2", "layers-2", "facts-3"].iter().filter(|kind| !file.starts_with(project.path("cache").join(kind))) {
                std::fs::remove_dir_all(project.path("cache").join(kind)).unwrap();
            }
            let verbs: [&[&str]; 3] =
                [&["lock", "-q", "--update"], &["vendor", "-q", "oci:vendored"], &["build", "-q", "--locked", "-o", "oci:again"]];
            for verb in verbs {
                let ran = project.run(verb);
                assert!(ran.status.success(), "{name} of {}, {verb:?}: {}", file.display(), String::from_utf8_lossy(&ran.stderr));
            }
            assert_eq!((super::layers_of(&project.path("again")), project.lock()), (expected.clone(), lock.clone()), "{name}");
            let _ = std::fs::remove_dir_all(project.path("vendored"));
        }
    }
}
