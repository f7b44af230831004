use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags};

use super::folders::{FolderFault, is_own_file, is_private, open_named, open_own, user_folder};
use super::{Cache, Inner, KINDS, NEW};
use crate::host::unfinished::{Live, is_at};
use crate::host::{Environment, sweep};

/// Neither the cache nor a temporary one can be made.
#[derive(Debug, thiserror::Error)]
#[error("could not create a folder for the cache")]
pub struct CacheFault(#[source] FolderFault);

/// Why the cache lasts for this run only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheNote(pub String);

impl Cache {
    /// Opens the cache at `folder`, or in the user's cache folder: `hardened` in `XDG_CACHE_HOME`, `~/.cache` or `~/Library/Caches`.
    ///
    /// A folder that belongs to another user, or that its group or all may write to, is not used itself: `user-UID` in it is, which only this
    /// user can read and write. Where that cannot be had either, a temporary cache is used, and the note says why.
    ///
    /// # Errors
    /// When not even a temporary one can be made.
    pub fn open_for(environment: &Environment, folder: Option<&Path>) -> Result<(Self, Option<CacheNote>), CacheFault> {
        let Some(named) = folder.map(Path::to_owned).or_else(|| usual_folder(environment)) else {
            let note = "there is no HOME, so the cache lasts for this run only; `--cache-dir DIR` names another".to_owned();
            return Ok((Self::temporary()?, Some(CacheNote(note))));
        };
        match open_folder(&named) {
            Ok(folder) => Ok((Self::new(folder, named, None), None)),
            Err(fault) => {
                let note = format!(
                    "the cache `{}` cannot be used ({fault}), so it lasts for this run only; `--cache-dir DIR` names another",
                    named.display()
                );
                Ok((Self::temporary()?, Some(CacheNote(note))))
            }
        }
    }

    /// Makes a cache that is removed at the end of the run, also when a signal ends it.
    ///
    /// # Errors
    /// When there is no temporary folder.
    pub fn temporary() -> Result<Self, CacheFault> {
        let failed = |error: io::Error| CacheFault(error.into());
        let (folder, live) = Live::temporary_folder("hardened-").map_err(failed)?;
        let path = folder.path().to_owned();
        let handle = open_named(&path).map_err(failed)?;
        prepare(&handle, &path).map_err(CacheFault)?;
        Ok(Self::new(path.clone(), path, Some((folder, live))))
    }

    fn new(folder: PathBuf, named: PathBuf, temporary: Option<(tempfile::TempDir, Live)>) -> Self {
        Self { inner: Arc::new(Inner { folder, named, damaged: Mutex::default(), _temporary: temporary }) }
    }
}

fn usual_folder(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let home = || environment.path("HOME").and_then(absolute);
    let caches = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    let base = environment.path("XDG_CACHE_HOME").and_then(absolute).or_else(|| home().map(|home| home.join(caches)))?;
    Some(base.join("hardened"))
}

/// Returns the folder that holds the cache: the named one, or this user's own in it.
fn open_folder(named: &Path) -> Result<PathBuf, FolderFault> {
    let handle = open_named(named)?;
    if is_private(&handle)? {
        match prepare(&handle, named) {
            // Somebody else made a folder in it, while others could still write to it or by `sudo`.
            Err(FolderFault::Foreign(_)) => {}
            prepared => return prepared.map(|()| named.to_owned()),
        }
    }
    let own = named.join(user_folder());
    prepare(&open_own(&handle, &own)?, &own)?;
    Ok(own)
}

/// Makes the folders of a cache, and removes unfinished files of dead processes.
fn prepare(handle: &OwnedFd, folder: &Path) -> Result<(), FolderFault> {
    let blobs = folder.join("blobs");
    open_own(&open_own(handle, &blobs)?, &blobs.join("sha256"))?;
    let tmp = folder.join("tmp");
    for part in [tmp.clone()].into_iter().chain(KINDS.iter().map(|kind| folder.join(kind))) {
        open_own(handle, &part)?;
    }
    // This also finds out whether the folder can be written.
    tempfile::tempfile_in(&tmp)?;
    sweep(&tmp, NEW);
    Ok(())
}

/// Opens a file of the cache that is locked by one process at a time. What is not a regular file of this user's is replaced.
pub(super) fn open_lock(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let open = || rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR).map(File::from);
    let is_lock = |file: &File| file.metadata().is_ok_and(|found| found.is_file() && is_own_file(&found) && found.nlink() == 1);
    match open() {
        Ok(file) if is_lock(&file) && is_at(&file, path) => Ok(file),
        _ => {
            super::remove(path);
            Ok(open()?)
        }
    }
}
