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
mod example;
mod format;
mod model;
mod node;
mod parse;
mod placeholder;
mod schema;
mod shape;
mod syntax;
mod waiver;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Severity, Span};

pub use format::{Format, SplitLinks};
pub use model::{
    Base, BaseVariable, DebianArchive, DebianBase, Destination, DirectoryEntry, FilesEntry, FilesSource, Healthcheck, Inherit, Layers,
    LinkEntry, PlatformRecipe, Port, Process, Recipe, Replaces, Spanned, Symlinks, UnprovedEntry, UserChoice,
};
pub use parse::RecipeText;
pub use placeholder::{PlaceholderFault, Placeholders};
pub use schema::{json_schema, json_schema_text, reference};
pub use waiver::Waiver;

/// Reads a recipe's meaning: the recipe and warnings about it.
///
/// # Errors
/// All faults and warnings, however many, in the order of their locations.
pub fn read(text: RecipeText, placeholders: &dyn Placeholders) -> Result<(Recipe, Vec<Diagnostic>), Vec<Diagnostic>> {
    let RecipeText { mut root, mut faults, torn, mut read_otherwise, references } = text;
    let from_syntax = ReadOtherwise::new(&read_otherwise);
    let mut of_shape = Vec::new();
    let keys = shape::keys(&mut root, &mut of_shape, &mut read_otherwise);
    faults.extend(of_shape.into_iter().filter(|fault| !from_syntax.has(fault)));
    let read_otherwise = ReadOtherwise::new(&read_otherwise);
    let (recipe, found) = check::check(&root, &keys, &references, placeholders);
    // What stands in the part that could not be read cannot be called missing.
    let is_known = |missing: check::Missing| !(torn && missing == check::Missing::Yes);
    let found = found.into_iter().filter(|(fault, missing)| is_known(*missing) && !read_otherwise.has(fault));
    faults.extend(found.map(|(fault, _)| fault));
    // Those of the recipe by their locations, those of arguments after them, in the order in which they were found.
    faults.sort_by_key(|fault| {
        let in_recipe = fault.location.as_ref().filter(|(span, _)| Arc::ptr_eq(&span.source, &root.span.source));
        in_recipe.map_or((true, 0), |(span, _)| (false, span.range.start))
    });
    match recipe {
        Some(recipe) if faults.iter().all(|fault| fault.severity == Severity::Warning) => Ok((recipe, faults)),
        _ => Err(faults),
    }
}

/// Values for which something else was read, so that nothing more is to be said about them.
#[derive(Default)]
struct ReadOtherwise(BTreeMap<(usize, usize), usize>);

impl ReadOtherwise {
    fn new(spans: &[Span]) -> Self {
        Self(spans.iter().map(|span| ((Arc::as_ptr(&span.source).addr(), span.range.start), span.range.end)).collect())
    }

    /// Says whether a fault is about one of these values or a part of it.
    fn has(&self, fault: &Diagnostic) -> bool {
        let Some((span, _)) = &fault.location else { return false };
        let source = Arc::as_ptr(&span.source).addr();
        let before = self.0.range((source, 0)..=(source, span.range.start)).next_back();
        before.is_some_and(|(_, end)| span.range.end <= *end)
    }
}
