//! A `Packages` index of a Debian archive.

use hardened::debian::{Index, Limits};

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits { bytes: 1 << 20, stanza: 1 << 16, stanzas: 1000 };
    let Ok(index) = Index::read(bytes, &limits) else { return };
    for record in index.records() {
        let _ = record.version();
        assert!(!record.filename().split('/').any(|part| part == ".."), "a file stays below the archive");
    }
}
