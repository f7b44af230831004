use std::io::{self, Cursor, Read, Seek, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::ExternalError;
use crate::layer::collect::{Collected, Collector, Found};
use crate::layer::{LayerContents, Limits, read_file, read_layer};
use crate::oci::{BlobSource, Compression, Descriptor, Digest, ImageLayer, MediaType, Progress, Silent};
use crate::rootfs::{ImagePath, LayerFacts, Rootfs};

use super::{Failure, Run, Task, TaskKind, Tools};

/// Raised when the form of [`KeptEntries`] or the meaning of [`LayerFacts`] changes, so that older ones are not read.
const VERSION: u32 = 2;

/// The entries of a layer, as the cache keeps them.
#[derive(Debug, Serialize, Deserialize)]
struct KeptEntries {
    /// The layer's blob.
    digest: Digest,
    size: u64,
    /// Its media type, that of OCI.
    media_type: String,
    entries: LayerFacts,
}

/// Learns what the layers of an image hold: from the cache, or by reading them once. It is the one way to do so, wherever the image is.
pub(super) struct LayerReader<'a> {
    /// What is to be known of the files.
    pub(super) collectors: &'a [&'a dyn Collector],
    /// What the image is called in messages: `the base`.
    pub(super) image: &'a str,
    pub(super) run: Run<'a>,
}

impl LayerReader<'_> {
    /// Returns the merged files of an image, whose layers are opened when they have to be read.
    pub(super) fn files<'l, B: BlobSource>(&self, layers: impl Iterator<Item = (&'l ImageLayer, B)>) -> Result<Rootfs<'static>, Failure> {
        let mut rootfs = Rootfs::new();
        let layers: Vec<(&ImageLayer, B)> = layers.collect();
        let unknown = layers.iter().map(|(layer, blob)| (&layer.descriptor, blob as &dyn BlobSource));
        let unknown: Vec<_> = unknown.filter(|(layer, _)| self.run.tools.cache.facts(&entries_key(layer)).is_none()).collect();
        // A single one is a step of its own.
        let task = (unknown.len() > 1).then(|| self.begin(&unknown));
        for (number, (layer, blob)) in (1..).zip(&layers) {
            let facts = self.facts_for(&layer.descriptor, blob, task.as_deref())?;
            if facts.diff_id != layer.diff_id {
                let found = facts.diff_id;
                let message = format!("layer {number} of {} unpacks to {found}, and its config says {}", self.image, layer.diff_id);
                return Err(ExternalError::new(message).into());
            }
            rootfs.apply(&facts);
            if let Some(fault) = rootfs.fault() {
                return Err(Failure::external(format!("could not put layer {number} of {} on the layers below it", self.image), fault));
            }
        }
        if let Some(task) = task {
            task.finish("");
        }
        Ok(rootfs)
    }

    /// Returns what is known of one layer, which is opened when it has to be read.
    pub(super) fn facts(&self, layer: &Descriptor, blob: &dyn BlobSource) -> Result<LayerFacts, Failure> {
        self.facts_for(layer, blob, None)
    }

    /// Returns what is known of one layer, as a part of a task where it has to be read.
    fn facts_for(&self, layer: &Descriptor, blob: &dyn BlobSource, task: Option<&dyn Task>) -> Result<LayerFacts, Failure> {
        let kept = self.kept_entries(layer);
        let mut collected = Collected::default();
        let missing: Vec<&dyn Collector> = match &kept {
            None => self.collectors.to_vec(),
            Some(_) => self.collectors.iter().copied().filter(|collector| !self.recall(layer, *collector, &mut collected)).collect(),
        };
        let mut facts = if let Some(kept) = kept.filter(|_| missing.is_empty()) {
            kept
        } else {
            let name = format!("layer {}", layer.digest.short());
            let part = task.map_or_else(|| self.begin(&[(layer, blob)]), |task| task.part(&name, Some(layer.size)));
            let facts = self.read(layer, blob, (&missing, &mut collected), &*part)?;
            part.finish("");
            facts
        };
        let broken =
            |fault| Failure::external(format!("could not combine the facts about layer {} of {}", layer.digest, self.image), fault);
        collected.join(&mut facts, self.collectors).map_err(broken)?;
        Ok(facts)
    }

    /// Returns one file of a layer, by the path of its entry there: from the cache, or by reading the layer.
    pub(super) fn file(&self, layer: &Descriptor, blob: &dyn BlobSource, path: &ImagePath, most: u64) -> Result<Option<Vec<u8>>, Failure> {
        let cache = &self.run.tools.cache;
        let key = found_key(layer, &format!("file {:?} of at most {most}", path.as_bytes()), VERSION);
        if let Some(bytes) = cache.found(&key) {
            return Ok(Some(bytes));
        }
        let mut spool = Cursor::new(Vec::new());
        let Some(size) = self.copy_file(layer, blob, path, most, &mut spool)? else { return Ok(None) };
        let mut bytes = spool.into_inner();
        bytes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
        cache.write_found(&key, &bytes);
        Ok(Some(bytes))
    }

    /// Writes one file of a layer, by the path of its entry there, to the beginning of `spool`, and returns its size; the layer is read.
    pub(super) fn copy_file(
        &self,
        layer: &Descriptor,
        blob: &dyn BlobSource,
        path: &ImagePath,
        most: u64,
        spool: &mut (impl Write + Seek),
    ) -> Result<Option<u64>, Failure> {
        let compression = self.compression(layer)?;
        let task = self.begin(&[(layer, blob)]);
        let counted = self.opened(layer, blob, &*task)?;
        let size = read_file(counted, compression, &Limits::default(), path, most, spool);
        let size = size.map_err(|fault| self.unreadable(layer, fault.into()))?;
        task.finish("");
        Ok(size)
    }

    fn compression(&self, layer: &Descriptor) -> Result<Compression, Failure> {
        layer.media_type.layer_compression().ok_or_else(|| {
            let media_type = layer.media_type.as_str().escape_debug();
            ExternalError::new(format!("layer {} of {} is a `{media_type}`, which cannot be read", layer.digest, self.image)).into()
        })
    }

    /// Begins to read layers, of which there is at least one.
    fn begin(&self, layers: &[(&Descriptor, &dyn BlobSource)]) -> Arc<dyn Task> {
        let is_remote = |(layer, blob): &(&Descriptor, &dyn BlobSource)| blob.origin().is_some() && !self.run.tools.cache.has(layer);
        let kind = if layers.iter().any(is_remote) { TaskKind::Fetch } else { TaskKind::Read };
        let name = match layers {
            [(layer, _)] => format!("layer {} of {}", layer.digest.short(), self.image),
            several => format!("{} layers of {}", several.len(), self.image),
        };
        let size = layers.iter().fold(0, |size: u64, (layer, _)| size.saturating_add(layer.size));
        self.run.observer.begin(kind, &name, Some(size))
    }

    /// Opens a layer. Its bytes count once: when they come to this machine, or else when they are read.
    fn opened<'t>(
        &self,
        layer: &Descriptor,
        blob: &dyn BlobSource,
        task: &'t dyn Task,
    ) -> Result<Counted<'t, Box<dyn Read + Send>>, Failure> {
        let open = || {
            let fetched = blob.fetch(task)?;
            Ok(Counted { inner: blob.open()?, progress: if fetched { &Silent } else { task } })
        };
        open().map_err(|error: io::Error| self.unreadable(layer, error.into()))
    }

    fn unreadable(&self, layer: &Descriptor, cause: Box<dyn std::error::Error + Send + Sync>) -> Failure {
        Failure::external(format!("could not read layer {} of {}", layer.digest, self.image), cause)
    }

    /// Reads a layer, and keeps what is learned of it.
    fn read(
        &self,
        layer: &Descriptor,
        blob: &dyn BlobSource,
        (collectors, collected): (&[&dyn Collector], &mut Collected),
        task: &dyn Task,
    ) -> Result<LayerFacts, Failure> {
        let cache = &self.run.tools.cache;
        let compression = self.compression(layer)?;
        let found = read_layer(self.opened(layer, blob, task)?, compression, &Limits::default(), collectors);
        let found = found.map_err(|fault| self.unreadable(layer, fault.into()))?;
        let LayerContents { entries, collected: found } = found;
        let kept = KeptEntries { digest: layer.digest, size: layer.size, media_type: layer.media_type.to_oci().to_string(), entries };
        if let Ok(bytes) = serde_json::to_vec(&kept) {
            cache.write_facts(&entries_key(layer), &bytes);
        }
        for found in found.into_parts() {
            if let Ok(bytes) = serde_json::to_vec(&found) {
                cache.write_found(&found_key(layer, found.name(), found.version()), &bytes);
            }
            collected.add(found);
        }
        Ok(kept.entries)
    }

    fn kept_entries(&self, layer: &Descriptor) -> Option<LayerFacts> {
        let bytes = self.run.tools.cache.facts(&entries_key(layer))?;
        let kept = serde_json::from_slice::<KeptEntries>(&bytes).ok()?;
        (kept.digest == layer.digest).then_some(kept.entries)
    }

    /// Adds what a collector found in an earlier run; false when nothing was kept.
    fn recall(&self, layer: &Descriptor, collector: &dyn Collector, collected: &mut Collected) -> bool {
        let bytes = self.run.tools.cache.found(&found_key(layer, collector.name(), collector.version()));
        let found = bytes.and_then(|bytes| serde_json::from_slice::<Found>(&bytes).ok()).filter(|found| found.is_of(collector));
        found.map(|found| collected.add(found)).is_some()
    }
}

/// Returns the foreign layers of which something is known.
pub(super) fn known_layers(tools: &Tools) -> Vec<Descriptor> {
    let kept = tools.cache.all_facts();
    let kept = kept.iter().filter_map(|(_, bytes)| serde_json::from_slice::<KeptEntries>(bytes).ok());
    kept.map(|kept| Descriptor::new(MediaType::from(kept.media_type.as_str()), kept.digest, kept.size)).collect()
}

fn entries_key(layer: &Descriptor) -> Digest {
    found_key(layer, "entries", VERSION)
}

/// Returns the key under which something that was learned of a layer is kept: all that decides it, or whether the layer is refused. The same bytes
/// are another layer, or none, under another media type, size or limit.
fn found_key(layer: &Descriptor, name: &str, version: u32) -> Digest {
    let Descriptor { digest, size, media_type, .. } = layer;
    Digest::of(format!("{digest} {size} {} {name} {version} {:?}", media_type.to_oci(), Limits::default()).as_bytes())
}

/// Counts what is read.
pub(super) struct Counted<'a, R> {
    pub(super) inner: R,
    pub(super) progress: &'a dyn Progress,
}

impl<R: Read> Read for Counted<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_learned_is_kept_by_all_that_decides_it() {
        let layer = |compression, size| Descriptor::new(MediaType::Layer(compression), Digest::of(b"x"), size);
        let key = found_key(&layer(Compression::Gzip, 7), "texts", 1);
        let docker = Descriptor::new(MediaType::DockerLayer(Compression::Gzip), Digest::of(b"x"), 7);
        assert_eq!(found_key(&docker, "texts", 1), key, "the same form under Docker's name");
        for other in [
            found_key(&layer(Compression::None, 7), "texts", 1),
            found_key(&layer(Compression::Gzip, 8), "texts", 1),
            found_key(&layer(Compression::Gzip, 7), "texts", 2),
            found_key(&layer(Compression::Gzip, 7), "heads", 1),
        ] {
            assert_ne!(other, key);
        }
    }
}
