//! What may stop a publication. Each question is asked once for all destinations, and a refusal leaves every name as it was.

use crate::diagnostic::Diagnostic;
use crate::oci::Descriptor;
use crate::store::publication::Publication;

/// Why a publication is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub Vec<Diagnostic>);

/// The questions, in the order in which they are asked.
pub trait Gates: Sync {
    /// Asked before a layer's blob is sent anywhere.
    ///
    /// # Errors
    /// When the layer may not leave this machine.
    fn layer(&self, layer: &Descriptor) -> Result<(), Refusal>;

    /// Asked once all blobs have arrived and archives are written, before a manifest is stored anywhere.
    ///
    /// # Errors
    /// When the image may not be published.
    fn image(&self, publication: &Publication) -> Result<(), Refusal>;

    /// Asked once every destination was verified to hold what it was sent, before the first name changes.
    ///
    /// # Errors
    /// When no name may change.
    fn commit(&self, publication: &Publication) -> Result<(), Refusal>;
}

/// Gates that refuse nothing.
#[derive(Debug, Clone, Copy)]
pub struct AcceptAll;

impl Gates for AcceptAll {
    fn layer(&self, _: &Descriptor) -> Result<(), Refusal> {
        Ok(())
    }

    fn image(&self, _: &Publication) -> Result<(), Refusal> {
        Ok(())
    }

    fn commit(&self, _: &Publication) -> Result<(), Refusal> {
        Ok(())
    }
}
