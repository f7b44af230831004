//! An image config.

use hardened::oci::{Config, MediaType, Parsed};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(parsed) = Parsed::<Config>::read(bytes, &MediaType::Config) else { return };
    assert_eq!(parsed.bytes(), bytes, "the bytes stay");
    let again =
        Parsed::write(parsed.view().clone(), MediaType::Config).map(|written| Parsed::<Config>::read(written.bytes(), &MediaType::Config));
    assert!(again.is_err() || again.is_ok_and(|again| again.is_ok()), "what is written is read");
}
