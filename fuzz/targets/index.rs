//! An image index.

use hardened::oci::{Index, MediaType, Parsed};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(parsed) = Parsed::<Index>::read(bytes, &MediaType::Index) else { return };
    assert_eq!(parsed.bytes(), bytes, "the bytes stay");
    let again =
        Parsed::write(parsed.view().clone(), MediaType::Index).map(|written| Parsed::<Index>::read(written.bytes(), &MediaType::Index));
    assert!(again.is_err() || again.is_ok_and(|again| again.is_ok()), "what is written is read");
}
