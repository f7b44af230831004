use std::fs;
use std::io::{Read, Write};
use std::path::Path;

use super::{Cache, FACTS, FOUND, PACKAGES, PROOFS, RECORDS, folders, maintenance};
use crate::oci::Digest;

/// The record of a layer, and whose word it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CachedRecord {
    /// This user wrote it.
    Own(Vec<u8>),
    /// Another user wrote it, or may have: it says nothing until it was compared with the layer's own bytes.
    Foreign(Vec<u8>),
}

impl CachedRecord {
    /// Returns the record's bytes, of this user or another.
    pub fn into_bytes(self) -> Vec<u8> {
        match self {
            Self::Own(bytes) | Self::Foreign(bytes) => bytes,
        }
    }
}

/// What is known of content. Only what this user wrote is returned, except for the records of layers, which can be compared with the layer.
impl Cache {
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
        fs::symlink_metadata(self.kept_path(PACKAGES, digest)).is_ok_and(|found| found.is_file() && folders::is_own_file(&found))
    }

    /// Keeps the facts about a package. Where that fails they are read again next time.
    pub fn write_package(&self, digest: &Digest, facts: &[u8]) {
        self.keep(PACKAGES, digest, facts);
    }

    /// Returns what proofs found about files that programs may load.
    pub fn proof(&self, key: &Digest) -> Option<Vec<u8>> {
        self.kept(PROOFS, key)
    }

    /// Keeps what proofs found about files that programs may load. Where that fails it is found again next time.
    pub fn write_proof(&self, key: &Digest, proof: &[u8]) {
        self.keep(PROOFS, key, proof);
    }

    /// Returns the record of a layer that a build made.
    pub fn record(&self, key: &Digest) -> Option<CachedRecord> {
        self.checked(&self.kept_path(RECORDS, key))
    }

    /// Keeps the record of a layer that a build made.
    pub fn write_record(&self, key: &Digest, record: &[u8]) {
        self.keep(RECORDS, key, record);
    }

    /// Returns the newest records by key, at most `most` of them.
    pub fn newest_records(&self, most: usize) -> Vec<(Digest, CachedRecord)> {
        let mut files = maintenance::files(&self.inner.folder.join(RECORDS)).unwrap_or_default();
        files.sort_by_key(|file| std::cmp::Reverse(file.used));
        files.truncate(most);
        self.read_all(&files).collect()
    }

    /// Returns all records, by key.
    pub fn records(&self) -> Vec<(Digest, CachedRecord)> {
        let files = maintenance::files(&self.inner.folder.join(RECORDS)).unwrap_or_default();
        self.read_all(&files).collect()
    }

    /// Returns the facts about layers of base images, by key.
    pub fn all_facts(&self) -> Vec<(Digest, Vec<u8>)> {
        let files = maintenance::files(&self.inner.folder.join(FACTS)).unwrap_or_default();
        self.read_all(&files)
            .filter_map(|(key, kept)| if let CachedRecord::Own(bytes) = kept { Some((key, bytes)) } else { None })
            .collect()
    }

    fn read_all<'a>(&'a self, files: &'a [maintenance::Kept]) -> impl Iterator<Item = (Digest, CachedRecord)> + 'a {
        files.iter().filter_map(|file| Some((maintenance::named(&file.path)?, self.checked(&file.path)?)))
    }

    fn kept(&self, kind: &str, key: &Digest) -> Option<Vec<u8>> {
        if let CachedRecord::Own(bytes) = self.checked(&self.kept_path(kind, key))? { Some(bytes) } else { None }
    }

    fn keep(&self, kind: &str, key: &Digest, content: &[u8]) {
        let bytes = [Digest::of(content).as_bytes(), content].concat();
        let _ = self.writer().and_then(|mut writer| writer.write_all(&bytes).and_then(|()| writer.rename(&self.kept_path(kind, key))));
    }

    /// Reads a file that begins with the digest of its rest; `None` when it is not there. A damaged one is removed, and counts as absent.
    pub(super) fn checked(&self, path: &Path) -> Option<CachedRecord> {
        let mut file = self.open_file(path)?;
        let found = file.metadata().ok()?;
        let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
        let read = file.read_to_end(&mut bytes).is_ok();
        let good = read && bytes.len() >= 32 && Digest::of(&bytes[32..]).as_bytes() == &bytes[..32];
        if !good {
            self.discard_open(&file, path);
            return None;
        }
        bytes.drain(..32);
        let own = folders::is_own_file(&found) && path.parent().is_some_and(folders::is_own);
        Some(if own { CachedRecord::Own(bytes) } else { CachedRecord::Foreign(bytes) })
    }
}
