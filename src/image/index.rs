use std::collections::BTreeMap;

use super::Image;
use crate::oci::{DocumentFault, Index, MediaType, Parsed};

/// Returns the index over images, in the order given, with the platform that each image's config names.
///
/// # Errors
/// When it grows larger than a registry takes.
pub fn index<'a>(
    images: impl IntoIterator<Item = &'a Image>,
    annotations: BTreeMap<String, String>,
) -> Result<Parsed<Index>, DocumentFault> {
    let manifests = images.into_iter().map(|image| {
        let mut descriptor = image.manifest().descriptor().clone();
        descriptor.platform = Some(image.config().view().platform().clone());
        descriptor
    });
    Parsed::write(Index { manifests: manifests.collect(), annotations }, MediaType::Index)
}
