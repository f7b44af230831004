use super::assemble::{Assembly, AssemblyFault, MERGED};
use super::files::{file, put, symlink};
use super::filter::{globs, path_text};
use super::needs::Need;
use super::scripts::alternatives;
use crate::base::embedded::{self, FOLDERS};
use crate::rootfs::{Accounts, Entry, EntryKind, Group as AccountGroup, ImagePath, Owner, User};

/// The links beside `/usr` that every image has; the others exist where a package has files below them.
const ALWAYS_MERGED: &[&str] = &["bin", "lib", "sbin"];

/// What an image has beside the files of its packages.
impl Assembly<'_> {
    pub(super) fn fill_needs(&mut self, needs: &[Need]) -> Result<(), AssemblyFault> {
        for need in needs {
            for copy in &need.copies {
                let from = ImagePath::new(copy.from.as_bytes()).map_err(|fault| AssemblyFault::Rule(fault.to_string()))?;
                let kept = self.request.packages.iter().find_map(|package| package.facts.kept.get(&from));
                if let Some(content) = kept {
                    self.put(&copy.to, file(&content.0), None);
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

    /// Sets up alternatives as `update-alternatives` would: the highest priority wins, the name decides among equals.
    pub(super) fn alternatives(&mut self) {
        let mut all: Vec<_> = self.request.packages.iter().flat_map(|package| alternatives(package.facts)).collect();
        all.sort_by(|one, other| other.priority.cmp(&one.priority).then_with(|| one.target.cmp(&other.target)));
        for alternative in all {
            let Some(target) = self.canonical(&alternative.target).filter(|target| self.files.contains_key(target)) else { continue };
            if let Some(link) = self.canonical(&alternative.link) {
                let is_self = link == target;
                if !is_self {
                    self.put(&path_text(&link), symlink(&format!("/{}", path_text(&target))), None);
                }
            }
        }
    }

    pub(super) fn accounts(&mut self, needs: &[Need]) {
        let (user, group) = self.request.user;
        let mut accounts: Accounts = embedded::accounts(user, group);
        for account in needs.iter().flat_map(|need| &need.users) {
            if accounts.user(account.uid).is_none() && accounts.user_named(&account.name).is_none() {
                let (uid, gid) = (account.uid, account.gid);
                accounts.add_user(&User { name: account.name.clone(), uid, gid, home: account.home.clone() });
                if accounts.group(gid).is_none() && accounts.group_named(&account.name).is_none() {
                    accounts.add_group(&AccountGroup { name: account.name.clone(), gid });
                }
            }
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
        for name in MERGED.iter().filter(|name| ALWAYS_MERGED.contains(name) || self.merged.contains(*name)).copied().collect::<Vec<_>>() {
            self.put(&format!("usr/{name}"), Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() }, None);
            self.put(name, symlink(&format!("usr/{name}")), None);
        }
    }

    /// Adds an entry where nothing is, and the folders above it.
    pub(super) fn put(&mut self, path: &str, entry: Entry, package: Option<usize>) {
        put(&mut self.files, path, entry, package);
    }
}
