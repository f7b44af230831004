use crate::diagnostic::Span;
use crate::linkage::{FolderUse, NeededFolder};
use crate::recipe::UserChoice;
use crate::rootfs::{Entry, EntryKind, Fact, FactKind, ImagePath, Owner, Resolved};

use super::accounts::{PlannedAccounts, accounts};
use super::below::Below;
use super::{Fault, Settings, Source};

/// What is made without being named in the recipe's files, and what must be a folder because of it.
pub(super) struct Generated {
    /// The account files and folders.
    pub(super) source: Source,
    /// The home folders of the account that is used.
    pub(super) homes: Vec<NeededFolder>,
}

/// Makes what the recipe asks for without naming files: the user's accounts, its home, and the folders that must exist.
///
/// A folder that cannot be one is not made here: the proof says why.
pub(super) fn generate(
    image: &Below<'_>,
    user: &UserChoice,
    writable: &[(ImagePath, Option<Span>)],
    settings: &Settings,
    faults: &mut Vec<Fault>,
) -> Generated {
    let owner = user.owner;
    let PlannedAccounts { files: mut entries, home } = accounts(image, user, faults);
    if !entries.is_empty() && owner.uid != 0 {
        entries.extend(missing(image, &user.home).map(|path| (path, folder(0o700, owner))));
    }
    let directory = settings.working_directory.as_deref().and_then(|path| ImagePath::absolute(path).ok());
    if let Some(path) = directory.and_then(|path| missing(image, &path)) {
        entries.push((path, folder(0o755, Owner::default())));
    }
    let volumes = settings.volumes.iter().filter_map(|path| ImagePath::absolute(path).ok());
    for path in writable.iter().map(|(path, _)| path.clone()).chain(volumes) {
        if let Some(path) = not_writable(image, &path, owner) {
            entries.retain(|(other, _)| *other != path);
            entries.push((path, folder(0o755, owner)));
        }
    }
    let declared = user.home.span.as_ref().map(|_| user.home.value.clone());
    let mut homes: Vec<NeededFolder> = Vec::new();
    for path in declared.into_iter().chain(home) {
        let span = user.home.span.clone().filter(|_| path == user.home.value);
        if homes.iter().all(|home| home.path != path) {
            homes.push(NeededFolder { usage: FolderUse::Home, path, span });
        }
    }
    let source = Source { name: "accounts and folders".to_owned(), span: None, layer: None, replace: false, entries };
    Generated { source, homes }
}

fn folder(mode: u16, owner: Owner) -> Entry {
    Entry { kind: EntryKind::Directory, mode, owner }
}

/// Returns where a path leads, if a folder is there or can be made there: behind links of the base, and not behind those of the recipe that
/// lead to nothing.
fn folder_path(image: &Below<'_>, path: &ImagePath) -> Option<ImagePath> {
    let followed = image.followed(path);
    if followed.leads_out.is_some() || followed.blocked_by.is_some() {
        return None;
    }
    match followed.resolved {
        Resolved::File(real, Fact { kind: FactKind::Directory, .. }) => Some(real),
        Resolved::Missing(real) => Some(real).filter(|_| !followed.dangling.is_some_and(|link| image.is_own(&link))),
        Resolved::File(..) | Resolved::Loop => None,
    }
}

/// Returns where a folder is to be made that the base lacks.
fn missing(image: &Below<'_>, path: &ImagePath) -> Option<ImagePath> {
    folder_path(image, path).filter(|real| image.files.entry(real).is_none())
}

/// Returns where a folder is to be made that lets the user write, unless the base has one that does.
fn not_writable(image: &Below<'_>, path: &ImagePath, owner: Owner) -> Option<ImagePath> {
    folder_path(image, path).filter(|real| match image.files.entry(real) {
        Some(fact @ Fact { kind: FactKind::Directory, .. }) => !fact.allows(owner, 0o3),
        _ => true,
    })
}
