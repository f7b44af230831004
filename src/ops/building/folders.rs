use crate::linkage::{FolderUse, NeededFolder, RecipeLink};
use crate::recipe::{PlatformRecipe, Spanned};
use crate::rootfs::ImagePath;

/// Returns what must be a folder because the recipe says so.
pub(super) fn needed(part: &PlatformRecipe) -> Vec<NeededFolder> {
    let process = &part.process;
    let folder = |usage, path: &Spanned<ImagePath>| NeededFolder { usage, path: path.value.clone(), span: path.span.clone() };
    let workdir = process.workdir.iter().map(|path| folder(FolderUse::WorkingDirectory, path));
    let writable = process.writable.iter().map(|path| folder(FolderUse::Writable, path));
    let volumes = process.volumes.iter().map(|path| folder(FolderUse::Volume, path));
    let added = part.directories.iter().map(|entry| folder(FolderUse::Added, &entry.path));
    workdir.chain(writable).chain(volumes).chain(added).collect()
}

/// Returns the links that the recipe adds.
pub(super) fn links(part: &PlatformRecipe) -> Vec<RecipeLink> {
    part.links.iter().map(|link| RecipeLink { path: link.path.value.clone(), span: link.path.span.clone() }).collect()
}
