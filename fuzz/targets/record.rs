//! What the cache remembers of layers: a record, and facts.

use hardened::layer::LayerRecord;
use hardened::rootfs::{LayerFacts, Rootfs};

pub(crate) fn run(bytes: &[u8]) {
    if let Some(record) = LayerRecord::read(bytes) {
        assert_eq!(record.to_bytes(), bytes, "what is read is written");
        let _ = record.proved(&mut &b"not its layer"[..]);
    }
    if let Ok(facts) = serde_json::from_slice::<LayerFacts>(bytes) {
        let mut rootfs = Rootfs::new();
        rootfs.apply(&facts);
    }
}
