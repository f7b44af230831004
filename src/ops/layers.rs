use std::collections::btree_map::Entry as Slot;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::diagnostic::ExternalError;
use crate::host::cache::{Cache, CachedRecord};
use crate::layer::collect::{Collector, OWN_FILES, STANDARD};
use crate::layer::{Compressor, Earlier, FoundBlock, KeyFile, Layer, LayerFault, LayerRecord, LayerRequest, write_layer};
use crate::oci::{BlobSource, Descriptor, Digest};
use crate::plan::PlannedLayer;
use crate::rootfs::{Changeset, Content, ContentFault, Entry, EntryKind, ImagePath, OpenContent, Stat, TreeId};

use super::{Failure, Run, Task, TaskKind, Tools};

/// Why a layer was not written.
pub(super) enum LayerFailure {
    /// A file changed while it was read: the files must be found again.
    Changed(ImagePath),
    /// It cannot be written.
    Failed(Failure),
}

/// A layer that is in the cache.
#[derive(Clone)]
pub(super) struct CachedLayer {
    pub(super) layer: Layer,
    pub(super) source: Arc<dyn BlobSource>,
    /// The files in it that hold a private key.
    pub(super) keys: Vec<KeyFile>,
}

/// A layer that is to be in the cache, and what is remembered of the last one like it.
pub(super) struct Remembered<'a> {
    planned: &'a PlannedLayer,
    key: Digest,
    last: Option<LayerRecord>,
    collectors: &'static [&'static dyn Collector],
}

impl<'a> Remembered<'a> {
    /// Looks up what is remembered of a layer; `project` tells it from those of other projects and platforms.
    pub(super) fn new(planned: &'a PlannedLayer, project: &str, tools: &Tools) -> Self {
        let compressor = planned.compressor;
        let key = Digest::of(&[project.as_bytes(), b"\0", planned.name.as_bytes(), b"\0", &compressor.identity()].concat());
        let last = tools.cache.record(&key).and_then(|record| believed(&tools.cache, &key, record, compressor));
        Self { planned, key, last, collectors: collectors(&planned.changeset) }
    }

    /// Returns the layer if it is there, nothing about its files has changed, and these were searched for private keys.
    pub(super) fn unchanged(&self, run: Run<'_>) -> Option<CachedLayer> {
        let last = self.last.as_ref()?;
        let layer = last.still_holds(&self.planned.changeset)?.clone();
        let keys = last.private_keys(&self.planned.changeset, self.collectors)?;
        let source = CachedSource::find(&run.tools.cache, &layer.descriptor)?;
        run.observer.detail(&format!("unchanged: {}", self.planned.name));
        Some(CachedLayer { layer, source: Arc::new(source), keys })
    }

    /// Makes the layer. Blocks that were compressed before are not compressed again.
    pub(super) fn make(self, contents: &dyn OpenContent, run: Run<'_>) -> Result<CachedLayer, LayerFailure> {
        let Self { planned, key, last, collectors } = self;
        let task = run.observer.begin(TaskKind::Layer, &planned.name, Some(planned.changeset.content_size()));
        let counted = Counted { inner: contents, task: &*task };
        let failed = |error: io::Error| LayerFailure::Failed(disk(run.tools, planned, error).into());
        let mut writer = run.tools.cache.writer().map_err(failed)?;
        let earlier = EarlierBlobs::new(&run.tools.cache, planned.compressor);
        let request = LayerRequest {
            changeset: &planned.changeset,
            contents: &counted,
            compressor: planned.compressor,
            threads: run.tools.threads,
            last: last.as_ref(),
            earlier: &earlier,
            collectors,
        };
        let record = write_layer(&request, &mut writer).map_err(|fault| match fault {
            LayerFault::Content { path, fault: ContentFault::Changed } => LayerFailure::Changed(path),
            LayerFault::Write(error) => failed(error),
            fault => {
                let message = format!("could not make the layer of `{}`", planned.name);
                LayerFailure::Failed(ExternalError::new(message).caused_by(fault).into())
            }
        })?;
        let layer = record.layer().clone();
        let unknown = || io::Error::other("what was found of its files is lost");
        let keys = record.private_keys(&planned.changeset, collectors).ok_or_else(|| failed(unknown()))?;
        let file = writer.finish_open(&layer.descriptor).map_err(failed)?;
        run.tools.cache.write_record(&key, &record.to_bytes());
        task.finish(&format!("{} bytes", layer.descriptor.size));
        let fresh = Some(run.tools.cache.blob_path(&layer.descriptor.digest));
        let source = CachedSource { cache: run.tools.cache.clone(), file: Arc::new(file), descriptor: layer.descriptor.clone(), fresh };
        Ok(CachedLayer { layer, source: Arc::new(source), keys })
    }
}

/// Returns a record as far as it can be believed. One that another user wrote, or may have written, is compared with the layer's own bytes first:
/// then it says which blocks there are, and no longer which files they come from. It is kept as this user's from then on.
fn believed(cache: &Cache, key: &Digest, record: CachedRecord, compressor: Compressor) -> Option<LayerRecord> {
    let bytes = match record {
        CachedRecord::Own(bytes) => return LayerRecord::from_bytes(&bytes, compressor),
        CachedRecord::Foreign(bytes) => bytes,
    };
    let proved = proved(cache, LayerRecord::from_bytes(&bytes, compressor)?)?;
    cache.write_record(key, &proved.to_bytes());
    Some(proved)
}

/// Compares a record with the bytes of its layer in the cache.
pub(super) fn proved(cache: &Cache, record: LayerRecord) -> Option<LayerRecord> {
    let mut blob = cache.open(&record.layer().descriptor)?;
    record.proved(&mut blob).ok()
}

/// Returns what is learned of the files of a layer. Files of packages are not searched for private keys: they are public.
fn collectors(changeset: &Changeset) -> &'static [&'static dyn Collector] {
    let is_packed = |entry: &Entry| matches!(entry.kind, EntryKind::File(Content::Packed(_)));
    if changeset.entries().iter().any(|(_, entry)| is_packed(entry)) { &STANDARD } else { &OWN_FILES }
}

/// How many layers are looked through for a block.
const LOOKED_THROUGH: usize = 64;

/// The blobs of the cache, which blocks are taken from.
struct EarlierBlobs<'a> {
    cache: &'a Cache,
    compressor: Compressor,
    /// Read only when a block is looked for: where nothing changed, none is.
    blocks: OnceLock<BTreeMap<[u8; 32], FoundBlock>>,
    files: Mutex<BTreeMap<Digest, Arc<File>>>,
    /// Those that held another block than their record says.
    examined: Mutex<BTreeSet<Digest>>,
}

impl<'a> EarlierBlobs<'a> {
    fn new(cache: &'a Cache, compressor: Compressor) -> Self {
        Self { cache, compressor, blocks: OnceLock::new(), files: Mutex::default(), examined: Mutex::default() }
    }

    fn find_all(&self) -> BTreeMap<[u8; 32], FoundBlock> {
        let records = self.cache.newest_records(LOOKED_THROUGH);
        let records = records.into_iter().filter_map(|(key, record)| believed(self.cache, &key, record, self.compressor));
        records.flat_map(|record| record.contents().collect::<Vec<_>>()).collect()
    }
}

impl Earlier for EarlierBlobs<'_> {
    fn block(&self, content: &[u8; 32]) -> Option<FoundBlock> {
        self.blocks.get_or_init(|| self.find_all()).get(content).cloned()
    }

    fn read(&self, blob: &Digest, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let file = {
            let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
            match files.entry(*blob) {
                Slot::Occupied(slot) => Arc::clone(slot.get()),
                Slot::Vacant(slot) => Arc::clone(slot.insert(Arc::new(self.cache.open_unchecked(blob)?))),
            }
        };
        file.read_exact_at(buffer, offset)
    }

    fn differs(&self, blob: &Digest) {
        let is_new = self.examined.lock().unwrap_or_else(PoisonError::into_inner).insert(*blob);
        if is_new {
            self.cache.examine(blob);
        }
    }
}

fn disk(tools: &Tools, planned: &PlannedLayer, error: io::Error) -> ExternalError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let message = format!("could not write the layer of `{}` into the cache `{}`", planned.name, tools.cache.folder().display());
    let failure = ExternalError::new(message).caused_by(error);
    if full { failure.hint("free space with `hardened cache prune`, or use another folder with `--cache-dir DIR`") } else { failure }
}

/// Tells a task how much was read.
struct Counted<'a> {
    inner: &'a dyn OpenContent,
    task: &'a dyn Task,
}

impl OpenContent for Counted<'_> {
    fn read(&self, tree: TreeId, path: &[u8], stat: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        self.inner.read(tree, path, stat, offset, buffer)?;
        self.task.advance(buffer.len() as u64);
        Ok(())
    }

    fn read_packed(&self, package: &Digest, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        self.inner.read_packed(package, offset, buffer)?;
        self.task.advance(buffer.len() as u64);
        Ok(())
    }
}

/// A blob that we made, in the cache. It is held open, so that pruning meanwhile takes nothing away.
pub(super) struct CachedSource {
    cache: Cache,
    file: Arc<File>,
    descriptor: Descriptor,
    /// Where it is, when this run wrote it.
    fresh: Option<PathBuf>,
}

impl CachedSource {
    pub(super) fn find(cache: &Cache, descriptor: &Descriptor) -> Option<Self> {
        Some(Self { cache: cache.clone(), file: Arc::new(cache.open_whole(descriptor)?), descriptor: descriptor.clone(), fresh: None })
    }
}

impl BlobSource for CachedSource {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(self.cache.read(&self.file, &self.descriptor)))
    }

    fn fresh_file(&self) -> Option<&Path> {
        self.fresh.as_deref()
    }
}
