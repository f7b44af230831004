use std::cell::{OnceCell, RefCell};
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rootfs::{
    Content, Dynamic, Entry, EntryKind, Fact, FactKind, Head, ImagePath, Machine, OpenContent, OpenFile, Owner, ReadAt, Resolved, Rootfs,
};

/// The longest file that is read as text, in bytes.
const TEXT: u64 = 64 << 10;

/// The image's files, and what they are; files of the host are read when they are asked for.
pub(super) struct Files<'a> {
    pub(super) rootfs: &'a Rootfs<'a>,
    contents: &'a dyn OpenContent,
    pub(super) owner: Owner,
    heads: RefCell<BTreeMap<ImagePath, Head>>,
    /// Libraries by their file names; made when one is missed.
    libraries: OnceCell<BTreeMap<Vec<u8>, Vec<ImagePath>>>,
}

/// What the loader finds at a path where it looks for a library.
pub(super) enum Looked {
    /// Nothing, or nothing that can be opened.
    Nothing,
    /// Something that is no library.
    NoLibrary(ImagePath),
    /// A library that the user may not read.
    Closed(ImagePath),
    /// A library.
    Library(ImagePath, Machine, Arc<Dynamic>),
}

impl<'a> Files<'a> {
    pub(super) fn new(rootfs: &'a Rootfs<'a>, contents: &'a dyn OpenContent, owner: Owner) -> Self {
        Self { rootfs, contents, owner, heads: RefCell::default(), libraries: OnceCell::new() }
    }

    /// Returns what a file is; an error says why it could not be read.
    pub(super) fn head(&self, path: &ImagePath, fact: &Fact) -> Result<Head, String> {
        let is_read = matches!(fact.kind, FactKind::File { head: Head::Unread, .. });
        if let Some(head) = self.heads.borrow().get(path).filter(|_| is_read) {
            return Ok(head.clone());
        }
        let head = self.rootfs.head(path, fact, Some(self.contents));
        let head = head.map_err(|fault| format!("could not read the file for `{path}`: {fault}"))?;
        if is_read {
            self.heads.borrow_mut().insert(path.clone(), head.clone());
        }
        Ok(head)
    }

    /// Returns a small file's text.
    pub(super) fn text(&self, path: &ImagePath) -> Option<String> {
        let Resolved::File(real, fact) = self.rootfs.resolve(path) else { return None };
        let FactKind::File { size, content, .. } = fact.kind else { return None };
        if let Some(text) = content {
            return Some(text.into());
        }
        let (real, Entry { kind: EntryKind::File(content), .. }) = self.rootfs.own_entry(&real)? else { return None };
        let mut bytes = vec![0; usize::try_from(size.min(TEXT)).ok()?];
        OpenFile { content, path: &real, contents: self.contents }.read_at(0, &mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Says whether a regular file is at an absolute path.
    pub(super) fn has(&self, path: &[u8]) -> bool {
        matches!(self.rootfs.follow(path), Resolved::File(_, Fact { kind: FactKind::File { .. }, .. }))
    }

    /// Looks for a library as the loader would open it.
    pub(super) fn library(&self, path: &[u8]) -> Looked {
        let Resolved::File(real, fact) = self.rootfs.follow(path) else { return Looked::Nothing };
        if !matches!(fact.kind, FactKind::File { .. }) {
            return Looked::Nothing;
        }
        let closed = |folder: ImagePath| self.rootfs.entry(&folder).is_some_and(|fact| !fact.allows(self.owner, 0o1));
        if !fact.allows(self.owner, 0o4) || real.parents().any(closed) {
            return Looked::Closed(real);
        }
        match self.head(&real, &fact) {
            Ok(Head::Elf { machine, dynamic: Some(dynamic), .. }) => Looked::Library(real, machine, dynamic),
            _ => Looked::NoLibrary(real),
        }
    }

    /// Returns where else in the image a library of this name is, for this machine.
    pub(super) fn elsewhere(&self, name: &[u8], architecture: &str) -> Option<ImagePath> {
        let by_name = || {
            let mut libraries: BTreeMap<Vec<u8>, Vec<ImagePath>> = BTreeMap::new();
            for path in self.rootfs.paths().filter(|path| path.name().windows(3).any(|part| part == b".so")) {
                libraries.entry(path.name().to_vec()).or_default().push(path.clone());
            }
            libraries
        };
        let paths = self.libraries.get_or_init(by_name).get(name)?;
        let is_library =
            |path: &ImagePath| matches!(self.library(&absolute(path)), Looked::Library(_, machine, _) if machine.is_for(architecture));
        paths.iter().take(16).find(|path| is_library(path)).cloned()
    }

    /// Returns the content of one of our own files that is in memory.
    pub(super) fn inline(entry: &Entry) -> Option<&[u8]> {
        match &entry.kind {
            EntryKind::File(Content::Inline(bytes)) => Some(bytes),
            _ => None,
        }
    }
}

/// Returns a path as programs write it.
pub(super) fn absolute(path: &ImagePath) -> Vec<u8> {
    [b"/", path.as_bytes()].concat()
}
