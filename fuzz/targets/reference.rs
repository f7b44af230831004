//! References, digests, platforms and places.

use hardened::oci::{Digest, ImageReference, Platform, Tag};
use hardened::store::Location;

pub(crate) fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(reference) = text.parse::<ImageReference>() {
        assert_eq!(reference.to_string().parse(), Ok(reference), "what is shown is read");
    }
    if let Ok(digest) = text.parse::<Digest>() {
        assert_eq!(digest.to_string(), text, "a digest has one form");
    }
    let _ = text.parse::<Tag>();
    let _ = text.parse::<Platform>().map(|platform| platform.to_string());
    let _ = text.parse::<Location>().map(|place| place.to_string());
}
