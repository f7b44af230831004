//! `WWW-Authenticate` of a registry.

use hardened::store::registry::challenges;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let headers: Vec<&str> = text.split('\n').collect();
    for challenge in challenges(&headers) {
        assert!(!challenge.scheme.is_empty());
    }
}
