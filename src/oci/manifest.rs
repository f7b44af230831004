use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::descriptor::is_no_image;
use super::{Descriptor, Document, DocumentFault, MediaType, Platform, keys};

/// An image manifest (image-spec, `manifest.md`): one config and its layers, bottom first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// The config.
    pub config: Descriptor,
    /// The layers, bottom first.
    pub layers: Vec<Descriptor>,
    /// Arbitrary metadata of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// The type of an artifact that is no image.
    pub artifact_type: Option<String>,
    /// The manifest that this one refers to.
    pub subject: Option<Descriptor>,
}

/// An image index (image-spec, `image-index.md`): one manifest for each platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The manifests.
    pub manifests: Vec<Descriptor>,
    /// Arbitrary metadata of the index.
    pub annotations: BTreeMap<String, String>,
}

/// One image of an index: its descriptor and the platform that it names.
#[derive(Debug, Clone, Copy)]
pub struct Child<'a> {
    /// The descriptor of the image's manifest.
    pub descriptor: &'a Descriptor,
    /// The platform.
    pub platform: &'a Platform,
}

impl Manifest {
    /// Says whether this is an image and no artifact: it refers to nothing, calls itself nothing else, and has a config and layers of images
    /// (image-spec, `manifest.md`, "Guidelines for Artifact Usage").
    pub fn is_image(&self) -> bool {
        let is_called_artifact = self.artifact_type.as_deref().is_some_and(is_no_image);
        !is_called_artifact
            && self.subject.is_none()
            && self.config.media_type.is_config()
            && self.layers.iter().all(|layer| layer.media_type.is_layer())
    }
}

impl Index {
    /// Returns the images among the manifests: what names a platform, without attestations that hide behind `unknown/unknown`.
    pub fn images(&self) -> impl Iterator<Item = Child<'_>> {
        self.manifests.iter().filter_map(|descriptor| {
            let platform = descriptor.platform.as_ref()?;
            (descriptor.media_type.is_manifest() && platform.os != "unknown").then_some(Child { descriptor, platform })
        })
    }
}

impl Document for Manifest {
    const KIND: &'static str = "image manifest";

    fn accepts(media_type: &MediaType) -> bool {
        media_type.is_manifest()
    }

    fn view(value: Value, media_type: &MediaType) -> Result<Self, DocumentFault> {
        let typed: oci_spec::image::ImageManifest = checked(&value, media_type, &["manifests"])?;
        Ok(Self {
            config: descriptor(typed.config())?,
            layers: descriptors(typed.layers())?,
            annotations: typed.annotations().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect(),
            artifact_type: typed.artifact_type().as_ref().map(ToString::to_string),
            subject: typed.subject().as_ref().map(descriptor).transpose()?,
        })
    }

    fn value(&self) -> Value {
        let mut value = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::Manifest.as_str(),
            "config": self.config,
            "layers": self.layers,
        });
        if let Some(artifact_type) = &self.artifact_type {
            value["artifactType"] = json!(artifact_type);
        }
        if let Some(subject) = &self.subject {
            value["subject"] = json!(subject);
        }
        annotate(value, &self.annotations)
    }
}

impl Document for Index {
    const KIND: &'static str = "image index";

    fn accepts(media_type: &MediaType) -> bool {
        media_type.is_index()
    }

    fn view(value: Value, media_type: &MediaType) -> Result<Self, DocumentFault> {
        let typed: oci_spec::image::ImageIndex = checked(&value, media_type, &["layers", "config"])?;
        Ok(Self {
            manifests: descriptors(typed.manifests())?,
            annotations: typed.annotations().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect(),
        })
    }

    fn value(&self) -> Value {
        let value = json!({
            "schemaVersion": 2,
            "mediaType": MediaType::Index.as_str(),
            "manifests": self.manifests,
        });
        annotate(value, &self.annotations)
    }
}

fn annotate(mut value: Value, annotations: &BTreeMap<String, String>) -> Value {
    if !annotations.is_empty() {
        value["annotations"] = json!(annotations);
    }
    value
}

/// Reads a manifest or index into the specification's own type, and refuses a document that could be taken for both
/// (CVE-2021-41190) or that names another type than the one it came under.
fn checked<T: serde::de::DeserializeOwned>(value: &Value, media_type: &MediaType, foreign: &[&str]) -> Result<T, DocumentFault> {
    let object = value.as_object().ok_or_else(|| DocumentFault::Form("not an object".to_owned()))?;
    if object.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
        return Err(DocumentFault::Form("`schemaVersion` is not 2".to_owned()));
    }
    // Go's readers match names without case, so a document must not hold the other kind's key in any.
    if let Some(key) = object.keys().find(|key| foreign.iter().any(|name| keys::is_alike(name, key))) {
        return Err(DocumentFault::Ambiguous(key.clone()));
    }
    keys::check_document(object)?;
    if let Some(inside) = object.get("mediaType") {
        let inside = inside.as_str().ok_or_else(|| DocumentFault::Form("`mediaType` is not a string".to_owned()))?;
        if MediaType::from(inside) != *media_type {
            return Err(DocumentFault::MediaType { inside: inside.to_owned(), outside: media_type.to_string() });
        }
    }
    serde_json::from_value(value.clone()).map_err(|error| DocumentFault::Form(error.to_string()))
}

/// How many layers or manifests one document may name. Engines stop at 127 layers.
const LIST: usize = 1024;
/// How large a descriptor may say that its content is: beyond 2^53 readers of JSON differ on the number itself.
const SIZE: u64 = 1 << 53;

fn descriptors(typed: &[oci_spec::image::Descriptor]) -> Result<Vec<Descriptor>, DocumentFault> {
    if typed.len() > LIST {
        return Err(DocumentFault::Form(format!("it names {} descriptors, more than {LIST}", typed.len())));
    }
    typed.iter().map(descriptor).collect()
}

fn descriptor(typed: &oci_spec::image::Descriptor) -> Result<Descriptor, DocumentFault> {
    let platform = typed.platform().as_ref().map(|platform| Platform {
        architecture: platform.architecture().to_string(),
        os: platform.os().to_string(),
        os_version: platform.os_version().clone(),
        os_features: platform.os_features().iter().flatten().map(ToString::to_string).collect(),
        variant: platform.variant().clone(),
    });
    if typed.size() > SIZE {
        return Err(DocumentFault::Form(format!("a descriptor has the size {} bytes", typed.size())));
    }
    Ok(Descriptor {
        media_type: MediaType::from(typed.media_type().to_string().as_str()),
        digest: typed.digest().to_string().parse()?,
        size: typed.size(),
        annotations: typed.annotations().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect(),
        artifact_type: typed.artifact_type().as_ref().map(ToString::to_string),
        platform,
        urls: typed.urls().clone().unwrap_or_default(),
    })
}
