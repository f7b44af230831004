use super::gate::Refusal;
use crate::host::cache::DamagedBlob;
use crate::oci::StoreError;

/// Why an image was not published.
#[derive(Debug)]
pub enum PublishFault {
    /// A gate refused it.
    Refused(Refusal),
    /// A destination or a source failed.
    Failed(Box<StoreError>),
}

impl PublishFault {
    /// Returns the damaged content of the cache that is the cause, if it is one.
    pub(super) fn damaged_blob(&self) -> Option<DamagedBlob> {
        match self {
            Self::Failed(error) => DamagedBlob::in_causes(&**error),
            Self::Refused(_) => None,
        }
    }
}

impl From<StoreError> for PublishFault {
    fn from(error: StoreError) -> Self {
        Self::Failed(Box::new(error))
    }
}

impl From<Refusal> for PublishFault {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
