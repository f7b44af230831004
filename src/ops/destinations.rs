use std::path::Path;

use crate::diagnostic::ExternalError;
use crate::net::EngineApi;
use crate::oci::{Digest, ImageName, ImageReference, Selector, Tag};
use crate::recipe::Recipe;
use crate::store::layout::Layout;
use crate::store::publish::Destination;
use crate::store::{FullNames, Location};

use super::{Failure, Tools};

/// Whether the image is pushed to the names of the recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Push {
    /// To every name and tag.
    Yes,
    /// To none.
    No,
}

/// What is published, which decides where it may go and the tags that it gets there.
pub(super) enum Published<'a> {
    /// The image of a recipe, named by `-o`.
    Built(&'a Recipe),
    /// An image that exists, of this digest.
    Copied(Digest),
    /// An artifact of hardened's own.
    Artifact,
}

/// Opens all destinations of a build, so that a wrong one is known before anything is built.
pub(super) fn of_build(locations: &[Location], push: Push, recipe: &Recipe, tools: &Tools) -> Result<Vec<Destination>, Failure> {
    let published = Published::Built(recipe);
    let mut destinations = locations.iter().map(|location| open(location, &published, tools)).collect::<Result<Vec<_>, _>>()?;
    if push == Push::Yes {
        destinations.extend(registries(recipe, tools)?);
    }
    Ok(destinations)
}

/// Opens a destination.
pub(super) fn open(location: &Location, published: &Published<'_>, tools: &Tools) -> Result<Destination, Failure> {
    Ok(match location {
        Location::Layout(folder, selector) => {
            let tags = published.tags(named(location, selector.as_ref())?);
            Destination::layout(Layout::create(folder)?.with_names(published.full_names(&tags)), tags)
        }
        Location::Archive(file, selector) => {
            check_folder(file)?;
            let tags = published.tags(named(location, selector.as_ref())?);
            let names = published.full_names(&tags);
            Destination::archive(file.clone(), tags, names)
        }
        Location::DockerArchive(file, digest) => {
            check_folder(file)?;
            named(location, digest.map(Selector::Digest).as_ref())?;
            Destination::docker_archive(file.clone(), published.docker_names(location, "a Docker archive")?)
        }
        Location::DockerDaemon => {
            let names = published.docker_names(location, "an engine")?;
            Destination::engine(EngineApi::from_environment(&tools.environment)?, names)
        }
        Location::Registry(reference) => {
            let tags = published.registry_tags(reference)?;
            Destination::repository(tools.registry.repository(&reference.name), tags)
        }
    })
}

/// Reports before anything is fetched or built that a file for the result could not be written.
///
/// # Errors
/// When its folder does not exist, or it is a folder itself.
pub fn check_writable(file: &Path) -> Result<(), Failure> {
    check_folder(file)?;
    if file.is_dir() {
        return Err(Failure::wrong(format!("`{}` cannot be written: it is a folder", file.display())).hint("name a file in it"));
    }
    Ok(())
}

/// Reports before anything is fetched or built that there is no folder for a file.
fn check_folder(file: &Path) -> Result<(), Failure> {
    let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) else { return Ok(()) };
    if folder.exists() {
        let message = format!("`{}` cannot be written: `{}` is no folder", file.display(), folder.display());
        return Err(ExternalError::new(message).hint("name a file in a folder that exists").into());
    }
    let failure = Failure::wrong(format!("`{}` cannot be written: there is no folder `{}`", file.display(), folder.display()));
    Err(failure.hint(format!("name a file in a folder that exists, or make it: `mkdir -p {}`", folder.display())))
}

/// Returns the tag that a layout or archive is written with, if one is named.
fn named<'a>(location: &Location, selector: Option<&'a Selector>) -> Result<Option<&'a Tag>, Failure> {
    match selector {
        None => Ok(None),
        Some(Selector::Tag(tag)) => Ok(Some(tag)),
        Some(Selector::Digest(_)) => Err(Failure::wrong(format!("`{location}` names a digest, and an image is written under a tag"))
            .hint("write a tag after a colon, or remove the digest")),
    }
}

impl Published<'_> {
    /// Returns the tags in a layout or archive for which the command line names one or none.
    fn tags(&self, named: Option<&Tag>) -> Vec<Tag> {
        match (named, self) {
            (Some(tag), _) => vec![tag.clone()],
            (None, Self::Built(recipe)) => tags(recipe.references.iter().map(|reference| &reference.value)),
            (None, Self::Copied(_) | Self::Artifact) => vec![Tag::latest()],
        }
    }

    /// Returns the full names in a layout or archive: the recipe's, and its first name with each other tag.
    fn full_names(&self, tags: &[Tag]) -> FullNames {
        let Self::Built(recipe) = self else { return FullNames::default() };
        let own: Vec<&ImageReference> = recipe.references.iter().map(|reference| &reference.value).collect();
        let full = |tag: &Tag| {
            let name = own.iter().find(|name| name.tag_or_latest().as_ref() == Some(tag)).or(own.first())?;
            Some(name.name.tagged(tag))
        };
        FullNames::new(tags.iter().filter_map(full).collect())
    }

    /// Returns the names for `docker load`, which takes the image of one platform only.
    fn docker_names(&self, location: &Location, holder: &str) -> Result<Vec<ImageReference>, Failure> {
        match self {
            Self::Built(recipe) if recipe.platforms.len() == 1 => {
                Ok(recipe.references.iter().map(|reference| reference.value.clone()).collect())
            }
            Self::Built(recipe) => {
                let message = format!("{holder} holds one platform, and the recipe has {}", recipe.platforms.len());
                Err(Failure::wrong(message).hint("choose one: `--platform linux/amd64`"))
            }
            Self::Copied(_) => Err(Failure::wrong(format!("`{location}` is not a destination of `push`"))
                .hint("a registry reference, `oci:DIR` or `oci-archive:FILE`")),
            Self::Artifact => Err(Failure::wrong(format!("`{location}` is not a possible destination here"))
                .hint("name a file, `oci:DIR` or a registry reference")),
        }
    }

    /// Returns the tags in a registry; none where the image is pushed by its digest.
    fn registry_tags(&self, reference: &ImageReference) -> Result<Vec<Tag>, Failure> {
        match self {
            Self::Built(_) => {
                let message = format!("`{reference}` is a registry reference, and `-o` takes files");
                let failure = Failure::wrong(message).hint(format!("push it: `hardened build --push -t {reference}`"));
                // `oci-archve:image` is read as a name of Docker Hub.
                let word = reference.name.repository().rsplit('/').next().unwrap_or_default();
                let nearest = Location::nearest_kind(word);
                Err(nearest.into_iter().fold(failure, |failure, kind| failure.hint(format!("or `{kind}:` is meant"))))
            }
            Self::Copied(digest) if reference.digest.is_some_and(|wanted| wanted != *digest) => {
                Err(Failure::wrong(format!("`{reference}` names another digest than the image has, {digest}")))
            }
            Self::Copied(_) => Ok(reference.tag_or_latest().into_iter().collect()),
            Self::Artifact => match reference.tag.clone().filter(|_| reference.digest.is_none()) {
                Some(tag) => Ok(vec![tag]),
                None => Err(Failure::wrong(format!("`{reference}` names no tag")).hint(format!("write one: `{}:TAG`", reference.name))),
            },
        }
    }
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

fn registries(recipe: &Recipe, tools: &Tools) -> Result<Vec<Destination>, Failure> {
    if recipe.references.is_empty() {
        return Err(Failure::wrong("`--push` needs a name, and the recipe has none")
            .hint("write `name = \"registry.example.no/shop/api\"` in `[image]`, or name it with `-t NAME:TAG`"));
    }
    let repository = |name: &ImageName| {
        let own = recipe.references.iter().map(|reference| &reference.value).filter(|reference| reference.name == *name);
        Destination::repository(tools.registry.repository(name), tags(own))
    };
    Ok(recipe.names().into_iter().map(repository).collect())
}
