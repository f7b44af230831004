//! The search for private keys: the same wherever the bytes are cut.

use hardened::layer::KeySearch;

pub(crate) fn run(bytes: &[u8]) {
    let size = bytes.len() as u64;
    let whole = KeySearch::new(size).take(bytes);
    assert!(whole.is_none_or(|found| found.offset < size));
    for piece in [1, 7, 1000] {
        let mut search = KeySearch::new(size);
        let found = bytes.chunks(piece).fold(None, |_, bytes| search.take(bytes));
        assert_eq!(found, whole, "in pieces of {piece}");
    }
}
