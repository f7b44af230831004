use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::rootfs::{EntryKind, ImagePath};

use super::Source;

/// With fewer sources than this, each is compared with each: large trees need no table of all their paths then.
const FEW: usize = 16;

/// Which source has a path, so that a new source is compared with those only that it may exclude, however many there are.
#[derive(Default)]
pub(super) struct Owners {
    /// The first source that has a path; empty as long as there are few sources.
    first: BTreeMap<ImagePath, usize>,
    /// How many sources are in the table.
    count: usize,
}

impl Owners {
    /// Returns the earlier sources that have a path of `source`, a file above one, or a path below one of its files, in their order.
    pub(super) fn rivals(&mut self, earlier: &[Source], source: &Source) -> BTreeSet<usize> {
        if earlier.len() < FEW {
            return (0..earlier.len()).collect();
        }
        for (number, known) in earlier.iter().enumerate().skip(self.count) {
            self.add(number, known);
        }
        self.count = earlier.len();
        let mut rivals = BTreeSet::new();
        let mut last = None;
        for (path, entry) in &source.entries {
            rivals.extend(self.first.get(path));
            let parent = path.parent();
            if parent != last {
                rivals.extend(path.parents().filter_map(|above| self.first.get(&above)));
                last = parent;
            }
            if entry.kind != EntryKind::Directory {
                let below = [path.as_bytes(), b"/"].concat();
                let paths = self.first.range::<[u8], _>((Bound::Included(&*below), Bound::Unbounded));
                rivals.extend(paths.take_while(|(other, _)| other.as_bytes().starts_with(&below)).map(|(_, number)| number));
            }
        }
        rivals
    }

    /// Takes what `source`, which is the next one, has now. Where it took a path of an earlier one, it is the owner.
    fn add(&mut self, number: usize, source: &Source) {
        for (path, _) in &source.entries {
            self.first.entry(path.clone()).or_insert(number);
        }
    }

    /// Gives the paths of `source`, the next one, that earlier ones lost to it, to it.
    pub(super) fn moved(&mut self, earlier: &[Source], rivals: &BTreeSet<usize>, source: &Source) {
        if self.first.is_empty() || rivals.is_empty() {
            return;
        }
        for (path, _) in &source.entries {
            let lost = |number: &usize| earlier[*number].entries.binary_search_by(|(other, _)| other.cmp(path)).is_err();
            if self.first.get(path).is_some_and(lost) {
                self.first.insert(path.clone(), earlier.len());
            }
        }
    }
}
