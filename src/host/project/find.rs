use std::collections::BTreeSet;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::Mode;

use super::beneath::has_capabilities;
use super::choice::{Choice, Decision};
use super::deny::Named;
use super::gather::{Gather, file_mode};
use super::holding::holds;
use super::host_path::{is_below, joined, last_name};
use super::listing::Bits;
use super::locate::{Folder, Located, LocatedFile, locate, missing};
use super::walk::{Host, Walked, walk};
use super::{FileFault, Found, HostPath, Note, OnHost, Project, Request};
use crate::recipe::{Destination, Symlinks};
use crate::rootfs::{Content, Entry, EntryKind, FoundFile, ImagePath};

impl Project {
    /// Finds the files that a request names. Contents stay where they are; only files whose names say that a secret may be in
    /// them are looked into.
    ///
    /// # Errors
    /// All that is wrong, at most [`FileFault::LISTED`] faults and the number of the others.
    pub fn find(&self, request: &Request) -> Result<Found, Vec<FileFault>> {
        let located = locate(self, &request.from, request.symlinks).map_err(|fault| one(self.told_as_output(fault)))?;
        let (host, written) = match &located {
            Located::File(file) => (&file.host, &file.written),
            Located::Folder(folder) => (&folder.host, &folder.written),
        };
        if self.outputs().hold(host) {
            return Err(vec![FileFault::Output { from: HostPath::new(written) }]);
        }
        let glob = if let Located::Folder(folder) = &located { folder.glob.as_deref() } else { None };
        let choice = Choice::new(request, glob)?;
        let mut found = match &located {
            Located::File(file) => self.find_file(request, file, &choice).map_err(one),
            Located::Folder(folder) => self.find_folder(request, folder, &choice),
        }?;
        if choice.allows_any() {
            let files = || files(request, &located, &found.entries);
            let is_called = |name: &str| files().any(|file| file.is_any(|path| path.is_written(name)));
            let unknown = choice.unknown(&is_called);
            if !unknown.is_empty() {
                return Err(unknown);
            }
            found.keys_allowed = files().filter(|file| file.is_any(|path| choice.allows_key(path))).map(|file| file.file).collect();
        }
        Ok(found)
    }

    /// Returns what is said of an output that is not there yet: whether it is must not matter.
    fn told_as_output(&self, fault: FileFault) -> FileFault {
        let root = self.root().as_os_str().as_bytes();
        let is_output = |from: &HostPath| self.outputs().hold(&joined(root.strip_prefix(b"/").unwrap_or(root), from.as_bytes()));
        match fault {
            FileFault::Missing { from, .. } if is_output(&from) => FileFault::Output { from },
            other => other,
        }
    }

    /// Returns those files that a request takes, with their paths as messages name them.
    ///
    /// # Errors
    /// As [`Project::find`].
    pub fn named(&self, request: &Request, wanted: &BTreeSet<OnHost>) -> Result<Vec<(OnHost, HostPath)>, Vec<FileFault>> {
        let located = locate(self, &request.from, request.symlinks).map_err(one)?;
        let entries = self.find(request)?.entries;
        let files = files(request, &located, &entries).filter(|file| wanted.contains(&file.file));
        Ok(files.map(|file| (file.file, file.written)).collect())
    }

    /// Checks that what a request names exists, without looking into it.
    ///
    /// # Errors
    /// When it does not exist, or cannot be in an image.
    pub fn check(&self, request: &Request) -> Result<(), FileFault> {
        locate(self, &request.from, request.symlinks).map(drop).map_err(|fault| self.told_as_output(fault))
    }

    fn find_folder(&self, request: &Request, folder: &Folder, choice: &Choice) -> Result<Found, Vec<FileFault>> {
        self.denied(choice, &folder.written, &folder.host).map_err(one)?;
        let host = match request.symlinks {
            Symlinks::Keep => None,
            Symlinks::Follow => {
                let (tree, handle) = self.host().map_err(one)?;
                let root = self.root().as_os_str().as_bytes();
                Some(Host { tree, handle, root: root.strip_prefix(b"/").unwrap_or(root).to_vec() })
            }
        };
        let Walked { listings, left, faults } = walk(folder, choice, host.as_ref(), self.outputs());
        let mut gather = Gather::new(request, folder, faults);
        gather.run(listings);
        let Gather { faults, entries, notes, .. } = gather;
        faults.into_result()?;
        if let Some(glob) = &folder.glob
            && entries.len() == usize::from(!request.to.path().is_root())
        {
            let from = joined(&folder.written, glob.as_bytes());
            let left_out = FileFault::AllLeftOut { from: HostPath::new(&from) };
            return Err(vec![if left.count > 0 { left_out } else { missing(self, &from) }]);
        }
        Ok(Found { entries, skipped_count: left.count, skipped: left.into_list(), notes, keys_allowed: Vec::new() })
    }

    /// Finds a file that is named by itself.
    fn find_file(&self, request: &Request, file: &LocatedFile, choice: &Choice) -> Result<Found, FileFault> {
        let host_path = || HostPath::new(&file.written);
        self.denied(choice, &file.written, &file.host)?;
        let name = last_name(&file.written);
        if let Some(rule) = choice.searched(Named::of(&file.host)) {
            let unreadable = |errno: rustix::io::Errno| FileFault::Unreadable { path: host_path(), source: errno.into() };
            if holds(rule, file.handle.as_fd(), &file.path).map_err(unreadable)? {
                return Err(FileFault::Denied { path: host_path(), rule });
            }
        }
        if choice.decide(Named::of(&file.written), name, false, true) != Decision::Take {
            return Err(FileFault::AllLeftOut { from: host_path() });
        }
        let path = match &request.to {
            Destination::At(path) => Ok(path.clone()),
            Destination::In(folder) => folder.join(name),
        };
        let path = path.map_err(|fault| FileFault::Name { path: host_path(), fault })?;
        let mode = file.facts.bits;
        let special = mode.intersects(Mode::SUID.union(Mode::SGID).union(Mode::SVTX));
        let executable = mode.contains(Mode::XUSR);
        let capable = executable && has_capabilities(file.handle.as_fd(), &file.path);
        let mode = file_mode(request, Bits { executable, special, capable });
        let content = Content::At(Box::new(FoundFile { tree: file.tree, path: file.path.as_slice().into(), stat: file.facts.stat }));
        let special = (special && request.file_mode.is_none()).then(|| Note::SpecialBits { first: path.clone(), count: 1 });
        let capable = capable.then(|| Note::Capabilities { first: path.clone(), count: 1 });
        let notes = special.into_iter().chain(capable).collect();
        let entries = vec![(path, Entry { kind: EntryKind::File(content), mode, owner: request.owner })];
        Ok(Found { entries, notes, ..Found::default() })
    }

    /// Refuses what is on the deny list and asked for by name, whether by the written path, by where its links lead, or by where the root is.
    fn denied(&self, choice: &Choice, written: &[u8], host: &[u8]) -> Result<(), FileFault> {
        let root = self.root().as_os_str().as_bytes();
        let above = root.strip_prefix(b"/").unwrap_or(root);
        // Above the recipe's root, only folders matter of which nothing belongs in an image.
        if let Some(rule) = choice.denied_root(root).filter(|_| is_below(host, above)) {
            return Err(FileFault::Denied { path: HostPath::new(root), rule });
        }
        if let Some(rule) = choice.denied_path(written, 0) {
            return Err(FileFault::Denied { path: HostPath::new(written), rule });
        }
        let skipped = if is_below(host, above) { above.len() } else { 0 };
        choice.denied_path(host, skipped).map_or(Ok(()), |rule| {
            let path = if skipped == 0 { host } else { host[skipped..].strip_prefix(b"/").unwrap_or_default() };
            Err(FileFault::Denied { path: HostPath::new(path), rule })
        })
    }
}

/// A regular file that a request takes.
struct TakenFile {
    file: OnHost,
    /// Its path as the user wrote it.
    written: HostPath,
    /// Its absolute path, where links lead to no other.
    host: Vec<u8>,
}

impl TakenFile {
    fn is_any(&self, says: impl Fn(Named<'_>) -> bool) -> bool {
        [self.written.as_bytes(), &self.host, &self.file.path].into_iter().any(|path| says(Named::of(path)))
    }
}

/// Returns the regular files among what a request takes.
fn files<'a>(request: &'a Request, located: &'a Located, entries: &'a [(ImagePath, Entry)]) -> impl Iterator<Item = TakenFile> + 'a {
    let file = move |path: &ImagePath, content: &Content| {
        let (tree, in_tree, _) = content.found(path)?;
        let file = OnHost { tree, path: in_tree.into() };
        Some(match located {
            Located::File(located) => TakenFile { file, written: HostPath::new(&located.written), host: located.host.clone() },
            Located::Folder(folder) => {
                let below = below(path, request.to.path());
                TakenFile { file, written: HostPath::in_entry(&folder.written, below), host: joined(&folder.host, below) }
            }
        })
    };
    entries.iter().filter_map(move |(path, entry)| if let EntryKind::File(content) = &entry.kind { file(path, content) } else { None })
}

/// Returns a path below a folder.
fn below<'a>(path: &'a ImagePath, folder: &ImagePath) -> &'a [u8] {
    let rest = path.as_bytes().strip_prefix(folder.as_bytes()).unwrap_or_default();
    rest.strip_prefix(b"/").unwrap_or(rest)
}

fn one(fault: FileFault) -> Vec<FileFault> {
    vec![fault]
}
