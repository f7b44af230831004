use std::collections::BTreeMap;

use rustix::fs::Dev;

use super::listing::{Bits, Child, Faults, Listing, SharedFile, Slot, What};
use super::locate::Folder;
use super::{FileFault, HostPath, LinkFault, Note, Request};
use crate::rootfs::{Content, Entry, EntryKind, ImagePath, Stat};

/// How many notes of a kind are kept.
const NOTES: usize = 20;

/// Makes a changeset's entries of listings, which are freed as they are used.
pub(super) struct Gather<'a> {
    request: &'a Request,
    folder: &'a Folder,
    pub(super) faults: Faults,
    pub(super) entries: Vec<(ImagePath, Entry)>,
    pub(super) notes: Vec<Note>,
    special: Option<(ImagePath, usize)>,
    capable: Option<(ImagePath, usize)>,
    /// Where the first name of a file with several names is among the entries.
    shared: BTreeMap<(Dev, u64), usize>,
    /// The image path of the folder that is gathered, with a slash at its end, and how long the request's target is in it.
    path: Vec<u8>,
    below: usize,
}

/// A folder on the way down: its listing, the next child, and the length of its path.
struct Frame {
    listing: Listing,
    next: usize,
    length: usize,
}

impl<'a> Gather<'a> {
    pub(super) fn new(request: &'a Request, folder: &'a Folder, faults: Faults) -> Self {
        let mut path = request.to.path().as_bytes().to_vec();
        if !path.is_empty() {
            path.push(b'/');
        }
        let below = path.len();
        let (entries, notes, shared) = (Vec::new(), Vec::new(), BTreeMap::new());
        Self { request, folder, faults, entries, notes, special: None, capable: None, shared, path, below }
    }

    pub(super) fn run(&mut self, mut listings: Vec<Listing>) {
        let holdings = holdings(&listings);
        self.entries.reserve_exact(1 + listings.iter().map(|listing| listing.children().len()).sum::<usize>() + 1 - listings.len());
        if !self.request.to.path().is_root() {
            self.entries.push((self.request.to.path().clone(), self.directory()));
        }
        let mut stack = Vec::new();
        self.enter(&mut stack, &mut listings, 0);
        while let Some(mut frame) = stack.pop() {
            self.path.truncate(frame.length);
            let Some(child) = frame.listing.children().get(frame.next) else { continue };
            let name = frame.listing.name(child);
            self.path.extend_from_slice(name);
            let inside = if let What::Inside(slot) = child.what { Some(slot) } else { None };
            if inside.is_none() {
                self.child(child, &holdings);
            }
            frame.next += 1;
            stack.push(frame);
            if let Some(slot) = inside {
                self.enter(&mut stack, &mut listings, slot);
            }
        }
        if let Some((first, count)) = self.special.take() {
            self.notes.push(Note::SpecialBits { first, count });
        }
        if let Some((first, count)) = self.capable.take() {
            self.notes.push(Note::Capabilities { first, count });
        }
    }

    fn enter(&mut self, stack: &mut Vec<Frame>, listings: &mut [Listing], slot: Slot) {
        let listing = std::mem::take(&mut listings[slot as usize]);
        self.compare_names(&listing);
        stack.push(Frame { listing, next: 0, length: self.path.len() });
    }

    fn child(&mut self, child: &Child, holdings: &[Holding]) {
        let path = match ImagePath::new(&self.path) {
            Ok(path) => path,
            Err(fault) => return self.fault(|path| FileFault::Name { path, fault }),
        };
        let tail = u16::try_from(self.path.len() - self.below).unwrap_or(u16::MAX);
        let content = |stat: Stat| EntryKind::File(Content::Tail { tree: self.folder.tree, tail, stat });
        match &child.what {
            What::Folder { slot, matched, special } => {
                if is_taken(holdings[*slot as usize], *matched) {
                    self.count_special(&path, *special && self.request.dir_mode.is_none());
                    self.entries.push((path, self.directory()));
                }
            }
            What::File(stat, bits) => self.file(path, content(*stat), *bits),
            What::Shared(file) => {
                let kind = content(file.stat);
                self.shared(path, file, kind);
            }
            What::Elsewhere(file, bits) => self.file(path, EntryKind::File(Content::At(file.clone())), *bits),
            What::Symlink(target) => self.symlink(path, target),
            What::Inside(_) => {}
        }
    }

    fn file(&mut self, path: ImagePath, kind: EntryKind, bits: Bits) {
        self.count_special(&path, bits.special && self.request.file_mode.is_none());
        if bits.capable {
            let (_, count) = self.capable.get_or_insert_with(|| (path.clone(), 0));
            *count += 1;
        }
        self.entries.push((path, Entry { kind, mode: file_mode(self.request, bits), owner: self.request.owner }));
    }

    fn shared(&mut self, path: ImagePath, file: &SharedFile, content: EntryKind) {
        let first = self.shared.get(&file.inode).and_then(|index| self.entries.get(*index)).map(|(first, _)| first.clone());
        if let Some(first) = first {
            self.file(path, EntryKind::HardLink(first), file.bits);
        } else {
            self.shared.insert(file.inode, self.entries.len());
            self.file(path, content, file.bits);
        }
    }

    fn symlink(&mut self, path: ImagePath, target: &[u8]) {
        if leaves_image(&path, target) {
            let target = HostPath::new(target);
            return self.fault(|path| FileFault::Link { path, target, fault: LinkFault::LeavesImage });
        }
        self.entries.push((path, Entry { kind: EntryKind::Symlink(target.into()), mode: 0o777, owner: self.request.owner }));
    }

    fn fault(&mut self, fault: impl FnOnce(HostPath) -> FileFault) {
        let path = &self.path[self.below..];
        self.faults.push(path, fault(HostPath::in_entry(&self.folder.written, path)));
    }

    fn directory(&self) -> Entry {
        Entry { kind: EntryKind::Directory, mode: self.request.dir_mode.unwrap_or(0o755), owner: self.request.owner }
    }

    fn count_special(&mut self, path: &ImagePath, special: bool) {
        if special {
            let (_, count) = self.special.get_or_insert_with(|| (path.clone(), 0));
            *count += 1;
        }
    }

    /// Notes names of one folder that differ only in case. Few names have capital letters, so few are compared.
    fn compare_names(&mut self, listing: &Listing) {
        let mut capitals: BTreeMap<Vec<u8>, &[u8]> = BTreeMap::new();
        let children = listing.children();
        for child in children.iter().filter(|child| !matches!(child.what, What::Inside(_))) {
            let name = listing.name(child);
            if !name.iter().any(u8::is_ascii_uppercase) {
                continue;
            }
            let lower = name.to_ascii_lowercase();
            let small = children.binary_search_by(|other| listing.name(other).cmp(&lower)).ok().map(|index| listing.name(&children[index]));
            if let Some(other) = small.or_else(|| capitals.get(&lower).copied())
                && self.notes.len() < NOTES
            {
                let path = |name: &[u8]| ImagePath::new(&[&self.path, name].concat());
                if let (Ok(one), Ok(other)) = (path(name), path(other)) {
                    self.notes.push(Note::SameButCase(one, other));
                }
            }
            capitals.insert(lower, name);
        }
    }
}

/// Returns the mode of a regular file.
pub(super) fn file_mode(request: &Request, bits: Bits) -> u16 {
    request.file_mode.unwrap_or(if bits.executable { 0o755 } else { 0o644 })
}

/// What is known of a folder before it is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holding {
    /// It is left out itself.
    LeftOut,
    /// It holds nothing that is taken.
    Nothing,
    /// It holds something.
    Something,
}

/// Says of each folder what it holds. Children have higher slots than their folders.
fn holdings(listings: &[Listing]) -> Vec<Holding> {
    let mut holdings = vec![Holding::Nothing; listings.len()];
    for (slot, listing) in listings.iter().enumerate().rev() {
        let mut children = listing.children().iter();
        let any = children.any(|child| match &child.what {
            What::Folder { slot, matched, .. } => is_taken(holdings[*slot as usize], *matched),
            What::Inside(_) => false,
            _ => true,
        });
        holdings[slot] = match (listing.left_out, any) {
            (true, _) => Holding::LeftOut,
            (false, true) => Holding::Something,
            (false, false) => Holding::Nothing,
        };
    }
    holdings
}

/// Says whether a folder is taken: for its own sake, or for what it holds.
fn is_taken(holding: Holding, matched: bool) -> bool {
    matched && holding == Holding::Nothing || holding == Holding::Something
}

/// Says whether a relative target leads above the root of the image from where the link is.
pub(super) fn leaves_image(link: &ImagePath, target: &[u8]) -> bool {
    if target.starts_with(b"/") {
        return false;
    }
    let mut depth = link.names().count().saturating_sub(1);
    target.split(|byte| *byte == b'/').any(|name| {
        match name {
            b"" | b"." => {}
            b".." if depth == 0 => return true,
            b".." => depth -= 1,
            _ => depth += 1,
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::PathFault;

    #[test]
    fn targets_climb_as_far_as_the_root() -> Result<(), PathFault> {
        for (target, expected) in [
            ("x", false),
            ("../x", false),
            ("../../x", false),
            ("../../../x", true),
            ("x/../../../../etc", true),
            ("/../../etc", false),
            (".//./x", false),
        ] {
            assert_eq!(leaves_image(&ImagePath::new(b"app/bin/link")?, target.as_bytes()), expected, "{target}");
        }
        Ok(())
    }
}
