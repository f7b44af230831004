use std::collections::BTreeMap;
use std::sync::Arc;

use crate::oci::{BlobSource, Descriptor, Digest, RawManifest};

/// Blobs and where their bytes come from, by digest.
pub type Blobs = BTreeMap<Digest, (Descriptor, Arc<dyn BlobSource>)>;

/// All that is published of one image or artifact.
pub struct Publication {
    /// The manifest or index that the tags name.
    pub root: RawManifest,
    /// The manifests below an index.
    pub children: Vec<RawManifest>,
    /// Artifact manifests whose `subject` is the root or a child (image-spec, `manifest.md`).
    pub referrers: Vec<RawManifest>,
    /// The blobs of all manifests: layers and configs.
    pub blobs: Blobs,
    /// The bytes of the tar inside a layer, by the layer's digest, where they are known.
    pub tar_sizes: BTreeMap<Digest, u64>,
}

impl Publication {
    /// Returns a single manifest with its blobs: an artifact, or the image of one platform.
    pub fn single(root: RawManifest, blobs: Blobs) -> Self {
        Self { root, children: Vec::new(), referrers: Vec::new(), blobs, tar_sizes: BTreeMap::new() }
    }

    /// Returns the digest that the tags name.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.root.bytes)
    }

    /// Returns all manifests and the index, each after those that it names.
    pub fn manifests(&self) -> impl Iterator<Item = &RawManifest> {
        self.children.iter().chain([&self.root]).chain(&self.referrers)
    }
}
