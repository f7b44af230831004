use std::collections::BTreeSet;
use std::io::{self, Read, Seek, Write};
use std::sync::Arc;

use crate::diagnostic::ExternalError;
use crate::host::cache::Cache;
use crate::image::{Documents, Image, ImageFault, ImageSet};
use crate::layer::collect::Collector;
use crate::oci::{
    BlobSource, Descriptor, Digest, DocumentFault, ImageName, Index, MANIFEST_LIMIT, Manifest, MediaType, Platform, RawManifest, Selector,
    Store, StoreError, Tag, read_as,
};
use crate::rootfs::{ImagePath, Rootfs};
use crate::store::archive::Archive;
use crate::store::docker_archive::DockerArchive;
use crate::store::layout::Layout;
use crate::store::{Blobs, Location, Publication};

use super::layer_facts::LayerReader;
use super::{Failure, Run, TaskKind, Tools};

/// How many bytes all manifests of one image may have, for all platforms together.
const CHILDREN: u64 = 64 << 20;
/// How deep an index may lie inside of others.
const NESTED: usize = 8;

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
pub(super) fn open(location: &Location, run: Run<'_>) -> Result<Opened, Failure> {
    let task = run.observer.begin(TaskKind::LookUp, &location.to_string(), None);
    let opened = find(location, run.tools)?;
    task.finish("");
    Ok(opened)
}

fn find(location: &Location, tools: &Tools) -> Result<Opened, Failure> {
    let name = location.to_string();
    match location {
        Location::Layout(folder, selector) => {
            let layout = Layout::open(folder)?;
            let root = layout.read_selected(selector.as_ref())?;
            Ok(Opened { name, store: Arc::new(layout), root, origin: None })
        }
        Location::Archive(file, selector) => {
            let archive = Archive::open(file)?;
            let root = archive.read_selected(selector.as_ref())?;
            Ok(Opened { name, store: Arc::new(archive), root, origin: None })
        }
        Location::DockerArchive(file, digest) => {
            let archive = DockerArchive::open(file)?;
            let root = match digest {
                Some(digest) => archive.read_manifest(&Selector::Digest(*digest))?,
                None => archive.manifest().clone(),
            };
            Ok(Opened { name, store: Arc::new(archive), root, origin: None })
        }
        Location::DockerDaemon => Err(Failure::wrong("images of an engine cannot be read directly")
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

/// The manifests below an index, and the indexes inside of it.
#[derive(Default)]
struct Children {
    manifests: Vec<RawManifest>,
    seen: BTreeSet<Digest>,
    bytes: u64,
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
        child(self.store, Some(self.cache), descriptor).map_err(OpenFault::Store)
    }

    fn config(&self, descriptor: &Descriptor) -> Result<Vec<u8>, OpenFault> {
        let kept = self.cache.read_small(&descriptor.digest, MANIFEST_LIMIT);
        if let Some(bytes) = kept.filter(|bytes| bytes.len() as u64 == descriptor.size) {
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
    pub(super) fn images(&self, platform: Option<&Platform>, run: Run<'_>) -> Result<ImageSet, Failure> {
        let task = run.observer.begin(TaskKind::LookUp, &format!("all of {}", self.name), None);
        let images = ImageSet::open(self.root.clone(), platform, &self.documents(run.tools)).map_err(|fault| match fault {
            OpenFault::Store(error) => error.into(),
            OpenFault::Image(ImageFault::Platform { wanted, found }) => {
                let found: Vec<String> = found.iter().map(|platform| format!("`{platform}`")).collect();
                Failure::wrong(format!("`{}` has no image for `{wanted}`", self.name)).hint(format!("it has {}", found.join(", ")))
            }
            OpenFault::Image(fault) => {
                ExternalError::new(format!("the image at `{}` is broken", self.store.name())).caused_by(fault).into()
            }
        })?;
        task.finish("");
        Ok(images)
    }

    /// Returns the merged files of an image.
    pub(super) fn files(&self, image: &Image, collectors: &[&dyn Collector], run: Run<'_>) -> Result<Rootfs<'static>, Failure> {
        let name = format!("`{}`", self.name);
        let layers = image.layers().iter().map(|layer| (layer, self.blob(&layer.descriptor)));
        LayerReader { collectors, image: &name, run }.files(layers)
    }

    /// Writes one file of a layer, by the path of its entry there, to the beginning of `spool`, and returns its size.
    pub(super) fn copy_file(
        &self,
        layer: &Descriptor,
        path: &ImagePath,
        most: u64,
        spool: &mut (impl Write + Seek),
        run: Run<'_>,
    ) -> Result<Option<u64>, Failure> {
        let name = format!("`{}`", self.name);
        LayerReader { collectors: &[], image: &name, run }.copy_file(layer, &self.blob(layer), path, most, spool)
    }

    /// Reads all manifests, and finds the blobs: what is published when it is copied. An artifact that is no image is copied alike.
    pub(super) fn publication(&self) -> Result<Publication, Failure> {
        let broken =
            |fault: DocumentFault| ExternalError::new(format!("could not read the image at `{}`", self.store.name())).caused_by(fault);
        let mut below = Children::default();
        if self.root.media_type.is_index() {
            self.add_children(&self.root, 0, &mut below)?;
        }
        let children = below.manifests;
        let mut blobs = Blobs::new();
        for manifest in children.iter().chain([&self.root]).filter(|raw| !raw.media_type.is_index()) {
            let manifest = manifest.parse::<Manifest>().map_err(broken)?;
            let view = manifest.view();
            for descriptor in view.layers.iter().chain([&view.config]) {
                blobs.entry(descriptor.digest).or_insert_with(|| (descriptor.clone(), Arc::new(self.blob(descriptor))));
            }
        }
        Ok(Publication { children, ..Publication::single(self.root.clone(), blobs) })
    }

    /// Adds the manifests that an index names, and those of indexes inside of it, each before what names it.
    fn add_children(&self, index: &RawManifest, depth: usize, below: &mut Children) -> Result<(), Failure> {
        let wrong = |what: String| Failure::from(ExternalError::new(format!("{what} of the image at `{}`", self.store.name())));
        let parsed = index.parse::<Index>();
        let parsed = parsed.map_err(|fault| Failure::external(format!("could not read the image at `{}`", self.store.name()), fault))?;
        for descriptor in &parsed.view().manifests {
            if !below.seen.insert(descriptor.digest) {
                continue;
            }
            let raw = child(&*self.store, None, descriptor)?;
            below.bytes += raw.bytes.len() as u64;
            if below.bytes > CHILDREN {
                return Err(wrong(format!("there are more than {CHILDREN} bytes of manifests in the index")));
            }
            if raw.media_type.is_index() {
                if depth >= NESTED {
                    return Err(wrong(format!("there are indexes more than {NESTED} deep inside of the index")));
                }
                self.add_children(&raw, depth + 1, below)?;
            }
            below.manifests.push(raw);
        }
        Ok(())
    }

    /// Returns a blob, as a source that opens it when its bytes are needed.
    pub(super) fn blob(&self, descriptor: &Descriptor) -> StoredBlob {
        StoredBlob { store: Arc::clone(&self.store), descriptor: descriptor.clone(), origin: self.origin.clone() }
    }
}

/// Reads a manifest that an index names, from the cache if it is there.
///
/// # Errors
/// When it is not there, or has another size or media type than the index says.
fn child(store: &dyn Store, cache: Option<&Cache>, descriptor: &Descriptor) -> Result<RawManifest, ExternalError> {
    let who = format!("the index of `{}` calls", store.name());
    let raw = named_manifest(store, cache, &descriptor.digest, &descriptor.media_type, &who)?;
    if raw.bytes.len() as u64 == descriptor.size {
        return Ok(raw);
    }
    let (digest, size) = (descriptor.digest, raw.bytes.len());
    Err(ExternalError::new(format!("the manifest {digest} of `{}` has {size} bytes, and should have {}", store.name(), descriptor.size)))
}

/// Reads a manifest or index that something else names with its media type: from the cache, or else from a store, as [`read_as`].
///
/// # Errors
/// When it is not there, or came as something else.
pub(super) fn named_manifest(
    store: &dyn Store,
    cache: Option<&Cache>,
    digest: &Digest,
    media_type: &MediaType,
    who: &str,
) -> Result<RawManifest, StoreError> {
    let kept = cache.and_then(|cache| cache.read_small(digest, MANIFEST_LIMIT));
    let kept = kept.map(|bytes| RawManifest { bytes, media_type: media_type.clone() });
    if let Some(raw) = kept.filter(|raw| cache.is_some_and(|cache| is_known_as_named(cache, raw))) {
        return Ok(raw);
    }
    let raw = read_as(store, digest, media_type, who)?;
    if let Some(cache) = cache {
        keep(cache, &raw);
    }
    Ok(raw)
}

/// Keeps a manifest or index in the cache, and under which media type it came: where the document does not say it itself, the bytes alone would be
/// taken for whatever names them next.
pub(super) fn keep(cache: &Cache, raw: &RawManifest) {
    cache.write_small(&raw.bytes);
    if !says_its_type(raw) {
        cache.write_found(&came_as(raw), b"{}");
    }
}

fn is_known_as_named(cache: &Cache, raw: &RawManifest) -> bool {
    says_its_type(raw) || cache.found(&came_as(raw)).is_some()
}

/// Says whether the document names its media type, which is compared with the one it came under when it is read.
fn says_its_type(raw: &RawManifest) -> bool {
    crate::oci::strict_json(&raw.bytes).is_ok_and(|value| value.get("mediaType").is_some())
}

fn came_as(raw: &RawManifest) -> Digest {
    Digest::of(format!("{} came as {}", Digest::of(&raw.bytes), raw.media_type).as_bytes())
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
