//! Bases of Debian packages: their files below a merged `/usr`, and what their maintainer scripts would have made, as data.
//!
//! **Invariants.** No script of a package runs. The files depend on the packages, the recipe and this room's tables alone. Every package is named where
//! scanners look for packages. What is left out is left out by a named filter or need, and is counted.
//!
//! **To add** what a kind of package needs: a file in `needs/` and its line in `needs.rs`. To leave out more: a filter in `filters.toml`.

mod assemble;
mod cache;
mod certificates;
mod effects;
mod files;
mod fill;
mod filter;
mod generate;
mod key_store;
mod layers;
mod libraries;
mod make;
mod modes;
mod needs;
mod request;
mod scripts;
mod status;

pub use assemble::{Assembled, AssemblyFault, assemble};
pub use cache::{CachedLibrary, LibraryAbi, ld_so_cache};
pub use certificates::{CertificateFault, ca_bundle, pem_certificates};
pub use filter::FilterUse;
pub use generate::{SourceFault, XmlFault, compiled_schemas, is_generator_source, mime_cache};
pub use key_store::{KEY_STORE_PASSWORD, java_alias, java_key_store};
pub use libraries::{LibraryFile, SharedObject, libraries, library_directories};
pub use make::MakeFault;
pub use modes::{OpenMode, OpenRight};
pub use needs::OptionalLibrary;
pub use request::{AssemblyPackage, AssemblyRequest, Extent};
pub use scripts::{ScriptEffect, ScriptStep, WrittenFolder};
pub use status::{status_paths, status_stanza};
