use std::path::{Path, PathBuf};

use crate::diagnostic::{Diagnostic, Selection};
use crate::host::{Environment, ProjectPlaceholders, read_bytes};
use crate::recipe::{Recipe, RecipeText};
use crate::store::Location;

use super::init::RECIPE;
use super::{Failure, Observer, recipe_kind};

/// Which recipe is meant, and what is changed in it for this run.
#[derive(Debug, Clone, Default)]
pub struct RecipeRequest {
    /// The recipe's file.
    pub file: PathBuf,
    /// `--set KEY=VALUE`.
    pub set: Vec<String>,
    /// `-t NAME:TAG`, instead of the recipe's.
    pub tags: Vec<String>,
    /// `--platform`, instead of the recipe's.
    pub platforms: Vec<String>,
    /// `--label NAME=VALUE`, beside the recipe's.
    pub labels: Vec<String>,
}

/// A recipe and the folders that its paths are relative to.
#[derive(Debug)]
pub(super) struct OpenRecipe {
    pub(super) recipe: Recipe,
    /// The recipe's own folder.
    pub(super) folder: PathBuf,
    /// The folder that files are taken from.
    pub(super) root: PathBuf,
}

/// Reads a recipe, and reports its faults all at once.
pub(super) fn open(request: &RecipeRequest, environment: &Environment, observer: &dyn Observer) -> Result<OpenRecipe, Failure> {
    let bytes = read_bytes(&request.file, RecipeText::SIZE_LIMIT as u64).map_err(|error| {
        let diagnostic = Diagnostic::error(format!("could not read the recipe `{}`: {error}", request.file.display()));
        let hints = match error.kind() {
            std::io::ErrorKind::NotFound => missing_hints(&request.file),
            std::io::ErrorKind::InvalidData => vec!["put large texts into files, and name them with `from`".to_owned()],
            _ => Vec::new(),
        };
        Failure::from(hints.into_iter().fold(diagnostic, Diagnostic::hint))
    })?;
    recipe_kind::check(&request.file, &String::from_utf8_lossy(&bytes))?;
    let mut text = RecipeText::of_bytes(&request.file.to_string_lossy(), &bytes);
    request.set.iter().for_each(|argument| text.set(argument));
    request.tags.iter().for_each(|argument| text.tag(argument));
    request.labels.iter().for_each(|argument| text.label(argument));
    if !request.platforms.is_empty() {
        text.platforms(request.platforms.iter().map(String::as_str));
    }
    let folder = request.file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")).to_owned();
    let placeholders = ProjectPlaceholders::new(&folder, environment.clone());
    let (recipe, warnings) = crate::recipe::read(text, &placeholders).map_err(Failure::Wrong)?;
    let Selection { diagnostics, more } = Selection::of(&warnings);
    for warning in diagnostics {
        observer.warn(warning);
    }
    if more > 0 {
        observer.note(&format!("and {more} more warnings about the recipe, which are not shown"));
    }
    let root = if recipe.root.value.is_empty() { folder.clone() } else { folder.join(&recipe.root.value) };
    Ok(OpenRecipe { recipe, folder, root })
}

/// Returns what may be meant where there is no recipe.
fn missing_hints(file: &Path) -> Vec<String> {
    let text = file.display().to_string();
    if text.split_once(':').is_some_and(|(kind, _)| Location::is_kind(kind)) {
        return vec![format!("an output is named with `-o`: `-o {text}`")];
    }
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|_| file.file_name().is_some_and(|name| name == RECIPE)) {
        Some(folder) => vec![format!("`hardened init {}` writes one to start from", folder.display())],
        None => vec!["`hardened init` writes one to start from; `hardened build PATH` or `-f FILE` names another".to_owned()],
    }
}
