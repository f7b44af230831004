//! What never belongs in an image, by its name: where links lead, and which folders it is in.

use std::os::unix::fs::symlink;
use std::path::Path;

use hardened::host::project::{DENY_RULES, FileFault, Project};
use hardened::recipe::Symlinks;
use tempfile::TempDir;

use crate::{find, folder, paths, request, skipped, write};

/// A folder `p` with a home folder in it, and another home folder beside it.
fn homes() -> TempDir {
    let files =
        [".docker/config.json", ".config/gh/hosts.yml", ".config/containers/auth.json", ".ssh/sub/config", ".cargo/credentials", "ok"];
    let all: Vec<String> = ["p/home", "other"].iter().flat_map(|home| files.map(|file| format!("{home}/{file}"))).collect();
    let root = folder(&all.iter().map(String::as_str).collect::<Vec<_>>());
    write(&root.path().join("p/d/ok"), "ok");
    root
}

#[test]
fn names_decide_where_links_lead() {
    let root = homes();
    for target in [".docker", ".docker/config.json", ".config", ".config/gh", ".config/containers", ".ssh/sub", ".ssh/sub/config", ".cargo"]
    {
        for home in ["../home", "../../other"] {
            let link = root.path().join("p/d/link");
            symlink(Path::new(home).join(target), &link).unwrap();
            let mut asked = request("d", "/app");
            asked.symlinks = Symlinks::Follow;
            let found = find(&root.path().join("p"), &asked).unwrap();
            let allowed = ["/app", "/app/link", "/app/link/containers", "/app/ok"];
            let taken = paths(&found);
            assert!(taken.iter().all(|path| allowed.contains(&path.as_str())), "{home}/{target}: {taken:?}");
            assert!(!found.skipped.is_empty(), "{home}/{target}");
            // The link as the entry's own path, and within a glob.
            for from in ["d/link", "d/lin*"] {
                asked.from = from.to_owned();
                let found = find(&root.path().join("p"), &asked).unwrap_or_default();
                let taken = found.entries.iter().filter(|(_, entry)| matches!(entry.kind, hardened::rootfs::EntryKind::File(_))).count();
                assert_eq!(taken, 0, "{from} to {home}/{target}");
            }
            std::fs::remove_file(link).unwrap();
        }
    }
}

#[test]
fn a_root_in_a_denied_folder_is_refused() {
    let root = homes();
    for (inside, rule) in [(".ssh", "ssh"), (".ssh/sub", "ssh"), (".config/gh", "gh")] {
        let project = Project::open(&root.path().join("p/home").join(inside)).unwrap();
        let mut asked = request(".", "/app");
        let faults = project.find(&asked).unwrap_err();
        assert!(matches!(faults[0], FileFault::Denied { rule: found, .. } if found == rule), "{inside}: {faults:?}");
        asked.allow = vec![rule.to_owned()];
        assert!(project.find(&asked).is_ok(), "{inside}");
    }
    for (inside, left) in [
        (".docker", "config.json: rule docker"),
        (".config", "containers/auth.json: rule docker"),
        (".config/containers", "auth.json: rule docker"),
        (".cargo", "credentials: rule cargo"),
    ] {
        let found = find(&root.path().join("p/home").join(inside), &request(".", "/app")).unwrap();
        assert!(skipped(&found).contains(&left.to_owned()), "{inside}: {:?}", skipped(&found));
    }
    let refused = find(&root.path().join("p/home/.cargo"), &request("credentials", "/app")).unwrap_err();
    assert!(matches!(refused[0], FileFault::Denied { rule: "cargo", .. }), "{refused:?}");
    // A name that is denied for what it may be of itself says nothing of a folder above the root.
    let root = folder(&["prod.env/app/x"]);
    assert!(find(&root.path().join("prod.env/app"), &request(".", "/app")).is_ok());
}

#[test]
fn what_a_file_holds_decides_where_its_name_leaves_a_doubt() {
    let root = folder(&["d/x"]);
    let key = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n";
    let settings = |password: &str| format!("<settings><server><password>{password}</password></server></settings>");
    for (name, text, rule) in [
        ("a.pem", key.to_owned(), Some("private-key")),
        ("late.pem", format!("{}\n{key}", "#".repeat(700_000)), Some("private-key")),
        ("UPPER.KEY", key.to_owned(), Some("private-key")),
        ("public.pem", "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n".to_owned(), None),
        ("deck.key", "PK\u{3}\u{4}".to_owned(), None),
        ("names.pem", "# expects -----BEGIN PRIVATE KEY-----\n".to_owned(), None),
        (".m2/settings.xml", settings("secret"), Some("maven")),
        ("m2/settings.xml", settings("secret"), None),
        (".m2/settings.xml", settings("${env.PASSWORD}"), None),
    ] {
        write(&root.path().join("d").join(name), &text);
        let found = find(root.path(), &request("d", "/app")).unwrap();
        let left = rule.map(|rule| format!("d/{name}: rule {rule}"));
        assert_eq!(skipped(&found), left.into_iter().collect::<Vec<_>>(), "{name}");
        std::fs::remove_file(root.path().join("d").join(name)).unwrap();
    }
}

#[test]
fn a_name_is_allowed_where_a_file_has_it() {
    let root = folder(&["d/sub/notes", "d/notes"]);
    let allowed = |names: &[&str]| {
        let mut asked = request("d", "/app");
        asked.allow = names.iter().map(|name| (*name).to_owned()).collect();
        find(root.path(), &asked)
            .map(|found| found.keys_allowed.iter().map(|file| String::from_utf8_lossy(&file.path).into_owned()).collect::<Vec<_>>())
    };
    for (names, expected) in [
        (&[][..], &[][..]),
        (&["env"], &[]),
        (&["d/notes"], &["notes"]),
        (&["sub/notes"], &["sub/notes"]),
        (&["notes"], &["notes", "sub/notes"]),
        (&["private-key"], &["notes", "sub/notes"]),
    ] {
        assert_eq!(allowed(names).unwrap(), expected, "{names:?}");
    }
    for wrong in ["note", "x/notes", "privat-key"] {
        let faults = allowed(&["notes", wrong]).unwrap_err();
        assert_eq!(faults[0].to_string(), format!("`{wrong}` is not on the deny list"));
    }
}

#[test]
fn the_page_names_every_rule_and_every_name() {
    let page = include_str!("../../docs/DENY_LIST.md");
    for rule in DENY_RULES {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{}` |", rule.name))).unwrap_or_else(|| panic!("{}", rule.name));
        let named: Vec<&str> = row.split('`').skip(3).step_by(2).collect();
        let expected: Vec<&str> = rule.patterns.iter().chain(rule.searched).copied().collect();
        assert_eq!(named, expected, "{}", rule.name);
    }
    assert_eq!(page.lines().filter(|line| line.starts_with("| `")).count(), DENY_RULES.len());
}
