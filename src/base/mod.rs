//! Bases: where an image starts. Every kind becomes one type, [`BaseImage`], one for each platform.
//!
//! **Invariants.** Nothing here reads the network or the disk: manifests and configs come in as parsed documents. Layers of a base
//! are kept byte for byte; only the name of a Docker media type becomes the OCI one.
//!
//! **To add a base kind**: a function that returns [`BaseImage`], here, and the step that finds it in `ops/base`.

mod config_text;
pub mod debian;
pub mod embedded;
mod image;

pub use config_text::{DroppedValues, loading_variables};
pub use image::{BaseFault, BaseImage, BaseSource, WrittenLayer};
