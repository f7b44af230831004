//! A Debian package.

use hardened::layer::Limits;
use hardened::layer::deb::read_deb;

pub(crate) fn run(bytes: &[u8]) {
    let limits = Limits { bytes: 4 << 20, free: 1 << 20, kept: 1 << 20, entries: 1000, window_log: 20, ..Limits::default() };
    let mut spool = Vec::new();
    let _ = read_deb(bytes, &limits, &|_| true, &mut spool);
    assert!(spool.len() <= 8 << 20, "a limit does not hold");
}
