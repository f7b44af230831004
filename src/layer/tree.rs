use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::strict::{ArchiveFault, Member, MemberKind};
use crate::rootfs::ImagePath;

/// What one path costs beside its bytes, in bytes.
const OVERHEAD: u64 = 64;
/// How deep a path may be without costing more: each folder above is one more step of every walk.
const DEPTH: usize = 64;
/// What each folder beyond that counts for, in bytes.
const DEEPER: u64 = 64;

/// What is known of the tree that an archive makes, to refuse what unpackers would make different trees of.
#[derive(Default)]
pub(super) struct Tree {
    /// Everything that is no folder.
    leaves: BTreeMap<ImagePath, Leaf>,
    /// The folders: those with an entry, and those above all entries.
    folders: BTreeSet<ImagePath>,
    /// The folder that was looked at last: entries of one folder mostly follow each other.
    last: Option<ImagePath>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Leaf {
    /// A file of one name.
    File,
    /// A file that a hard link leads to.
    Shared,
    /// Another name of an earlier entry, and what that is.
    HardLink(ImagePath, Linked),
    Symlink(Arc<[u8]>),
    Fifo,
    Device,
}

/// What a hard link leads to, through whichever hard links.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Linked {
    /// A regular file.
    File,
    /// A symbolic link with this target: the hard link is one too.
    Symlink(Arc<[u8]>),
    /// A FIFO.
    Fifo,
    /// A device, by its first name.
    Device(ImagePath),
}

impl Tree {
    /// Refuses an entry that some unpackers would write through a link and others instead of it (RUSTSEC-2018-0002,
    /// RUSTSEC-2021-0080, RUSTSEC-2026-0067, CVE-2026-25121): one below what is no folder, and one in the place of another
    /// that is not its like. Two files of one path are a file and its successor to everybody.
    ///
    /// Returns how many bytes of memory the entry's folders took.
    pub(super) fn check(&mut self, member: &Member) -> Result<u64, ArchiveFault> {
        let path = member.path.as_bytes();
        let is_folder = member.kind == MemberKind::Directory;
        if !is_folder && self.folders.contains(path) {
            return Err(link(member, "takes the place of a folder".to_owned()));
        }
        let replaces = match (self.leaves.get(path), &member.kind) {
            (None, _)
            | (Some(Leaf::File), MemberKind::File | MemberKind::HardLink(_))
            | (Some(Leaf::Device | Leaf::Fifo), MemberKind::Device(_) | MemberKind::Fifo) => false,
            (Some(Leaf::Symlink(old)), MemberKind::Symlink(new)) => **old != **new,
            (Some(Leaf::HardLink(old, _)), MemberKind::HardLink(new)) => old != new,
            (Some(_), _) => true,
        };
        if replaces {
            return Err(link(member, "takes the place of an earlier entry of another kind, or of a file with several names".to_owned()));
        }
        let first = member.path.names().next().unwrap_or_default();
        if first.starts_with(b".wh..wh.") && first.len() < path.len() {
            // AUFS kept hard links there; some unpackers pass over all of it, and some do not.
            return Err(link(member, "lies below a folder of AUFS".to_owned()));
        }
        let above = self.note_above(member)?;
        Ok(if is_folder && self.folders.insert(member.path.clone()) { above + cost(path) } else { above })
    }

    /// Notes all folders above an entry. Those above a known folder are known.
    fn note_above(&mut self, member: &Member) -> Result<u64, ArchiveFault> {
        let path = member.path.as_bytes();
        let parent = |path: &[u8]| path.iter().rposition(|byte| *byte == b'/');
        let Some(mut end) = parent(path) else { return Ok(0) };
        if self.last.as_ref().is_some_and(|last| last.as_bytes() == &path[..end]) {
            return Ok(0);
        }
        let mut held = 0;
        let last = ImagePath::new(&path[..end]).ok();
        loop {
            let folder = &path[..end];
            if self.folders.contains(folder) {
                break;
            }
            if let Some((leaf, _)) = self.leaves.get_key_value(folder) {
                return Err(link(member, format!("lies below `{leaf}`, which is not a folder in the archive")));
            }
            if let Ok(folder) = ImagePath::new(folder) {
                held += cost(folder.as_bytes());
                self.folders.insert(folder);
            }
            match parent(folder) {
                Some(next) => end = next,
                None => break,
            }
        }
        self.last = last;
        Ok(held)
    }

    /// Notes an entry that is there after [`Tree::check`], and returns how many bytes of memory that took.
    pub(super) fn add(&mut self, member: &Member) -> u64 {
        let leaf = match &member.kind {
            MemberKind::Directory => return 0,
            MemberKind::File => Leaf::File,
            MemberKind::HardLink(target) => {
                let Some(linked) = self.linked(target) else { return 0 };
                if let Some(file @ Leaf::File) = self.leaves.get_mut(target) {
                    *file = Leaf::Shared;
                }
                Leaf::HardLink(target.clone(), linked)
            }
            MemberKind::Symlink(target) => Leaf::Symlink(target.as_slice().into()),
            MemberKind::Fifo => Leaf::Fifo,
            MemberKind::Device(_) => Leaf::Device,
        };
        let target = match &leaf {
            Leaf::HardLink(target, _) => target.as_bytes().len() as u64,
            Leaf::Symlink(target) => target.len() as u64,
            _ => 0,
        };
        self.leaves.insert(member.path.clone(), leaf);
        cost(member.path.as_bytes()) + target
    }

    /// Returns what a hard link to a path would lead to: an earlier entry of the archive that is no folder, under whichever of its names.
    pub(super) fn linked(&self, path: &ImagePath) -> Option<Linked> {
        Some(match self.leaves.get(path)? {
            Leaf::File | Leaf::Shared => Linked::File,
            Leaf::HardLink(_, linked) => linked.clone(),
            Leaf::Symlink(target) => Linked::Symlink(Arc::clone(target)),
            Leaf::Fifo => Linked::Fifo,
            Leaf::Device => Linked::Device(path.clone()),
        })
    }

    /// Says whether the archive holds something at a path.
    pub(super) fn holds(&self, path: &ImagePath) -> bool {
        self.leaves.contains_key(path) || self.folders.contains(path)
    }
}

/// Returns what a path counts for, in bytes.
pub(super) fn cost(path: &[u8]) -> u64 {
    let depth = path.split(|byte| *byte == b'/').skip(1).count();
    path.len() as u64 + OVERHEAD + DEEPER * depth.saturating_sub(DEPTH) as u64
}

pub(super) fn link(member: &Member, reason: String) -> ArchiveFault {
    ArchiveFault::Link { offset: member.offset, path: member.path.clone(), reason }
}
