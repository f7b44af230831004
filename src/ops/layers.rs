use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::host::cache::Cache;
use crate::layer::{Layer, LayerFault, write_layer};
use crate::oci::{BlobSource, Descriptor, StoreError, StoreFault};
use crate::plan::PlannedLayer;
use crate::rootfs::{ContentFault, ImagePath, OpenContent, Stat, TreeId};

use super::{Failure, Observer, Task, TaskKind, Tools};

/// Why a layer was not written.
pub(super) enum LayerFailure {
    /// A file changed while it was read: the files must be found again.
    Changed(ImagePath),
    /// It cannot be written.
    Failed(Failure),
}

/// Writes a layer into the cache.
pub(super) fn write(
    planned: &PlannedLayer,
    contents: &dyn OpenContent,
    tools: &Tools,
    observer: &dyn Observer,
) -> Result<Layer, LayerFailure> {
    let task = observer.begin(TaskKind::Layer, &planned.name, Some(planned.changeset.content_size()));
    let counted = Counted { inner: contents, task: &*task };
    let failed = |error: io::Error| LayerFailure::Failed(disk(tools, planned, error).into());
    let mut writer = tools.cache.writer().map_err(failed)?;
    let layer = write_layer(&planned.changeset, &counted, planned.compressor, tools.threads, &mut writer);
    let layer = layer.map_err(|fault| match fault {
        LayerFault::Content { path, fault: ContentFault::Changed } => LayerFailure::Changed(path),
        LayerFault::Write(error) => failed(error),
        fault => {
            let message = format!("could not make the layer of `{}`", planned.name);
            LayerFailure::Failed(StoreError::new(StoreFault::Disk, message).caused_by(fault).into())
        }
    })?;
    writer.finish(Some(&layer.descriptor)).map_err(failed)?;
    task.finish(&format!("{} bytes", layer.descriptor.size));
    Ok(layer)
}

fn disk(tools: &Tools, planned: &PlannedLayer, error: io::Error) -> StoreError {
    let full = matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    let message = format!("could not write the layer of `{}` into the cache `{}`", planned.name, tools.cache.folder().display());
    let failure = StoreError::new(StoreFault::Disk, message).caused_by(error);
    if full { failure.hint("`hardened cache prune` makes room; `--cache-dir DIR` names another folder") } else { failure }
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
}

/// A blob that we made, in the cache.
pub(super) struct CachedSource {
    cache: Cache,
    descriptor: Descriptor,
    fresh: Option<PathBuf>,
}

impl CachedSource {
    /// Returns the source of a layer; `fresh` says that this run wrote it.
    pub(super) fn shared(cache: &Cache, descriptor: &Descriptor, fresh: bool) -> Arc<dyn BlobSource> {
        let file = fresh.then(|| cache.blob_path(&descriptor.digest));
        Arc::new(Self { cache: cache.clone(), descriptor: descriptor.clone(), fresh: file })
    }
}

impl BlobSource for CachedSource {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, format!("the cache lost {}", self.descriptor.digest));
        Ok(Box::new(self.cache.open(&self.descriptor).ok_or_else(gone)?))
    }

    fn fresh_file(&self) -> Option<&Path> {
        self.fresh.as_deref()
    }
}
