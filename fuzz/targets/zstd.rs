//! A layer that is compressed with zstd.

use std::io::Read;

use hardened::layer::{Decompressed, Limits, read_facts};
use hardened::oci::Compression;

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits { free: 1 << 20, idle: 1 << 16, window_log: 20, kept: 1 << 20, entries: 1000, ..Limits::default() };
    let _ = read_facts(bytes, Compression::Zstd, &limits);
    let Ok(mut plain) = Decompressed::new(bytes, Compression::Zstd, limits) else { return };
    let (mut produced, mut buffer) = (0, [0; 4096]);
    while let Ok(count @ 1..) = plain.read(&mut buffer) {
        produced += count as u64;
    }
    assert!(produced <= limits.free + limits.ratio * bytes.len() as u64 + buffer.len() as u64, "a limit does not hold");
}
