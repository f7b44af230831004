use std::io::{self, Read};
use std::sync::Arc;

use crate::diagnostic::ExternalError;
use crate::oci::{BlobSource, Descriptor, ImageName, RawManifest, Selector, Store, StoreError, Tag};
use crate::store::Location;
use crate::store::archive::Archive;
use crate::store::docker_archive::DockerArchive;
use crate::store::layout::Layout;

use super::{Failure, Tools};

/// An image that exists: where it is, and its manifest or index.
pub(super) struct Opened {
    pub(super) store: Arc<dyn Store>,
    pub(super) root: RawManifest,
    /// The repository that a registry could mount from.
    pub(super) origin: Option<ImageName>,
}

/// Opens an image wherever it is.
pub(super) fn open(location: &Location, tools: &Tools) -> Result<Opened, Failure> {
    match location {
        Location::Layout(folder, tag) => {
            let layout = Layout::open(folder)?;
            let root = layout.read_tagged(tag.as_ref())?;
            Ok(Opened { store: Arc::new(layout), root, origin: None })
        }
        Location::Archive(file, tag) => {
            let archive = Archive::open(file)?;
            let root = archive.read_tagged(tag.as_ref())?;
            Ok(Opened { store: Arc::new(archive), root, origin: None })
        }
        Location::DockerArchive(file) => {
            let archive = DockerArchive::open(file)?;
            let root = archive.manifest().clone();
            Ok(Opened { store: Arc::new(archive), root, origin: None })
        }
        Location::DockerDaemon => Err(Failure::wrong("an engine's images are not read")
            .hint("save it first: `docker save -o image.tar NAME`, then `docker-archive:image.tar`")),
        Location::Registry(reference) => {
            let repository = tools.registry.repository(&reference.name);
            let selector =
                reference.digest.map_or_else(|| Selector::Tag(reference.tag_or_latest().unwrap_or_else(Tag::latest)), Selector::Digest);
            let root = repository.read_manifest(&selector)?;
            Ok(Opened { store: Arc::new(repository), root, origin: Some(reference.name.clone()) })
        }
    }
}

/// Reads a manifest that an index names, which has to come as what the index calls it (CVE-2021-41190).
pub(super) fn child(store: &dyn Store, descriptor: &Descriptor) -> Result<RawManifest, ExternalError> {
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
    pub(super) store: Arc<dyn Store>,
    pub(super) descriptor: Descriptor,
    pub(super) origin: Option<ImageName>,
}

impl BlobSource for StoredBlob {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let blob = self.store.open_blob(&self.descriptor).map_err(into_io)?;
        Ok(Box::new(blob))
    }

    fn origin(&self) -> Option<&ImageName> {
        self.origin.as_ref()
    }
}

fn into_io(error: StoreError) -> io::Error {
    io::Error::other(error)
}
