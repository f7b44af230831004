//! What the OCI specifications define: digests, descriptors, manifests, indexes, configs, references, and the interface of a store.
//!
//! **Invariants.** A [`Digest`] is always well formed. A [`Parsed`] view always belongs to the bytes beside it: it is made by
//! reading bytes or by canonical writing, and nobody can change the view and keep the bytes. A [`Verified`] reader never
//! yields more bytes than the descriptor promises, and ends without an error only when size and digest are right.
//! Nothing here does input or output of its own.
//!
//! **To add a store**: implement [`Store`] in `store/<kind>.rs`.

mod canonical;
mod config;
mod descriptor;
mod digest;
mod keys;
mod manifest;
mod parsed;
mod platform;
mod reference;
mod referrers;
mod settings;
mod store;
mod verified;

pub use canonical::{JsonFault, canonical_json, strict_json};
pub use config::Config;
pub use descriptor::{Compression, Descriptor, ImageLayer, MediaType};
pub use digest::{Digest, DigestFault, Hasher, MIDSTATE};
pub use manifest::{Child, Index, Manifest};
pub use parsed::{Document, DocumentFault, MANIFEST_LIMIT, Parsed};
pub use platform::{Platform, PlatformFault};
pub use reference::{ImageName, ImageReference, ReferenceFault, Tag};
pub use referrers::{Referrer, ReferrerList};
pub use settings::{Healthcheck, effective_variables};
pub use store::{BlobSource, Progress, RawManifest, Selector, Silent, Store, StoreError, StoreFault, Written, disk_hint, read_as};
pub use verified::Verified;

/// The annotation that names the base image (image-spec, `annotations.md`).
pub const ANNOTATION_BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The annotation that holds the base image's digest (image-spec, `annotations.md`).
pub const ANNOTATION_BASE_DIGEST: &str = "org.opencontainers.image.base.digest";
/// The annotation that names an entry of a layout's `index.json` (image-spec, `annotations.md`).
pub const ANNOTATION_REF_NAME: &str = "org.opencontainers.image.ref.name";
/// The annotation that holds the full name of an entry of a layout's `index.json`, for engines that name images by it
/// (containerd, `core/images/annotations.go`).
pub const ANNOTATION_IMAGE_NAME: &str = "io.containerd.image.name";
/// The annotation of an `index.json` which says that hardened wrote the layout.
pub const ANNOTATION_LAYOUT: &str = "vnd.hardened.layout";
