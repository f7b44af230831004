use std::collections::BTreeMap;

use crate::debian::DebFacts;
use crate::oci::Digest;
use crate::rootfs::{Group as AccountGroup, User};

/// What a base is assembled from.
pub struct AssemblyRequest<'a> {
    /// The architecture, by the name that images have for it.
    pub architecture: &'a str,
    /// The packages, by name.
    pub packages: &'a [AssemblyPackage<'a>],
    /// How much is left out of them.
    pub extent: Extent,
    /// Files with further CA certificates, PEM.
    pub certificates: &'a [Vec<u8>],
    /// The user that the process runs as, and its group.
    pub user: (&'a User, &'a AccountGroup),
    /// How many layers it becomes at most, at least 2.
    pub layers: usize,
    /// Variables of the packages' programs.
    pub environment: &'a BTreeMap<String, String>,
}

/// How much of a package an image gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All but what no container has a use for.
    Whole,
    /// What programs need at run time.
    Slim,
}

/// A package to assemble from.
pub struct AssemblyPackage<'a> {
    /// The name.
    pub name: &'a str,
    /// The source package.
    pub source: &'a str,
    /// The digest of the `.deb`.
    pub digest: Digest,
    /// What was learned of it.
    pub facts: &'a DebFacts,
}
