use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::open::open_lock;
use super::{Cache, FACTS, KINDS, PACKAGES, RECORDS, digest_of, open_regular_itself, remove};
use crate::oci::Digest;

/// How old a file must be before it is pruned: a build that has just begun may rely on it.
const GRACE: Duration = Duration::from_mins(1);

/// How large the cache is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, schemars::JsonSchema)]
pub struct CacheStatistics {
    /// Contents.
    pub blobs: u64,
    /// The bytes in them.
    pub bytes: u64,
    /// Layers of base images, and packages, whose contents are recorded.
    pub facts: u64,
    /// Layers of earlier builds that are recorded.
    pub layers: u64,
}

/// What a check found.
#[derive(Debug, Clone, PartialEq, Eq, Default, serde::Serialize, schemars::JsonSchema)]
pub struct CacheCheck {
    /// Files that were read.
    pub checked: u64,
    /// Files that were damaged, and were removed.
    pub removed: Vec<PathBuf>,
}

/// What is pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PruneRule {
    /// Only what was not used for so long; everything without it.
    pub older_than: Option<Duration>,
    /// The oldest first, until no more bytes than these are left.
    pub keep: Option<u64>,
}

/// What was pruned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, schemars::JsonSchema)]
pub struct Pruned {
    /// Files that were removed.
    pub files: u64,
    /// The bytes in them.
    pub bytes: u64,
}

pub(super) struct Kept {
    pub(super) path: PathBuf,
    pub(super) size: u64,
    pub(super) used: SystemTime,
}

impl Cache {
    /// Counts what is in the cache.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn statistics(&self) -> io::Result<CacheStatistics> {
        let blobs = files(&self.folder().join("blobs/sha256"))?;
        let facts = (files(&self.folder().join(FACTS))?.len() + files(&self.folder().join(PACKAGES))?.len()) as u64;
        let layers = files(&self.folder().join(RECORDS))?.len() as u64;
        Ok(CacheStatistics { layers, blobs: blobs.len() as u64, bytes: blobs.iter().map(|blob| blob.size).sum(), facts })
    }

    /// Reads everything, and removes files whose content does not have the digest in their name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn check(&self) -> io::Result<CacheCheck> {
        let mut found = CacheCheck::default();
        for blob in files(&self.folder().join("blobs/sha256"))? {
            found.note(
                &blob.path,
                named(&blob.path).is_some_and(|expected| {
                    open_regular_itself(&blob.path).and_then(|file| digest_of(&file)).is_ok_and(|actual| actual == expected)
                }),
            );
        }
        for kind in KINDS {
            for kept in files(&self.folder().join(kind))? {
                let good = self.checked(&kept.path).is_some();
                found.note(&kept.path, good);
            }
        }
        // They are named in what is returned.
        let _ = self.take_damaged();
        Ok(found)
    }

    /// Says what [`Cache::prune`] would remove.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn prunable(&self, rule: PruneRule) -> io::Result<Pruned> {
        let mut found = Pruned::default();
        for file in self.chosen(rule)? {
            found.files += 1;
            found.bytes += file.size;
        }
        Ok(found)
    }

    /// Removes what the rule names. It does not wait for running builds: files that they may rely on stay.
    ///
    /// # Errors
    /// When the cache cannot be read.
    pub fn prune(&self, rule: PruneRule) -> io::Result<Pruned> {
        let lock = open_lock(&self.folder().join("prune"))?;
        lock.lock()?;
        let mut pruned = Pruned::default();
        for file in self.chosen(rule)? {
            if fs::remove_file(&file.path).is_ok() {
                pruned.files += 1;
                pruned.bytes += file.size;
            }
        }
        Ok(pruned)
    }

    /// Returns the files that a rule names, the oldest first.
    fn chosen(&self, rule: PruneRule) -> io::Result<Vec<Kept>> {
        #[expect(clippy::disallowed_methods, reason = "the age of cached files; it reaches no digest")]
        let now = SystemTime::now();
        let mut kept = files(&self.folder().join("blobs/sha256"))?;
        for kind in KINDS {
            kept.extend(files(&self.folder().join(kind))?);
        }
        kept.sort_by(|one, other| one.used.cmp(&other.used).then_with(|| one.path.cmp(&other.path)));
        let mut total: u64 = kept.iter().map(|file| file.size).sum();
        let least = rule.older_than.unwrap_or_default().max(GRACE);
        let goes = |file: &&Kept| {
            let age = now.duration_since(file.used).unwrap_or_default();
            let enough = rule.keep.is_some_and(|keep| total <= keep);
            total -= file.size;
            !enough && (age >= least || rule == PruneRule::default())
        };
        let count = kept.iter().take_while(goes).count();
        kept.truncate(count);
        Ok(kept)
    }
}

impl CacheCheck {
    fn note(&mut self, path: &Path, good: bool) {
        self.checked += 1;
        if !good {
            remove(path);
            self.removed.push(path.to_owned());
        }
    }
}

/// Returns the digest that a file is named after.
pub(super) fn named(path: &Path) -> Option<Digest> {
    format!("sha256:{}", path.file_name()?.to_str()?).parse().ok()
}

pub(super) fn files(folder: &Path) -> io::Result<Vec<Kept>> {
    let mut found = Vec::new();
    for inner in fs::read_dir(folder)? {
        let inner = inner?;
        // What has another name was not made by the cache, or made way; a folder may be gone or closed by now.
        let is_part = inner.file_name().len() == 2 && inner.file_type().is_ok_and(|kind| kind.is_dir());
        let Some(entries) = fs::read_dir(inner.path()).ok().filter(|_| is_part) else { continue };
        for entry in entries {
            let entry = entry?;
            // Another process may remove it at any time.
            let Ok(metadata) = entry.metadata() else { continue };
            found.push(Kept { path: entry.path(), size: metadata.len(), used: metadata.modified()? });
        }
    }
    found.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(found)
}
