use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use crate::host::write_with;
use crate::image::Image;
use crate::net::EngineApi;
use crate::oci::{BlobSource, Descriptor, Digest, ImageName, ImageReference, RawManifest, Store, StoreError, Tag};
use crate::recipe::Recipe;
use crate::store::archive::{self, Contents};
use crate::store::docker_archive::{self, ArchiveLayer};
use crate::store::layout::Layout;
use crate::store::{Location, publish};

use super::{Failure, Observer, TaskKind, Tools};

/// A place that takes blobs one by one, and the tags that the image gets there.
pub(super) struct Place {
    pub(super) store: Box<dyn Store>,
    pub(super) tags: Vec<Tag>,
    /// The image's name there, for a registry.
    pub(super) name: Option<ImageName>,
}

/// An output that is written at the end, in one piece.
pub(super) enum Piece {
    Archive(PathBuf, Vec<Tag>),
    DockerArchive(PathBuf),
    DockerDaemon,
}

/// All outputs of a build.
#[derive(Default)]
pub(super) struct Outputs {
    pub(super) places: Vec<Place>,
    pub(super) pieces: Vec<Piece>,
}

/// Whether the image is pushed to the names of the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// To every name and tag.
    Yes,
    /// To none.
    No,
}

impl Outputs {
    /// Opens all outputs, so that a wrong one is known before anything is built.
    pub(super) fn open(locations: &[Location], push: Push, recipe: &Recipe, tools: &Tools) -> Result<Self, Failure> {
        let mut outputs = Self::default();
        let tags = tags(recipe.references.iter().map(|reference| &reference.value));
        let one_platform = |what: &str| {
            let message = format!("{what} holds one platform, and the recipe has {}", recipe.platforms.len());
            if recipe.platforms.len() == 1 { Ok(()) } else { Err(Failure::wrong(message).hint("choose one: `--platform linux/amd64`")) }
        };
        for location in locations {
            let named = |tag: &Option<Tag>| tag.clone().map_or_else(|| tags.clone(), |tag| vec![tag]);
            match location {
                Location::Layout(folder, tag) => {
                    let place = Place { store: Box::new(Layout::create(folder)?), tags: named(tag), name: None };
                    outputs.places.push(place);
                }
                Location::Archive(file, tag) => outputs.pieces.push(Piece::Archive(file.clone(), named(tag))),
                Location::DockerArchive(file) => {
                    one_platform("a Docker archive")?;
                    outputs.pieces.push(Piece::DockerArchive(file.clone()));
                }
                Location::DockerDaemon => {
                    one_platform("an engine")?;
                    outputs.pieces.push(Piece::DockerDaemon);
                }
                Location::Registry(reference) => {
                    let message = format!("`{reference}` is a registry reference, and `-o` takes files");
                    let failure = Failure::wrong(message).hint(format!("push it: `hardened build --push -t {reference}`"));
                    // `oci-archve:image` is read as a name of Docker Hub.
                    let word = reference.name.repository().rsplit('/').next().unwrap_or_default();
                    return Err(Location::nearest_kind(word)
                        .into_iter()
                        .fold(failure, |failure, kind| failure.hint(format!("or `{kind}:` is meant"))));
                }
            }
        }
        if push == Push::Yes {
            outputs.places.extend(registries(recipe, tools)?);
        }
        Ok(outputs)
    }

    /// Writes what is written in one piece.
    pub(super) fn write_pieces(&self, built: &Made<'_>, tools: &Tools, observer: &dyn Observer) -> Result<(), Failure> {
        for piece in &self.pieces {
            match piece {
                Piece::Archive(file, tags) => {
                    let task = observer.begin(TaskKind::Write, &format!("oci-archive:{}", file.display()), None);
                    let contents = Contents {
                        blobs: built.blobs.clone(),
                        children: built.children.clone(),
                        root: built.root.clone(),
                        tags: tags.clone(),
                    };
                    write_with(file, |out| archive::write(&contents, out))
                        .map_err(|error| unwritten(&format!("oci-archive:{}", file.display()), error))?;
                    task.finish("");
                }
                Piece::DockerArchive(file) => {
                    let name = format!("docker-archive:{}", file.display());
                    let task = observer.begin(TaskKind::Write, &name, None);
                    write_with(file, |out| built.write_for_docker(out)).map_err(|error| unwritten(&name, error))?;
                    task.finish("");
                }
                Piece::DockerDaemon => {
                    let task = observer.begin(TaskKind::Write, "docker-daemon:", None);
                    let answer = EngineApi::from_environment(&tools.environment)?.load(|out| built.write_for_docker(out))?;
                    task.finish(answer.trim());
                }
            }
        }
        Ok(())
    }
}

fn unwritten(name: &str, error: std::io::Error) -> Failure {
    StoreError::disk(format!("could not write `{name}`"), error).into()
}

/// The tags of all names, each once; `latest` when the recipe names no image.
fn tags<'a>(references: impl Iterator<Item = &'a ImageReference>) -> Vec<Tag> {
    let mut tags: Vec<Tag> = Vec::new();
    for tag in references.filter_map(ImageReference::tag_or_latest) {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.is_empty() { vec![Tag::latest()] } else { tags }
}

fn registries(recipe: &Recipe, tools: &Tools) -> Result<Vec<Place>, Failure> {
    if recipe.references.is_empty() {
        return Err(Failure::wrong("`--push` needs a name, and the recipe has none")
            .hint("write `name = \"registry.example.no/shop/api\"` in `[image]`, or name it with `-t NAME:TAG`"));
    }
    let place = |name: &ImageName| {
        let own = recipe.references.iter().map(|reference| &reference.value).filter(|reference| reference.name == *name);
        Place { store: Box::new(tools.registry.repository(name)), tags: tags(own), name: Some(name.clone()) }
    };
    Ok(recipe.names().into_iter().map(place).collect())
}

/// An image that is made: all that outputs need of it.
pub(super) struct Made<'a> {
    pub(super) images: Vec<&'a Image>,
    pub(super) blobs: BTreeMap<Digest, (Descriptor, Arc<dyn BlobSource>)>,
    pub(super) tar_sizes: BTreeMap<Digest, u64>,
    pub(super) children: Vec<RawManifest>,
    pub(super) root: RawManifest,
    pub(super) references: Vec<ImageReference>,
}

impl Made<'_> {
    fn write_for_docker(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        let Some(image) = self.images.first() else { return Ok(()) };
        let missing = |digest: &Digest| std::io::Error::other(format!("the layer {digest} has no source"));
        let layers = image.layers().iter().map(|layer| {
            let (descriptor, source) = self.blobs.get(&layer.descriptor.digest).ok_or_else(|| missing(&layer.descriptor.digest))?;
            let tar_size = self.tar_sizes.get(&layer.descriptor.digest).copied();
            Ok(ArchiveLayer { descriptor: descriptor.clone(), diff_id: layer.diff_id, tar_size, source: Arc::clone(source) })
        });
        let layers = layers.collect::<std::io::Result<Vec<_>>>()?;
        docker_archive::write(image.config().bytes(), &layers, &self.references, out)
    }

    /// Names the image everywhere: manifests, index, then tags.
    /// Those that have the `whole` image are left as they are.
    pub(super) fn name(&self, places: &[Place], whole: &[bool], observer: &dyn Observer) -> Result<(), Failure> {
        for (number, place) in places.iter().enumerate() {
            if whole.get(number).is_some_and(|whole| *whole) {
                continue;
            }
            publish::name(&*place.store, &self.children, &self.root, &place.tags)?;
            observer.detail(&format!("{} now has {}", place.store.name(), self.root.descriptor().digest));
        }
        Ok(())
    }
}
