//! What is fetched from archives of packages: signed lists, indexes, and the packages themselves.
//!
//! **Invariants.** Nothing that is fetched is believed: a file is asked for by size and SHA-256, and exists in the cache only when both are
//! right; a signed list is judged anew for every answer, whatever another mirror said before (CVE-2018-0501). What is there
//! by HTTP alone carries its own signature or digest, so it may go over plain HTTP; credentials never go along.

mod error;
mod fetch;

pub use error::{FetchError, FetchFault};
pub use fetch::{Feed, Mirror};
