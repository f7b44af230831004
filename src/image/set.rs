use std::collections::BTreeMap;

use super::select::candidates;
use super::{Image, ImageFault};
use crate::oci::{Config, Descriptor, Digest, DocumentFault, Index, Manifest, MediaType, Parsed, Platform, RawManifest};

/// An image for one platform or for several: the same type whether it was built or opened, and wherever it is.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet {
    root: RawManifest,
    /// The index, when the root is one.
    index: Option<Parsed<Index>>,
    images: Vec<PlatformImage>,
}

/// The image of one platform, and the platform that it is chosen by.
#[derive(Debug, Clone, PartialEq)]
pub struct PlatformImage {
    /// The platform in the index, or in the config where there is no index.
    pub platform: Platform,
    /// The image.
    pub image: Image,
}

/// Reads the documents of an image that exists.
pub trait Documents {
    /// What it fails with.
    type Fault: From<ImageFault>;

    /// Returns a manifest that an index names.
    ///
    /// # Errors
    /// When it is not there, or not of the descriptor's media type and digest.
    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, Self::Fault>;

    /// Returns the bytes of a config.
    ///
    /// # Errors
    /// When it is not there.
    fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, Self::Fault>;
}

impl ImageSet {
    /// Joins the images of a build, in their order: one is a manifest, several are an index with these annotations.
    ///
    /// # Errors
    /// When the index becomes larger than a registry takes.
    pub fn new(images: Vec<Image>, annotations: BTreeMap<String, String>) -> Result<Self, DocumentFault> {
        let named = |image: Image| PlatformImage { platform: image.config().view().platform().clone(), image };
        let images: Vec<PlatformImage> = images.into_iter().map(named).collect();
        if let [only] = images.as_slice() {
            return Ok(Self { root: RawManifest::from(only.image.manifest()), index: None, images });
        }
        let manifests = images.iter().map(|PlatformImage { platform, image }| {
            let mut descriptor = image.manifest().descriptor().clone();
            descriptor.platform = Some(platform.clone());
            descriptor
        });
        let index = Parsed::write(Index { manifests: manifests.collect(), annotations }, MediaType::Index)?;
        Ok(Self { root: RawManifest::from(&index), index: Some(index), images })
    }

    /// Opens an image that exists: all of its platforms, or the given one. Manifests of an index that are no images, such as
    /// attestations, are left out.
    ///
    /// # Errors
    /// When a document is not there or broken, or there is no image for the platform.
    pub fn open<D: Documents>(root: RawManifest, platform: Option<&Platform>, documents: &D) -> Result<Self, D::Fault> {
        let lacks = |found: Vec<Platform>| {
            let wanted = platform.cloned().unwrap_or_else(Platform::default_target).into();
            D::Fault::from(ImageFault::Platform { wanted, found })
        };
        if !root.media_type.is_index() {
            let image = Image::read(&root, documents)?;
            let own = image.config().view().platform().clone();
            if platform.is_some_and(|wanted| !own.is(wanted)) {
                return Err(lacks(vec![own]));
            }
            return Ok(Self { root, index: None, images: vec![PlatformImage { platform: own, image }] });
        }
        let index = root.parse::<Index>().map_err(ImageFault::from)?;
        let mut images: Vec<PlatformImage> = Vec::new();
        let found = candidates(index.view(), platform, documents)?;
        for candidate in &found {
            // Of two images for one platform, runtimes take the first.
            let is_wanted = platform.is_none_or(|wanted| images.is_empty() && candidate.platform.is(wanted));
            if is_wanted {
                let image = Image::read(&documents.manifest(&candidate.descriptor)?, documents)?;
                images.push(PlatformImage { platform: candidate.platform.clone(), image });
            }
        }
        if images.is_empty() && platform.is_some() {
            return Err(lacks(found.into_iter().map(|candidate| candidate.platform).collect()));
        }
        Ok(Self { root, index: Some(index), images })
    }

    /// Returns the manifest or index that tags name.
    pub fn root(&self) -> &RawManifest {
        &self.root
    }

    /// Returns the digest of the root.
    pub fn digest(&self) -> Digest {
        self.root.descriptor().digest
    }

    /// Returns the index, when the root is one.
    pub fn index(&self) -> Option<&Index> {
        self.index.as_ref().map(Parsed::view)
    }

    /// Returns the images, in the order of the index.
    pub fn images(&self) -> &[PlatformImage] {
        &self.images
    }

    /// Returns the manifests below the index; none where the root is the only image's manifest.
    pub fn children(&self) -> Vec<RawManifest> {
        let children = self.images.iter().filter(|_| self.index.is_some());
        children.map(|platform| RawManifest::from(platform.image.manifest())).collect()
    }
}

impl Image {
    /// Opens the image of one platform.
    ///
    /// # Errors
    /// When its config is not there, or one of the documents is broken.
    pub fn read<D: Documents>(raw: &RawManifest, documents: &D) -> Result<Self, D::Fault> {
        let manifest = raw.parse::<Manifest>().map_err(ImageFault::from)?;
        let descriptor = &manifest.view().config;
        // A type that says nothing is that of an image's config, unless the manifest says that it is something else.
        let is_named = matches!(descriptor.media_type, MediaType::Config | MediaType::DockerConfig);
        if !is_named && (!descriptor.media_type.is_config() || manifest.view().artifact_type.is_some()) {
            return Err(ImageFault::Artifact(descriptor.media_type.as_str().escape_debug().to_string()).into());
        }
        let config = Parsed::<Config>::read_described(&documents.config(descriptor)?, descriptor).map_err(ImageFault::from)?;
        Ok(Self::open(manifest, config)?)
    }
}
