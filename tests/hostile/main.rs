//! What is hostile is refused: inputs of published advisories, re-derived, each of which a naive reader takes for good.
//!
//! `docs/ADVISORIES.md` lists them with these tests' names, and `advisories` holds the list and the tests together.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened as its users do; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod advisories;
mod archives;
mod breakouts;
mod compression;
mod credentials;
mod documents;
mod files;
#[expect(dead_code, reason = "shared with the tests of registries, which need more of it")]
#[path = "../registry/images.rs"]
mod images;
mod output;
#[expect(dead_code, reason = "shared with the tests of whole projects, which need more of it")]
#[path = "../support/project.rs"]
mod project;
#[expect(dead_code, reason = "shared with the tests of registries, which need more of it")]
#[path = "../support/registry.rs"]
mod registry;
#[path = "../registry/sandbox.rs"]
#[expect(unused_imports, reason = "shared with the tests of registries, which need more of it")]
mod sandbox;
mod tar_bytes;
mod terminal;
mod trap;

use hardened::layer::{Limits, read_facts};
use hardened::oci::Compression;
use hardened::rootfs::LayerFacts;

/// Reads a plain tar as the layer of a base.
fn facts(tar: &[u8]) -> Result<LayerFacts, String> {
    read_facts(tar, Compression::None, &Limits::default()).map_err(|fault| told(&fault))
}

/// Returns a message and its causes.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text.push_str("\ncaused by: ");
        text.push_str(&one.to_string());
        cause = one.source();
    }
    text
}

/// Checks that a tar is refused, with each of these texts in the message.
fn refused(tar: &[u8], texts: &[&str]) {
    let message = facts(tar).map_or_else(|message| message, |facts| format!("accepted: {:?}", facts.entries));
    assert!(!message.starts_with("accepted"), "{texts:?}: {message}");
    assert!(texts.iter().all(|text| message.contains(text)), "{texts:?}: {message}");
}
