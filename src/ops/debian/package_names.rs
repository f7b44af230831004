use std::sync::OnceLock;

use crate::debian::{Index, LibraryPackage};
use crate::linkage::FindPackage;
use crate::lock::LeftOutPackage;
use crate::ops::Tools;

use super::choose::indexes_of;
use super::{DebianSuite, PackagesProof};

/// Finds Debian's packages by the libraries that they are named after (Debian policy, section 8.1).
pub(in crate::ops) struct DebianNames<'a> {
    /// What was left out of this image.
    left_out: &'a [LeftOutPackage],
    /// The suite whose lists are searched.
    suite: Option<&'a DebianSuite>,
    /// The suite's lists, once they were needed.
    indexes: OnceLock<Vec<Index>>,
    tools: &'a Tools,
}

impl<'a> DebianNames<'a> {
    /// Returns the names for the packages of a platform; `None` for a base that has no packages.
    pub(in crate::ops) fn new(packages: Option<&'a PackagesProof>, tools: &'a Tools) -> Self {
        let left_out = packages.map_or(&[][..], |packages| &packages.left_out);
        Self { left_out, suite: packages.and_then(|packages| packages.suite.as_ref()), indexes: OnceLock::new(), tools }
    }
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
        // The lists are fetched only where something is missing.
        let read = |suite: &DebianSuite| indexes_of(&suite.name, suite.architecture, self.tools);
        let indexes = self.indexes.get_or_init(|| self.suite.map(read).unwrap_or_default());
        let records = indexes.iter().flat_map(Index::records);
        let mut names: Vec<&str> = records.map(|record| record.name()).filter(|package| library.is_named(package)).collect();
        names.sort_by_key(|name| (name.len(), *name));
        names.first().map(|name| (*name).to_owned())
    }
}
