use std::collections::BTreeSet;

use crate::diagnostic::Diagnostic;
use crate::rootfs::{Content, Entry, EntryKind, Fact, FactKind, FoundFile, ImagePath, Resolved, Rootfs};

use super::owners::Owners;
use super::{Fault, Source};

const OTHER_PATH: &str = "choose another path for this entry: `to` in `[[files]]`, `path` in `[[directories]]` and `[[links]]`";

/// Leads every source's entries through the links of the base, and finds those that exclude each other.
///
/// `home` is the user's home folder, which the embedded base has.
pub(super) fn resolve(below: &Rootfs<'_>, sources: Vec<Source>, home: &ImagePath, faults: &mut Vec<Fault>) -> Vec<Source> {
    let mut resolved: Vec<Source> = Vec::new();
    let mut owners = Owners::default();
    for source in sources {
        let mut source = canonical(below, source);
        source.entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        against_base(below, &source, home, faults);
        whiteouts(&source, faults);
        let rivals = owners.rivals(&resolved, &source);
        let mut told = BTreeSet::new();
        for number in &rivals {
            settle(&mut resolved[*number], &mut source, &mut told, faults);
        }
        owners.moved(&resolved, &rivals, &source);
        resolved.push(source);
    }
    resolved
}

/// Adds what we generate ourselves, accounts and folders, at the bottom. What the recipe's own files hold goes first.
pub(super) fn add_generated(below: &Rootfs<'_>, resolved: &mut Vec<Source>, generated: Source, faults: &mut Vec<Fault>) {
    let mut generated = canonical(below, generated);
    generated.entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    whiteouts(&generated, faults);
    let rivals = Owners::default().rivals(resolved, &generated);
    generated.entries.retain(|(path, _)| rivals.iter().all(|number| find(&resolved[*number], path).is_none()));
    let mut told = BTreeSet::new();
    for number in &rivals {
        settle(&mut resolved[*number], &mut generated, &mut told, faults);
    }
    if !generated.entries.is_empty() {
        resolved.insert(0, generated);
    }
}

/// Joins sources that share a layer; the order is that of their first entries.
pub(super) fn group(resolved: Vec<Source>) -> Vec<(String, Vec<(ImagePath, Entry)>)> {
    let mut groups: Vec<Source> = Vec::new();
    for source in resolved {
        if source.entries.is_empty() {
            continue;
        }
        let shared = groups.iter_mut().find(|group| group.layer.is_some() && group.layer == source.layer);
        if let Some(group) = shared {
            group.name.push_str(", ");
            group.name.push_str(&source.name);
            group.entries.extend(source.entries);
        } else {
            groups.push(source);
        }
    }
    groups.into_iter().map(|group| (group.name, group.entries)).collect()
}

/// Leads every path through the links of the base: where `/bin` is a link to `usr/bin`, `/bin/x` becomes `/usr/bin/x`.
fn canonical(below: &Rootfs<'_>, mut source: Source) -> Source {
    let mut last: Option<(ImagePath, ImagePath)> = None;
    for (path, entry) in &mut source.entries {
        let real = real_path(below, path, entry, &mut last);
        if let EntryKind::HardLink(target) = &entry.kind {
            let real_target = real_path(below, target, entry, &mut None);
            entry.kind = EntryKind::HardLink(real_target);
        }
        if real != *path {
            entry.kind = moved(std::mem::replace(&mut entry.kind, EntryKind::Directory), path, &real);
            *path = real;
        }
    }
    source
}

fn real_path(below: &Rootfs<'_>, path: &ImagePath, entry: &Entry, last: &mut Option<(ImagePath, ImagePath)>) -> ImagePath {
    // A folder's own name is followed as well: a folder over a link to a folder would hide what is there.
    if entry.kind == EntryKind::Directory {
        return match below.resolve(path) {
            Resolved::File(real, Fact { kind: FactKind::Directory, .. }) | Resolved::Missing(real) => real,
            Resolved::File(..) | Resolved::Loop => path.clone(),
        };
    }
    let Some(parent) = path.parent() else { return path.clone() };
    let real = match last {
        Some((known, real)) if *known == parent => real.clone(),
        _ => match below.resolve(&parent) {
            Resolved::File(real, _) | Resolved::Missing(real) => real,
            Resolved::Loop => parent.clone(),
        },
    };
    let resolved = if real == parent { path.clone() } else { real.join(path.name()).unwrap_or_else(|_| path.clone()) };
    *last = Some((parent, real));
    resolved
}

/// Keeps a file's path on the host when its path in the image changes.
pub(super) fn moved(kind: EntryKind, from: &ImagePath, to: &ImagePath) -> EntryKind {
    let EntryKind::File(content) = kind else { return kind };
    match content.found(from) {
        Some((_, path, _)) if to.as_bytes().ends_with(path) => EntryKind::File(content),
        Some((tree, path, stat)) => EntryKind::File(Content::At(Box::new(FoundFile { tree, path: path.into(), stat }))),
        None => EntryKind::File(content),
    }
}

fn against_base(below: &Rootfs<'_>, source: &Source, home: &ImagePath, faults: &mut Vec<Fault>) {
    for (path, entry) in &source.entries {
        let Some(fact) = below.entry(path) else { continue };
        let (ours, theirs) = (entry.kind == EntryKind::Directory, fact.kind == FactKind::Directory);
        if ours != theirs {
            let (one, other) = if ours { ("a folder", "a file") } else { ("a file", "a folder") };
            let hint = if home.starts_with(path) && !ours {
                "the home folder of the user is there: write another `home` in `[user]`, or choose another path for this entry"
            } else {
                OTHER_PATH
            };
            let diagnostic = Diagnostic::error(format!("`{path}` is {other} in the base, and {one} by this entry"))
                .at(source.span.as_ref(), format!("`{}`", source.name))
                .hint(hint);
            faults.push(Fault::Recipe(diagnostic));
        }
    }
    if let Some(above) = first_above(source, |above| below.entry(above).is_some_and(|fact| fact.kind != FactKind::Directory)) {
        let diagnostic = Diagnostic::error(format!("`{above}` is no folder in the base, and this entry puts files below it"))
            .at(source.span.as_ref(), format!("`{}`", source.name))
            .hint(OTHER_PATH);
        faults.push(Fault::Recipe(diagnostic));
    }
}

/// Refuses names that runtimes read as whiteouts: the file would not be in the image, and another would vanish from it.
fn whiteouts(source: &Source, faults: &mut Vec<Fault>) {
    let mut found = source.entries.iter().map(|(path, _)| path).filter(|path| path.names_whiteout());
    let Some(first) = found.next() else { return };
    let more = match found.count() {
        0 => String::new(),
        count => format!(", and {count} more like it"),
    };
    let message = format!("`{first}`{more} cannot be in an image: a name that begins with `.wh.` hides a file of the layers below");
    let diagnostic = Diagnostic::error(message)
        .at(source.span.as_ref(), format!("`{}`", source.name))
        .hint("rename it, or leave it out of a folder: `exclude = [\".wh.*\"]`");
    faults.push(Fault::Recipe(diagnostic));
}

/// Returns the entry of a source whose entries are sorted.
pub(super) fn find<'a>(source: &'a Source, path: &ImagePath) -> Option<&'a Entry> {
    source.entries.binary_search_by(|(other, _)| other.cmp(path)).ok().map(|index| &source.entries[index].1)
}

/// Settles which of two sources has a path: two folders are one, one that may replace wins, anything else is a fault, which is told once for
/// each path of the later one.
fn settle(earlier: &mut Source, later: &mut Source, told: &mut BTreeSet<ImagePath>, faults: &mut Vec<Fault>) {
    let (few, many) = if earlier.entries.len() < later.entries.len() { (&*earlier, &*later) } else { (&*later, &*earlier) };
    let shared: Vec<ImagePath> = few.entries.iter().map(|(path, _)| path).filter(|path| find(many, path).is_some()).cloned().collect();
    let mut reported = 0;
    for path in shared {
        let is_folder = |source: &Source| find(source, &path).is_some_and(|entry| entry.kind == EntryKind::Directory);
        if is_folder(earlier) && is_folder(later) || later.replace && is_folder(earlier) == is_folder(later) {
            remove(earlier, &path);
        } else if earlier.replace && is_folder(earlier) == is_folder(later) {
            remove(later, &path);
        } else if reported < 5 && told.insert(path.clone()) {
            reported += 1;
            faults.push(Fault::Recipe(two_entries(&path, earlier, later)));
        }
    }
    for (one, other) in [(&*earlier, &*later), (&*later, &*earlier)] {
        if let Some(path) = file_as_folder(one, other) {
            let diagnostic =
                Diagnostic::error(format!("`{path}` is not a folder in `{}`, and `{}` puts files below it", one.name, other.name))
                    .at(other.span.as_ref(), "puts files below it")
                    .also_at(one.span.as_ref(), "is no folder")
                    .hint(OTHER_PATH);
            faults.push(Fault::Recipe(diagnostic));
        }
    }
}

/// Returns a path that is a file or link in `one`, and above an entry of `other`.
fn file_as_folder(one: &Source, other: &Source) -> Option<ImagePath> {
    if one.entries.len() < other.entries.len() {
        let has_below = |path: &ImagePath| {
            let below = [path.as_bytes(), b"/"].concat();
            let next = other.entries.partition_point(|(path, _)| path.as_bytes() < &*below);
            other.entries.get(next).is_some_and(|(path, _)| path.as_bytes().starts_with(&below))
        };
        let files = one.entries.iter().filter(|(_, entry)| entry.kind != EntryKind::Directory);
        return files.map(|(path, _)| path).find(|path| has_below(path)).cloned();
    }
    first_above(other, |above| find(one, above).is_some_and(|entry| entry.kind != EntryKind::Directory))
}

/// Returns the first folder above an entry of a source that something holds of.
fn first_above(source: &Source, holds: impl Fn(&ImagePath) -> bool) -> Option<ImagePath> {
    let mut last = None;
    for (path, _) in &source.entries {
        let parent = path.parent();
        if parent == last {
            continue;
        }
        if let Some(above) = path.parents().find(&holds) {
            return Some(above);
        }
        last = parent;
    }
    None
}

fn two_entries(path: &ImagePath, earlier: &Source, later: &Source) -> Diagnostic {
    let is_folder = |source: &Source| find(source, path).is_some_and(|entry| entry.kind == EntryKind::Directory);
    let hint = if is_folder(earlier) == is_folder(later) {
        "write `replace = true` in the entry that is meant, or exclude the file from the other"
    } else {
        "one of them is a folder, which no file can replace: choose another path for it, or exclude the file from the other"
    };
    Diagnostic::error(format!("two entries for `{path}`: `{}` and `{}`", earlier.name, later.name))
        .at(later.span.as_ref(), format!("also puts `{path}`"))
        .also_at(earlier.span.as_ref(), format!("puts `{path}` first"))
        .hint(hint)
}

/// Removes an entry. Where it is a file with other names, the first of these becomes the file.
fn remove(source: &mut Source, path: &ImagePath) {
    let Ok(index) = source.entries.binary_search_by(|(other, _)| other.cmp(path)) else { return };
    let (_, removed) = source.entries.remove(index);
    if !matches!(removed.kind, EntryKind::File(_)) {
        return;
    }
    let mut heir: Option<ImagePath> = None;
    let mut kind = Some(removed.kind);
    for (link, entry) in source.entries.iter_mut().filter(|(_, entry)| entry.kind == EntryKind::HardLink(path.clone())) {
        entry.kind = match &heir {
            None => {
                heir = Some(link.clone());
                kind.take().map_or(EntryKind::Directory, |kind| moved(kind, path, link))
            }
            Some(heir) => EntryKind::HardLink(heir.clone()),
        };
    }
}
