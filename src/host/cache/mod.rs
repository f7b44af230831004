//! The cache: content by its digest, and facts about it. Everything in it can be made or fetched again.
//!
//! **Invariants.** A file under a digest's name was written whole: to a temporary file, flushed to the disk, renamed, and the folder flushed.
//! Nothing is used unchecked: content is checked against its digest, and what fails the check is removed, remembered as damaged, and counts as absent.
//! Nothing that another user could have written is believed: the folders are closed to others, and what is known of content is only
//! taken from files of this user. Readers and writers take no lock; two prunes at once do.

mod blob;
mod damage;
mod folders;
mod kept;
mod maintenance;
mod open;
mod writer;

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use self::damage::{digest_of, remove};
use super::text::open_regular_itself;
use super::unfinished::Live;
use crate::oci::{Descriptor, Digest, Hasher};

pub use blob::CachedBlob;
pub use damage::DamagedBlob;
pub use kept::CachedRecord;
pub use maintenance::{CacheCheck, CacheStatistics, PruneRule, Pruned};
pub use open::{CacheFault, CacheNote};
pub use writer::CacheWriter;

/// The folder of facts about layers of base images. The number is raised when their format changes.
const FACTS: &str = "facts-3";
/// The folder of what collectors found in the files of layers of base images.
const FOUND: &str = "found-1";
/// The folder of records of the layers that builds made.
const RECORDS: &str = "layers-2";
/// The folder of what proofs found about files that programs may load.
const PROOFS: &str = "proofs-1";
/// The folder of facts about packages.
const PACKAGES: &str = "packages-2";
/// All folders besides that of content.
const KINDS: [&str; 5] = [FACTS, FOUND, RECORDS, PROOFS, PACKAGES];
/// What the names of unfinished files begin with.
const NEW: &str = "new-";
/// How old a file's time of use must be before it is set again.
const TOUCH: Duration = Duration::from_hours(24);

/// The cache, shared by all threads of a run.
#[derive(Debug, Clone)]
pub struct Cache {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    /// The folder that was named for it: the same, or the one around it.
    named: PathBuf,
    /// Files that were damaged and have been removed.
    damaged: Mutex<Vec<PathBuf>>,
    /// A temporary folder, removed at the end of the run, where no lasting one can be written.
    _temporary: Option<(tempfile::TempDir, Live)>,
}

impl Cache {
    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
    }

    /// Returns the folder that was named for the cache: the same, or one that holds those of several users.
    pub fn named_folder(&self) -> &Path {
        &self.inner.named
    }

    /// Returns where content is, or would be.
    pub fn blob_path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.inner.folder.join("blobs/sha256").join(&hex[..2]).join(hex)
    }

    fn kept_path(&self, kind: &str, key: &Digest) -> PathBuf {
        let hex = key.hex();
        self.inner.folder.join(kind).join(&hex[..2]).join(hex)
    }

    /// Says whether content of this digest and size is there. It is not read, unless its size is another.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        match fs::symlink_metadata(self.blob_path(&descriptor.digest)) {
            Ok(found) => (found.is_file() && found.len() == descriptor.size) || self.open_whole(descriptor).is_some(),
            Err(_) => false,
        }
    }

    /// Opens content; `None` when it is not there.
    pub fn open(&self, descriptor: &Descriptor) -> Option<CachedBlob> {
        Some(self.read(&Arc::new(self.open_whole(descriptor)?), descriptor))
    }

    /// Reads content that is open, from its beginning.
    pub fn read(&self, file: &Arc<File>, expected: &Descriptor) -> CachedBlob {
        let Descriptor { digest, size, .. } = expected;
        let state = blob::State::Reading(Hasher::default());
        CachedBlob { file: Arc::clone(file), cache: self.clone(), expected: *digest, size: *size, offset: 0, state }
    }

    /// Opens content of the right size; its digest is checked by the reader.
    pub fn open_whole(&self, descriptor: &Descriptor) -> Option<File> {
        let path = self.blob_path(&descriptor.digest);
        let file = self.open_file(&path)?;
        let metadata = file.metadata().ok()?;
        if metadata.len() != descriptor.size {
            // The descriptor may be wrong instead.
            if !digest_of(&file).is_ok_and(|actual| actual == descriptor.digest) {
                self.discard_open(&file, &path);
            }
            return None;
        }
        touch(&file, &metadata);
        Some(file)
    }

    /// Reads content of at most `limit` bytes into memory; `None` when it is not there or not what it should be.
    pub fn read_small(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let path = self.blob_path(digest);
        let file = self.open_file(&path)?;
        let metadata = file.metadata().ok()?;
        touch(&file, &metadata);
        let mut bytes = Vec::new();
        let read = (&file).take(limit + 1).read_to_end(&mut bytes);
        if read.is_ok() && Digest::of(&bytes) == *digest {
            return Some(bytes);
        }
        // One that is larger than the limit may be right.
        if bytes.len() as u64 <= limit || !digest_of(&file).is_ok_and(|actual| actual == *digest) {
            self.discard_open(&file, &path);
        }
        None
    }

    /// Keeps content that is in memory. Where that fails it is fetched again next time, and nothing else is lost.
    pub fn write_small(&self, bytes: &[u8]) {
        let descriptor = Descriptor::of(crate::oci::MediaType::Other(String::new()), bytes);
        if !self.has(&descriptor) {
            let _ = self.writer().and_then(|mut writer| io::Write::write_all(&mut writer, bytes).and_then(|()| writer.finish(None)));
        }
    }

    /// Copies content into the cache. It counts only once it is whole and has this digest and size.
    ///
    /// # Errors
    /// When it is something else, cannot be read, or the disk fails.
    pub fn copy_from(&self, blob: &mut dyn Read, expected: &Descriptor) -> io::Result<()> {
        let mut writer = self.writer()?;
        io::copy(blob, &mut writer)?;
        writer.finish(Some(expected)).map(drop)
    }

    /// Begins to write content.
    ///
    /// # Errors
    /// When no temporary file can be made.
    pub fn writer(&self) -> io::Result<CacheWriter> {
        CacheWriter::new(self.clone())
    }

    /// Makes a file without a name beside the content, for what does not fit into memory. It is gone with its last handle.
    ///
    /// # Errors
    /// When none can be made.
    pub fn scratch(&self) -> io::Result<File> {
        tempfile::tempfile_in(self.inner.folder.join("tmp"))
    }

    /// Opens content to read parts of it; nothing of it is checked.
    ///
    /// # Errors
    /// When it is not there.
    pub fn open_unchecked(&self, digest: &Digest) -> io::Result<File> {
        open_regular_itself(&self.blob_path(digest))
    }

    /// Returns the newest content of at most `largest` bytes, at most `most` of it.
    pub fn documents(&self, largest: u64, most: usize) -> Vec<Vec<u8>> {
        let mut files = maintenance::files(&self.inner.folder.join("blobs/sha256")).unwrap_or_default();
        files.retain(|file| file.size <= largest);
        files.sort_by_key(|file| std::cmp::Reverse(file.used));
        let read = |file: &maintenance::Kept| self.read_small(&maintenance::named(&file.path)?, largest);
        files.iter().take(most).filter_map(read).collect()
    }
}

/// Notes that a file was used, for pruning. A cache that is read-only stays as it is.
fn touch(file: &File, metadata: &fs::Metadata) {
    #[expect(clippy::disallowed_methods, reason = "a file's time of use; it reaches no digest")]
    let now = std::time::SystemTime::now();
    let old = metadata.modified().is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > TOUCH));
    if old {
        let _ = file.set_modified(now);
    }
}

#[cfg(test)]
mod tests;
