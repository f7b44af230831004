use std::collections::BTreeSet;

use super::files::ImageFiles;
use super::request::AssemblyPackage;
use crate::rootfs::{EntryKind, ImagePath};

/// A file of a package whose mode gives rights to others than its owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenMode {
    /// Its path.
    pub path: ImagePath,
    /// The package that has it.
    pub package: String,
    /// What its mode allows.
    pub right: OpenRight,
}

/// What a mode allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum OpenRight {
    /// All users may write to the file, or add and remove files of the folder: it is not sticky.
    Write,
    /// It runs with the rights of its owner or group. The bit is not kept in images.
    SetId,
}

/// Returns the files of packages that all may write to, and those in `set_ids` that are in the image.
pub(super) fn open_modes(files: &ImageFiles, set_ids: &BTreeSet<ImagePath>, packages: &[AssemblyPackage<'_>]) -> Vec<OpenMode> {
    let mut found = Vec::new();
    for (path, file) in files {
        let Some(package) = file.package.and_then(|number| packages.get(number)) else { continue };
        let mode = file.entry.mode;
        let is_open = match file.entry.kind {
            EntryKind::Directory => mode & 0o1002 == 0o0002,
            EntryKind::File(_) => mode & 0o0002 != 0,
            EntryKind::Symlink(_) | EntryKind::HardLink(_) => false,
        };
        let rights = [(is_open, OpenRight::Write), (set_ids.contains(path), OpenRight::SetId)];
        let rights = rights.into_iter().filter(|(is_right, _)| *is_right);
        found.extend(rights.map(|(_, right)| OpenMode { path: path.clone(), package: package.name.to_owned(), right }));
    }
    found
}
