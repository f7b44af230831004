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
use crate::diagnostic::ExternalError;
use crate::host::write_whole;
use crate::oci::{Platform, disk_hint};
use crate::ops::init::RECIPE;
use crate::ops::{Failure, RecipeRequest};

/// Returns the recipe that `PATH` or `-f` names; the command line refuses both together.
fn named_recipe(path: &RecipePath, arguments: &RecipeArguments) -> RecipeRequest {
    let request = recipe(arguments);
    match &path.path {
        Some(path) => RecipeRequest { file: recipe_file(path), ..request },
        None => request,
    }
}

/// A folder stands for the recipe that it holds itself; folders above it are not searched.
fn recipe_file(path: &Path) -> PathBuf {
    match path {
        path if path == Path::new(".") => PathBuf::from(RECIPE),
        path if path.is_dir() => path.join(RECIPE),
        path => path.to_owned(),
    }
}

fn recipe(arguments: &RecipeArguments) -> RecipeRequest {
    RecipeRequest {
        file: recipe_file(&arguments.file),
        set: arguments.set.clone(),
        platforms: arguments.platform.clone(),
        ..RecipeRequest::default()
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
