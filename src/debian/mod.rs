//! Debian's archives as bytes and values: signatures, indexes, versions, relations, which packages an image needs, and ready-made choices of them.
//!
//! From archive to packages: [`TrustedKeys`] → [`Release::verify`] (signed, of the right suite, neither too old nor from the future) →
//! [`Release::packages`] (which index, with its digest) → [`Index::read`] → [`resolve`] → [`Resolution`] (what is in, what was left out, and why).
//!
//! **Invariants.** Nothing here does input or output, and none of it reads a clock: bytes and the time come in as arguments. Equal inputs give
//! equal values, in a stated order. Only signed bytes are parsed; bytes that could be read in two ways are refused. Limits are stated
//! and tested. The resolver never backtracks, and records each choice.
//!
//! **To change what a distroless image never holds**: `exclude.toml`. **To add an archive key**: `keys/README.md`. **To add a flavour**: a file in
//! `flavours/` and its line in `flavour.rs`.

mod architecture;
mod armor;
mod changelog;
mod cleartext;
mod date;
mod deb;
mod exclude;
mod field;
mod flavour;
#[cfg(test)]
mod hostile;
mod index;
mod key;
mod library;
mod name;
mod openpgp;
mod relation;
mod release;
mod resolve;
mod signer;
mod trusted_keys;
mod version;

pub use architecture::architecture;
pub use armor::ArmorFault;
pub use changelog::vulnerabilities_since;
pub use cleartext::ClearsignFault;
pub use deb::{DebEntry, DebFacts, DebKind};
pub use exclude::{ExclusionFault, ExclusionRule, PartRule, Pattern, built_in_exclusions, built_in_parts, fits};
pub use field::LineFault;
pub use flavour::{Flavour, SUITES, flavour, flavours};
pub use index::{Index, IndexFault, IndexProblem, Limits, MultiArch, PackageRecord};
pub use key::{Fingerprint, KeyFault};
pub use library::LibraryPackage;
pub use name::{is_architecture, is_archive_path, is_package_name};
pub use relation::{Alternative, Constraint, Operator, Provided, Qualifier, Relation, RelationFault, RelationProblem};
pub use release::{
    AllIndex, ByHash, Compression, Expected, IndexChoiceFault, IndexFile, PackagesFile, Release, ReleaseFault, SignatureProblem,
};
pub use resolve::{Choice, Chosen, ExcludedBy, LeftOut, Request, Resolution, ResolveFault, Wanted, WantedBy, resolve};
pub use trusted_keys::{KeySummary, TrustedKeys};
pub use version::{Version, VersionFault};
