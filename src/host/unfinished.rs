use std::collections::BTreeSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{Mode, OFlags};
use tempfile::{NamedTempFile, TempDir};

/// What the names of unfinished files beside finished ones begin with.
pub const UNFINISHED: &str = ".hardened-new-";

/// How often a file is made again that another process removed as a leftover.
const TRIES: usize = 16;

/// All paths that are removed when this process is ended by a signal: files, and folders with their contents.
static LIVE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

/// A file that is being written, under a temporary name until it is whole. It is removed when it is dropped before that.
///
/// It is locked as long as it is open, so that other processes can tell it from a file that a dead process left.
#[derive(Debug)]
pub struct Unfinished {
    file: NamedTempFile,
    live: Live,
}

impl Unfinished {
    /// Makes a file in `folder`, readable for all, whose name begins with `prefix`.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: &Path, prefix: &str) -> io::Result<Self> {
        for _ in 0..TRIES {
            let permissions = PermissionsExt::from_mode(0o644);
            let (file, live) = {
                // A signal that arrives before the file is noted waits for this lock, and then finds the file.
                let mut all = live();
                let file = tempfile::Builder::new().prefix(prefix).permissions(permissions).tempfile_in(folder)?;
                all.insert(file.path().to_owned());
                let live = Live(file.path().to_owned());
                (file, live)
            };
            // Between its making and its locking, another process may have removed it as a leftover.
            let mine = match file.as_file().try_lock() {
                Ok(()) => is_at(file.as_file(), file.path()),
                Err(TryLockError::WouldBlock) => false,
                // On a file system without locks no process removes leftovers either.
                Err(TryLockError::Error(_)) => true,
            };
            if mine {
                return Ok(Self { file, live });
            }
        }
        Err(io::Error::other("another process repeatedly removes a new file"))
    }

    /// Returns the open file.
    pub fn as_file(&self) -> &File {
        self.file.as_file()
    }

    /// Returns the open file, to write to it.
    pub fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Returns the file's path until it is finished.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Opens the file once more, to read it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn reopen(&self) -> io::Result<File> {
        self.file.reopen()
    }

    /// Gives the file its name: flushed, renamed, and the folder flushed, so that a power cut leaves all or nothing.
    ///
    /// # Errors
    /// When the disk fails; what had the name before is then still there, or the new file is there whole.
    pub fn finish(self, path: &Path) -> io::Result<()> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        self.file.as_file().sync_all()?;
        self.file.persist(path).map_err(|error| error.error)?;
        drop(self.live);
        File::open(folder)?.sync_all()
    }
}

/// A path that is removed when the process is ended by a signal.
#[derive(Debug)]
pub(super) struct Live(PathBuf);

impl Live {
    /// Makes a temporary folder, which only this user can read.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(super) fn temporary_folder(prefix: &str) -> io::Result<(TempDir, Self)> {
        // A signal that arrives before the folder is noted waits for this lock, and then finds the folder.
        let mut all = live();
        let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
        all.insert(folder.path().to_owned());
        let live = Self(folder.path().to_owned());
        Ok((folder, live))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        live().remove(&self.0);
    }
}

fn live() -> MutexGuard<'static, BTreeSet<PathBuf>> {
    LIVE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Removes all unfinished files, before the process is ended by a signal. Nothing new can be begun or finished after it.
pub fn abandon() {
    let live = live();
    for path in live.iter() {
        if fs::remove_file(path).is_ok() {
            continue;
        }
        // Other threads may still put files into a folder while it is removed.
        for _ in 0..TRIES {
            if fs::remove_dir_all(path).is_ok() || !path.exists() {
                break;
            }
        }
    }
    // The lock is never released: a thread that would begin another file blocks until the process ends.
    std::mem::forget(live);
}

/// Removes the unfinished files of a folder whose writers are gone: nobody holds their lock.
pub fn sweep(folder: &Path, prefix: &str) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let named = entries.flatten().filter(|entry| entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix)));
    for path in named.map(|entry| entry.path()) {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let Ok(file) = rustix::fs::open(&path, flags, Mode::empty()).map(File::from) else { continue };
        let is_file = file.metadata().is_ok_and(|metadata| metadata.is_file());
        if is_file && file.try_lock().is_ok() && is_at(&file, &path) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Says whether an open file is what a path names.
pub(super) fn is_at(file: &File, path: &Path) -> bool {
    let found = fs::symlink_metadata(path);
    file.metadata().is_ok_and(|own| found.is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino())))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn what_the_dead_left_is_swept_and_what_the_living_write_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut living = Unfinished::new(folder.path(), UNFINISHED).unwrap();
        let dead = folder.path().join(format!("{UNFINISHED}dead"));
        let foreign = folder.path().join("foreign");
        fs::write(&dead, "half").unwrap();
        fs::write(&foreign, "whole").unwrap();
        sweep(folder.path(), UNFINISHED);
        assert!(!dead.exists() && foreign.exists());
        living.as_file_mut().write_all(b"whole").unwrap();
        living.finish(&folder.path().join("finished")).unwrap();
        drop(Unfinished::new(folder.path(), UNFINISHED).unwrap());
        let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["finished", "foreign"]);
    }

    #[test]
    fn many_write_and_sweep_at_once_and_nobody_loses_a_file() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for writer in 0..8 {
                let folder = folder.path();
                scope.spawn(move || {
                    for number in 0..100 {
                        sweep(folder, UNFINISHED);
                        let mut file = Unfinished::new(folder, UNFINISHED).unwrap();
                        file.as_file_mut().write_all(b"whole").unwrap();
                        file.finish(&folder.join(format!("{writer}-{number}"))).unwrap();
                    }
                });
            }
        });
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 800);
    }
}
