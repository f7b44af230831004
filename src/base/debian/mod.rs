//! Bases of Debian packages: what maintainer scripts and triggers would have made on a running system, made from values alone.
//!
//! **Invariants.** Nothing here reads a file. Each maker gives the bytes that Debian's own program gives for the same files, and
//! `tests/peers` compares them.

mod cache;
mod certificates;
mod key_store;
mod libraries;
mod status;

pub use cache::{CachedLibrary, LibraryAbi, ld_so_cache};
pub use certificates::{CertificateFault, ca_bundle, pem_certificates};
pub use key_store::{KEY_STORE_PASSWORD, java_alias, java_key_store};
pub use libraries::{LibraryFile, SharedObject, libraries, library_directories};
pub use status::{status_paths, status_stanza};
