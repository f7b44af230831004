//! What is locked, what moves, and what is explained.

use super::debs::{DATE, deb};
use super::{Project, app};

fn packages() -> Vec<super::debs::Deb> {
    vec![
        app("libone (>= 1), debconf | debconf-2.0"),
        deb("libone", "1.2-3").field("Source: one (1.2)").field("Depends: libtwo"),
        deb("libtwo", "2.0").file("usr/share/two", b"2"),
        deb("debconf", "1.5").file("usr/bin/debconf", b"#!/usr/bin/perl\n"),
        deb("unwanted", "1"),
    ]
}

#[test]
fn the_lock_names_every_package_by_digest_and_who_wanted_it() {
    let project = Project::new(&packages(), "packages = [\"app\"]");
    project.good(&["lock"]);
    let lock: toml::Table = project.lock().parse().unwrap();
    let base = lock["base"].as_table().unwrap();
    assert_eq!(base["kind"].as_str(), Some("debian"));
    assert_eq!(base["request"]["wanted"].as_array().unwrap()[0].as_str(), Some("app"));
    let archive = &base["archives"].as_array().unwrap()[0];
    assert_eq!(archive["suite"].as_str(), Some("stable"));
    assert_eq!(archive["date"].as_str(), Some("2026-07-11T10:16:37Z"));
    assert_eq!(archive["signers"].as_array().unwrap()[0].as_str().unwrap().len(), 40);
    let platform = &base["platforms"].as_array().unwrap()[0];
    assert_eq!(platform["platform"].as_str(), Some("linux/amd64"));
    let packages: Vec<_> = platform["packages"].as_array().unwrap().iter().map(|package| package.as_table().unwrap()).collect();
    let shown: Vec<String> = packages
        .iter()
        .map(|package| {
            let text = |key: &str| package[key].as_str().unwrap();
            format!(
                "{} {} {} {} {} {}",
                text("name"),
                text("version"),
                text("source"),
                text("source-version"),
                text("path"),
                text("snapshot")
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            "app 1.0 app 1.0 pool/main/app/app_1.0_amd64.deb 20260711T101637Z",
            "libone 1.2-3 one 1.2 pool/main/libone/libone_1.2-3_amd64.deb 20260711T101637Z",
            "libtwo 2.0 libtwo 2.0 pool/main/libtwo/libtwo_2.0_amd64.deb 20260711T101637Z",
        ]
    );
    assert_eq!(packages[2]["wanted-by"].as_array().unwrap()[0].as_str(), Some("libone"));
    assert_eq!(packages[1]["digest"].as_str().unwrap().len(), 71);
    assert!(packages[1]["size"].as_integer().unwrap() > 0);
    let left_out = platform["left-out"].as_array().unwrap()[0].as_table().unwrap();
    assert_eq!((left_out["name"].as_str(), left_out["rule"].as_str()), (Some("debconf"), Some("configuration-questions")));
    // The lists of packages are asked for once; what is locked stays, whatever the archive has.
    project.mirror.publish(&[], DATE + 10, "", super::ARCHIVE_KEY);
    let before = project.lock();
    project.good(&["lock"]);
    assert_eq!(project.lock(), before);
}

#[test]
fn packages_are_explained() {
    let project = Project::new(&packages(), "packages = [\"app\"]");
    project.good(&["lock"]);
    project.mirror.asked();
    let explained = |name: &str| project.good(&["explain", "package", name, "--offline"]);
    assert_eq!(
        explained("libtwo"),
        format!(
            "libtwo 2.0 is in the image for linux/amd64, from {} (source: libtwo 2.0)\n  the recipe -> app -> libone -> libtwo\n",
            project.mirror.address
        )
    );
    let left_out = explained("debconf");
    assert!(
        left_out.starts_with("debconf was left out of the image for linux/amd64, by the rule `configuration-questions`: asks questions"),
        "{left_out}"
    );
    assert!(left_out.contains("  the recipe -> app -> debconf\n"), "{left_out}");
    assert_eq!(explained("libtow"), "nothing in the image for linux/amd64 requires libtow; did you mean `libtwo`?\n");
    let json: serde_json::Value = serde_json::from_str(&explained_json(&project)).unwrap();
    assert_eq!(json["platforms"][0]["verdict"]["verdict"].as_str().or(json["platforms"][0]["verdict"].as_str()), Some("in"));
    assert!(project.mirror.asked().is_empty());
}

fn explained_json(project: &Project) -> String {
    project.good(&["explain", "package", "libtwo", "--format", "json"])
}

#[test]
fn the_recipe_leaves_out_keeps_and_pins() {
    let project = Project::new(&packages(), "packages = [\"app\"]\nkeep = [\"debconf\"]\nexclude = [\"libtw*\"]");
    project.good(&["lock"]);
    let names = |project: &Project| {
        let lock: toml::Table = project.lock().parse().unwrap();
        let packages = lock["base"]["platforms"][0]["packages"].as_array().unwrap().clone();
        packages.iter().map(|package| package["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(&project), ["app", "debconf", "libone"]);
    assert!(project.good(&["explain", "package", "libtwo"]).contains("by the recipe"));
    // A recipe that asks for something else makes the lock stale.
    project.recipe("packages = [\"app\", \"unwanted=1\"]");
    let said = project.bad(2, &["build", "--locked", "-o", "oci:out"]);
    assert!(said.contains("the lock is stale: the wanted packages changed (new: `unwanted=1`)"), "{said}");
    project.good(&["lock"]);
    assert_eq!(names(&project), ["app", "libone", "libtwo", "unwanted"]);
}

#[test]
fn an_update_is_shown_and_can_be_for_one_package() {
    let project = Project::new(&packages(), "packages = [\"app\"]");
    project.good(&["lock"]);
    let changelog = "one (1.3) stable; urgency=medium\n\n  * Fixes CVE-2026-12345.\n\n -- A <a@b>  Mon, 1 Jun 2026 00:00:00 +0000\n\none (1.2) stable; urgency=low\n\n  * CVE-2020-1111\n";
    let mut newer = packages();
    newer[1] = deb("libone", "1.3-1")
        .field("Source: one (1.3)")
        .field("Depends: libtwo")
        .file("usr/share/doc/libone/changelog.Debian.gz", &super::debs::gzip(changelog.as_bytes()));
    newer[2] = deb("libtwo", "2.1");
    newer[0].version = "1.1".to_owned();
    project.mirror.publish(&newer, DATE + 86_400, "", super::ARCHIVE_KEY);
    let table = project.good(&["lock", "--update", "libone"]);
    assert_eq!(table, "package  old    new    fixes\nlibone   1.2-3  1.3-1  CVE-2026-12345\n");
    assert!(project.lock().contains("libtwo_2.0_amd64.deb") && project.lock().contains("app_1.0_amd64.deb"));
    let table = project.good(&["lock", "--update"]);
    assert_eq!(table, "package  old  new  fixes\napp      1.0  1.1\nlibtwo   2.0  2.1\n");
    let said = project.bad(2, &["lock", "--update", "perl"]);
    assert!(said.contains("the package `perl` is not in the image, so it cannot be updated"), "{said}");
}

#[test]
fn what_must_be_newer_for_an_update_moves_with_it() {
    let project = Project::new(&packages(), "packages = [\"app\"]");
    project.good(&["lock"]);
    let mut newer = packages();
    newer[1] = deb("libone", "1.3-1").field("Source: one (1.3)").field("Depends: libtwo (>= 2.1)");
    newer[2] = deb("libtwo", "2.1");
    newer[0].version = "1.1".to_owned();
    project.mirror.publish(&newer, DATE + 86_400, "", super::ARCHIVE_KEY);
    let table = project.good(&["lock", "--update", "libone"]);
    assert_eq!(table, "package  old    new    fixes\nlibone   1.2-3  1.3-1\nlibtwo   2.0    2.1\n");
}

#[test]
fn what_is_held_back_keeps_what_it_needs() {
    let packages = |app_version: &str, needs: &str, one: &str| {
        let mut app = app(&format!("libone, {needs}, debconf"));
        app.version = app_version.to_owned();
        vec![app, deb("libone", one), deb("libold", "1"), deb("libnew", "1"), deb("debconf", "1")]
    };
    let project = Project::new(&packages("1.0", "libold", "1"), "packages = [\"app\"]");
    project.good(&["lock"]);
    let before = project.lock();
    project.mirror.publish(&packages("2.0", "libnew", "2"), DATE + 86_400, "", super::ARCHIVE_KEY);
    let table = project.good(&["lock", "--update", "libone"]);
    assert_eq!(table, "package  old  new  fixes\nlibone   1    2\n");
    let lock = project.lock();
    let line = |text: &str, name: &str| text.lines().find(|line| line.contains(&format!("name = \"{name}\""))).map(str::to_owned);
    for name in ["app", "libold", "debconf"] {
        assert!(line(&lock, name).is_some() && line(&lock, name) == line(&before, name), "{name}: {lock}");
    }
    assert_eq!(line(&lock, "libnew"), None);
    // A version that the recipe names goes before what was locked.
    project.recipe("packages = [\"app=2.0\"]");
    project.good(&["lock", "--update", "libone"]);
    assert!(project.lock().contains("app_2.0_amd64.deb") && project.lock().contains("libnew") && !project.lock().contains("libold"));
    // What decides over all packages cannot be changed for some.
    project.recipe("packages = [\"app=2.0\"]\nexclude = [\"libnew\"]");
    let said = project.bad(2, &["lock", "--update", "libone"]);
    assert!(said.contains("single packages cannot be updated, because `exclude` changed (new: `libnew`)"), "{said}");
}

#[test]
fn two_platforms_have_their_own_packages() {
    let mut all = packages();
    let mut other = app("");
    other.architecture = "arm64".to_owned();
    other.version = "2.0".to_owned();
    all.push(other);
    let project = Project::new(&all, "packages = [\"app\"]");
    project.good(&["lock", "--platform", "linux/arm64,linux/amd64"]);
    let lock = project.lock();
    assert!(lock.contains("app_1.0_amd64.deb") && lock.contains("app_2.0_arm64.deb"), "{lock}");
    let said = project.bad(2, &["lock", "--platform", "windows/amd64"]);
    assert!(said.contains("Debian has no packages for `windows/amd64`") || said.contains("windows"), "{said}");
}

#[test]
fn results_about_packages_have_the_shapes_that_are_documented() {
    let project = Project::new(&packages(), "packages = [\"app\"]");
    let json = |arguments: &[&str]| -> serde_json::Value {
        serde_json::from_str(&project.good(&[arguments, &["--format", "json"]].concat())).unwrap()
    };
    let has_shape = |kind: &str, value: &serde_json::Value| {
        let schema = serde_json::from_str(&project.good(&["schema", "--of", kind])).unwrap();
        let faults = crate::shapes::faults(&schema, value);
        assert!(faults.is_empty(), "{kind}: {faults:#?}\n{value:#}");
    };
    has_shape("lock", &json(&["lock"]));
    has_shape("build", &json(&["build"]));
    has_shape("build-dry-run", &json(&["build", "--dry-run"]));
    for name in ["libtwo", "debconf", "libtow"] {
        has_shape("explain", &json(&["explain", "package", name]));
    }
    // A shell completes the packages of the lock, and for `explain` those that were left out.
    for (words, expected) in
        [(&["lock", "--update", "lib"][..], "libone libtwo"), (&["explain", "package", ""], "app debconf libone libtwo --")]
    {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_hardened"));
        command.current_dir(project.path(".")).env("HARDENED_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        let output = command.args(["--", "hardened"]).args(words).output().unwrap();
        let found = String::from_utf8(output.stdout).unwrap().replace('\n', " ");
        assert!(found.starts_with(expected), "{words:?}: {found}");
    }
    has_shape("vendor", &json(&["vendor", "vendored"]));
    let mut later = packages();
    later[2] = deb("libtwo", "2.1").file("usr/share/two", b"2");
    project.mirror.publish(&later, DATE + 10, "", super::ARCHIVE_KEY);
    let updated = json(&["lock", "--update"]);
    assert_eq!(updated["packages"][0]["name"], "libtwo");
    has_shape("lock", &updated);
}
