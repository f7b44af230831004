use std::path::PathBuf;

use super::archive_file::{ArchiveFile, Form};
use crate::net::EngineApi;
use crate::oci::{Digest, ImageName, ImageReference, RawManifest, Referrer, Store, Tag};
use crate::store::layout::Layout;
use crate::store::layout_index::FullNames;
use crate::store::publication::Publication;
use crate::store::registry::Repository;

/// Where an image goes, and the names that it gets there.
pub struct Destination(pub(super) Kind);

pub(super) enum Kind {
    Store(NamedStore),
    Archive(ArchiveFile),
    Engine(Engine),
}

/// A store that takes blobs one by one, and the tags that the root gets there.
pub(super) struct NamedStore {
    pub(super) store: Box<dyn Store>,
    /// The repository, where the store is one of a registry.
    pub(super) image: Option<ImageName>,
    pub(super) tags: Vec<Tag>,
}

/// An engine that loads the image, under these names.
pub(super) struct Engine {
    pub(super) api: EngineApi,
    pub(super) names: Vec<ImageReference>,
}

impl Destination {
    /// Returns a layout as a destination.
    pub fn layout(layout: Layout, tags: Vec<Tag>) -> Self {
        Self(Kind::Store(NamedStore { store: Box::new(layout), image: None, tags }))
    }

    /// Returns a repository of a registry as a destination. Without tags the root is stored by its digest alone.
    pub fn repository(repository: Repository, tags: Vec<Tag>) -> Self {
        let image = Some(repository.image_name().clone());
        Self(Kind::Store(NamedStore { store: Box::new(repository), image, tags }))
    }

    /// Returns an OCI archive as a destination.
    pub fn archive(path: PathBuf, tags: Vec<Tag>, names: FullNames) -> Self {
        Self(Kind::Archive(ArchiveFile { path, form: Form::Oci(tags, names) }))
    }

    /// Returns a Docker archive as a destination.
    pub fn docker_archive(path: PathBuf, names: Vec<ImageReference>) -> Self {
        Self(Kind::Archive(ArchiveFile { path, form: Form::Docker(names) }))
    }

    /// Returns an engine as a destination.
    pub fn engine(api: EngineApi, names: Vec<ImageReference>) -> Self {
        Self(Kind::Engine(Engine { api, names }))
    }

    /// Returns the destination's name for messages, without tags.
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Store(named) => named.store.name(),
            Kind::Archive(file) => file.name(),
            Kind::Engine(_) => "docker-daemon:".to_owned(),
        }
    }

    /// Returns the image's name, where the destination is a repository of a registry.
    pub fn image_name(&self) -> Option<&ImageName> {
        self.store().and_then(|named| named.image.as_ref())
    }

    /// Says whether the destination has the whole publication under all tags that it gets there, so that nothing has to be sent.
    /// One that cannot tell with a request or two for each manifest says no.
    pub(super) fn holds(&self, publication: &Publication) -> bool {
        self.store().is_some_and(|named| {
            named.store.is_named(&publication.root, &named.tags)
                && publication.referrers.iter().all(|referrer| lists(&*named.store, referrer))
        })
    }

    pub(super) fn store(&self) -> Option<&NamedStore> {
        if let Kind::Store(named) = &self.0 { Some(named) } else { None }
    }

    /// Says whether another destination is in the same registry, and so can mount what this one has.
    pub(super) fn lends_to(&self, other: &Self) -> bool {
        self.image_name().zip(other.image_name()).is_some_and(|(own, other)| own.registry() == other.registry() && own != other)
    }
}

/// Says whether a store lists a referrer. One that has only its manifest says no: nobody finds it there.
fn lists(store: &dyn Store, manifest: &RawManifest) -> bool {
    let digest = manifest.descriptor().digest;
    let listed = |subject: &Digest| store.referrers(subject, None).is_ok_and(|found| found.iter().any(|one| one.digest == digest));
    matches!(Referrer::read(manifest), Ok(Some(referrer)) if listed(&referrer.subject))
}
