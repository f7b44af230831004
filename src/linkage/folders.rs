use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Span, snippet};
use crate::rootfs::{Fact, FactKind, Followed, ImagePath, Resolved};

use super::{Fault, ProofRequest};

/// A folder that an image must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NeededFolder {
    /// What it is needed for.
    pub usage: FolderUse,
    /// Its path, before links are followed.
    pub path: ImagePath,
    /// Where the recipe names it, if it does.
    pub span: Option<Span>,
}

/// What a folder is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FolderUse {
    /// The process starts in it.
    WorkingDirectory,
    /// The process writes to it.
    Writable,
    /// A volume is mounted over it.
    Volume,
    /// It is the home of the process's account.
    Home,
    /// The recipe adds it.
    Added,
}

/// A symbolic link of the recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipeLink {
    /// Its path.
    pub path: ImagePath,
    /// Where the recipe names it.
    pub span: Option<Span>,
}

impl FolderUse {
    fn subject(self, path: &ImagePath) -> String {
        match self {
            Self::WorkingDirectory => format!("the working folder `{path}`"),
            Self::Writable => format!("the writable folder `{path}`"),
            Self::Volume => format!("the volume `{path}`"),
            Self::Home => format!("the home folder `{path}`"),
            Self::Added => format!("the folder `{path}` of `[[directories]]`"),
        }
    }

    /// Returns what to write, where the recipe names the folder or the base does.
    fn hint(self, is_written: bool) -> &'static str {
        match (self, is_written) {
            (Self::WorkingDirectory, true) => "name a folder in `workdir`, or leave it out: a missing folder is made",
            (Self::WorkingDirectory, false) => "the base's config names it: write another one in `[process]`, `workdir = \"/\"`",
            (Self::Writable, _) => "name a folder in `writable`: a missing folder is made",
            (Self::Volume, true) => "name a folder in `volumes`: a missing folder is made",
            (Self::Volume, false) => "the base's config names it: leave `volumes` out of `base.inherit`",
            (Self::Home, true) => "write another folder in `[user]`, `home = \"/home/app\"`: a missing folder is made",
            (Self::Home, false) => "it is the home of the account: take the file away, or choose another account with `uid` in `[user]`",
            (Self::Added, _) => "choose another `path`",
        }
    }
}

/// Checks that what must be a folder is one or can be made one, and that the recipe's links lead somewhere inside of the image.
pub(super) fn check(request: &ProofRequest<'_>) -> Vec<Fault> {
    let mut needed: Vec<NeededFolder> = request.options.folders.clone();
    // What the recipe does not name is of the base's config.
    let names =
        |usage: FolderUse, path: &ImagePath| request.options.folders.iter().any(|known| known.usage == usage && known.path == *path);
    let directory = request.config.working_directory().map(|path| (FolderUse::WorkingDirectory, path));
    let volumes = request.config.volumes().into_iter().map(|path| (FolderUse::Volume, path));
    for (usage, path) in directory.into_iter().chain(volumes) {
        let Ok(path) = ImagePath::absolute(path) else { continue };
        if !names(usage, &path) {
            needed.push(NeededFolder { usage, path, span: None });
        }
    }
    let mut told: BTreeSet<(ImagePath, String)> = BTreeSet::new();
    let mut faults = Vec::new();
    for NeededFolder { usage, path, span } in needed {
        let followed = request.rootfs.followed(&path);
        let Some(reason) = no_folder(request, usage, &path, &followed) else { continue };
        if !told.insert((path.clone(), usage.subject(&path))) {
            continue;
        }
        let mut diagnostic = Diagnostic::error(format!("{} {reason}", usage.subject(&path))).at(span.as_ref(), "cannot be a folder");
        if let (Resolved::Missing(real), None, None) = (&followed.resolved, &followed.blocked_by, &followed.leads_out) {
            diagnostic = diagnostic.hint(format!(
                "name `{real}` itself, or add it: a `[[directories]]` entry with `path = {}`",
                snippet::path(&real.to_string())
            ));
        }
        faults.push(Fault::Start(diagnostic.hint(usage.hint(span.is_some()))));
    }
    let is_told = |link: &&RecipeLink| told.iter().any(|(path, _)| *path == link.path);
    faults.extend(request.options.links.iter().filter(|link| !is_told(link)).filter_map(|link| broken_link(request, link)));
    faults
}

/// Returns why a path is no folder, behind its name; `None` where it is one, or a runtime makes it.
fn no_folder(request: &ProofRequest<'_>, usage: FolderUse, path: &ImagePath, followed: &Followed) -> Option<String> {
    if let Some(link) = &followed.leads_out {
        return Some(format!("leads out of the image: the link `{link}` has more `..` than there are folders above it"));
    }
    match &followed.resolved {
        Resolved::Loop => Some("is part of a loop of symbolic links".to_owned()),
        Resolved::File(_, Fact { kind: FactKind::Directory, .. }) => None,
        Resolved::File(real, fact) if real == path => Some(format!("is {}", kind(fact))),
        Resolved::File(real, fact) => Some(format!("leads to `{real}`, which is {}", kind(fact))),
        Resolved::Missing(real) => match (&followed.blocked_by, &followed.dangling) {
            (Some(above), _) => {
                let what = request.rootfs.entry(above).map_or("a file", |fact| kind(&fact));
                Some(format!("is below `{above}`, which is {what}"))
            }
            // The home of an account of the base need not be there, and nothing is started in it.
            (None, Some(link)) if usage != FolderUse::Home || request.rootfs.own_entry(link).is_some() => {
                Some(format!("leads to `{real}` by the link `{link}`, and nothing is there"))
            }
            (None, _) => None,
        },
    }
}

fn kind(fact: &Fact) -> &'static str {
    match fact.kind {
        FactKind::Directory => "a folder",
        FactKind::File { .. } => "a file",
        FactKind::Symlink(_) => "a link",
        FactKind::Device(_) => "a device",
        FactKind::Fifo => "a FIFO",
    }
}

/// A link may lead to nothing, because a mount can be there when the image runs; but not out of the image, and not to itself.
fn broken_link(request: &ProofRequest<'_>, link: &RecipeLink) -> Option<Fault> {
    let followed = request.rootfs.followed(&link.path);
    let (reason, hint) = match (&followed.leads_out, &followed.resolved) {
        (Some(out), _) => (
            format!("leads out of the image: `{out}` has more `..` than there are folders above it"),
            "write the target as an absolute path of the image: `target = \"/app/server\"`",
        ),
        (None, Resolved::Loop) => {
            ("is part of a loop of symbolic links".to_owned(), "let one of the links lead to a file or folder, with `target`")
        }
        (None, Resolved::File(..) | Resolved::Missing(_)) => return None,
    };
    let message = format!("the link `{}` {reason}", link.path);
    Some(Fault::Start(Diagnostic::error(message).at(link.span.as_ref(), "leads nowhere").hint(hint)))
}
