use crate::oci::{Config, Descriptor, Digest, DocumentFault, ImageLayer, Manifest, Parsed, Platform};

/// An image of one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    manifest: Parsed<Manifest>,
    config: Parsed<Config>,
    layers: Vec<ImageLayer>,
}

/// Why documents are no image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImageFault {
    /// A document is broken.
    #[error(transparent)]
    Document(#[from] DocumentFault),
    /// The manifest names another config.
    #[error("the manifest names the config {expected}, and this one is {actual}")]
    Config {
        /// The digest in the manifest.
        expected: Digest,
        /// The config's digest.
        actual: Digest,
    },
    /// Manifest and config have different numbers of layers.
    #[error("the manifest has {layers} layers, and the config {diff_ids}")]
    LayerCount {
        /// The layers of the manifest.
        layers: usize,
        /// The layers of the config.
        diff_ids: usize,
    },
    /// A layer is of a type that is none.
    #[error("layer {number} has the media type `{media_type}`, which is not the media type of a layer")]
    LayerType {
        /// Which layer, counted from 1.
        number: usize,
        /// Its media type, escaped.
        media_type: String,
    },
    /// The manifest is that of an artifact: its config, of this media type, is no image's.
    #[error("it is not a container image: its config has the media type `{0}`")]
    Artifact(String),
    /// There is no image for the platform.
    #[error("there is no image for `{wanted}`")]
    Platform {
        /// The platform that was asked for.
        wanted: Box<Platform>,
        /// The platforms that there are.
        found: Vec<Platform>,
    },
    /// Two images are for the same platform.
    #[error("there are two images for `{0}`")]
    Twice(Box<Platform>),
    /// An index leads through more documents than any real one.
    #[error("its index has more than 256 documents, or indexes that are nested more than 8 levels deep")]
    Nested,
}

impl Image {
    /// Joins a manifest and its config.
    ///
    /// # Errors
    /// When they do not belong together.
    pub fn open(manifest: Parsed<Manifest>, config: Parsed<Config>) -> Result<Self, ImageFault> {
        let (expected, actual) = (manifest.view().config.digest, config.digest());
        if expected != actual {
            return Err(ImageFault::Config { expected, actual });
        }
        let (layers, diff_ids) = (&manifest.view().layers, config.view().diff_ids());
        if layers.len() != diff_ids.len() {
            return Err(ImageFault::LayerCount { layers: layers.len(), diff_ids: diff_ids.len() });
        }
        if let Some((number, other)) = (1..).zip(layers).find(|(_, layer)| !layer.media_type.is_layer()) {
            return Err(ImageFault::LayerType { number, media_type: other.media_type.as_str().escape_debug().to_string() });
        }
        let join = |(descriptor, diff_id): (&Descriptor, &Digest)| ImageLayer { descriptor: descriptor.clone(), diff_id: *diff_id };
        let layers = layers.iter().zip(diff_ids).map(join).collect();
        Ok(Self { manifest, config, layers })
    }

    /// Returns the manifest.
    pub fn manifest(&self) -> &Parsed<Manifest> {
        &self.manifest
    }

    /// Returns the config.
    pub fn config(&self) -> &Parsed<Config> {
        &self.config
    }

    /// Returns the layers, bottom first.
    pub fn layers(&self) -> &[ImageLayer] {
        &self.layers
    }

    /// Returns the digest of the manifest.
    pub fn digest(&self) -> Digest {
        self.manifest.digest()
    }
}
