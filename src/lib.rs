//! `hardened` turns one declarative file into a hardened container image, and publishes it.
//!
//! # The map
//!
//! From the door to the ground; a room uses only the floors below its own, never its neighbours. `tests/architecture.rs` checks it.
//!
//! | floor | rooms |
//! | --- | --- |
//! | 2 | [`net`] HTTP: limits, retries, credentials, redaction |
//! | 3 | [`host`] this machine: environment, clock, files, programs |
//! | 9 | [`diagnostic`] faults in what the user wrote; [`oci`] digests, descriptors, documents, references, the store's interface |
//! | 8 | [`rootfs`] paths, entries, changesets, the merged view, accounts |
//!
//! # The street
//!
//! Types say how far a thing has come: text → `RecipeText` → `Recipe` → `Lock` → `Plan` → [`rootfs::Changeset`] → `Layer` → `Image` → `Index` → registry.

pub mod diagnostic;
pub mod host;
pub mod net;
pub mod oci;
pub mod rootfs;
