//! The beginning of a file: an ELF header, or a script's first line.

use hardened::rootfs::Head;

pub(crate) fn run(bytes: &[u8]) {
    let _ = Head::of(bytes).weight();
}
