use std::sync::OnceLock;

use crate::debian::{Index, LibraryPackage};
use crate::linkage::FindPackage;
use crate::oci::Digest;
use crate::ops::Run;

use super::PackagesProof;
use super::choose::indexes_of;

/// Finds Debian's packages by the libraries that they are named after (Debian policy, section 8.1).
pub(in crate::ops) struct DebianNames<'a> {
    /// The packages of the image; `None` for a base that has none.
    packages: Option<&'a PackagesProof>,
    /// The suite's lists, once they were needed.
    indexes: OnceLock<Vec<Index>>,
    run: Run<'a>,
}

impl<'a> DebianNames<'a> {
    /// Returns the names for the packages of a platform; `None` for a base that has no packages.
    pub(in crate::ops) fn new(packages: Option<&'a PackagesProof>, run: Run<'a>) -> Self {
        Self { packages, indexes: OnceLock::new(), run }
    }

    /// Looks a library up in the lists of the suite, which are fetched when they are first needed. What they say is remembered for as long
    /// as the image has the same packages: a warning must not cost every build a fetch.
    fn in_suite(&self, name: &str, library: &LibraryPackage) -> Option<String> {
        let packages = self.packages?;
        let suite = packages.suite.as_ref()?;
        let key =
            Digest::of(format!("package of a library 1\0{}\0{}\0{}\0{name}", suite.name, suite.architecture, packages.state).as_bytes());
        if let Some(known) = self.run.tools.cache.proof(&key).and_then(|known| String::from_utf8(known).ok()) {
            return Some(known).filter(|name| !name.is_empty());
        }
        let indexes = self.indexes.get_or_init(|| indexes_of(&suite.name, suite.architecture, self.run));
        let records = indexes.iter().flat_map(Index::records);
        let mut names: Vec<&str> = records.map(|record| record.name()).filter(|package| library.is_named(package)).collect();
        names.sort_by_key(|name| (name.len(), *name));
        if !indexes.is_empty() {
            self.run.tools.cache.write_proof(&key, names.first().copied().unwrap_or_default().as_bytes());
        }
        names.first().map(|name| (*name).to_owned())
    }
}

impl std::fmt::Debug for DebianNames<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DebianNames").field("state", &self.packages.map(|packages| packages.state)).finish_non_exhaustive()
    }
}

impl FindPackage for DebianNames<'_> {
    fn package_with(&self, name: &str) -> Option<String> {
        let library = LibraryPackage::of(name)?;
        let left_out = self.packages.map_or(&[][..], |packages| &packages.left_out);
        let left_out = left_out.iter().find(|left_out| library.is_named(&left_out.name));
        left_out.map(|left_out| left_out.name.clone()).or_else(|| self.in_suite(name, &library))
    }
}
