use std::collections::BTreeSet;
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span, is_hostile, snippet};
use crate::host::project::{EntryLists, FileFault, Found, OnHost, PRIVATE_KEY, Project, Request, Skipped};
use crate::plan::Source;
use crate::recipe::{DirectoryEntry, FilesEntry, FilesSource, LinkEntry, PlatformRecipe, Recipe, Replaces, Spanned};
use crate::rootfs::{Content, Entry, EntryKind, ImagePath, Owner};

use super::{Failure, Observer};

/// What the files of a recipe came to.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) sources: Vec<Source>,
    pub(super) skipped: Vec<Skipped>,
    pub(super) skipped_count: usize,
    pub(super) keys_allowed: KeysAllowed,
}

/// What may hold a private key, as the recipe says.
#[derive(Debug, Default)]
pub(super) struct KeysAllowed {
    files: BTreeSet<OnHost>,
    texts: BTreeSet<Arc<[u8]>>,
}

impl KeysAllowed {
    /// Says whether a file may hold a key, whose path in the image is `path`.
    pub(super) fn allows(&self, path: &ImagePath, content: &Content) -> bool {
        match (content, content.found(path)) {
            (Content::Inline(text), _) => self.texts.contains(text),
            (_, Some((tree, in_tree, _))) => self.files.contains(&OnHost { tree, path: in_tree.into() }),
            (_, None) => false,
        }
    }
}

/// Finds all that a recipe adds for one platform.
pub(super) fn gather(part: &PlatformRecipe, project: &Project, observer: &dyn Observer) -> Result<Gathered, Failure> {
    let mut gathered = Gathered::default();
    let mut faults = Vec::new();
    for entry in &part.files {
        match &entry.source {
            FilesSource::Text(text) => {
                if entry.include_denied.iter().any(|name| name.value == PRIVATE_KEY) {
                    gathered.keys_allowed.texts.insert(text.value.as_bytes().into());
                }
                gathered.sources.push(inline_text(entry, &text.value, text.span.clone()));
            }
            FilesSource::Host { from, .. } => match project.find(&request(entry, &from.value)) {
                Ok(found) => {
                    let source = found_files(entry, &from.value, from.span.clone(), found, &mut gathered, observer);
                    gathered.sources.push(source);
                }
                Err(several) => faults.extend(diagnostics(entry, from.span.as_ref(), &several)),
            },
        }
    }
    gathered.sources.extend(part.directories.iter().map(directory));
    gathered.sources.extend(part.links.iter().map(link));
    if faults.is_empty() { Ok(gathered) } else { Err(Failure::Wrong(faults)) }
}

/// Checks that all that the entries name exists: no content is read, and what an entry leaves out of a folder is not looked at.
///
/// # Errors
/// What is missing, for all entries of all platforms together.
pub(super) fn check(recipe: &Recipe, project: &Project) -> Result<(), Failure> {
    let mut faults: Vec<Diagnostic> = Vec::new();
    for entry in recipe.parts().iter().flat_map(|part| &part.files) {
        let FilesSource::Host { from, .. } = &entry.source else { continue };
        if let Err(fault) = project.check(&request(entry, &from.value)) {
            for diagnostic in diagnostics(entry, from.span.as_ref(), &[fault]) {
                // Platforms share most entries.
                if !faults.contains(&diagnostic) {
                    faults.push(diagnostic);
                }
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Wrong(faults)) }
}

/// Returns what to say about the faults of an entry.
pub(super) fn diagnostics(entry: &FilesEntry, span: Option<&Span>, faults: &[FileFault]) -> Vec<Diagnostic> {
    let lists = lists(entry, faults);
    let diagnostic = |fault: &FileFault| {
        let diagnostic = Diagnostic::error(fault.to_string()).at(span, "by this entry");
        let caused = std::error::Error::source(fault).map(|cause| format!("the cause: {cause}"));
        caused.into_iter().chain(fault.hints_in(&lists)).fold(diagnostic, Diagnostic::hint)
    };
    faults.iter().map(diagnostic).collect()
}

/// Returns the lists of an entry, as hints about its faults write them.
fn lists(entry: &FilesEntry, faults: &[FileFault]) -> EntryLists {
    let written = |values: &[Spanned<String>]| values.iter().map(as_written).collect();
    EntryLists {
        exclude: written(&entry.exclude),
        include_denied: written(&entry.include_denied),
        left_out: faults.iter().filter_map(FileFault::exclude_element).collect(),
        allowed: faults.iter().filter_map(FileFault::allow_element).collect(),
    }
}

/// Returns a value as it stands in the recipe, placeholders and all.
fn as_written(value: &Spanned<String>) -> String {
    let written = value.span.as_ref().and_then(|span| span.source.text.get(span.range.clone()));
    let written = written.filter(|text| text.starts_with(['"', '\'']) && !text.chars().any(|letter| letter == '`' || is_hostile(letter)));
    written.map_or_else(|| snippet::path(&value.value), str::to_owned)
}

/// Returns what an entry asks for.
pub(super) fn request(entry: &FilesEntry, from: &str) -> Request {
    Request {
        from: if from.is_empty() { ".".to_owned() } else { from.to_owned() },
        to: entry.to.value.clone(),
        exclude: entry.exclude.iter().map(|pattern| pattern.value.clone()).collect(),
        allow: entry.include_denied.iter().map(|name| name.value.clone()).collect(),
        file_mode: entry.mode,
        dir_mode: entry.directory_mode,
        owner: entry.owner,
        symlinks: entry.symlinks,
    }
}

fn found_files(
    entry: &FilesEntry,
    from: &str,
    span: Option<Span>,
    found: Found,
    gathered: &mut Gathered,
    observer: &dyn Observer,
) -> Source {
    for note in &found.notes {
        observer.note(&note.to_string());
    }
    gathered.skipped_count += found.skipped_count;
    gathered.skipped.extend(found.skipped);
    gathered.keys_allowed.files.extend(found.keys_allowed);
    let from = if from.is_empty() { "." } else { from };
    Source {
        name: format!("files {from} -> {}", entry.to.path()),
        span,
        layer: entry.layer.clone(),
        replace: entry.replaces == Replaces::Earlier,
        entries: found.entries,
    }
}

fn inline_text(entry: &FilesEntry, text: &str, span: Option<Span>) -> Source {
    let file =
        Entry { kind: EntryKind::File(Content::Inline(text.as_bytes().into())), mode: entry.mode.unwrap_or(0o644), owner: entry.owner };
    Source {
        name: format!("text -> {}", entry.to.path()),
        span,
        layer: entry.layer.clone(),
        replace: entry.replaces == Replaces::Earlier,
        entries: vec![(entry.to.path().clone(), file)],
    }
}

fn directory(entry: &DirectoryEntry) -> Source {
    let folder = Entry { kind: EntryKind::Directory, mode: entry.mode, owner: entry.owner };
    single(format!("folder {}", entry.path.value), entry.path.span.clone(), Replaces::Nothing, (&entry.path.value, folder))
}

fn link(entry: &LinkEntry) -> Source {
    let link = Entry { kind: EntryKind::Symlink(entry.target.value.as_bytes().into()), mode: 0o777, owner: Owner::default() };
    let name = format!("link {} -> {}", entry.path.value, entry.target.value);
    single(name, entry.path.span.clone(), entry.replaces, (&entry.path.value, link))
}

/// Folders and links of a recipe share one layer.
fn single(name: String, span: Option<Span>, replaces: Replaces, (path, entry): (&ImagePath, Entry)) -> Source {
    let layer = Some("folders and links".to_owned());
    Source { name, span, layer, replace: replaces == Replaces::Earlier, entries: vec![(path.clone(), entry)] }
}
