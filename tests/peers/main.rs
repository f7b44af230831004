//! The promises, checked by programs that others wrote: registries, runtimes, and readers of images.
//!
//! Each test looks for its peers on PATH and in `~/go/bin`. It says which one is missing and passes, unless
//! `HARDENED_REQUIRE_PEERS=1` is set, as `.ci/run` does: then a missing peer is a failure. Servers listen on loopback only, on
//! ports that were free, and end with their test; whatever is started has a deadline.

#![expect(clippy::disallowed_methods, reason = "these tests start programs and look for them in the environment; the product does not")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod apt;
mod bases;
mod completion;
mod debian;
mod debian_deb;
mod debian_flavours;
mod debian_generators;
mod debian_image;
mod debian_makers;
mod differential;
mod elf;
mod layout;
mod mirror;
mod peer;
mod podman;
mod project;
mod proof;
#[path = "../support/proxy.rs"]
#[expect(dead_code, reason = "the soak runner asks it for more")]
mod proxy;
mod publishing;
mod registry;

mod debian_release;
mod debian_resolve;
mod debian_versions;
mod engines;
mod examples;
mod faults;
mod installed;
mod itself;
mod platforms;
mod private_keys;
mod readers;
mod readme;
mod referrers;
mod registries;
mod running;
mod whiteouts;
