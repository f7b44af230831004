//! The static base that is part of the program: what a statically linked program needs beside itself, and nothing that executes.
//!
//! **Invariants.** It needs no network. Its bytes depend on [`DATA_VERSION`] and the accounts alone, not on the platform.
//! Certificates are Mozilla's, for TLS servers; time zones are IANA's, in the slim form of `TZif` (RFC 9636).

mod certificates;
mod zones;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rootfs::{Accounts, Changeset, Content, Entry, EntryKind, Group, ImagePath, Owner, User};

/// The version of what is embedded: of the crate with the certificates, and of the time zone database.
/// Equal versions mean equal bytes.
pub const DATA_VERSION: &str = "ca-1.0.11-tz-2026f";

/// Where the certificates are, as in Debian.
pub const CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The folders beside those of homes and time zones, with their modes. `/dev`, `/proc` and `/sys` are there to be mounted on,
/// since a container's root is read-only.
pub(super) const FOLDERS: [(&str, u16); 19] = [
    ("dev", 0o755),
    ("etc", 0o755),
    ("etc/ssl", 0o755),
    ("etc/ssl/certs", 0o755),
    ("home", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/share", 0o755),
    ("usr/share/zoneinfo", 0o755),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/log", 0o755),
    ("var/tmp", 0o1777),
];

const NSSWITCH: &str = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n";

/// Returns the base's variables, in order.
pub fn environment() -> [(&'static str, &'static str); 2] {
    [("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"), ("SSL_CERT_FILE", CERTIFICATES)]
}

/// Returns the base's accounts: root, nobody and nonroot, and the recipe's own, which stand in for those of the same name or number.
pub fn accounts(user: &User, group: &Group) -> Accounts {
    let mut accounts = Accounts::default();
    for (name, id, home) in [("root", 0, "/root"), ("nobody", 65534, "/nonexistent"), ("nonroot", 65532, "/home/nonroot")] {
        if user.name != name && user.uid != id {
            accounts.add_user(&User { name: name.to_owned(), uid: id, gid: id, home: home.to_owned() });
        }
        if group.name != name && group.gid != id {
            accounts.add_group(&Group { name: name.to_owned(), gid: id });
        }
    }
    accounts.add_user(user);
    accounts.add_group(group);
    accounts
}

/// Returns the base's files. The user's home is there and its own, unless it is a folder of the system.
pub fn changeset(accounts: &Accounts, user: &User) -> Changeset {
    let mut files = Files::default();
    for (path, mode) in FOLDERS {
        files.folder(path, mode, Owner::default());
    }
    for home in accounts.user_named("nonroot").iter().chain([user]) {
        files.home(home);
    }
    files.file("etc/passwd", accounts.passwd());
    files.file("etc/group", accounts.groups_text());
    files.file("etc/nsswitch.conf", NSSWITCH.as_bytes());
    files.file("usr/lib/os-release", os_release().as_bytes());
    files.symlink("etc/os-release", "../usr/lib/os-release");
    files.symlink("etc/localtime", "/usr/share/zoneinfo/Etc/UTC");
    files.file(CERTIFICATES, certificates::bundle().as_bytes());
    let mut names = BTreeMap::new();
    for (name, bytes) in zones::all() {
        let path = format!("usr/share/zoneinfo/{name}");
        if let Some(first) = names.get(bytes) {
            files.add(&path, EntryKind::HardLink(ImagePath::clone(first)), 0o644, Owner::default());
        } else {
            files.file(&path, bytes);
            names.extend(ImagePath::new(path.as_bytes()).map(|path| (bytes, path)));
        }
    }
    Changeset::new(files.0.into_iter().collect())
}

// os-release(5).
fn os_release() -> String {
    format!(
        "ID=hardened-static\nNAME=\"hardened static\"\nPRETTY_NAME=\"hardened static ({DATA_VERSION})\"\nVERSION_ID=\"{DATA_VERSION}\"\n"
    )
}

#[derive(Default)]
struct Files(BTreeMap<ImagePath, Entry>);

impl Files {
    /// Adds an entry and the folders above it. What is there stays.
    fn add(&mut self, path: &str, kind: EntryKind, mode: u16, owner: Owner) {
        // Our own paths are valid; a home that is no path is not made.
        let Ok(path) = ImagePath::new(path.as_bytes()) else { return };
        for parent in path.parents() {
            self.0.entry(parent).or_insert(Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() });
        }
        self.0.entry(path).or_insert(Entry { kind, mode, owner });
    }

    fn folder(&mut self, path: &str, mode: u16, owner: Owner) {
        self.add(path, EntryKind::Directory, mode, owner);
    }

    fn file(&mut self, path: &str, bytes: &[u8]) {
        self.add(path, EntryKind::File(Content::Inline(Arc::from(bytes))), 0o644, Owner::default());
    }

    fn symlink(&mut self, path: &str, target: &str) {
        self.add(path, EntryKind::Symlink(target.as_bytes().into()), 0o777, Owner::default());
    }

    fn home(&mut self, user: &User) {
        let is_made = ImagePath::absolute(&user.home).is_ok_and(|home| !home.is_root()) && user.home != "/nonexistent";
        if is_made {
            self.folder(&user.home, 0o700, Owner { uid: user.uid, gid: user.gid });
        }
    }
}

#[cfg(test)]
mod tests;
