//! Where images are kept: registries, layouts on disk, archives; and bringing an image from one to another.
//!
//! **Invariants.** A blob is checked against its digest wherever it is read. Blobs go before the manifests that name them, these before
//! their index, and tags last, one by one, once every destination was verified to hold the whole image ([`publish`]). A file under
//! its final name is whole.
//!
//! **To add a store**: a file here that implements [`crate::oci::Store`], a line in [`Location`], and, if images can be written to it, a constructor
//! of [`publish::Destination`], which `ops/destinations.rs` calls.

pub mod archive;
pub mod docker_archive;
pub mod layout;
mod layout_index;
mod listed;
mod location;
mod publication;
pub mod publish;
mod referrers;
pub mod registry;

pub use layout_index::FullNames;
pub use location::{Location, LocationFault, path_and_selector};
pub use publication::{Blobs, Publication};
