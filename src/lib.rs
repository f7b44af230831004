//! `hardened` turns one declarative file into a hardened container image, and publishes it.
//!
//! # The map
//!
//! From top to bottom; a room uses only the floors below its own, never its neighbours. `tests/architecture.rs` checks it.
//!
//! | rooms | what lives there |
//! | --- | --- |
//! | [`cli`] | the command line: arguments, the terminal, exit codes |
//! | [`ops`] | the verbs: one file each, a request in, an outcome out |
//! | [`feed`] | what is fetched from archives of packages: signed lists, indexes, packages |
//! | [`store`] | where images are kept: registries, layouts, archives; publishing to all of them as one transaction |
//! | [`net`] | HTTP: limits, what is retried, credentials, redaction, the ledger of hosts |
//! | [`host`] | this machine: the user's files, the cache, the clock, the environment, the few programs that are started |
//! | [`image`] | images: put together, or opened |
//! | [`lint`] | rules about a finished image: what starts, and yet is not what its author meant |
//! | [`plan`] | everything decided, nothing done, for one platform |
//! | [`linkage`] | what the kernel and the loader would find in an image: programs, interpreters, libraries, symbol versions |
//! | [`base`] | where an image starts: every kind becomes one type · [`layer`] a changeset as a compressed tar; foreign tars and Debian packages read under limits; collectors of what their files hold |
//! | [`lock`] | `hardened.lock`: the choices that the recipe leaves open, written down |
//! | [`recipe`] | `hardened.toml`: every key, how it is read, what it means |
//! | [`debian`] | Debian's archives: signatures verified, indexes read, which packages an image needs, and ready-made choices |
//! | [`rootfs`] | paths, entries, changesets, the merged view, accounts |
//! | [`oci`] | digests, descriptors, documents, references, the store's interface |
//! | [`diagnostic`] | faults in what the user wrote, and failures of what is outside of the program |
//!
//! # From text to image
//!
//! Types say how far a thing has come: text → [`recipe::RecipeText`] (every value has its span) → [`recipe::Recipe`] (all faults reported at once) →
//! [`lock::Lock`] (every tag a digest) → [`plan::Plan`] (everything decided) → [`rootfs::Changeset`] (sorted, no path twice) → [`layer::Layer`]
//! (exists when its blob exists) → [`image::Image`] → [`oci::Index`] → a registry.
//!
//! # Files on disk
//!
//! `hardened.toml` is read by [`recipe`], `hardened.lock` by [`lock`], the cache by [`host::cache`], a layout by [`store::layout`].

pub mod base;
pub mod cli;
pub mod debian;
pub mod diagnostic;
pub mod feed;
pub mod host;
pub mod image;
pub mod layer;
pub mod linkage;
pub mod lint;
pub mod lock;
pub mod net;
pub mod oci;
pub mod ops;
pub mod plan;
pub mod recipe;
pub mod rootfs;
pub mod store;
