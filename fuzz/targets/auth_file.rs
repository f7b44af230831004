//! docker's `config.json` and podman's `auth.json`.

use hardened::net::credentials::entry_in;

pub(crate) fn run(bytes: &[u8]) {
    for registry in ["quay.io", "docker.io", "localhost:5000"] {
        if let Err(told) = entry_in(bytes, registry, "team/app") {
            assert!(told.len() < 100, "the contents are not repeated");
        }
    }
}
