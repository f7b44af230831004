use super::gate::Refusal;
use crate::oci::StoreError;

/// Why an image was not published.
#[derive(Debug)]
pub enum PublishFault {
    /// A gate refused it.
    Refused(Refusal),
    /// A destination or a source failed.
    Failed(Box<StoreError>),
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
