use std::collections::BTreeMap;

use rustix::fs::Dev;

use super::{FileFault, Found, HostPath, Skipped, Why};
use crate::rootfs::{FoundFile, Stat};

/// What one folder holds, in the order in which it comes in a changeset. Names lie in one text, so that a million files stay small.
#[derive(Debug, Default)]
pub(super) struct Listing {
    names: Vec<u8>,
    children: Vec<Child>,
    /// The folder itself is left out, with all that it holds.
    pub(super) left_out: bool,
}

#[derive(Debug)]
pub(super) struct Child {
    start: u32,
    length: u16,
    pub(super) what: What,
}

/// The number of a folder's listing.
pub(super) type Slot = u32;

#[derive(Debug)]
pub(super) enum What {
    /// A folder by itself. It is taken for its own sake, or only if it holds something.
    Folder {
        slot: Slot,
        matched: bool,
        special: bool,
    },
    /// All that a folder holds. Its name ends with a slash, since `a-b` comes between `a` and `a/b`.
    Inside(Slot),
    File(Stat, Bits),
    /// A file that has other names.
    Shared(Box<SharedFile>),
    /// A file that a link was followed to.
    Elsewhere(Box<FoundFile>, Bits),
    Symlink(Box<[u8]>),
}

#[derive(Debug)]
pub(super) struct SharedFile {
    pub(super) stat: Stat,
    pub(super) bits: Bits,
    pub(super) inode: (Dev, u64),
}

/// What matters of a host file's mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bits {
    pub(super) executable: bool,
    pub(super) special: bool,
    /// It has file capabilities.
    pub(super) capable: bool,
}

impl Listing {
    pub(super) fn push(&mut self, name: &[u8], what: What) {
        let start = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.names.extend_from_slice(name);
        let mut length = name.len();
        if matches!(what, What::Inside(_)) {
            self.names.push(b'/');
            length += 1;
        }
        self.children.push(Child { start, length: u16::try_from(length).unwrap_or(u16::MAX), what });
    }

    /// Puts the children in order, whatever order the file system had.
    pub(super) fn finish(mut self) -> Self {
        let Self { names, children, .. } = &mut self;
        children.sort_unstable_by(|one, other| name_of(names, one).cmp(name_of(names, other)));
        names.shrink_to_fit();
        children.shrink_to_fit();
        self
    }

    /// Returns the listing of a folder that is left out.
    pub(super) fn left_out() -> Self {
        Self { left_out: true, ..Self::default() }
    }

    pub(super) fn name(&self, child: &Child) -> &[u8] {
        name_of(&self.names, child)
    }

    pub(super) fn children(&self) -> &[Child] {
        &self.children
    }
}

fn name_of<'a>(names: &'a [u8], child: &Child) -> &'a [u8] {
    let start = child.start as usize;
    names.get(start..start + usize::from(child.length)).unwrap_or_default()
}

/// The first faults in the order of their paths, and the number of all. Which ones does not depend on who found them first.
#[derive(Debug, Default)]
pub(super) struct Faults {
    first: BTreeMap<Box<[u8]>, FileFault>,
    count: usize,
}

impl Faults {
    pub(super) fn push(&mut self, path: &[u8], fault: FileFault) {
        self.count += 1;
        self.first.insert(path.into(), fault);
        if self.first.len() > FileFault::LISTED {
            self.first.pop_last();
        }
    }

    pub(super) fn append(&mut self, others: Self) {
        let count = self.count + others.count;
        others.first.into_iter().for_each(|(path, fault)| self.push(&path, fault));
        self.count = count;
    }

    pub(super) fn into_result(self) -> Result<(), Vec<FileFault>> {
        if self.count == 0 {
            return Ok(());
        }
        let mut faults: Vec<FileFault> = self.first.into_values().collect();
        if self.count > faults.len() {
            faults.push(FileFault::More(self.count - faults.len()));
        }
        Err(faults)
    }
}

/// The first paths that were left out, for each kind of reason, and the number of all.
#[derive(Debug, Default)]
pub(super) struct Left {
    denied: BTreeMap<HostPath, Why>,
    excluded: BTreeMap<HostPath, Why>,
    outputs: BTreeMap<HostPath, Why>,
    pub(super) count: usize,
}

impl Left {
    pub(super) fn push(&mut self, path: HostPath, why: Why) {
        self.count += 1;
        let list = match why {
            Why::Denied(_) => &mut self.denied,
            Why::Excluded(_) => &mut self.excluded,
            Why::Output => &mut self.outputs,
        };
        list.insert(path, why);
        if list.len() > Found::LISTED {
            list.pop_last();
        }
    }

    pub(super) fn append(&mut self, others: Self) {
        let count = self.count + others.count;
        others.denied.into_iter().chain(others.excluded).chain(others.outputs).for_each(|(path, why)| self.push(path, why));
        self.count = count;
    }

    pub(super) fn into_list(self) -> Vec<Skipped> {
        let all = self.denied.into_iter().chain(self.excluded).chain(self.outputs);
        let mut list: Vec<Skipped> = all.map(|(path, why)| Skipped { path, why }).collect();
        list.sort();
        list
    }
}
