//! docker's `config.json` and podman's `auth.json`.

use hardened::net::credentials::entry_in;

pub(crate) fn run(bytes: &[u8]) {
    for registry in ["quay.io", "docker.io", "localhost:5000"] {
        if let Err(told) = entry_in(bytes, registry, "team/app") {
            // A key that stands twice is named, and nothing else.
            let bound = if told.contains("has the key `") { 1200 } else { 100 };
            assert!(told.len() < bound, "the contents are not repeated");
        }
    }
}
