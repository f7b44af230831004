use std::collections::BTreeMap;

use super::finding::{Level, Report};
use super::{LinkTarget, LintRequest};
use crate::diagnostic::snippet;
use crate::linkage::VirtualEnvironment;
use crate::recipe::{FilesEntry, FilesSource, Symlinks};
use crate::rootfs::{EntryKind, ImagePath, Resolved};

/// How many entries a hint proposes.
const PROPOSED: usize = 3;

/// What a link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// The interpreter of a virtual environment.
    VirtualEnvironment,
    /// A package of pnpm, in its store.
    Store,
    /// A package of the same workspace.
    Workspace,
    /// Anything else.
    Other,
    /// A command of a package that was left out.
    Command,
    /// Something outside of the project.
    Outside,
}

/// A link that leads to nothing in the image.
struct Dangling {
    link: ImagePath,
    /// Where it leads in the image.
    missing: ImagePath,
    /// Where that is in the project, and whether the entry of the link should have taken it.
    target: Option<(String, Inside)>,
    /// Whether the link is written as an absolute path, which holds on this machine only.
    is_absolute: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inside {
    OfEntry,
    OfProject,
}

/// Finds links of the project that lead to nothing in the image, though they lead to something on the host.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let mut kinds: BTreeMap<Kind, Vec<Dangling>> = BTreeMap::new();
    for (path, entry) in request.rootfs.changesets().iter().flat_map(|changeset| changeset.entries()) {
        let EntryKind::Symlink(target) = &entry.kind else { continue };
        let Resolved::Missing(missing) = request.rootfs.resolve(path) else { continue };
        if let Some((kind, dangling)) = dangling(request, path, target, missing) {
            kinds.entry(kind).or_default().push(dangling);
        }
    }
    for (kind, links) in kinds {
        tell(kind, &links, report, request);
    }
}

fn dangling(request: &LintRequest<'_>, path: &ImagePath, target: &[u8], missing: ImagePath) -> Option<(Kind, Dangling)> {
    let (fixed, host, found) = request.recipe.files.iter().find_map(|entry| {
        let (fixed, host) = on_host(entry, path)?;
        let found = request.links.target(&host, target)?;
        Some((fixed, host, found))
    })?;
    let (link, is_absolute) = (path.clone(), target.starts_with(b"/"));
    if environment(request, path).is_some() {
        return Some((Kind::VirtualEnvironment, Dangling { link, missing, target: None, is_absolute }));
    }
    match found {
        LinkTarget::Nothing => None,
        LinkTarget::Outside => Some((Kind::Outside, Dangling { link, missing, target: None, is_absolute })),
        LinkTarget::Project(target) => {
            let target = String::from_utf8(target).ok()?;
            let is_of_entry = fixed.is_empty() || target.strip_prefix(fixed).is_some_and(|rest| rest.starts_with('/'));
            let names = |name: &[u8]| host.split(|byte| *byte == b'/').any(|part| part == name);
            let kind = match is_of_entry {
                true if names(b".bin") => Kind::Command,
                _ if target.contains("node_modules/.pnpm/") => Kind::Store,
                _ if names(b"node_modules") => Kind::Workspace,
                _ => Kind::Other,
            };
            let inside = if is_of_entry { Inside::OfEntry } else { Inside::OfProject };
            Some((kind, Dangling { link, missing, target: Some((target, inside)), is_absolute }))
        }
    }
}

/// Returns the folder of an entry, and where in the project a file is that the entry puts at a path.
fn on_host<'a>(entry: &'a FilesEntry, path: &ImagePath) -> Option<(&'a str, Vec<u8>)> {
    let FilesSource::Host { fixed, .. } = &entry.source else { return None };
    if entry.symlinks != Symlinks::Keep {
        return None;
    }
    let below = match path.as_bytes().strip_prefix(entry.to.path().as_bytes())? {
        [b'/', below @ ..] => below,
        below if entry.to.path().is_root() => below,
        _ => return None,
    };
    let host = if fixed.is_empty() { below.to_vec() } else { [fixed.as_bytes(), b"/", below].concat() };
    Some((fixed, host))
}

/// Returns the virtual environment whose interpreter a path is.
fn environment(request: &LintRequest<'_>, path: &ImagePath) -> Option<VirtualEnvironment> {
    let is_named = path.name().starts_with(b"python") || path.name().starts_with(b"pypy");
    if is_named { VirtualEnvironment::of(request.rootfs, path) } else { None }
}

fn tell(kind: Kind, links: &[Dangling], report: &mut Report, request: &LintRequest<'_>) {
    let Some(first) = links.first() else { return };
    let level = if matches!(kind, Kind::Command | Kind::Outside) { Level::Detail } else { Level::Warning };
    let what = match kind {
        Kind::VirtualEnvironment => "of a virtual environment",
        Kind::Store => "into pnpm's store",
        Kind::Workspace => "to packages of the workspace",
        Kind::Other => "to files of the project",
        Kind::Command => "to commands of packages that are left out",
        Kind::Outside => "out of the project",
    };
    let in_project = first.target.as_ref().map(|(target, _)| format!(", in the project `{}`", target.escape_debug())).unwrap_or_default();
    let one = format!("`{}` leads to `{}`{in_project}, which is not in the image", first.link, first.missing);
    let message = match links.len() {
        1 => format!("a link {what}: {one}"),
        count => format!("{count} links {what}, the first: {one}"),
    };
    let finding = report.find(level, message);
    match kind {
        Kind::VirtualEnvironment => finding.hints.extend(environment(request, &first.link).iter().flat_map(VirtualEnvironment::hints)),
        Kind::Store | Kind::Workspace | Kind::Other => finding.hints.extend(hints(kind, links)),
        Kind::Command | Kind::Outside => {}
    }
    finding.about(links.iter().map(|link| link.link.to_string()));
}

/// Returns the entries that would pack what is missing so that the links stay right.
fn hints(kind: Kind, links: &[Dangling]) -> Vec<String> {
    let mut entries: BTreeMap<String, String> = BTreeMap::new();
    let mut left_out = None;
    let mut absolute = None;
    for Dangling { link, missing, target, is_absolute } in links {
        match target {
            Some((target, Inside::OfProject)) if *is_absolute => absolute = absolute.or(Some((link, target))),
            Some((target, Inside::OfEntry)) => left_out = left_out.or(Some(target)),
            Some((target, Inside::OfProject)) => entries.extend(proposed(kind, target, missing)),
            None => {}
        }
    }
    let froms: Vec<String> = entries.keys().cloned().collect();
    entries.retain(|from, _| !froms.iter().any(|other| from.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('/'))));
    let mut hints: Vec<String> = entries
        .iter()
        .take(PROPOSED)
        .map(|(from, to)| {
            format!(
                "add a `[[files]]` entry with `from = {}` and `to = {}`: the link is then valid",
                snippet::path(from),
                snippet::path(to)
            )
        })
        .collect();
    if entries.len() > PROPOSED {
        hints.push(format!("{} more entries of this kind are needed", entries.len() - PROPOSED));
    }
    if let Some((link, target)) = absolute {
        hints.push(format!(
            "`{link}` has an absolute target on this machine: make the link relative, and pack `{}` at the path to which the link then points",
            target.escape_debug()
        ));
    }
    if let Some(target) = left_out {
        hints.push(format!(
            "`{}` is left out of the same entry: take it out of `exclude`, or exclude the link as well",
            target.escape_debug()
        ));
    }
    hints
}

/// Returns what to take and where to put it, so that what is missing in the image is there.
fn proposed(kind: Kind, target: &str, missing: &ImagePath) -> Option<(String, String)> {
    if target.is_empty() {
        return None;
    }
    // Packages in the store are linked to each other: all of it is taken.
    let whole = target.find("node_modules/.pnpm/").filter(|_| kind == Kind::Store).map(|at| at + "node_modules/.pnpm".len());
    let missing = missing.to_string();
    let of_store = whole.and_then(|end| Some((target[..end].to_owned(), missing.strip_suffix(&target[end..])?.to_owned())));
    Some(of_store.unwrap_or_else(|| (target.to_owned(), missing)))
}
