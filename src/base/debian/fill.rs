use super::assemble::{Assembly, AssemblyFault};
use super::files::{MERGED, file, put, symlink};
use super::filter::{globs, path_text};
use super::needs::Need;
use super::scripts::{AccountCall, GROUPS, USERS};
use crate::base::embedded::{self, FOLDERS};
use crate::oci::Digest;
use crate::rootfs::{Accounts, Entry, EntryKind, Group as AccountGroup, ImagePath, Owner, User};

/// The links beside `/usr` that every image has; the others exist where there are files below them in `/usr`: the package that ships these links need not be in the image.
const ALWAYS_MERGED: &[&str] = &["bin", "lib", "sbin"];

/// What an image has beside the files of its packages.
impl Assembly<'_> {
    pub(super) fn fill_needs(&mut self, needs: &[Need]) -> Result<(), AssemblyFault> {
        for need in needs {
            for copy in &need.copies {
                let from = ImagePath::new(copy.from.as_bytes()).map_err(|fault| AssemblyFault::Rule(fault.to_string()))?;
                let kept = self.request.packages.iter().find_map(|package| package.facts.kept.get(&from));
                match (kept, ImagePath::new(copy.to.as_bytes())) {
                    (Some(content), _) => self.put(&copy.to, file(&content.0), None),
                    // What is not there is told where a script would copy it.
                    (None, Ok(to)) => drop(self.copy_shipped(&from, &to)),
                    (None, Err(fault)) => return Err(AssemblyFault::Rule(fault.to_string())),
                }
            }
            for end in &need.ends {
                self.end(end.of.clone(), &end.text)?;
            }
            for folder in &need.folders {
                self.put(&folder.path, Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() }, None);
            }
            for text in &need.files {
                self.put(&text.path, file(text.text.trim_start_matches('\n').as_bytes()), None);
            }
            for link in &need.links {
                let like = link.like.clone().map(|pattern| self.first_like(pattern)).transpose()?.flatten();
                if let Some(target) = link.target.clone().or(like) {
                    self.put(&link.path, symlink(&target), None);
                }
            }
        }
        Ok(())
    }

    /// Returns the first file whose path fits a pattern, as an absolute path.
    fn first_like(&self, pattern: String) -> Result<Option<String>, AssemblyFault> {
        let glob = globs(&[pattern]).map_err(AssemblyFault::Rule)?;
        Ok(self.files.keys().map(path_text).find(|path| glob.is_match(path)).map(|path| format!("/{path}")))
    }

    /// Makes the file that a link leads to, where there is none.
    fn end(&mut self, pattern: String, text: &str) -> Result<(), AssemblyFault> {
        let glob = globs(&[pattern]).map_err(AssemblyFault::Rule)?;
        let targets: Vec<String> = self
            .files
            .iter()
            .filter(|(path, _)| glob.is_match(path_text(path)))
            .filter_map(|(_, file)| match &file.entry.kind {
                EntryKind::Symlink(target) if target.starts_with(b"/") => String::from_utf8(target.to_vec()).ok(),
                _ => None,
            })
            .collect();
        for target in targets {
            self.put(target.trim_start_matches('/'), file(text.as_bytes()), None);
        }
        Ok(())
    }

    /// Writes the accounts: the recipe's, those of every Debian system, those of tables, and those that packages ask for.
    pub(super) fn accounts(&mut self, needs: &[Need], calls: &[AccountCall]) {
        let (user, group) = self.request.user;
        let mut accounts: Accounts = embedded::accounts(user, group);
        for (name, gid) in GROUPS.iter().copied() {
            // Debian has two names for the last group: programs look up this one.
            if accounts.group_named(name).is_none() && (accounts.group(gid).is_none() || name == "nogroup") {
                accounts.add_group(&AccountGroup { name: name.to_owned(), gid });
            }
        }
        for (name, uid, gid, home) in USERS.iter().copied() {
            add(&mut accounts, &User { name: name.to_owned(), uid, gid, home: home.to_owned() });
        }
        for account in needs.iter().flat_map(|need| &need.users) {
            add(&mut accounts, &User { name: account.name.clone(), uid: account.uid, gid: account.gid, home: account.home.clone() });
        }
        for call in calls {
            add_call(&mut accounts, call);
        }
        for home in accounts.user_named("nonroot").iter().chain([user]) {
            let is_made = ImagePath::absolute(&home.home).is_ok_and(|path| !path.is_root()) && home.home != "/nonexistent";
            if is_made {
                let entry = Entry { kind: EntryKind::Directory, mode: 0o700, owner: Owner { uid: home.uid, gid: home.gid } };
                self.put(home.home.trim_start_matches('/'), entry, None);
            }
        }
        for (path, text) in [("etc/passwd", accounts.passwd()), ("etc/group", accounts.groups_text())] {
            self.put(path, file(text), None);
        }
    }

    pub(super) fn folders(&mut self) {
        for (path, mode) in FOLDERS.into_iter().chain([("usr/sbin", 0o755)]) {
            self.put(path, Entry { kind: EntryKind::Directory, mode, owner: Owner::default() }, None);
        }
        let has_files = |name: &str| {
            let above = format!("usr/{name}/");
            self.files.keys().any(|path| path.as_bytes().starts_with(above.as_bytes()))
        };
        let merged = MERGED.iter().copied().filter(|name| ALWAYS_MERGED.contains(name) || self.merged.contains(name) || has_files(name));
        for name in merged.collect::<Vec<_>>() {
            self.put(&format!("usr/{name}"), Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() }, None);
            self.put(name, symlink(&format!("usr/{name}")), None);
        }
    }

    /// Adds an entry where nothing is, and the folders above it.
    pub(super) fn put(&mut self, path: &str, entry: Entry, package: Option<usize>) {
        put(&mut self.files, path, entry, package);
    }
}

/// Adds a user whose name and number are free, and the group of its name.
fn add(accounts: &mut Accounts, user: &User) {
    if accounts.user(user.uid).is_some() || accounts.user_named(&user.name).is_some() {
        return;
    }
    if accounts.group(user.gid).is_none() && accounts.group_named(&user.name).is_none() {
        accounts.add_group(&AccountGroup { name: user.name.clone(), gid: user.gid });
    }
    accounts.add_user(user);
}

/// Adds an account that a package asks for.
fn add_call(accounts: &mut Accounts, call: &AccountCall) {
    let AccountCall { name, is_user, number, group, home } = call;
    if *is_user && accounts.user_named(name).is_some() || !is_user && accounts.group_named(name).is_some() {
        return;
    }
    let number = number.unwrap_or_else(|| free_number(accounts, name));
    if !is_user {
        accounts.add_group(&AccountGroup { name: name.clone(), gid: number });
        return;
    }
    let gid = match group {
        Some(group) => group.parse().ok().or_else(|| accounts.group_named(group).map(|group| group.gid)),
        None => accounts.group_named(name).map(|group| group.gid),
    };
    let home = home.clone().unwrap_or_else(|| "/nonexistent".to_owned());
    add(accounts, &User { name: name.clone(), uid: number, gid: gid.unwrap_or(number), home });
}

/// Returns the number of an account that Debian numbers in the order of installation: here it depends on the name, so that it stays when
/// packages are added. They are those of system accounts (Debian policy, section 9.2.2), above those that Debian gives first.
fn free_number(accounts: &Accounts, name: &str) -> u32 {
    let hash = Digest::of(name.as_bytes()).as_bytes().iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    let is_free = |number: &u32| accounts.user(*number).is_none() && accounts.group(*number).is_none();
    let first = hash % 500;
    (0..500).map(|step| 400 + (first + step) % 500).find(is_free).unwrap_or(400 + first)
}
