//! Images: put together from a base and layers, or opened; the same type for both.
//!
//! **Invariants.** An [`Image`] has as many layers as its config has `diff_ids`, and its manifest names its config. Media types are
//! OCI's always. Equal inputs give equal bytes.

mod artifact;
mod assemble;
mod opened;
mod select;
mod set;

pub use artifact::Artifact;
pub use assemble::{History, assemble};
pub use opened::{Image, ImageFault};
pub use select::{Candidate, candidates, select};
pub use set::{Documents, ImageSet, PlatformImage};
