use std::collections::BTreeMap;
use std::sync::Arc;

use crate::rootfs::{Content, Entry, EntryKind, ImagePath, Owner};

/// The folders that Debian has merged into `/usr` (the `UsrMerge` of Debian; trixie's base-files has them as links).
pub(super) const MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// An entry of the image and the package that it comes from.
pub(super) struct ImageFile {
    pub(super) entry: Entry,
    /// The package's number; `None` for what we make.
    pub(super) package: Option<usize>,
}

/// The files of the image so far.
pub(super) type ImageFiles = BTreeMap<ImagePath, ImageFile>;

/// Adds an entry where nothing is, and the folders above it.
pub(super) fn put(files: &mut ImageFiles, path: &str, entry: Entry, package: Option<usize>) {
    // Our own paths are valid; a home that is no path is not made.
    let Ok(path) = ImagePath::new(path.as_bytes()) else { return };
    for parent in path.parents().filter(|parent| !parent.is_root()) {
        let folder = Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() };
        files.entry(parent).or_insert(ImageFile { entry: folder, package: None });
    }
    files.entry(path).or_insert(ImageFile { entry, package });
}

pub(super) fn file(bytes: &[u8]) -> Entry {
    Entry { kind: EntryKind::File(Content::Inline(Arc::from(bytes))), mode: 0o644, owner: Owner::default() }
}

pub(super) fn symlink(target: &str) -> Entry {
    Entry { kind: EntryKind::Symlink(target.as_bytes().into()), mode: 0o777, owner: Owner::default() }
}

/// Returns where a path is once the folders beside `/usr` are links into it.
pub(super) fn below_usr(path: &ImagePath) -> ImagePath {
    let moves = path.names().next().is_some_and(|first| MERGED.iter().any(|name| name.as_bytes() == first));
    // A path that is too long by the new part stays as it is.
    let result = if moves { ImagePath::new(&[b"usr/", path.as_bytes()].concat()).ok() } else { None };
    result.unwrap_or_else(|| path.clone())
}

/// Returns a path without `.` and `..`, by its names alone and without a slash in front.
pub(super) fn without_parents(path: &[u8]) -> Vec<u8> {
    let mut names: Vec<&[u8]> = Vec::new();
    for name in path.split(|byte| *byte == b'/') {
        match name {
            b"" | b"." => {}
            b".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    names.join(&b'/')
}
