//! One file for each verb: its arguments become a request, its outcome becomes text.

pub(super) mod build;
pub(super) mod cache;
pub(super) mod explain;
pub(super) mod files;
pub(super) mod init;
pub(super) mod inspect;
pub(super) mod lock;
pub(super) mod login;
pub(super) mod pages;
pub(super) mod push;
pub(super) mod vendor;

use std::path::{Path, PathBuf};

use super::arguments::{RecipeArguments, RecipePath};
use super::invocation::Invocation;
use crate::diagnostic::ExternalError;
use crate::host::{Above, Repository, find_above, write_whole};
use crate::oci::{Platform, disk_hint};
use crate::ops::building::Push;
use crate::ops::init::RECIPE;
use crate::ops::{Failure, RecipeRequest};

/// Returns the recipe that `PATH` or `-f` names; the command line refuses both together. Without either it is searched for.
fn named_recipe(path: &RecipePath, arguments: &RecipeArguments, push: Push, invocation: &Invocation) -> Result<RecipeRequest, Failure> {
    match &path.path {
        Some(path) => Ok(request(recipe_file(path), arguments)),
        None => recipe(arguments, push, invocation),
    }
}

/// Returns the recipe that `-f` names, or else the one of the current folder or the nearest above it.
fn recipe(arguments: &RecipeArguments, push: Push, invocation: &Invocation) -> Result<RecipeRequest, Failure> {
    let file = match &arguments.file {
        Some(file) => recipe_file(file),
        None => searched(push, invocation)?,
    };
    Ok(request(file, arguments))
}

fn request(file: PathBuf, arguments: &RecipeArguments) -> RecipeRequest {
    RecipeRequest { file, set: arguments.set.clone(), platforms: arguments.platform.clone(), ..RecipeRequest::default() }
}

/// A folder stands for the recipe that it holds itself; folders above it are not searched.
fn recipe_file(path: &Path) -> PathBuf {
    match path {
        path if path == Path::new(".") => PathBuf::from(RECIPE),
        path if path.is_dir() => path.join(RECIPE),
        path => path.to_owned(),
    }
}

/// Searches the current folder and those above it. What is pushed comes from the same repository, or from this folder.
fn searched(push: Push, invocation: &Invocation) -> Result<PathBuf, Failure> {
    let refused = |path: &Path, why: &str| {
        let message = format!("there is no `{RECIPE}` in this folder, and `{}` is not used: {why}", path.display());
        Failure::wrong(message).hint(format!("name it if it is meant: `-f {}`", path.display()))
    };
    let home = invocation.environment.path("HOME");
    match find_above(Path::new(""), RECIPE, home.as_deref()) {
        Above::Here | Above::Nowhere => Ok(PathBuf::from(RECIPE)),
        Above::Found { path, repository: Repository::None } if push == Push::Yes => {
            Err(refused(&path, "it is not in the same Git repository as this folder, and the image would be pushed"))
        }
        Above::Found { path, .. } => {
            invocation.screen.say(&format!("using the recipe {}", path.display()));
            Ok(path)
        }
        Above::Refused { path, why } => Err(refused(&path, &why.to_string())),
    }
}

/// Writes a file that the user asked for, whole or not at all.
fn write_file(file: &Path, content: &[u8]) -> Result<(), Failure> {
    write_whole(file, content).map_err(|error| {
        let hint = disk_hint(&error);
        let failure = ExternalError::new(format!("could not write `{}`", file.display())).caused_by(error);
        hint.into_iter().fold(failure, ExternalError::hint).into()
    })
}

/// Reads a `--platform` that chooses one image of an index.
fn platform(text: Option<&str>) -> Result<Option<Platform>, Failure> {
    let platform = text.map(str::parse::<Platform>).transpose();
    platform.map_err(|fault| Failure::wrong(format!("`--platform`: {fault}")).hint("write for example `linux/amd64`"))
}

/// Writes a number of bytes for people.
fn bytes(count: u64) -> String {
    super::screen::bytes(count)
}
