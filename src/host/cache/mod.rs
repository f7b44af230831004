//! The cache: content by its digest, and facts about it. Everything in it can be made or fetched again.
//!
//! **Invariants.** A file under a digest's name was written whole: to a temporary file, flushed to the disk, renamed, and the folder flushed.
//! Nothing is used unchecked: content is checked against its digest, and what fails the check is removed and
//! counts as absent. Readers and writers take no lock; only pruning does, so that it takes nothing away that a build relies on.

mod damage;
mod maintenance;
mod open;
mod writer;

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::unfinished::Live;
use crate::oci::{Descriptor, Digest, Hasher};

pub use damage::DamagedBlob;
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
    /// Held as long as the run lasts, so that nothing is pruned meanwhile. A file system without locks does no harm to correctness.
    _lock: Option<File>,
    /// A temporary folder, removed at the end of the run, where no lasting one can be written.
    _temporary: Option<(Live, tempfile::TempDir)>,
}

impl Cache {
    /// Returns the folder.
    pub fn folder(&self) -> &Path {
        &self.inner.folder
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

    /// Says whether content of this digest and size is there. It is not read.
    pub fn has(&self, descriptor: &Descriptor) -> bool {
        fs::metadata(self.blob_path(&descriptor.digest)).is_ok_and(|metadata| metadata.is_file() && metadata.len() == descriptor.size)
    }

    /// Opens content; `None` when it is not there.
    pub fn open(&self, descriptor: &Descriptor) -> Option<CachedBlob> {
        Some(self.read(&Arc::new(self.open_whole(descriptor)?), descriptor.digest))
    }

    /// Reads content that is open, from its beginning.
    pub fn read(&self, file: &Arc<File>, expected: Digest) -> CachedBlob {
        CachedBlob { file: Arc::clone(file), offset: 0, cache: self.clone(), expected, hasher: Some(Hasher::default()) }
    }

    /// Opens content of the right size; its digest is checked by the reader.
    pub fn open_whole(&self, descriptor: &Descriptor) -> Option<File> {
        let path = self.blob_path(&descriptor.digest);
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        if !metadata.is_file() || metadata.len() != descriptor.size {
            remove(&path);
            return None;
        }
        touch(&file, &metadata);
        Some(file)
    }

    /// Reads content of at most `limit` bytes into memory; `None` when it is not there or not what it should be.
    pub fn read_small(&self, digest: &Digest, limit: u64) -> Option<Vec<u8>> {
        let path = self.blob_path(digest);
        let file = File::open(&path).ok()?;
        let metadata = file.metadata().ok()?;
        touch(&file, &metadata);
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).ok()?;
        if Digest::of(&bytes) == *digest {
            return Some(bytes);
        }
        if bytes.len() as u64 <= limit {
            remove(&path);
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
        File::open(self.blob_path(digest))
    }

    /// Returns the facts about a layer of a base image; `None` when there are none, or they are damaged.
    pub fn facts(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.kept(FACTS, digest)
    }

    /// Keeps the facts about a layer of a base image. Where that fails they are read again next time.
    pub fn write_facts(&self, digest: &Digest, facts: &[u8]) {
        self.keep(FACTS, digest, facts);
    }

    /// Returns what a collector found in the files of a layer of a base image; `None` when there is nothing, or it is damaged.
    pub fn found(&self, key: &Digest) -> Option<Vec<u8>> {
        self.kept(FOUND, key)
    }

    /// Keeps what a collector found in the files of a layer of a base image. Where that fails it is found again next time.
    pub fn write_found(&self, key: &Digest, found: &[u8]) {
        self.keep(FOUND, key, found);
    }

    /// Returns the facts about a package; `None` when there are none, or they are damaged.
    pub fn package(&self, digest: &Digest) -> Option<Vec<u8>> {
        self.kept(PACKAGES, digest)
    }

    /// Says whether there are facts about a package, without reading them.
    pub fn has_package(&self, digest: &Digest) -> bool {
        self.kept_path(PACKAGES, digest).is_file()
    }

    /// Keeps the facts about a package. Where that fails they are read again next time.
    pub fn write_package(&self, digest: &Digest, facts: &[u8]) {
        self.keep(PACKAGES, digest, facts);
    }

    /// Returns the record of a layer that a build made.
    pub fn record(&self, key: &Digest) -> Option<Vec<u8>> {
        self.kept(RECORDS, key)
    }

    /// Keeps the record of a layer that a build made.
    pub fn write_record(&self, key: &Digest, record: &[u8]) {
        self.keep(RECORDS, key, record);
    }

    /// Returns what proofs found about files that programs may load.
    pub fn proof(&self, key: &Digest) -> Option<Vec<u8>> {
        self.kept(PROOFS, key)
    }

    /// Keeps what proofs found about files that programs may load. Where that fails it is found again next time.
    pub fn write_proof(&self, key: &Digest, proof: &[u8]) {
        self.keep(PROOFS, key, proof);
    }

    /// Returns the newest records, at most `most` of them.
    pub fn newest_records(&self, most: usize) -> Vec<Vec<u8>> {
        let mut files = maintenance::files(&self.inner.folder.join(RECORDS)).unwrap_or_default();
        files.sort_by_key(|file| std::cmp::Reverse(file.used));
        files.iter().take(most).filter_map(|file| checked(&file.path)).collect()
    }

    /// Returns all records, by key.
    pub fn records(&self) -> Vec<(Digest, Vec<u8>)> {
        self.all(RECORDS)
    }

    /// Returns the facts about layers of base images, by key.
    pub fn all_facts(&self) -> Vec<(Digest, Vec<u8>)> {
        self.all(FACTS)
    }

    /// Returns the newest content of at most `largest` bytes, at most `most` of it.
    pub fn documents(&self, largest: u64, most: usize) -> Vec<Vec<u8>> {
        let mut files = maintenance::files(&self.inner.folder.join("blobs/sha256")).unwrap_or_default();
        files.retain(|file| file.size <= largest);
        files.sort_by_key(|file| std::cmp::Reverse(file.used));
        let read = |file: &maintenance::Kept| self.read_small(&maintenance::named(&file.path)?, largest);
        files.iter().take(most).filter_map(read).collect()
    }

    fn all(&self, kind: &str) -> Vec<(Digest, Vec<u8>)> {
        let files = maintenance::files(&self.inner.folder.join(kind)).unwrap_or_default();
        files.iter().filter_map(|file| Some((maintenance::named(&file.path)?, checked(&file.path)?))).collect()
    }

    fn kept(&self, kind: &str, key: &Digest) -> Option<Vec<u8>> {
        checked(&self.kept_path(kind, key))
    }

    fn keep(&self, kind: &str, key: &Digest, content: &[u8]) {
        let bytes = [Digest::of(content).as_bytes(), content].concat();
        let _ = self
            .writer()
            .and_then(|mut writer| io::Write::write_all(&mut writer, &bytes).and_then(|()| writer.rename(&self.kept_path(kind, key))));
    }
}

/// Reads a file that begins with the digest of its rest; `None` when it is not there or damaged.
fn checked(path: &Path) -> Option<Vec<u8>> {
    let mut bytes = fs::read(path).ok()?;
    let good = bytes.len() >= 32 && Digest::of(&bytes[32..]).as_bytes() == &bytes[..32];
    if !good {
        remove(path);
        return None;
    }
    bytes.drain(..32);
    Some(bytes)
}

fn remove(path: &Path) {
    // Another process may have removed it; where it cannot be removed, it fails the check again next time.
    let _ = fs::remove_file(path);
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

/// Content of the cache that is being read. It ends without an error only when the digest is right; else the file is removed, and
/// the error holds a [`DamagedBlob`].
#[derive(Debug)]
pub struct CachedBlob {
    file: Arc<File>,
    offset: u64,
    cache: Cache,
    expected: Digest,
    hasher: Option<Hasher>,
}

impl Read for CachedBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        if buffer.is_empty() {
            return Ok(0);
        }
        if count > 0 {
            if let Some(hasher) = &mut self.hasher {
                hasher.update(&buffer[..count]);
            }
            return Ok(count);
        }
        let Some(hasher) = self.hasher.take() else { return Ok(0) };
        let (actual, _) = hasher.finish();
        if actual == self.expected {
            return Ok(0);
        }
        remove(&self.cache.blob_path(&self.expected));
        Err(io::Error::new(io::ErrorKind::InvalidData, DamagedBlob(self.expected)))
    }
}

#[cfg(test)]
mod tests;
