use globset::{GlobBuilder, GlobMatcher};

use super::model::UnprovedEntry;

/// An `[[unproved]]` entry whose patterns are ready to be matched.
#[derive(Debug, Clone)]
pub struct Waiver {
    /// The entry.
    pub entry: UnprovedEntry,
    path: GlobMatcher,
    needs: GlobMatcher,
}

impl Waiver {
    /// Reads the patterns of an entry; nothing where one is no glob, which the check of the recipe has refused.
    pub fn new(entry: &UnprovedEntry) -> Option<Self> {
        let glob = |text: &str| GlobBuilder::new(text).literal_separator(true).build().ok().map(|glob| glob.compile_matcher());
        Some(Self { path: glob(&entry.path)?, needs: glob(&entry.needs)?, entry: entry.clone() })
    }

    /// Says whether the entry allows a file to miss something.
    pub fn takes(&self, path: &str, needs: &str) -> bool {
        self.path.is_match(path) && self.needs.is_match(needs)
    }
}
