//! Any JSON, read strictly.

use hardened::oci::{canonical_json, strict_json};

pub(crate) fn run(bytes: &[u8]) {
    let Ok(value) = strict_json(bytes) else { return };
    let Ok(written) = canonical_json(&value) else { return };
    assert_eq!(strict_json(&written).as_ref(), Ok(&value), "what is written is read");
}
