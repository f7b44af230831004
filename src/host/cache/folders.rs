use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fchmod, fstat, mkdirat, open, openat};
use rustix::io::Errno;
use rustix::process::geteuid;

/// The permission bits of the cache's folders: others neither read nor write.
const OWN: u32 = 0o700;
/// The permission bits that let others write.
const OTHERS_WRITE: u32 = 0o022;

// Passing through a folder needs no permission to list it; `O_PATH` of Linux asks for none.
#[cfg(target_os = "linux")]
const PASS: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
#[cfg(not(target_os = "linux"))]
const PASS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Why a folder cannot hold a cache.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderFault {
    /// Somebody else could put files into it.
    #[error("`{}` belongs to another user, or other users can write to it", .0.display())]
    Foreign(PathBuf),
    /// It cannot be made or opened.
    #[error("{0}")]
    Disk(#[from] io::Error),
}

impl From<Errno> for FolderFault {
    fn from(error: Errno) -> Self {
        Self::Disk(error.into())
    }
}

/// Makes the folder that was named for the cache, unless it is there, and opens it. It may be a link: where the cache is, is the user's choice.
pub(super) fn open_named(folder: &Path) -> io::Result<OwnedFd> {
    DirBuilder::new().recursive(true).mode(OWN).create(folder)?;
    Ok(open(folder, PASS, Mode::empty())?)
}

/// Says whether an open folder belongs to this user, and nobody else may write to it.
pub(super) fn is_private(folder: &OwnedFd) -> io::Result<bool> {
    let found = fstat(folder)?;
    Ok(is_this_user(found.st_uid) && found.st_mode & OTHERS_WRITE == 0)
}

/// Opens a folder that lies in an open one, and makes it if it is missing. An older one of this user's is closed to others.
pub(super) fn open_own(above: &OwnedFd, folder: &Path) -> Result<OwnedFd, FolderFault> {
    let name = folder.file_name().unwrap_or_default();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let handle = match openat(above, name, flags, Mode::empty()) {
        Err(Errno::NOENT) => match mkdirat(above, name, Mode::from_raw_mode(OWN)) {
            Ok(()) | Err(Errno::EXIST) => openat(above, name, flags, Mode::empty())?,
            Err(error) => return Err(error.into()),
        },
        opened => opened?,
    };
    let found = fstat(&handle)?;
    if is_this_user(found.st_uid) && found.st_mode & 0o777 != OWN {
        // A file system without permission bits refuses this; what counts is who may write afterwards.
        let _ = fchmod(&handle, Mode::from_raw_mode(OWN));
    }
    if is_private(&handle)? { Ok(handle) } else { Err(FolderFault::Foreign(folder.to_owned())) }
}

/// Says whether a folder inside of the cache is this user's. One that is gets closed to others.
pub(super) fn is_own(folder: &Path) -> bool {
    let Some(found) = fs::symlink_metadata(folder).ok().filter(|found| found.is_dir() && is_this_user(found.uid())) else { return false };
    if found.mode() & 0o777 != OWN {
        let _ = fs::set_permissions(folder, PermissionsExt::from_mode(OWN));
    }
    true
}

/// Makes a folder inside of the cache. What has its name and is not a folder of this user's gives way.
pub(super) fn make_own(folder: &Path) -> io::Result<()> {
    if is_own(folder) {
        return Ok(());
    }
    if let Ok(found) = fs::symlink_metadata(folder) {
        // A folder of somebody else's with files in it cannot be removed; under another name nothing is looked for in it.
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let aside = folder.with_file_name(format!("foreign-{name}-{}", std::process::id()));
        let moved = if found.is_dir() { fs::rename(folder, aside) } else { fs::remove_file(folder) };
        moved.or_else(|error| if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) })?;
    }
    match DirBuilder::new().mode(OWN).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists || !is_own(folder) => return Err(error),
        _ => {}
    }
    folder.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
}

/// Says whether only this user has written to a file, and nobody else may.
pub(super) fn is_own_file(found: &fs::Metadata) -> bool {
    is_this_user(found.uid()) && found.mode() & OTHERS_WRITE == 0
}

/// Returns the name of this user's folder inside of one that others may write to.
pub(super) fn user_folder() -> String {
    format!("user-{}", geteuid().as_raw())
}

fn is_this_user(owner: u32) -> bool {
    owner == geteuid().as_raw()
}
