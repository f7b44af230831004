//! Which packages an image needs: a closure over `Pre-Depends` and `Depends`.
//!
//! **Invariants.** Equal inputs give equal resolutions, whatever the order of the wanted list. There is no backtracking, and each choice between
//! several packages is recorded. What leaves no choice is chosen first, as apt does, so that a group of alternatives finds what comes in anyway. A group is satisfied by what is already chosen, else by its first alternative that can be had and is not excluded.
//! Nothing is added because it is essential: only what is wanted by name comes in. The newest version of all indexes is taken, or the exact
//! one that the recipe names; a package named by the recipe comes in also when a rule excludes it.

mod closure;
mod fault;
#[cfg(test)]
mod tests;

use std::fmt;

use super::exclude::{ExclusionFault, Pattern, built_in_exclusions, built_in_parts};
use super::index::Index;
use super::version::Version;
use crate::oci::Digest;

pub use self::fault::ResolveFault;

/// What an image asks for.
#[derive(Debug, Clone, Default)]
pub struct Request<'a> {
    /// The packages that the recipe names.
    pub wanted: Vec<Wanted>,
    /// What is excluded beside the rules inside the program.
    pub exclude: Vec<Pattern>,
    /// What comes in although a rule excludes it.
    pub keep: Vec<Pattern>,
    /// Other indexes with their names for messages, searched only to say where a missing package exists.
    pub elsewhere: Vec<(&'a str, &'a Index)>,
}

/// A package that the recipe names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// Its exact version, or the newest.
    pub version: Option<Version>,
}

/// Which packages are in, and which were left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// The packages, sorted by name.
    pub packages: Vec<Chosen>,
    /// What was wanted and left out, sorted by name.
    pub left_out: Vec<LeftOut>,
    /// The choices that were open, sorted by the package that asked, then by the relation.
    pub choices: Vec<Choice>,
}

/// A package that is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: Version,
    /// Its architecture, or `all`.
    pub architecture: String,
    /// The name of its source package.
    pub source: String,
    /// The version of its source package.
    pub source_version: String,
    /// The path of its file below the archive's root.
    pub filename: String,
    /// The size of its file in bytes.
    pub size: u64,
    /// The digest of its file.
    pub sha256: Digest,
    /// The label of the index that it is from.
    pub archive: String,
    /// Who wants it, sorted.
    pub wanted_by: Vec<WantedBy>,
}

/// Who wants a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum WantedBy {
    /// The recipe names it.
    Recipe,
    /// A package that is in depends on it.
    Package(String),
}

impl WantedBy {
    /// Returns the package; `None` for the recipe.
    pub fn package(&self) -> Option<&str> {
        match self {
            Self::Recipe => None,
            Self::Package(name) => Some(name),
        }
    }
}

impl fmt::Display for WantedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recipe => formatter.write_str("the recipe"),
            Self::Package(name) => write!(formatter, "`{name}`"),
        }
    }
}

/// A package that was wanted and is not in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// Its name, as the relation has it; where that is a name that packages provide, the first of them.
    pub name: String,
    /// Why: a lower-case fragment.
    pub reason: String,
    /// The packages that want it, sorted.
    pub wanted_by: Vec<WantedBy>,
    /// Who excludes it.
    pub by: ExcludedBy,
}

/// Who excludes a package.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExcludedBy {
    /// A rule inside the program, by its name.
    BuiltIn(String),
    /// The recipe.
    Recipe,
}

impl fmt::Display for ExcludedBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BuiltIn(rule) => write!(formatter, "by the rule `{rule}`"),
            Self::Recipe => formatter.write_str("by the recipe"),
        }
    }
}

/// A choice that was open: several alternatives, or a name that packages provide.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// The package that asked.
    pub package: String,
    /// The group of its relation field.
    pub relation: String,
    /// The package that was taken, or was already; `None` when all that would do are excluded.
    pub taken: Option<String>,
    /// The alternatives before it that were passed over, each with the reason.
    pub passed_over: Vec<(String, String)>,
}

/// Chooses the packages that an image needs, for one architecture. The indexes come with labels, `trixie-security` for example; where two hold the
/// same version, the first is taken.
///
/// # Errors
/// When packages or versions are unknown, all of them; or a relation can't be satisfied or read, or two need different versions of one package.
pub fn resolve(indexes: &[(&str, &Index)], architecture: &str, request: &Request<'_>) -> Result<Resolution, ResolveFault> {
    let (rules, parts) = (built_in_exclusions()?, built_in_parts()?);
    closure::Closure::new(indexes, architecture, request, (&rules, &parts)).run()
}

impl From<ExclusionFault> for ResolveFault {
    fn from(fault: ExclusionFault) -> Self {
        Self::Exclusions(fault)
    }
}
