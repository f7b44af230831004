use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufReader, Read, Write};

use super::{DATA, DebFault};
use crate::debian::{DebEntry, DebKind};
use crate::layer::decompress::Limits;
use crate::layer::facts::climbs_out;
use crate::layer::strict::{ArchiveFault, Member, MemberKind, StrictTar};
use crate::layer::tree::{Linked, Tree, cost};
use crate::layer::window::Window;
use crate::rootfs::{Head, ImagePath, ImageText};

/// The largest file that is kept whole, in bytes, and all of them. Debian's descriptions of MIME types have 2.5 MB.
const KEPT_FILE: u64 = 4 << 20;
const KEPT_ALL: u64 = 16 << 20;

/// What a package would install.
pub(super) struct Files {
    pub(super) size: u64,
    pub(super) entries: Vec<DebEntry>,
    pub(super) kept: BTreeMap<ImagePath, ImageText>,
}

pub(super) fn read(
    tar: &mut dyn Read,
    limits: &Limits,
    keep: &dyn Fn(&ImagePath) -> bool,
    spool: &mut dyn Write,
) -> Result<Files, DebFault> {
    let mut spooled = Spooled { inner: tar, spool, size: 0, failed: None };
    let archive = StrictTar::new(BufReader::with_capacity(128 << 10, &mut spooled));
    let found = Reading { archive, limits, keep, weight: 0, kept_bytes: 0, kept: BTreeMap::new() }.entries();
    match spooled.failed {
        Some(error) => Err(DebFault::Spool(error)),
        None => found.map(|(entries, kept)| Files { size: spooled.size, entries, kept }),
    }
}

/// Writes down all that is read.
struct Spooled<'a> {
    inner: &'a mut dyn Read,
    spool: &'a mut dyn Write,
    size: u64,
    failed: Option<io::Error>,
}

impl Read for Spooled<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if let Err(error) = self.spool.write_all(&buffer[..count]) {
            self.failed = Some(error);
            return Err(io::Error::other("could not be written down"));
        }
        self.size += count as u64;
        Ok(count)
    }
}

struct Reading<'a, R> {
    archive: StrictTar<R>,
    limits: &'a Limits,
    keep: &'a dyn Fn(&ImagePath) -> bool,
    weight: u64,
    kept_bytes: u64,
    kept: BTreeMap<ImagePath, ImageText>,
}

impl<R: Read> Reading<'_, R> {
    fn entries(mut self) -> Result<(Vec<DebEntry>, BTreeMap<ImagePath, ImageText>), DebFault> {
        let mut entries = Vec::new();
        let mut tree = Tree::default();
        let mut paths = BTreeSet::new();
        while let Some(member) = self.archive.next_member().map_err(archive)? {
            if entries.len() as u64 >= self.limits.entries {
                return Err(archive(ArchiveFault::Entries(self.limits.entries)));
            }
            if member.path.is_root() {
                continue;
            }
            let folders = tree.check(&member).map_err(archive)?;
            self.weigh(folders)?;
            if !paths.insert(member.path.clone()) {
                return Err(wrong(&member, "is there twice"));
            }
            if member.path.names_whiteout() {
                return Err(wrong(&member, "would hide another file in an image"));
            }
            let kind = self.kind(&member, &tree)?;
            let leaf = tree.add(&member);
            self.weigh(cost(member.path.as_bytes()) + leaf)?;
            entries.push(DebEntry { path: member.path, kind, mode: member.mode, uid: member.uid, gid: member.gid });
        }
        Ok((entries, self.kept))
    }

    fn kind(&mut self, member: &Member, tree: &Tree) -> Result<DebKind, DebFault> {
        match &member.kind {
            MemberKind::Directory => Ok(DebKind::Directory),
            MemberKind::File => self.file(member),
            MemberKind::Symlink(target) if climbs_out(&member.path, target) => {
                Err(wrong(member, &format!("leads out of the image, to `{}`", target.escape_ascii())))
            }
            MemberKind::Symlink(target) => {
                self.weigh(target.len() as u64)?;
                Ok(DebKind::Symlink(ImageText(target.clone().into())))
            }
            MemberKind::HardLink(target) if tree.linked(target) == Some(Linked::File) => {
                self.weigh(target.as_bytes().len() as u64)?;
                Ok(DebKind::HardLink(target.clone()))
            }
            MemberKind::HardLink(target) => {
                Err(wrong(member, &format!("is another name of `{target}`, which is not an earlier file of the package")))
            }
            MemberKind::Device(_) | MemberKind::Fifo => Err(wrong(member, "is a device or a FIFO")),
        }
    }

    fn file(&mut self, member: &Member) -> Result<DebKind, DebFault> {
        let offset = self.archive.position();
        let kept = (self.keep)(&member.path);
        if kept && (member.size > KEPT_FILE || self.kept_bytes + member.size > KEPT_ALL) {
            return Err(wrong(member, &format!("is needed whole, but has {} bytes, more than hardened reads of such a file", member.size)));
        }
        let least = if kept { member.size } else { 0 };
        let window = Window::read(member.size, least, |buffer| self.archive.read_content(buffer)).map_err(archive)?;
        let head = Head::read(&window, member.size).unwrap_or(Head::Other);
        self.weigh(head.weight() as u64)?;
        if kept {
            self.kept_bytes += member.size;
            let whole = window.whole().ok_or_else(|| wrong(member, "is needed whole, but was not stored"))?;
            self.kept.insert(member.path.clone(), ImageText(whole.into()));
        }
        Ok(DebKind::File { offset, size: member.size, head })
    }

    /// Counts foreign bytes that stay in memory.
    fn weigh(&mut self, bytes: u64) -> Result<(), DebFault> {
        self.weight += bytes;
        if self.weight > self.limits.kept { Err(archive(ArchiveFault::Kept(self.limits.kept))) } else { Ok(()) }
    }
}

fn archive(fault: ArchiveFault) -> DebFault {
    DebFault::Archive { part: DATA, fault }
}

fn wrong(member: &Member, reason: &str) -> DebFault {
    DebFault::Entry { part: DATA, path: member.path.clone(), reason: reason.to_owned() }
}
