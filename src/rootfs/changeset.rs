use super::{Entry, EntryKind, ImagePath};

/// What one layer adds: entries in order of their paths, parents before what they hold, no path twice.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changeset {
    entries: Vec<(ImagePath, Entry)>,
}

impl Changeset {
    /// Makes a changeset of entries in any order. Of two entries for one path, the later one is kept:
    /// whether that is allowed was decided before.
    pub fn new(mut entries: Vec<(ImagePath, Entry)>) -> Self {
        entries.reverse();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.dedup_by(|later, earlier| later.0 == earlier.0);
        entries.shrink_to_fit();
        Self { entries }
    }

    /// Returns the entries in order.
    pub fn entries(&self) -> &[(ImagePath, Entry)] {
        &self.entries
    }

    /// Returns the entry of a path.
    pub fn entry(&self, path: &ImagePath) -> Option<&Entry> {
        self.entries.binary_search_by(|(other, _)| other.cmp(path)).ok().map(|index| &self.entries[index].1)
    }

    /// Says whether nothing is added.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Returns the number of bytes in regular files.
    pub fn content_size(&self) -> u64 {
        let size = |entry: &Entry| if let EntryKind::File(content) = &entry.kind { content.size() } else { 0 };
        self.entries.iter().map(|(_, entry)| size(entry)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::{Owner, PathFault};

    #[test]
    fn the_later_of_two_entries_is_kept_and_order_does_not_matter() -> Result<(), PathFault> {
        let entry = |mode| Entry { kind: EntryKind::Directory, mode, owner: Owner::default() };
        let paths = [("b", 1), ("a/c", 2), ("a", 3), ("b", 4)];
        let entries =
            paths.iter().map(|(path, mode)| Ok((ImagePath::new(path.as_bytes())?, entry(*mode)))).collect::<Result<Vec<_>, _>>()?;
        let changeset = Changeset::new(entries);
        let found: Vec<_> = changeset.entries().iter().map(|(path, entry)| (path.to_string(), entry.mode)).collect();
        assert_eq!(found, [("/a".to_owned(), 3), ("/a/c".to_owned(), 2), ("/b".to_owned(), 4)]);
        Ok(())
    }
}
