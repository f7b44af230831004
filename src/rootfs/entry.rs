use std::io;
use std::sync::Arc;

use super::{Fact, FactKind, Head, ImagePath, ImageText, ReadAt, ReadFault};
use crate::oci::Digest;

/// Who owns a file, numerically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Owner {
    /// The user.
    pub uid: u32,
    /// The group.
    pub gid: u32,
}

/// One entry of a changeset. Times are not kept: every file of an image has time 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: EntryKind,
    /// The permission bits, at most `0o7777`.
    pub mode: u16,
    /// The owner.
    pub owner: Owner,
}

impl Entry {
    /// Returns what is known of the file without reading it; nothing of a hard link, which is what its target is.
    pub fn fact(&self) -> Option<Fact> {
        let kind = match &self.kind {
            EntryKind::Directory => FactKind::Directory,
            EntryKind::File(content) => {
                let head = if let Content::Packed(file) = content { file.head.clone() } else { Head::Unread };
                FactKind::File { size: content.size(), head, content: None, digest: None }
            }
            EntryKind::Symlink(target) => FactKind::Symlink(ImageText(target.clone())),
            EntryKind::HardLink(_) => return None,
        };
        Some(Fact::new(kind, self.mode, self.owner))
    }
}

/// What an entry is. Devices, FIFOs and sockets do not exist here: no image of ours holds one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A folder.
    Directory,
    /// A regular file.
    File(Content),
    /// A symbolic link and its target, as written.
    Symlink(Box<[u8]>),
    /// Another name of an earlier regular file of the same changeset.
    HardLink(ImagePath),
}

/// Where a regular file's bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// In memory: what we generate.
    Inline(Arc<[u8]>),
    /// In a folder of the host. Its path there is the last `tail` bytes of its path in the image:
    /// a table of host paths would double the memory of a large folder.
    Tail {
        /// The folder.
        tree: TreeId,
        /// How many bytes of the image path are the path in the folder.
        tail: u16,
        /// What the file looked like.
        stat: Stat,
    },
    /// In a folder of the host, under another name than in the image.
    At(Box<FoundFile>),
    /// In a package: a part of its uncompressed `data.tar`.
    Packed(Box<PackedFile>),
}

/// A file of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackedFile {
    /// The digest of the package as it is published: it tells all its files from any others.
    pub package: Digest,
    /// Where the file begins in the package's uncompressed `data.tar`.
    pub offset: u64,
    /// The size in bytes.
    pub size: u64,
    /// What its content is.
    pub head: Head,
}

/// A folder of the host that files are taken from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeId(pub u16);

/// What tells one state of a host file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stat {
    /// The size in bytes.
    pub size: u64,
    /// A hash over modification time, change time, inode and device; the lowest bit says that the file was young.
    pub stamp: u64,
}

impl Stat {
    /// Marks the state of a file that changed so shortly before that a change after it could go without a trace:
    /// file systems count time in steps.
    #[must_use]
    pub fn young(self) -> Self {
        Self { stamp: self.stamp | 1, ..self }
    }

    /// Says whether the file was young.
    pub fn is_young(self) -> bool {
        self.stamp & 1 == 1
    }

    /// Says whether two states are the same, however old the file was.
    pub fn is_same(self, other: Self) -> bool {
        self.size == other.size && self.stamp | 1 == other.stamp | 1
    }
}

/// A file of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundFile {
    /// The folder that it is in.
    pub tree: TreeId,
    /// Its path there.
    pub path: Box<[u8]>,
    /// What it looked like when it was found.
    pub stat: Stat,
}

impl Content {
    /// Returns the size in bytes.
    pub fn size(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Tail { stat, .. } => stat.size,
            Self::At(found) => found.stat.size,
            Self::Packed(file) => file.size,
        }
    }

    /// Returns the host's folder, the path in it, and the state, for a file of the host whose path in the image is `path`.
    pub fn found<'a>(&'a self, path: &'a ImagePath) -> Option<(TreeId, &'a [u8], Stat)> {
        match self {
            Self::Inline(_) | Self::Packed(_) => None,
            Self::Tail { tree, tail, stat } => {
                let bytes = path.as_bytes();
                Some((*tree, &bytes[bytes.len().saturating_sub(usize::from(*tail))..], *stat))
            }
            Self::At(found) => Some((found.tree, &found.path, found.stat)),
        }
    }
}

/// Why a file's bytes could not be had.
#[derive(Debug, thiserror::Error)]
pub enum ContentFault {
    /// The file is no longer what it was when it was found.
    #[error("it changed while it was read")]
    Changed,
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// Reads files of the host, and those of packages.
pub trait OpenContent: Sync {
    /// Fills `buffer` with the bytes of a file from `offset` on.
    ///
    /// # Errors
    /// [`ContentFault::Changed`] when the file, before or after reading, is not in the state `stat`.
    fn read(&self, tree: TreeId, path: &[u8], stat: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault>;

    /// Fills `buffer` with the bytes of a package's uncompressed `data.tar` from `offset` on.
    ///
    /// # Errors
    /// When the package is not at hand, as where there are none.
    fn read_packed(&self, package: &Digest, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        let _ = (offset, buffer);
        Err(io::Error::new(io::ErrorKind::NotFound, format!("the package {package} is not available")).into())
    }
}

/// A regular file of a changeset, read at any offset.
pub struct OpenFile<'a> {
    /// Where the bytes are.
    pub content: &'a Content,
    /// The file's path in the image.
    pub path: &'a ImagePath,
    /// What reads files of the host.
    pub contents: &'a dyn OpenContent,
}

impl ReadAt for OpenFile<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault> {
        if let Content::Inline(bytes) = self.content {
            return (&**bytes).read_at(offset, buffer);
        }
        if let Content::Packed(file) = self.content {
            return Ok(self.contents.read_packed(&file.package, file.offset + offset, buffer)?);
        }
        let Some((tree, path, stat)) = self.content.found(self.path) else { return Err(ReadFault::Unkept) };
        Ok(self.contents.read(tree, path, stat, offset, buffer)?)
    }
}
