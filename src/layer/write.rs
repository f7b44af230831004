use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::blocks::{Block, cut};
use super::compress::{Compressor, Encoder};
use super::header::{content_size, entry_size, header_size, write_header};
use super::record::{BlockRecord, Earlier, FoundBlock, LayerRecord, block_sum, fingerprints};
use crate::oci::{Descriptor, Digest, Hasher, MediaType};
use crate::rootfs::{Changeset, Content, ContentFault, Entry, EntryKind, ImagePath, OpenContent};

/// A layer whose blob exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// The blob.
    pub descriptor: Descriptor,
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The size of the uncompressed tar in bytes.
    pub tar_size: u64,
}

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
}

/// Writes a changeset as a compressed tar, and returns what to remember of it.
///
/// `threads` encode blocks at once, while the calling thread hashes and writes the finished ones in order; the bytes
/// are the same for any number of them. At most `threads` + 1 blocks are in memory.
///
/// `last` is what is remembered of a layer like this one. Blocks whose files look as they did are taken from its blob, and those before
/// the first change are not even read; other blocks are looked for by their content. The bytes are the same with and without it.
///
/// # Errors
/// When a file is no longer what it was when the changeset was made, when it cannot be read, or when `out` fails.
pub fn write_layer(
    changeset: &Changeset,
    contents: &dyn OpenContent,
    compressor: Compressor,
    threads: NonZeroUsize,
    (last, earlier): (Option<&LayerRecord>, &dyn Earlier),
    out: &mut dyn Write,
) -> Result<LayerRecord, LayerFault> {
    let blocks = cut(changeset);
    let prints: Vec<[u8; 32]> = fingerprints(changeset, &blocks).collect();
    let last = last.filter(|last| last.is_of(compressor));
    let known = last.map(LayerRecord::by_fingerprint).unwrap_or_default();
    let old = last.map_or(&[][..], |last| &last.blocks);
    let same = prints.iter().zip(old).take_while(|(print, old)| **print == old.fingerprint && known.contains_key(*print)).count();
    let resumed = same.checked_sub(1).and_then(|before| Hasher::resume(&old[before].state, old[before].tar_end));
    // Where the state cannot be taken up again, all is hashed from the beginning.
    let (tar, skipped) = resumed.map_or_else(|| (Hasher::default(), 0), |tar| (tar, same));
    let line = Line::new(blocks.len(), threads.get() + 1);
    let largest = blocks.iter().map(|block| usize::try_from(block.size).unwrap_or(usize::MAX)).max().unwrap_or(0);
    let job =
        Job { line: &line, blocks: &blocks, prints: &prints, changeset, contents, compressor, largest, last, known, earlier, skipped };
    let (tar, blob, records) = thread::scope(|scope| {
        for _ in 0..threads.get().min(blocks.len()) {
            scope.spawn(|| line.guard(|| job.work()));
        }
        let collected = collect(&job, tar, old, out);
        line.stop();
        collected
    })?;
    let (diff_id, tar_size) = tar.finish();
    let (digest, size) = blob.finish();
    let descriptor = Descriptor::new(MediaType::Layer(compressor.compression()), digest, size);
    Ok(LayerRecord::new(Layer { descriptor, diff_id, tar_size }, compressor, records))
}

/// What the workers have in common.
struct Job<'a> {
    line: &'a Line,
    blocks: &'a [Block],
    prints: &'a [[u8; 32]],
    changeset: &'a Changeset,
    contents: &'a dyn OpenContent,
    compressor: Compressor,
    largest: usize,
    last: Option<&'a LayerRecord>,
    known: BTreeMap<[u8; 32], usize>,
    earlier: &'a dyn Earlier,
    /// So many blocks at the beginning are part of the tar's digest already.
    skipped: usize,
}

/// A block before and after compression.
#[derive(Default)]
struct Buffers {
    raw: Vec<u8>,
    encoded: Vec<u8>,
    content: [u8; 32],
    sum: [u8; 32],
}

/// The line that blocks stand in between the workers and the collector.
struct Line {
    state: Mutex<State>,
    moved: Condvar,
    total: usize,
    window: usize,
}

#[derive(Default)]
struct State {
    next: usize,
    collected: usize,
    finished: BTreeMap<usize, Result<Buffers, LayerFault>>,
    spare: Vec<Buffers>,
    stopped: bool,
}

impl Line {
    fn new(total: usize, window: usize) -> Self {
        Self { state: Mutex::default(), moved: Condvar::new(), total, window }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next block to work on, once there is room for it.
    fn take(&self) -> Option<(usize, Buffers)> {
        let mut state = self.state();
        loop {
            if state.stopped || state.next >= self.total {
                return None;
            }
            if state.next < state.collected + self.window {
                let number = state.next;
                state.next += 1;
                return Some((number, state.spare.pop().unwrap_or_default()));
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn put(&self, number: usize, result: Result<Buffers, LayerFault>) {
        self.state().finished.insert(number, result);
        self.moved.notify_all();
    }

    /// Waits for a block; `None` when the workers ended without it.
    fn wait_for(&self, number: usize) -> Option<Result<Buffers, LayerFault>> {
        let mut state = self.state();
        loop {
            if let Some(result) = state.finished.remove(&number) {
                return Some(result);
            }
            if state.stopped {
                return None;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done_with(&self, buffers: Buffers) {
        let mut state = self.state();
        state.collected += 1;
        state.spare.push(buffers);
        drop(state);
        self.moved.notify_all();
    }

    fn stop(&self) {
        self.state().stopped = true;
        self.moved.notify_all();
    }

    /// Runs a worker, and stops the line if it panics, so that nobody waits for it for ever.
    fn guard(&self, worker: impl FnOnce()) {
        struct StopOnPanic<'a>(&'a Line);
        impl Drop for StopOnPanic<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.stop();
                }
            }
        }
        let guard = StopOnPanic(self);
        worker();
        drop(guard);
    }
}

impl Job<'_> {
    fn work(&self) {
        let mut encoder = None;
        while let Some((number, mut buffers)) = self.line.take() {
            buffers.make_room(self.compressor, self.largest);
            let result = self.make(number, &mut buffers, &mut encoder);
            self.line.put(number, result.map(|()| buffers));
        }
    }

    /// Makes a block: what was made before is taken, what was not is compressed.
    fn make(&self, number: usize, buffers: &mut Buffers, encoder: &mut Option<Encoder>) -> Result<(), LayerFault> {
        buffers.raw.clear();
        let before = self.known.get(&self.prints[number]).copied().zip(self.last);
        if let Some((before, last)) = before {
            buffers.content = last.blocks[before].content;
            if self.take(&last.found(before), buffers) {
                return if number < self.skipped { Ok(()) } else { self.fill(number, buffers) };
            }
        }
        self.fill(number, buffers)?;
        buffers.content = block_sum(&buffers.raw);
        if self.earlier.block(&buffers.content).is_some_and(|found| self.take(&found, buffers)) {
            return Ok(());
        }
        if encoder.is_none() {
            *encoder = Some(self.compressor.encoder(self.largest).map_err(LayerFault::Encode)?);
        }
        encoder.as_mut().map_or(Ok(()), |encoder| encoder.encode(&buffers.raw, &mut buffers.encoded)).map_err(LayerFault::Encode)?;
        buffers.sum = block_sum(&buffers.encoded);
        Ok(())
    }

    fn fill(&self, number: usize, buffers: &mut Buffers) -> Result<(), LayerFault> {
        fill(self.blocks[number], self.changeset, self.contents, &mut buffers.raw)
    }

    /// Takes a compressed block out of an earlier blob, if it is there and what it was.
    fn take(&self, found: &FoundBlock, buffers: &mut Buffers) -> bool {
        let Some(size) = usize::try_from(found.size).ok().filter(|size| *size <= self.compressor.bound(self.largest)) else { return false };
        buffers.encoded.clear();
        buffers.encoded.resize(size, 0);
        buffers.sum = found.sum;
        self.earlier.read(&found.blob, found.offset, &mut buffers.encoded).is_ok() && block_sum(&buffers.encoded) == found.sum
    }
}

impl Buffers {
    /// Buffers have room for the largest block from the start: those that grew would leave holes in the heap, several times their size.
    fn make_room(&mut self, compressor: Compressor, largest: usize) {
        if self.raw.capacity() < largest {
            self.raw = Vec::with_capacity(largest);
            self.encoded = Vec::with_capacity(compressor.bound(largest));
        }
    }
}

fn collect(
    job: &Job<'_>,
    mut tar: Hasher,
    old: &[BlockRecord],
    out: &mut dyn Write,
) -> Result<(Hasher, Hasher, Vec<BlockRecord>), LayerFault> {
    let mut blob = Hasher::default();
    let mut records = Vec::with_capacity(job.blocks.len());
    for number in 0..job.blocks.len() {
        let stopped = || LayerFault::Encode(io::Error::other("a worker thread ended early"));
        let buffers = job.line.wait_for(number).ok_or_else(stopped)??;
        let (tar_end, state) = if let Some(old) = old.get(number).filter(|_| number < job.skipped) {
            (old.tar_end, old.state)
        } else {
            tar.update(&buffers.raw);
            (tar.size(), tar.midstate())
        };
        blob.update(&buffers.encoded);
        out.write_all(&buffers.encoded).map_err(LayerFault::Write)?;
        let (fingerprint, content, sum) = (job.prints[number], buffers.content, buffers.sum);
        records.push(BlockRecord { fingerprint, content, sum, end: blob.size(), tar_end, state });
        job.line.done_with(buffers);
    }
    Ok((tar, blob, records))
}

/// Replaces `out` by a block of the tar.
fn fill(block: Block, changeset: &Changeset, contents: &dyn OpenContent, out: &mut Vec<u8>) -> Result<(), LayerFault> {
    out.clear();
    let size = usize::try_from(block.size).unwrap_or(usize::MAX);
    let mut offset = block.offset;
    for (path, entry) in &changeset.entries()[block.entry..] {
        let room = size - out.len();
        if room == 0 {
            return Ok(());
        }
        append(path, entry, offset, room, contents, out)?;
        offset = 0;
    }
    // What is left is the end of the tar.
    out.resize(size, 0);
    Ok(())
}

/// Appends at most `room` bytes of an entry, from `offset` on.
fn append(
    path: &ImagePath,
    entry: &Entry,
    offset: u64,
    room: usize,
    contents: &dyn OpenContent,
    out: &mut Vec<u8>,
) -> Result<(), LayerFault> {
    let start = out.len();
    let length = usize::try_from(entry_size(path, entry) - offset).unwrap_or(usize::MAX).min(room);
    let headers = header_size(path, entry);
    if offset < headers {
        // A cut never goes through headers: large files are cut at multiples far above them.
        write_header(path, entry, out);
    }
    let content_start = offset.saturating_sub(headers);
    let held = content_size(entry).saturating_sub(content_start);
    let wanted = usize::try_from(held).unwrap_or(usize::MAX).min(start + length - out.len());
    if let EntryKind::File(content) = &entry.kind
        && wanted > 0
    {
        let begin = out.len();
        out.resize(begin + wanted, 0);
        read(path, content, content_start, contents, &mut out[begin..])?;
    }
    out.resize(start + length, 0);
    Ok(())
}

fn read(path: &ImagePath, content: &Content, offset: u64, contents: &dyn OpenContent, buffer: &mut [u8]) -> Result<(), LayerFault> {
    match (content, content.found(path)) {
        (Content::Inline(bytes), _) => {
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            buffer.copy_from_slice(&bytes[start..start + buffer.len()]);
            Ok(())
        }
        (Content::Packed(file), _) => contents
            .read_packed(&file.package, file.offset + offset, buffer)
            .map_err(|fault| LayerFault::Content { path: path.clone(), fault }),
        (_, Some((tree, host_path, stat))) => {
            contents.read(tree, host_path, stat, offset, buffer).map_err(|fault| LayerFault::Content { path: path.clone(), fault })
        }
        (_, None) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::NoneEarlier;
    use crate::layer::{Limits, read_facts};
    use crate::oci::Compression;
    use crate::rootfs::{FactKind, LayerEntry, Owner, Stat, TreeId};

    /// Contents that are made of the path and the offset.
    struct Made;

    impl OpenContent for Made {
        fn read(&self, _: TreeId, path: &[u8], stat: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
            assert!(offset + buffer.len() as u64 <= stat.size);
            for (place, byte) in (offset..).zip(buffer) {
                *byte = path[usize::try_from(place).unwrap() % path.len()].wrapping_add(u8::try_from(place >> 12 & 0xff).unwrap());
            }
            if path == b"changed" { Err(ContentFault::Changed) } else { Ok(()) }
        }
    }

    const NOTHING: (Option<&LayerRecord>, &dyn Earlier) = (None, &NoneEarlier);

    /// A disk that is full.
    struct Full;

    impl Write for Full {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn changeset() -> Changeset {
        let mut entries = vec![];
        for number in 0..3000_u64 {
            let path = ImagePath::new(format!("folder-{}/file-{number}", number % 7).as_bytes()).unwrap();
            let size = if number % 1000 == 3 { 9_500_000 } else { number * 7 % 9000 };
            let tail = u16::try_from(path.as_bytes().len()).unwrap();
            let kind = EntryKind::File(Content::Tail { tree: TreeId(0), tail, stat: Stat { size, stamp: 0 } });
            entries.push((path, Entry { kind, mode: 0o644, owner: Owner { uid: 0, gid: 3_000_000_000 } }));
        }
        Changeset::new(entries)
    }

    fn threads(count: usize) -> NonZeroUsize {
        NonZeroUsize::new(count).unwrap()
    }

    #[test]
    fn bytes_do_not_depend_on_threads_and_read_back() {
        let changeset = changeset();
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            let compressor = Compressor::new(crate::recipe::Format::NEWEST, compression, None).unwrap();
            let mut first = vec![];
            let layer = write_layer(&changeset, &Made, compressor, threads(1), NOTHING, &mut first).unwrap().layer().clone();
            assert_eq!((layer.descriptor.digest, layer.descriptor.size), (Digest::of(&first), first.len() as u64));
            for count in [2, 7] {
                let mut again = vec![];
                assert_eq!(*write_layer(&changeset, &Made, compressor, threads(count), NOTHING, &mut again).unwrap().layer(), layer);
                assert!(again == first);
            }
            let facts = read_facts(&first[..], compression, &Limits::default()).unwrap();
            assert_eq!((facts.diff_id, facts.size, facts.entries.len()), (layer.diff_id, layer.tar_size, 3000));
            let LayerEntry::Add(fact) = &facts.entries[5].fact else { panic!("no file") };
            assert_eq!((fact.gid, fact.mode), (3_000_000_000, 0o644));
            assert!(matches!(fact.kind, FactKind::File { size: 35.., .. }));
        }
    }

    #[test]
    fn a_memory_from_elsewhere_is_proved_by_the_layer_itself() {
        for compression in [Compression::Gzip, Compression::Zstd] {
            let compressor = Compressor::new(crate::recipe::Format::NEWEST, compression, Some(1)).unwrap();
            let mut blob = vec![];
            let record = write_layer(&changeset(), &Made, compressor, threads(2), NOTHING, &mut blob).unwrap();
            let proved = LayerRecord::read(&record.to_bytes()).unwrap().proved(&mut &blob[..]).unwrap();
            assert!(proved.layer() == record.layer() && !proved.is_settled());
            // What a block is known by, and where it is, is where a lie would put foreign bytes into an image.
            let bytes = record.to_bytes();
            for place in [8 + 32 + 32 + 8 + 32 + 8 + 40, 8 + 32 + 32 + 8 + 32 + 8 + 70, bytes.len() - 1, 90] {
                let mut lie = bytes.clone();
                lie[place] ^= 1;
                assert!(LayerRecord::read(&lie).is_none_or(|lie| lie.proved(&mut &blob[..]).is_err()), "byte {place}");
            }
            assert!(LayerRecord::read(&bytes).unwrap().proved(&mut &blob[..blob.len() - 1]).is_err());
        }
    }

    #[test]
    fn a_failing_file_or_disk_ends_the_layer() {
        let entry = Entry {
            kind: EntryKind::File(Content::Tail { tree: TreeId(0), tail: 7, stat: Stat { size: 10, stamp: 0 } }),
            mode: 0o644,
            owner: Owner::default(),
        };
        let mut entries = changeset().entries().to_vec();
        entries.push((ImagePath::new(b"changed").unwrap(), entry));
        let compressor = Compressor::new(crate::recipe::Format::NEWEST, Compression::Zstd, None).unwrap();
        let fault = write_layer(&Changeset::new(entries), &Made, compressor, threads(2), NOTHING, &mut io::sink()).unwrap_err();
        assert!(matches!(fault, LayerFault::Content { fault: ContentFault::Changed, .. }), "{fault:?}");

        let fault = write_layer(&changeset(), &Made, compressor, threads(2), NOTHING, &mut Full).unwrap_err();
        assert!(matches!(fault, LayerFault::Write(_)), "{fault:?}");
    }
}
