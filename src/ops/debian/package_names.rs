use std::sync::OnceLock;

use crate::debian::{Index, LibraryPackage};
use crate::linkage::FindPackage;
use crate::lock::LeftOutPackage;
use crate::ops::Tools;

use super::choose::indexes_of;

/// Knows Debian's packages by the libraries that they are named after (Debian policy, section 8.1).
pub(in crate::ops) struct DebianNames<'a> {
    /// What was left out of this image.
    pub(in crate::ops) left_out: &'a [LeftOutPackage],
    /// What is needed to look at the archive's list, and the architecture.
    pub(in crate::ops) archive: Option<(&'a str, &'a str, &'a Tools)>,
    pub(in crate::ops) indexes: OnceLock<Vec<Index>>,
}

impl std::fmt::Debug for DebianNames<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DebianNames").field("left_out", &self.left_out.len()).finish_non_exhaustive()
    }
}

impl FindPackage for DebianNames<'_> {
    fn package_with(&self, name: &str) -> Option<String> {
        let library = LibraryPackage::of(name)?;
        if let Some(left_out) = self.left_out.iter().find(|left_out| library.is_named(&left_out.name)) {
            return Some(left_out.name.clone());
        }
        // Only where something is missing is the archive's list worth its time.
        let indexes = self
            .indexes
            .get_or_init(|| self.archive.map(|(suite, architecture, tools)| indexes_of(suite, architecture, tools)).unwrap_or_default());
        let records = indexes.iter().flat_map(Index::records);
        let mut names: Vec<&str> = records.map(|record| record.name()).filter(|package| library.is_named(package)).collect();
        names.sort_by_key(|name| (name.len(), *name));
        names.first().map(|name| (*name).to_owned())
    }
}
