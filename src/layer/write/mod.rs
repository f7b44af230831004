mod content;
mod queue;

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::thread;

use self::content::{LargeFile, Taken, collect_block, fill};
use self::queue::{BlockQueue, Buffers};
use super::blocks::{Block, cut};
use super::collect::{Collected, Collector, CollectorFull};
use super::compress::{Compressor, Encoder};
use super::header::entry_size;
use super::record::{BlockRecord, Earlier, FoundBlock, Layer, LayerRecord, block_sum, fingerprints};
use crate::oci::{Descriptor, Hasher, MediaType};
use crate::rootfs::{Changeset, ContentFault, ImagePath, OpenContent};

/// Why a layer could not be written.
#[derive(Debug, thiserror::Error)]
pub enum LayerFault {
    /// A file's bytes could not be had.
    #[error("could not read the file for `{path}`")]
    Content {
        /// The path in the image.
        path: ImagePath,
        /// The cause.
        #[source]
        fault: ContentFault,
    },
    /// The encoder failed.
    #[error("could not compress the layer")]
    Encode(#[source] io::Error),
    /// The blob could not be written.
    #[error("could not write the layer")]
    Write(#[source] io::Error),
    /// A collector found more than it may keep.
    #[error(transparent)]
    Collector(CollectorFull),
}

/// All that a layer is written from.
#[derive(Clone, Copy)]
pub struct LayerRequest<'a> {
    /// Its files.
    pub changeset: &'a Changeset,
    /// What reads their contents.
    pub contents: &'a dyn OpenContent,
    /// How the tar is compressed.
    pub compressor: Compressor,
    /// How many blocks are compressed at once.
    pub threads: NonZeroUsize,
    /// What is remembered of a layer like this one.
    pub last: Option<&'a LayerRecord>,
    /// Blocks of other layers.
    pub earlier: &'a dyn Earlier,
    /// What is learned of the files meanwhile.
    pub collectors: &'a [&'a dyn Collector],
}

/// Writes a changeset as a compressed tar, and returns what to remember of it.
///
/// The threads encode blocks at once, while the calling thread hashes and writes the finished ones in order; the bytes
/// are the same for any number of them. At most one block more than there are threads is in memory.
///
/// Blocks whose files look as they did in `last` are taken from its blob, and what collectors found of them from its record; those before
/// the first change are not even read; other blocks are looked for by their content. The bytes are the same with and without it.
///
/// # Errors
/// When a file is no longer what it was when the changeset was made, when it cannot be read, or when `out` fails.
pub fn write_layer(request: &LayerRequest<'_>, out: &mut dyn Write) -> Result<LayerRecord, LayerFault> {
    let LayerRequest { changeset, compressor, threads, collectors, .. } = *request;
    let blocks = cut(changeset);
    let prints: Vec<[u8; 32]> = fingerprints(changeset, &blocks).collect();
    let last = request.last.filter(|last| last.is_of(compressor));
    let origins = origins(changeset, &blocks, &prints, last, collectors);
    let old = last.map_or(&[][..], |last| &last.blocks);
    let same = (0..).zip(&origins).take_while(|(number, origin)| **origin == Origin::Known(*number)).count();
    let resumed = same.checked_sub(1).and_then(|before| Hasher::resume(&old[before].state, old[before].tar_end));
    // Where the state cannot be taken up again, all is hashed from the beginning.
    let (tar, skipped) = resumed.map_or_else(|| (Hasher::default(), 0), |tar| (tar, same));
    let queue = BlockQueue::new(blocks.len(), threads.get() + 1);
    let largest = blocks.iter().map(|block| usize::try_from(block.size).unwrap_or(usize::MAX)).max().unwrap_or(0);
    let writer = LayerWriter { request, queue: &queue, blocks: &blocks, prints: &prints, origins: &origins, old, last, largest, skipped };
    let (tar, blob, records) = thread::scope(|scope| {
        for _ in 0..threads.get().min(blocks.len()) {
            scope.spawn(|| queue.guard(|| writer.work()));
        }
        let written = writer.write_in_order(tar, out);
        queue.stop();
        written
    })?;
    let (diff_id, tar_size) = tar.finish();
    let (digest, size) = blob.finish();
    let descriptor = Descriptor::new(MediaType::Layer(compressor.compression()), digest, size);
    Ok(LayerRecord::new(Layer { descriptor, diff_id, tar_size }, compressor, records, collectors))
}

/// Where a block comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Origin {
    /// Its compressed bytes and what collectors found are those of this block of the last layer.
    Known(usize),
    /// Its files are read for the collectors; its compressed bytes are those of this block of the last layer.
    Collected(usize),
    /// Its files are read.
    New,
}

/// Decides where each block comes from. Of a file that is cut into several blocks, all are read for the collectors or none.
fn origins(
    changeset: &Changeset,
    blocks: &[Block],
    prints: &[[u8; 32]],
    last: Option<&LayerRecord>,
    collectors: &[&dyn Collector],
) -> Vec<Origin> {
    let known = last.map(LayerRecord::by_fingerprint).unwrap_or_default();
    let is_collected = last.is_some_and(|last| last.is_collected_by(collectors));
    let origin = |print| match known.get(print) {
        Some(before) if is_collected => Origin::Known(*before),
        Some(before) => Origin::Collected(*before),
        None => Origin::New,
    };
    let mut origins: Vec<Origin> = prints.iter().map(origin).collect();
    let mut start = 0;
    for group in blocks.chunk_by(|one, other| one.entry == other.entry && other.offset > 0) {
        let own = &mut origins[start..start + group.len()];
        start += group.len();
        let is_whole = group.first().is_some_and(|block| !is_partial(block, changeset));
        if is_whole || own.iter().all(|origin| matches!(origin, Origin::Known(_))) {
            continue;
        }
        for origin in own {
            if let Origin::Known(before) = *origin {
                *origin = Origin::Collected(before);
            }
        }
    }
    origins
}

/// Says whether a block is a part of one file.
fn is_partial(block: &Block, changeset: &Changeset) -> bool {
    let is_cut = |(path, entry): &(ImagePath, _)| block.size < entry_size(path, entry);
    block.offset > 0 || changeset.entries().get(block.entry).is_some_and(is_cut)
}

/// What the workers and the thread that writes have in common.
struct LayerWriter<'a> {
    request: &'a LayerRequest<'a>,
    queue: &'a BlockQueue,
    blocks: &'a [Block],
    prints: &'a [[u8; 32]],
    origins: &'a [Origin],
    old: &'a [BlockRecord],
    last: Option<&'a LayerRecord>,
    largest: usize,
    /// So many blocks at the beginning are part of the tar's digest already.
    skipped: usize,
}

impl LayerWriter<'_> {
    fn work(&self) {
        let mut encoder = None;
        while let Some((number, mut buffers)) = self.queue.take() {
            buffers.make_room(self.request.compressor, self.largest);
            let result = self.make(number, &mut buffers, &mut encoder);
            self.queue.put(number, result.map(|()| buffers));
        }
    }

    /// Makes a block: what was made before is taken, what was not is compressed.
    fn make(&self, number: usize, buffers: &mut Buffers, encoder: &mut Option<Encoder>) -> Result<(), LayerFault> {
        buffers.raw.clear();
        buffers.found = Box::default();
        let origin = self.origins[number];
        if let (Origin::Known(before) | Origin::Collected(before), Some(last)) = (origin, self.last) {
            buffers.content = last.blocks[before].content;
            if let Origin::Known(_) = origin {
                buffers.found.clone_from(&last.blocks[before].found);
            }
            if self.take(&last.found(before), buffers) {
                return if number < self.skipped { Ok(()) } else { self.read(number, buffers) };
            }
        }
        self.read(number, buffers)?;
        buffers.content = block_sum(&buffers.raw);
        if self.request.earlier.block(&buffers.content).is_some_and(|found| self.take(&found, buffers)) {
            return Ok(());
        }
        if encoder.is_none() {
            *encoder = Some(self.request.compressor.encoder(self.largest).map_err(LayerFault::Encode)?);
        }
        encoder.as_mut().map_or(Ok(()), |encoder| encoder.encode(&buffers.raw, &mut buffers.encoded)).map_err(LayerFault::Encode)?;
        buffers.sum = block_sum(&buffers.encoded);
        Ok(())
    }

    /// Reads the files of a block, and hands them to the collectors where these do not know them. A part of a large file is handed
    /// on by the thread that writes, which has all parts in order.
    fn read(&self, number: usize, buffers: &mut Buffers) -> Result<(), LayerFault> {
        let LayerRequest { changeset, contents, collectors, .. } = *self.request;
        let block = self.blocks[number];
        fill(block, changeset, contents, &mut buffers.raw)?;
        if !matches!(self.origins[number], Origin::Known(_)) && !is_partial(&block, changeset) {
            buffers.found = kept(&collect_block(block, changeset, &buffers.raw, collectors)?);
        }
        Ok(())
    }

    /// Takes a compressed block out of an earlier blob, if it is there and what it was.
    fn take(&self, found: &FoundBlock, buffers: &mut Buffers) -> bool {
        let bound = self.request.compressor.bound(self.largest);
        let Some(size) = usize::try_from(found.size).ok().filter(|size| *size <= bound) else { return false };
        buffers.encoded.clear();
        buffers.encoded.resize(size, 0);
        buffers.sum = found.sum;
        let read = self.request.earlier.read(&found.blob, found.offset, &mut buffers.encoded);
        let same = read.is_ok() && block_sum(&buffers.encoded) == found.sum;
        if !same {
            self.request.earlier.differs(&found.blob);
        }
        same
    }

    /// Hashes and writes the blocks in order. Returns the digests of tar and blob, and what is remembered of each block.
    fn write_in_order(&self, mut tar: Hasher, out: &mut dyn Write) -> Result<(Hasher, Hasher, Vec<BlockRecord>), LayerFault> {
        let mut blob = Hasher::default();
        let mut records = Vec::with_capacity(self.blocks.len());
        let mut large = None;
        for number in 0..self.blocks.len() {
            let stopped = || LayerFault::Encode(io::Error::other("a worker thread ended early"));
            let mut buffers = self.queue.wait_for(number).ok_or_else(stopped)??;
            let (tar_end, state) = if let Some(old) = self.old.get(number).filter(|_| number < self.skipped) {
                (old.tar_end, old.state)
            } else {
                tar.update(&buffers.raw);
                (tar.size(), tar.midstate())
            };
            self.collect_part(number, &mut buffers, &mut large)?;
            blob.update(&buffers.encoded);
            out.write_all(&buffers.encoded).map_err(LayerFault::Write)?;
            let (fingerprint, content, sum, found) =
                (self.prints[number], buffers.content, buffers.sum, std::mem::take(&mut buffers.found));
            records.push(BlockRecord { fingerprint, content, sum, end: blob.size(), tar_end, state, found });
            self.queue.done_with(buffers);
        }
        Ok((tar, blob, records))
    }

    /// Hands a part of a large file to the collectors; what they found is kept with the last part.
    fn collect_part<'s>(&'s self, number: usize, buffers: &mut Buffers, large: &mut Option<LargeFile<'s>>) -> Result<(), LayerFault> {
        let LayerRequest { changeset, collectors, .. } = *self.request;
        let block = self.blocks[number];
        if matches!(self.origins[number], Origin::Known(_)) || !is_partial(&block, changeset) {
            return Ok(());
        }
        let Some(entry) = changeset.entries().get(block.entry) else { return Ok(()) };
        let file = large.take().filter(|_| block.offset > 0).unwrap_or_else(|| LargeFile::begin(&entry.0, &entry.1, collectors));
        match file.take(block, entry, &buffers.raw)? {
            Taken::Unfinished(file) => *large = Some(file),
            Taken::Finished(found) => buffers.found = kept(&found),
        }
        Ok(())
    }
}

/// Returns what a record keeps of a block.
fn kept(found: &Collected) -> Box<[u8]> {
    if found.is_empty() { Box::default() } else { serde_json::to_vec(found).unwrap_or_default().into() }
}

#[cfg(test)]
mod tests;
