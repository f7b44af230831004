use crate::rootfs::{EntryKind, Fact, FactKind, Followed, Head, ImagePath, OpenContent, Rootfs, follow};

use super::Source;
use super::sources::find;

/// What an image has before our own layers, and what the recipe puts there.
pub(super) struct Below<'a> {
    /// The files of the base.
    pub(super) files: &'a Rootfs<'a>,
    /// What reads those of them that are not in memory.
    pub(super) contents: &'a dyn OpenContent,
    /// The recipe's own files, each source sorted.
    pub(super) sources: &'a [Source],
}

impl Below<'_> {
    /// Follows a path through the links of the base and of the recipe.
    pub(super) fn followed(&self, path: &ImagePath) -> Followed {
        follow(path.names(), true, |path| self.entry(path))
    }

    /// Says whether the recipe itself puts something at a path.
    pub(super) fn is_own(&self, path: &ImagePath) -> bool {
        self.sources.iter().any(|source| find(source, path).is_some())
    }

    fn entry(&self, path: &ImagePath) -> Option<Fact> {
        if let Some(entry) = self.sources.iter().find_map(|source| find(source, path)) {
            let file = || Fact::new(FactKind::File { size: 0, head: Head::Unread, content: None, digest: None }, entry.mode, entry.owner);
            return if matches!(entry.kind, EntryKind::HardLink(_)) { Some(file()) } else { entry.fact() };
        }
        self.files.entry(path).or_else(|| self.is_implied(path).then(Fact::implied_folder))
    }

    /// Says whether a source has an entry below a path, which is a folder then.
    fn is_implied(&self, path: &ImagePath) -> bool {
        let low = [path.as_bytes(), b"/"].concat();
        self.sources.iter().any(|source| {
            let first = source.entries.partition_point(|(other, _)| other.as_bytes() < &*low);
            source.entries.get(first).is_some_and(|(other, _)| other.as_bytes().starts_with(&low))
        })
    }
}
