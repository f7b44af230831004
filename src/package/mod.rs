//! Packages: what others have built, named and signed, as bytes in and values out; and ready-made choices of them.
//!
//! **Invariants.** Nothing here does input or output, and none of it reads a clock: bytes and the time come in as arguments. What comes from
//! an archive is believed only as far as a signature reaches: [`debian::Release`] exists only verified, and names the digest of each index.
//! Equal inputs give equal values, in a stated order.
//!
//! **To add an ecosystem**: a folder here, with its own versions, relations and index. **A flavour**: a file in `flavours/` and its line in `flavour.rs`.

mod deb;
pub mod debian;
mod flavour;

pub use deb::{DebEntry, DebFacts, DebKind};
pub use flavour::{Flavour, SUITES, flavour, flavours};
