//! The recipe, `hardened.toml`: its keys, how it is read, and what it means.
//!
//! text → [`RecipeText`] (every value has its location; arguments of the command line are already applied) → [`Recipe`] (all paths, names,
//! modes and numbers valid, defaults applied, placeholders filled in).
//!
//! **Invariants.** All faults are reported at once, each at its location, with what to write instead. Nothing here does input or output:
//! values of placeholders are asked from a [`Placeholders`]. The same text and the same values give the same recipe.
//!
//! **To add a key**: a documented field with an example in `schema/`, its meaning in `check/`, and a field in `model`.

mod arguments;
mod base_variable;
mod check;
mod format;
mod model;
mod node;
mod parse;
mod placeholder;
mod schema;
mod shape;
mod waiver;

use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity};

pub use format::{Format, SplitLinks};
pub use model::{
    Base, BaseVariable, DebianArchive, DebianBase, Destination, DirectoryEntry, FilesEntry, FilesSource, Healthcheck, Inherit, Layers,
    LinkEntry, PlatformRecipe, Port, Process, Recipe, Replaces, Spanned, Symlinks, UnprovedEntry, UserChoice,
};
pub use parse::RecipeText;
pub use placeholder::{PlaceholderFault, Placeholders};
pub use schema::{json_schema, json_schema_text, reference};
pub use waiver::Waiver;

/// How many faults are reported in one run.
const MOST_SHOWN: usize = 100;

/// Reads a recipe's meaning: the recipe and warnings about it.
///
/// # Errors
/// All faults and warnings, in the order of their locations.
pub fn read(text: RecipeText, placeholders: &dyn Placeholders) -> Result<(Recipe, Vec<Diagnostic>), Vec<Diagnostic>> {
    let RecipeText { mut root, mut faults, torn, references } = text;
    let keys = shape::keys(&mut root, &mut faults);
    let (recipe, found) = check::check(&root, &keys, &references, placeholders);
    // What stands in the part that could not be read cannot be called missing.
    faults.extend(found.into_iter().filter(|(_, missing)| !(torn && *missing == check::Missing::Yes)).map(|(fault, _)| fault));
    // Those of the recipe by their locations, those of arguments after them, in the order in which they were found.
    faults.sort_by_key(|fault| {
        let in_recipe = fault.location.as_ref().filter(|(span, _)| Arc::ptr_eq(&span.source, &root.span.source));
        in_recipe.map_or((true, 0), |(span, _)| (false, span.range.start))
    });
    let is_error = |fault: &Diagnostic| fault.severity == Severity::Error;
    if faults.len() > MOST_SHOWN && faults.iter().any(is_error) {
        // Errors go first when not all are shown.
        faults.sort_by_key(|fault| !is_error(fault));
        let more = faults.split_off(MOST_SHOWN).len();
        faults.push(Diagnostic::error(format!("{more} more faults are not shown")).hint("correct these first"));
    }
    match recipe {
        Some(recipe) if faults.iter().all(|fault| fault.severity == Severity::Warning) => Ok((recipe, faults)),
        _ => Err(faults),
    }
}
