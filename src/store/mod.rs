//! Where images are kept: registries, layouts on disk, archives; and bringing an image from one to another.
//!
//! **Invariants.** A blob is checked against its digest wherever it is read. Blobs go before the manifests that name them, these before
//! their index, and tags last, one by one. A file under its final name is whole.
//!
//! **To add a store**: its file here with [`crate::oci::Store`] for it, and a line in [`Location`].

pub mod archive;
pub mod docker_archive;
pub mod layout;
mod location;
pub mod publish;
mod referrers;
pub mod registry;

pub use location::{Location, LocationFault};
