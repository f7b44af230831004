use crate::diagnostic::{Diagnostic, Span, is_hostile, snippet};
use crate::host::project::{EntryLists, FileFault, Found, Project, Request, Skipped};
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
}

/// Finds all that a recipe adds for one platform.
pub(super) fn gather(part: &PlatformRecipe, project: &Project, observer: &dyn Observer) -> Result<Gathered, Failure> {
    let mut gathered = Gathered::default();
    let mut faults = Vec::new();
    for entry in &part.files {
        match &entry.source {
            FilesSource::Text(text) => gathered.sources.push(inline_text(entry, &text.value, text.span.clone())),
            FilesSource::Host { from, .. } => match project.find(&request(entry, &from.value)) {
                Ok(found) => {
                    let source = found_files(entry, &from.value, from.span.clone(), found, &mut gathered, observer);
                    gathered.sources.push(source);
                }
                Err(several) => {
                    let lists = lists(entry, &several);
                    faults.extend(several.iter().map(|fault| unfound(fault, from.span.as_ref(), &lists)));
                }
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
            let lists = lists(entry, std::slice::from_ref(&fault));
            let diagnostic = unfound(&fault, from.span.as_ref(), &lists);
            // Platforms share most entries.
            if !faults.contains(&diagnostic) {
                faults.push(diagnostic);
            }
        }
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Wrong(faults)) }
}

fn unfound(fault: &FileFault, span: Option<&Span>, lists: &EntryLists) -> Diagnostic {
    let diagnostic = Diagnostic::error(fault.to_string()).at(span, "by this entry");
    let caused = std::error::Error::source(fault).map(|cause| format!("the cause: {cause}"));
    caused.into_iter().chain(fault.hints_in(lists)).fold(diagnostic, Diagnostic::hint)
}

/// Returns the lists of an entry, as hints about its faults write them.
fn lists(entry: &FilesEntry, faults: &[FileFault]) -> EntryLists {
    let written = |values: &[Spanned<String>]| values.iter().map(as_written).collect();
    EntryLists {
        exclude: written(&entry.exclude),
        include_denied: written(&entry.include_denied),
        left_out: faults.iter().filter_map(FileFault::exclude_element).collect(),
    }
}

/// Returns a value as it stands in the recipe, placeholders and all.
fn as_written(value: &Spanned<String>) -> String {
    let written = value.span.as_ref().and_then(|span| span.source.text.get(span.range.clone()));
    let written = written.filter(|text| text.starts_with(['"', '\'']) && !text.chars().any(|letter| letter == '`' || is_hostile(letter)));
    written.map_or_else(|| snippet::path(&value.value), str::to_owned)
}

fn request(entry: &FilesEntry, from: &str) -> Request {
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
