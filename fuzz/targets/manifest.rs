//! An image manifest.

use hardened::oci::{Manifest, MediaType, Parsed};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(parsed) = Parsed::<Manifest>::read(bytes, &MediaType::Manifest) else { return };
    assert_eq!(parsed.bytes(), bytes, "the bytes stay");
    let again = Parsed::write(parsed.view().clone(), MediaType::Manifest)
        .map(|written| Parsed::<Manifest>::read(written.bytes(), &MediaType::Manifest));
    assert!(again.is_err() || again.is_ok_and(|again| again.is_ok()), "what is written is read");
}
