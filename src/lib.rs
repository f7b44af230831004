//! `hardened` turns one declarative file into a hardened container image, and publishes it.
//!
//! # The map
//!
//! From the door to the ground; a room uses only the floors below its own, never its neighbours. `tests/architecture.rs` checks it.
//!
//! | floor | rooms |
//! | --- | --- |
//! | 1 | [`cli`] the door: arguments, the terminal, exit codes |
//! | 2 | [`ops`] one file per verb |
//! | 3 | [`host`] this machine: environment, clock, files, programs |
//! | 6 | [`lock`] `hardened.lock`: the choices that the recipe leaves open, written down |
//! | 7 | [`recipe`] `hardened.toml`: every key, how it is read, what it means |
//! | 9 | [`diagnostic`] faults in what the user wrote; [`oci`] digests, descriptors, documents, references, the store's interface |
//! | 8 | [`rootfs`] paths, entries, changesets, the merged view, accounts |
//!
//! # The street
//!
//! Types say how far a thing has come: text → [`recipe::RecipeText`] → [`recipe::Recipe`] → [`lock::Lock`] → `Plan` → [`rootfs::Changeset`] → `Layer` → `Image` → `Index` → registry.

pub mod base;
pub mod cli;
pub mod diagnostic;
pub mod host;
pub mod image;
pub mod layer;
pub mod lock;
pub mod oci;
pub mod ops;
pub mod plan;
pub mod recipe;
pub mod rootfs;
pub mod store;
