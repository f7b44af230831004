use std::error::Error;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{MutexGuard, PoisonError};

use super::Cache;
use crate::host::text::open_regular_itself;
use crate::host::unfinished::is_at;
use crate::oci::{Digest, Hasher};

/// Content of the cache that was not what its digest says, and was removed.
///
/// It is the inner error of the [`io::Error`] that reading such content ends with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cache's copy of {0} was damaged, and was removed; run the command again")]
pub struct DamagedBlob(pub Digest);

impl DamagedBlob {
    /// Returns the damage that an error is or was caused by.
    pub fn in_causes(error: &(dyn Error + 'static)) -> Option<Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref() {
                return Some(*found);
            }
            next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
                // The source of an `io::Error` is the source of its inner error, which `source` passes over.
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }
}

impl Cache {
    /// Returns the files that were found to be damaged since this was asked last, sorted. They are removed.
    pub fn take_damaged(&self) -> Vec<PathBuf> {
        let mut found = std::mem::take(&mut *self.damaged());
        found.sort();
        found.dedup();
        found
    }

    /// Says whether a file was found to be damaged since [`Cache::take_damaged`].
    pub fn has_damage(&self) -> bool {
        !self.damaged().is_empty()
    }

    /// Reads content whole, and removes it if it is not what its digest says.
    pub fn examine(&self, digest: &Digest) {
        let path = self.blob_path(digest);
        let Some(file) = self.open_file(&path) else { return };
        if !digest_of(&file).is_ok_and(|actual| actual == *digest) {
            self.discard_open(&file, &path);
        }
    }

    /// Opens a regular file of the cache. What is anything else, or may not be read, is removed as damaged.
    pub(super) fn open_file(&self, path: &Path) -> Option<File> {
        match open_regular_itself(path) {
            Ok(file) => Some(file),
            Err(error) => {
                if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied) {
                    self.discard(path);
                }
                None
            }
        }
    }

    /// Removes what is damaged, and remembers it.
    pub(super) fn discard(&self, path: &Path) {
        remove(path);
        self.damaged().push(path.to_owned());
    }

    /// Removes an open file that is damaged, unless its name has become that of another, and remembers it.
    pub(super) fn discard_open(&self, file: &File, path: &Path) {
        if is_at(file, path) {
            remove(path);
        }
        self.damaged().push(path.to_owned());
    }

    fn damaged(&self) -> MutexGuard<'_, Vec<PathBuf>> {
        self.inner.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the digest of a file's content.
pub(super) fn digest_of(file: &File) -> io::Result<Digest> {
    let mut hasher = Hasher::default();
    let mut buffer = vec![0; 256 << 10];
    loop {
        match file.read_at(&mut buffer, hasher.size()) {
            Ok(0) => return Ok(hasher.finish().0),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Removes a name from the cache, whatever it is of.
pub(super) fn remove(path: &Path) {
    // Another process may have removed it; where it cannot be removed, it fails the check again next time.
    let _ = fs::remove_file(path).or_else(|_| fs::remove_dir_all(path));
}
