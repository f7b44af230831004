use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::{Cache, Inner, KINDS, NEW};
use crate::host::unfinished::Live;
use crate::host::{Environment, sweep};

/// Why the cache cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum CacheFault {
    /// Other users can write into it.
    #[error("the cache `{}` belongs to another user, or others may write to it", .0.display())]
    Foreign(PathBuf),
    /// Neither it nor a temporary one can be made.
    #[error("no folder for the cache can be made")]
    Disk(#[source] io::Error),
}

/// Why the cache lasts for this run only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheNote(pub String);

impl Cache {
    /// Opens the cache at `folder`, or in the user's cache folder: `hardened` in `XDG_CACHE_HOME`, `~/.cache` or `~/Library/Caches`.
    ///
    /// Where it cannot be written, a temporary one is used, and the note says why.
    ///
    /// # Errors
    /// When other users can write into the folder, or not even a temporary one can be made.
    pub fn open_for(environment: &Environment, folder: Option<&Path>) -> Result<(Self, Option<CacheNote>), CacheFault> {
        let Some(folder) = folder.map(Path::to_owned).or_else(|| usual_folder(environment)) else {
            let note = "there is no HOME, so the cache lasts for this run only; `--cache-dir DIR` names another".to_owned();
            return Ok((Self::temporary()?, Some(CacheNote(note))));
        };
        match prepare(&folder) {
            Ok(lock) => Ok((Self { inner: Arc::new(Inner { folder, _lock: lock, _temporary: None }) }, None)),
            Err(Trouble::Foreign) => Err(CacheFault::Foreign(folder)),
            Err(Trouble::Disk(error)) => {
                let note = format!("the cache `{}` cannot be used ({error}), so it lasts for this run only", folder.display());
                Ok((Self::temporary()?, Some(CacheNote(note))))
            }
        }
    }

    /// Makes a cache that is removed at the end of the run.
    ///
    /// # Errors
    /// When there is no temporary folder.
    pub fn temporary() -> Result<Self, CacheFault> {
        let folder = tempfile::Builder::new().prefix("hardened-").tempdir().map_err(CacheFault::Disk)?;
        let path = folder.path().to_owned();
        match prepare(&path) {
            Ok(lock) => {
                let temporary = Some((Live::new(&path), folder));
                Ok(Self { inner: Arc::new(Inner { folder: path, _lock: lock, _temporary: temporary }) })
            }
            Err(Trouble::Foreign) => Err(CacheFault::Foreign(path)),
            Err(Trouble::Disk(error)) => Err(CacheFault::Disk(error)),
        }
    }
}

fn usual_folder(environment: &Environment) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let home = || environment.path("HOME").and_then(absolute);
    let caches = if cfg!(target_os = "macos") { "Library/Caches" } else { ".cache" };
    let base = environment.path("XDG_CACHE_HOME").and_then(absolute).or_else(|| home().map(|home| home.join(caches)))?;
    Some(base.join("hardened"))
}

enum Trouble {
    Foreign,
    Disk(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Disk(error)
    }
}

/// Makes the folder, checks whose it is, takes the lock that keeps it from being pruned, and removes unfinished files of dead processes.
fn prepare(folder: &Path) -> Result<Option<File>, Trouble> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::metadata(folder)?;
    let own = rustix::process::geteuid().as_raw();
    let foreign = (metadata.uid() != own && own != 0) || (metadata.uid() != own && metadata.mode() & 0o022 != 0);
    if foreign || (metadata.mode() & 0o022 != 0 && metadata.uid() != own) {
        return Err(Trouble::Foreign);
    }
    for part in ["tmp", "blobs/sha256"].iter().chain(&KINDS) {
        fs::create_dir_all(folder.join(part))?;
    }
    let lock = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(folder.join("lock"))?;
    let lock = lock.lock_shared().is_ok().then_some(lock);
    // This also finds out whether the folder can be written.
    tempfile::tempfile_in(folder.join("tmp"))?;
    sweep(&folder.join("tmp"), NEW);
    Ok(lock)
}
