//! `hardened inspect`: what an image is made of.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::image::{Image, PlatformImage};
use crate::layer::collect::STANDARD;
use crate::lint::shells;
use crate::oci::{Descriptor, ImageLayer, Platform};
use crate::store::Location;

use super::observer::StepsOnly;
use super::opened::{self, Opened};
use super::repair::repaired;
use super::{Failure, Observer, Run, TaskKind};

/// An image, or several for different platforms.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
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
    /// The shells in it; nothing where its layers were not read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shells: Option<Vec<String>>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
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

/// Reads an image, and lists what refers to it. Layers are read where they are on this machine, and not in a registry. A store that cannot list referrers is noted.
///
/// # Errors
/// When there is no such image, or it is broken.
pub fn inspect(location: &Location, platform: Option<&Platform>, run: Run<'_>) -> Result<Inspected, Failure> {
    repaired(run, |run| inspect_once(location, platform, run))
}

fn inspect_once(location: &Location, platform: Option<&Platform>, run: Run<'_>) -> Result<Inspected, Failure> {
    let opened = opened::open(location, run)?;
    let images = opened.images(platform, run)?;
    let shells = |image: &Image| if opened.origin.is_none() { shells_of(&opened, image, run) } else { None };
    let inspected =
        images.images().iter().map(|PlatformImage { image, .. }| InspectedImage { shells: shells(image), ..inspected_image(image) });
    let inspected = inspected.collect();
    let root = images.root().descriptor();
    Ok(Inspected {
        digest: root.digest.to_string(),
        media_type: root.media_type.to_string(),
        annotations: images.index().map(|index| index.annotations.clone()).unwrap_or_default(),
        images: inspected,
        referrers: referrers(&opened, run.observer),
    })
}

fn referrers(opened: &Opened, observer: &dyn Observer) -> Vec<InspectedReferrer> {
    let digest = opened.root.descriptor().digest;
    let task = observer.begin(TaskKind::LookUp, &format!("what refers to {}", opened.name), None);
    let found = opened.store.referrers(&digest, None).unwrap_or_else(|error| {
        let cause = error.error.source.map(|source| format!(": {source}")).unwrap_or_default();
        observer.note(&format!("{}{cause}", error.error.message));
        Vec::new()
    });
    task.finish("");
    let inspected =
        |found: Descriptor| InspectedReferrer { artifact_type: found.artifact_type, digest: found.digest.to_string(), size: found.size };
    found.into_iter().map(inspected).collect()
}

/// Returns the shells of an image; a layer that cannot be read is noted.
fn shells_of(opened: &Opened, image: &Image, run: Run<'_>) -> Option<Vec<String>> {
    match opened.files(image, &STANDARD, run.with(&StepsOnly(run.observer))) {
        Ok(rootfs) => Some(shells(&rootfs, None).keys().map(ToString::to_string).collect()),
        Err(failure) => {
            let why = match failure {
                Failure::External(error) => error.message,
                Failure::Wrong(diagnostics) | Failure::No(diagnostics) => {
                    diagnostics.into_iter().map(|diagnostic| diagnostic.message).collect::<Vec<_>>().join("; ")
                }
            };
            run.observer.note(&format!("whether there is a shell is not known: {why}"));
            None
        }
    }
}

fn inspected_image(image: &Image) -> InspectedImage {
    let layer = |layer: &ImageLayer| InspectedLayer {
        digest: layer.descriptor.digest.to_string(),
        diff_id: layer.diff_id.to_string(),
        media_type: layer.descriptor.media_type.to_string(),
        size: layer.descriptor.size,
    };
    InspectedImage {
        platform: image.config().view().platform().to_string(),
        digest: image.digest().to_string(),
        annotations: image.manifest().view().annotations.clone(),
        size: image.layers().iter().fold(0, |size, layer| size.saturating_add(layer.descriptor.size)),
        layers: image.layers().iter().map(layer).collect(),
        config: Value::Object(image.config().view().object().clone()),
        shells: None,
    }
}
