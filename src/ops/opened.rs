use std::io::{self, Read};
use std::sync::Arc;

use crate::diagnostic::ExternalError;
use crate::host::cache::Cache;
use crate::image::{Documents, Image, ImageFault, ImageSet};
use crate::layer::collect::Collector;
use crate::oci::{
    BlobSource, Descriptor, DocumentFault, ImageName, Index, MANIFEST_LIMIT, Manifest, Platform, RawManifest, Selector, Store, Tag,
};
use crate::rootfs::Rootfs;
use crate::store::archive::Archive;
use crate::store::docker_archive::DockerArchive;
use crate::store::layout::Layout;
use crate::store::{Blobs, Location, Publication};

use super::layer_facts::LayerReader;
use super::{Failure, Run, Tools};

/// How many bytes all manifests of one image may have, for all platforms together.
const CHILDREN: u64 = 64 << 20;

/// An image or artifact that exists: where it is, and its manifest or index. All that reads one goes through this type.
pub(super) struct Opened {
    /// What it is called: the location, as it was named.
    pub(super) name: String,
    pub(super) store: Arc<dyn Store>,
    pub(super) root: RawManifest,
    /// The repository that a registry could mount from.
    pub(super) origin: Option<ImageName>,
}

/// Opens an image wherever it is.
pub(super) fn open(location: &Location, tools: &Tools) -> Result<Opened, Failure> {
    let name = location.to_string();
    match location {
        Location::Layout(folder, tag) => {
            let layout = Layout::open(folder)?;
            let root = layout.read_tagged(tag.as_ref())?;
            Ok(Opened { name, store: Arc::new(layout), root, origin: None })
        }
        Location::Archive(file, tag) => {
            let archive = Archive::open(file)?;
            let root = archive.read_tagged(tag.as_ref())?;
            Ok(Opened { name, store: Arc::new(archive), root, origin: None })
        }
        Location::DockerArchive(file) => {
            let archive = DockerArchive::open(file)?;
            let root = archive.manifest().clone();
            Ok(Opened { name, store: Arc::new(archive), root, origin: None })
        }
        Location::DockerDaemon => Err(Failure::wrong("an engine's images are not read")
            .hint("save it first: `docker save -o image.tar NAME`, then `docker-archive:image.tar`")),
        Location::Registry(reference) => {
            let repository = tools.registry.repository(&reference.name);
            let selector =
                reference.digest.map_or_else(|| Selector::Tag(reference.tag_or_latest().unwrap_or_else(Tag::latest)), Selector::Digest);
            let root = repository.read_manifest(&selector)?;
            Ok(Opened { name, store: Arc::new(repository), root, origin: Some(reference.name.clone()) })
        }
    }
}

/// Why an image could not be opened.
pub(super) enum OpenFault {
    /// It is not there, or cannot be read.
    Store(ExternalError),
    /// Its documents are no image, or none for the platform.
    Image(ImageFault),
}

impl From<ImageFault> for OpenFault {
    fn from(fault: ImageFault) -> Self {
        Self::Image(fault)
    }
}

/// The documents of an image: those that the cache has are not asked for again, and others are kept.
pub(super) struct StoredDocuments<'a> {
    store: &'a dyn Store,
    cache: &'a Cache,
}

impl Documents for StoredDocuments<'_> {
    type Fault = OpenFault;

    fn manifest(&self, descriptor: &Descriptor) -> Result<RawManifest, OpenFault> {
        if let Some(bytes) = self.cache.read_small(&descriptor.digest, MANIFEST_LIMIT) {
            return Ok(RawManifest { bytes, media_type: descriptor.media_type.clone() });
        }
        let raw = child(self.store, descriptor).map_err(OpenFault::Store)?;
        self.cache.write_small(&raw.bytes);
        Ok(raw)
    }

    fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, OpenFault> {
        if let Some(bytes) = self.cache.read_small(&descriptor.digest, MANIFEST_LIMIT) {
            return Ok(bytes);
        }
        let failed = |error| {
            let message = format!("could not read the config {} of `{}`", descriptor.digest, self.store.name());
            OpenFault::Store(ExternalError::new(message).caused_by(error))
        };
        let blob = self.store.open_blob(descriptor).map_err(|error| OpenFault::Store(error.into()))?;
        let bytes = blob.read_all(MANIFEST_LIMIT).map_err(failed)?;
        self.cache.write_small(&bytes);
        Ok(bytes)
    }
}

impl Opened {
    /// Returns what reads the documents below the root.
    pub(super) fn documents<'a>(&'a self, tools: &'a Tools) -> StoredDocuments<'a> {
        StoredDocuments { store: &*self.store, cache: &tools.cache }
    }

    /// Returns the images, of all platforms or of one.
    pub(super) fn images(&self, platform: Option<&Platform>, tools: &Tools) -> Result<ImageSet, Failure> {
        ImageSet::open(self.root.clone(), platform, &self.documents(tools)).map_err(|fault| match fault {
            OpenFault::Store(error) => error.into(),
            OpenFault::Image(ImageFault::Platform { wanted, found }) => {
                let found: Vec<String> = found.iter().map(|platform| format!("`{platform}`")).collect();
                Failure::wrong(format!("`{}` has no image for `{wanted}`", self.name)).hint(format!("it has {}", found.join(", ")))
            }
            OpenFault::Image(fault) => {
                ExternalError::new(format!("the image at `{}` is broken", self.store.name())).caused_by(fault).into()
            }
        })
    }

    /// Returns the merged files of an image.
    pub(super) fn files(&self, image: &Image, collectors: &[&dyn Collector], run: Run<'_>) -> Result<Rootfs<'static>, Failure> {
        let name = format!("`{}`", self.name);
        let layers = image.layers().iter().map(|layer| (layer, self.blob(&layer.descriptor)));
        LayerReader { collectors, image: &name, run }.files(layers)
    }

    /// Reads all manifests, and finds the blobs: what is published when it is copied. An artifact that is no image is copied alike.
    pub(super) fn publication(&self) -> Result<Publication, Failure> {
        let broken =
            |fault: DocumentFault| ExternalError::new(format!("could not read the image at `{}`", self.store.name())).caused_by(fault);
        let is_index = self.root.media_type.is_index();
        let mut children = Vec::new();
        if is_index {
            for descriptor in &self.root.parse::<Index>().map_err(broken)?.view().manifests {
                if descriptor.media_type.is_index() {
                    let message = format!("the image at `{}` holds an index inside of its index", self.store.name());
                    return Err(ExternalError::new(message).into());
                }
                children.push(child(&*self.store, descriptor)?);
                if children.iter().map(|child| child.bytes.len() as u64).sum::<u64>() > CHILDREN {
                    let message = format!("the manifests of the image at `{}` have more than {CHILDREN} bytes", self.store.name());
                    return Err(ExternalError::new(message).into());
                }
            }
        }
        let mut blobs = Blobs::new();
        for manifest in if is_index { children.as_slice() } else { std::slice::from_ref(&self.root) } {
            let manifest = manifest.parse::<Manifest>().map_err(broken)?;
            let view = manifest.view();
            for descriptor in view.layers.iter().chain([&view.config]) {
                blobs.entry(descriptor.digest).or_insert_with(|| (descriptor.clone(), Arc::new(self.blob(descriptor))));
            }
        }
        Ok(Publication { children, ..Publication::single(self.root.clone(), blobs) })
    }

    /// Returns a blob, as a source that opens it when its bytes are needed.
    pub(super) fn blob(&self, descriptor: &Descriptor) -> StoredBlob {
        StoredBlob { store: Arc::clone(&self.store), descriptor: descriptor.clone(), origin: self.origin.clone() }
    }
}

/// Reads a manifest that an index names, which has to come as what the index calls it (CVE-2021-41190).
fn child(store: &dyn Store, descriptor: &Descriptor) -> Result<RawManifest, ExternalError> {
    let raw = store.read_manifest(&Selector::Digest(descriptor.digest))?;
    if raw.media_type == descriptor.media_type {
        return Ok(raw);
    }
    let (wanted, found) = (descriptor.media_type.as_str().escape_debug(), raw.media_type.as_str().escape_debug());
    let message = format!("the index of `{}` calls {} `{wanted}`, and it came as `{found}`", store.name(), descriptor.digest);
    Err(ExternalError::new(message))
}

/// A blob of a store, as a source for another.
pub(super) struct StoredBlob {
    store: Arc<dyn Store>,
    descriptor: Descriptor,
    origin: Option<ImageName>,
}

impl BlobSource for StoredBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let blob = self.store.open_blob(&self.descriptor).map_err(io::Error::other)?;
        Ok(Box::new(blob))
    }

    fn origin(&self) -> Option<&ImageName> {
        self.origin.as_ref()
    }
}
