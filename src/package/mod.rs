//! Packages: what others have built, named and signed, as bytes in and values out.
//!
//! **Invariants.** Nothing here does input or output, and none of it reads a clock: bytes and the time come in as arguments. What comes from
//! an archive is believed only as far as a signature reaches: [`debian::Release`] exists only verified, and names the digest of each index.
//! Equal inputs give equal values, in a stated order.
//!
//! **To add an ecosystem**: a folder here, with its own versions, relations and index.

pub mod debian;
