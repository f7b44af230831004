//! A signed `InRelease` of a Debian archive.

use hardened::debian::{Expected, Release, TrustedKeys};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(keys) = TrustedKeys::built_in() else { return };
    let expected = Expected { suite: "stable", now: 1_790_000_000, not_older_than: None };
    let _ = Release::verify(bytes, &keys, &expected);
    let _ = TrustedKeys::none().with(bytes);
}
