use std::error::Error;
use std::io;

use crate::oci::Digest;

/// Content of the cache that was not what its digest says, and was removed.
///
/// It is the inner error of the [`io::Error`] that reading such content ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache's copy of {0} was damaged, and was removed; run the command again")]
pub struct DamagedBlob(pub Digest);

impl DamagedBlob {
    /// Returns the damage that an error is or was caused by.
    pub fn in_causes(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(*found);
            }
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                // The source of an `io::Error` is the source of its inner error, which `source` passes over.
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }
}
