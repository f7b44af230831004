use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Digest, Platform};

/// How a layer's tar is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Compression {
    /// A plain tar.
    None,
    /// One or more gzip members (RFC 1952).
    Gzip,
    /// One or more zstd frames (RFC 8878).
    Zstd,
}

/// The media type of a descriptor; the ones that we act on have a name (image-spec, `media-types.md`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MediaType {
    /// An OCI image manifest.
    Manifest,
    /// An OCI image index.
    Index,
    /// An OCI image config.
    Config,
    /// An OCI layer.
    Layer(Compression),
    /// An OCI layer that may not be pushed by its terms, deprecated by the specification.
    ForeignLayer(Compression),
    /// A Docker image manifest, version 2 schema 2.
    DockerManifest,
    /// A Docker manifest list.
    DockerList,
    /// A Docker image config.
    DockerConfig,
    /// A Docker layer; BuildKit writes zstd ones, and plain ones where it is told to.
    DockerLayer(Compression),
    /// A Docker layer that clients fetch from a foreign address.
    DockerForeignLayer(Compression),
    /// Any other.
    Other(String),
}

const NAMES: &[(&str, MediaType)] = &[
    ("application/vnd.oci.image.manifest.v1+json", MediaType::Manifest),
    ("application/vnd.oci.image.index.v1+json", MediaType::Index),
    ("application/vnd.oci.image.config.v1+json", MediaType::Config),
    ("application/vnd.oci.image.layer.v1.tar", MediaType::Layer(Compression::None)),
    ("application/vnd.oci.image.layer.v1.tar+gzip", MediaType::Layer(Compression::Gzip)),
    ("application/vnd.oci.image.layer.v1.tar+zstd", MediaType::Layer(Compression::Zstd)),
    ("application/vnd.oci.image.layer.nondistributable.v1.tar", MediaType::ForeignLayer(Compression::None)),
    ("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", MediaType::ForeignLayer(Compression::Gzip)),
    ("application/vnd.oci.image.layer.nondistributable.v1.tar+zstd", MediaType::ForeignLayer(Compression::Zstd)),
    ("application/vnd.docker.distribution.manifest.v2+json", MediaType::DockerManifest),
    ("application/vnd.docker.distribution.manifest.list.v2+json", MediaType::DockerList),
    ("application/vnd.docker.container.image.v1+json", MediaType::DockerConfig),
    ("application/vnd.docker.image.rootfs.diff.tar", MediaType::DockerLayer(Compression::None)),
    ("application/vnd.docker.image.rootfs.diff.tar.gzip", MediaType::DockerLayer(Compression::Gzip)),
    ("application/vnd.docker.image.rootfs.diff.tar.zstd", MediaType::DockerLayer(Compression::Zstd)),
    ("application/vnd.docker.image.rootfs.foreign.diff.tar", MediaType::DockerForeignLayer(Compression::None)),
    ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", MediaType::DockerForeignLayer(Compression::Gzip)),
    ("application/vnd.docker.image.rootfs.foreign.diff.tar.zstd", MediaType::DockerForeignLayer(Compression::Zstd)),
];

/// Types under which registries and old clients keep configs without saying what they are (distribution/distribution#1621, moby/moby#22378).
const UNNAMED_CONFIGS: [&str; 3] = ["application/octet-stream", "application/json", "text/html"];

impl MediaType {
    /// Returns the type's full name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => NAMES.iter().find(|(_, media_type)| media_type == known).map_or("", |(name, _)| name),
        }
    }

    /// Says whether this is an index of either family.
    pub fn is_index(&self) -> bool {
        matches!(self, Self::Index | Self::DockerList)
    }

    /// Says whether this is an image manifest of either family.
    pub fn is_manifest(&self) -> bool {
        matches!(self, Self::Manifest | Self::DockerManifest)
    }

    /// Says whether an image's config may have this type. One that only says that it is a document has to be read to know.
    pub fn is_config(&self) -> bool {
        match self {
            Self::Config | Self::DockerConfig => true,
            Self::Other(name) => UNNAMED_CONFIGS.contains(&name.as_str()),
            _ => false,
        }
    }

    /// Says whether it is the type of a layer, kept with the image or elsewhere.
    pub fn is_layer(&self) -> bool {
        self.layer_compression().is_some() || matches!(self, Self::ForeignLayer(_) | Self::DockerForeignLayer(_))
    }

    /// Returns how a layer of this type is compressed; `None` for what is no layer that may be stored.
    pub fn layer_compression(&self) -> Option<Compression> {
        match self {
            Self::Layer(compression) | Self::DockerLayer(compression) => Some(*compression),
            _ => None,
        }
    }

    /// Returns the OCI type for a Docker one, and itself for any other: the bytes are the same, the name is the OCI's.
    #[must_use]
    pub fn to_oci(&self) -> Self {
        match self {
            Self::DockerManifest => Self::Manifest,
            Self::DockerList => Self::Index,
            Self::DockerConfig => Self::Config,
            Self::DockerLayer(compression) => Self::Layer(*compression),
            Self::DockerForeignLayer(compression) => Self::ForeignLayer(*compression),
            other => other.clone(),
        }
    }
}

impl From<&str> for MediaType {
    fn from(name: &str) -> Self {
        // A Content-Type may carry parameters: `application/json; charset=utf-8`.
        let name = name.split(';').next().unwrap_or_default().trim();
        NAMES.iter().find(|(known, _)| *known == name).map_or_else(|| Self::Other(name.to_owned()), |(_, media_type)| media_type.clone())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl Serialize for MediaType {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for MediaType {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(&*<std::borrow::Cow<'de, str>>::deserialize(deserializer)?))
    }
}

/// Names content by type, digest and size (image-spec, `descriptor.md`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// The media type of the referenced content.
    pub media_type: MediaType,
    /// The digest of the targeted content.
    pub digest: Digest,
    /// The size, in bytes, of the raw content.
    pub size: u64,
    /// Arbitrary metadata for this descriptor.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The type of an artifact when the descriptor points to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// The minimum runtime requirements of the image, in an index only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    /// Addresses from which this object MAY be downloaded. They are kept, and never followed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
}

/// One layer of an image: its blob, and what the config says of the tar inside (image-spec, `config.md`, "Layer `DiffID`").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    /// The blob.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar. Reading the layer shows whether it is right.
    pub diff_id: Digest,
}

/// Says whether an `artifactType` is another than that of an image's config.
pub(super) fn is_no_image(artifact_type: &str) -> bool {
    !matches!(MediaType::from(artifact_type), MediaType::Config | MediaType::DockerConfig)
}

impl Descriptor {
    /// Describes content that is at hand.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Says whether it is called an artifact that is no image. crane gives images the type of their config (go-containerregistry, `partial.Descriptor`).
    pub fn is_called_artifact(&self) -> bool {
        self.artifact_type.as_deref().is_some_and(is_no_image)
    }

    /// Describes content whose digest and size are known.
    pub fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, annotations: BTreeMap::new(), artifact_type: None, platform: None, urls: Vec::new() }
    }
}
