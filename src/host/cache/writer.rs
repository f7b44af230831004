use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use super::{Cache, NEW, folders};
use crate::host::Unfinished;
use crate::oci::{Descriptor, Digest, Hasher};

/// Writes content into the cache. It exists only once [`CacheWriter::finish`] has returned; dropped before, it leaves nothing.
#[derive(Debug)]
pub struct CacheWriter {
    cache: Cache,
    file: Unfinished,
    hasher: Hasher,
}

impl CacheWriter {
    pub(super) fn new(cache: Cache) -> io::Result<Self> {
        // As any file of the user's: a layout may come to share it, and is read by others.
        let file = Unfinished::new(&cache.inner.folder.join("tmp"), NEW)?;
        Ok(Self { cache, file, hasher: Hasher::default() })
    }

    /// Puts the content under its digest, and returns digest and size.
    ///
    /// # Errors
    /// When the content is not what was expected, or the disk fails.
    pub fn finish(self, expected: Option<&Descriptor>) -> io::Result<(Digest, u64)> {
        let (digest, size) = self.hasher.clone().finish();
        if let Some(expected) = expected.filter(|expected| expected.digest != digest || expected.size != size) {
            let message = format!("the content is {digest} with {size} bytes, and should be {} with {}", expected.digest, expected.size);
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        let path = self.cache.blob_path(&digest);
        self.rename(&path)?;
        Ok((digest, size))
    }

    /// Puts the content under its digest, and returns it open: nothing that happens to the cache takes it away then.
    ///
    /// # Errors
    /// As [`CacheWriter::finish`].
    pub fn finish_open(self, expected: &Descriptor) -> io::Result<File> {
        let file = self.file.reopen()?;
        self.finish(Some(expected)).map(|_| file)
    }

    /// Puts the content at a path: flushed, renamed, and the folder flushed, so that a power cut leaves all or nothing.
    pub(super) fn rename(self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(path);
        folders::make_own(folder)?;
        if fs::symlink_metadata(path).is_ok_and(|found| found.is_dir()) {
            // No file can be renamed over a folder.
            self.cache.discard(path);
        }
        self.file.finish(path)
    }
}

impl Write for CacheWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.as_file_mut().write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_file_mut().flush()
    }
}
