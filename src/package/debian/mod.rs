//! Debian archives, as far as they are bytes and values: signatures, indexes, versions, relations, and which packages an image needs.
//!
//! The way of an archive: [`TrustedKeys`] → [`Release::verify`] (signed, of the right suite, neither too old nor from the future) →
//! [`Release::packages`] (which index, with its digest) → [`Index::read`] → [`resolve`] → [`Resolution`] (what is in, what was left out, and why).
//!
//! **Invariants.** Only signed bytes are parsed, and one reading of them is possible, or they are refused. Limits are stated and tested.
//! The resolver never goes back on a choice, and writes each one down.
//!
//! **To change what a distroless image never holds**: `exclude.toml`. **To add an archive key**: `keys/README.md`.

mod armor;
mod cleartext;
mod date;
mod exclude;
mod field;
#[cfg(test)]
mod hostile;
mod index;
mod key;
mod name;
mod relation;
mod release;
mod resolve;
mod signer;
mod version;

pub use armor::ArmorFault;
pub use cleartext::ClearsignFault;
pub use exclude::{ExclusionFault, ExclusionRule, Pattern, built_in_exclusions};
pub use field::LineFault;
pub use index::{Index, IndexFault, IndexProblem, Limits, MultiArch, PackageRecord};
pub use key::{Fingerprint, KeyFault, KeySummary, TrustedKeys};
pub use name::{is_architecture, is_archive_path, is_package_name};
pub use relation::{Alternative, Constraint, Operator, Provided, Qualifier, Relation, RelationFault, RelationProblem};
pub use release::{
    AllIndex, ByHash, Compression, Expected, IndexChoiceFault, IndexFile, PackagesFile, Release, ReleaseFault, SignatureProblem,
};
pub use resolve::{Choice, Chosen, ExcludedBy, LeftOut, Request, Resolution, ResolveFault, Wanted, WantedBy, resolve};
pub use version::{Version, VersionFault};
