//! `hardened inspect`: what an image is made of.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::diagnostic::ExternalError;
use crate::image::{Image, ImageFault};
use crate::oci::{Config, Descriptor, DocumentFault, Index, MANIFEST_LIMIT, Manifest, Parsed, Platform, RawManifest};
use crate::store::Location;

use super::source::{self, Opened};
use super::{Failure, Observer, Tools};

/// An image, or several for different platforms.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Inspected {
    /// The digest of the manifest or index.
    pub digest: String,
    /// Its media type.
    pub media_type: String,
    /// The annotations of an index.
    pub annotations: BTreeMap<String, String>,
    /// The images.
    pub images: Vec<InspectedImage>,
    /// The manifests whose `subject` it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub referrers: Vec<InspectedReferrer>,
}

/// A manifest that refers to an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InspectedReferrer {
    /// What kind of artifact it is, where the list says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The digest of the manifest.
    pub digest: String,
    /// The bytes of the manifest.
    pub size: u64,
}

/// One image.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InspectedImage {
    /// The platform.
    pub platform: String,
    /// The digest of the manifest.
    pub digest: String,
    /// The annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The bytes of all layers, as they are stored.
    pub size: u64,
    /// The layers, bottom first.
    pub layers: Vec<InspectedLayer>,
    /// The whole config.
    pub config: Value,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct InspectedLayer {
    /// The digest of the blob.
    pub digest: String,
    /// The digest of the tar inside.
    pub diff_id: String,
    /// The media type.
    pub media_type: String,
    /// The bytes of the blob.
    pub size: u64,
}

/// Reads an image's manifests and configs, and lists what refers to it. No layer is read. A store that cannot list referrers is noted.
///
/// # Errors
/// When there is no such image, or it is broken.
pub fn inspect(location: &Location, platform: Option<&Platform>, tools: &Tools, observer: &dyn Observer) -> Result<Inspected, Failure> {
    let opened = source::open(location, tools)?;
    let root = opened.root.descriptor();
    let broken = |fault: DocumentFault| corrupt(&opened, fault);
    let mut annotations = BTreeMap::new();
    let mut images = Vec::new();
    if opened.root.media_type.is_index() {
        let index = opened.root.parse::<Index>().map_err(broken)?;
        annotations.clone_from(&index.view().annotations);
        let children: Vec<&Descriptor> = match platform {
            Some(platform) => {
                let known = || index.view().images().map(|child| child.platform.to_string()).collect();
                vec![index.view().image_for(platform).ok_or_else(|| lacks(location, platform, known()))?]
            }
            None => index.view().images().map(|child| child.descriptor).collect(),
        };
        for child in children {
            images.push(image(&opened, &source::child(&*opened.store, child)?)?);
        }
    } else {
        let only = image(&opened, &opened.root)?;
        if let Some(platform) = platform.filter(|platform| platform.to_string() != only.platform) {
            return Err(lacks(location, platform, vec![only.platform]));
        }
        images.push(only);
    }
    let referrers = referrers(&opened, observer);
    Ok(Inspected { digest: root.digest.to_string(), media_type: root.media_type.to_string(), annotations, images, referrers })
}

fn referrers(opened: &Opened, observer: &dyn Observer) -> Vec<InspectedReferrer> {
    let digest = opened.root.descriptor().digest;
    let found = opened.store.referrers(&digest, None).unwrap_or_else(|error| {
        let cause = error.source.map(|source| format!(": {source}")).unwrap_or_default();
        observer.note(&format!("{}{cause}", error.message));
        Vec::new()
    });
    let inspected =
        |found: Descriptor| InspectedReferrer { artifact_type: found.artifact_type, digest: found.digest.to_string(), size: found.size };
    found.into_iter().map(inspected).collect()
}

fn lacks(location: &Location, platform: &Platform, known: Vec<String>) -> Failure {
    let known: Vec<String> = known.into_iter().map(|known| format!("`{known}`")).collect();
    Failure::wrong(format!("`{location}` has no image for `{platform}`")).hint(format!("it has {}", known.join(", ")))
}

fn image(opened: &Opened, raw: &RawManifest) -> Result<InspectedImage, Failure> {
    let broken = |fault: DocumentFault| corrupt(opened, fault);
    let manifest: Parsed<Manifest> = raw.parse().map_err(broken)?;
    let descriptor = &manifest.view().config;
    let bytes = opened.store.open_blob(descriptor)?.read_all(MANIFEST_LIMIT);
    let bytes = bytes.map_err(|error| ExternalError::new(format!("could not read the config {}", descriptor.digest)).caused_by(error))?;
    let config = Parsed::<Config>::read_described(&bytes, descriptor).map_err(broken)?;
    let image =
        Image::open(manifest, config).map_err(|fault| ExternalError::new(broken_name(opened)).caused_by(ImageFault::clone(&fault)))?;
    let layer = |layer: &crate::image::ImageLayer| InspectedLayer {
        digest: layer.descriptor.digest.to_string(),
        diff_id: layer.diff_id.to_string(),
        media_type: layer.descriptor.media_type.to_string(),
        size: layer.descriptor.size,
    };
    Ok(InspectedImage {
        platform: image.config().view().platform().to_string(),
        digest: image.digest().to_string(),
        annotations: image.manifest().view().annotations.clone(),
        size: image.layers().iter().fold(0, |size, layer| size.saturating_add(layer.descriptor.size)),
        layers: image.layers().iter().map(layer).collect(),
        config: Value::Object(image.config().view().object().clone()),
    })
}

fn broken_name(opened: &Opened) -> String {
    format!("the image at `{}` is broken", opened.store.name())
}

fn corrupt(opened: &Opened, fault: DocumentFault) -> Failure {
    ExternalError::new(broken_name(opened)).caused_by(fault).into()
}
