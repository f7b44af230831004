//! A plain tar, as the layer of a base, and two of them one on the other.

use hardened::layer::{Limits, read_facts};
use hardened::oci::Compression;
use hardened::rootfs::Rootfs;

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits { kept: 8 << 20, entries: 10_000, ..Limits::default() };
    let Ok(facts) = read_facts(bytes, Compression::None, &limits) else { return };
    assert_eq!(facts.size, bytes.len() as u64, "an archive that was accepted was read to its end");
    let mut rootfs = Rootfs::new();
    rootfs.apply(&facts);
    rootfs.apply(&facts);
    for entry in facts.entries.iter().take(64) {
        let _ = rootfs.resolve(&entry.path);
        assert!(!entry.path.to_string().contains(char::is_control), "a path is shown as it is");
    }
}
