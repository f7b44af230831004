use std::collections::BTreeMap;
use std::io::{self, Read};

use serde::{Deserialize, Serialize};

use super::blocks::{Block, cut};
use super::collect::{Collected, Collector};
use super::compress::Compressor;
use super::decompress::{Decompressed, Limits};
use crate::oci::{Compression, Descriptor, Digest, Hasher, MIDSTATE, MediaType};
use crate::recipe::Format;
use crate::rootfs::{Changeset, Content, Entry, EntryKind, LayerFacts};

/// What a record begins with; another number for another form.
const MAGIC: &[u8; 8] = b"hdlayer2";
pub(super) const HEAD: usize = 8 + 32 + 32 + 8 + 32 + 8 + 8;
pub(super) const BLOCK: usize = 32 + 32 + 32 + 8 + 8 + MIDSTATE;
/// The largest block of a record from elsewhere, in bytes.
const LARGEST_CARRIED: u64 = 32 << 20;
/// The fingerprint of a block that holds a file too young to be told from what it may become.
pub(super) const NEVER: [u8; 32] = [0; 32];

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

/// What is remembered of a layer that was written: enough to write the next one like it without doing anything twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerRecord {
    layer: Layer,
    kind: [u8; 32],
    pub(super) blocks: Vec<BlockRecord>,
    /// The collectors that looked at the files of all blocks.
    collectors: Vec<CollectorId>,
}

/// Which collector it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct CollectorId {
    name: String,
    version: u32,
}

/// What is remembered of one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct BlockRecord {
    /// A digest of what the entries in it are and looked like on the host.
    pub(super) fingerprint: [u8; 32],
    /// The digest of its part of the tar.
    pub(super) content: [u8; 32],
    /// The digest of its part of the blob.
    pub(super) sum: [u8; 32],
    /// Where it ends in the blob.
    pub(super) end: u64,
    /// Where it ends in the tar.
    pub(super) tar_end: u64,
    /// The state of the tar's digest after it.
    pub(super) state: [u8; MIDSTATE],
    /// What collectors found of the files that end in it, numbered from the block's first entry: [`Collected`] in JSON, or nothing.
    pub(super) found: Box<[u8]>,
}

/// A block that exists in a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBlock {
    /// The blob.
    pub blob: Digest,
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
    /// Their digest.
    pub(super) sum: [u8; 32],
}

/// Blocks that were compressed before, here or elsewhere. Nothing of it is believed before it was checked.
pub trait Earlier: Sync {
    /// Returns a block with this content, compressed in the same way.
    fn block(&self, content: &[u8; 32]) -> Option<FoundBlock>;

    /// Reads a part of a blob.
    ///
    /// # Errors
    /// When it is not there any more. The block is compressed again then.
    fn read(&self, blob: &Digest, offset: u64, buffer: &mut [u8]) -> io::Result<()>;

    /// Is told that a blob does not hold the block that it should. The block is compressed again.
    fn differs(&self, blob: &Digest);
}

/// Nothing was compressed before.
pub struct NoneEarlier;

impl Earlier for NoneEarlier {
    fn block(&self, _: &[u8; 32]) -> Option<FoundBlock> {
        None
    }

    fn read(&self, _: &Digest, _: u64, _: &mut [u8]) -> io::Result<()> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn differs(&self, _: &Digest) {}
}

impl Compressor {
    /// Returns the compressor with this identity, if it is one of this version of hardened.
    fn identified(identity: &[u8; 32]) -> Option<Self> {
        let levels = [(Compression::Gzip, 12), (Compression::Zstd, 19)]
            .into_iter()
            .flat_map(|(kind, most)| (1..=most).map(move |level| (kind, level)));
        let all = levels.flat_map(|(kind, level)| Format::carried().iter().map(move |format| Self::new(*format, kind, Some(level))));
        all.flatten().find(|compressor| compressor.identity() == *identity)
    }

    /// Identifies everything that a block's compressed bytes depend on besides its content.
    pub fn identity(self) -> [u8; 32] {
        let text = format!("{} {} {} {}", self.format().number(), self.name(), self.level(), self.version());
        *Digest::of(text.as_bytes()).as_bytes()
    }
}

impl LayerRecord {
    pub(super) fn new(layer: Layer, compressor: Compressor, blocks: Vec<BlockRecord>, collectors: &[&dyn Collector]) -> Self {
        Self { layer, kind: compressor.identity(), blocks, collectors: identified(collectors) }
    }

    /// Returns the layer.
    pub fn layer(&self) -> &Layer {
        &self.layer
    }

    /// Says whether the layer was compressed like this.
    pub fn is_of(&self, compressor: Compressor) -> bool {
        self.kind == compressor.identity()
    }

    /// Says whether these collectors, and no others, have looked at all files.
    pub fn is_collected_by(&self, collectors: &[&dyn Collector]) -> bool {
        self.collectors == identified(collectors)
    }

    /// Returns what collectors found of the files of the layer, whose changeset this is; nothing when the record is of another one.
    pub(super) fn collected(&self, changeset: &Changeset, collectors: &[&dyn Collector]) -> Option<Collected> {
        let blocks = cut(changeset);
        if blocks.len() != self.blocks.len() || !self.is_collected_by(collectors) {
            return None;
        }
        let mut all = Collected::none(collectors);
        for (block, record) in blocks.iter().zip(&self.blocks).filter(|(_, record)| !record.found.is_empty()) {
            all.append(&serde_json::from_slice(&record.found).ok()?, u32::try_from(block.entry).ok()?);
        }
        Some(all)
    }

    /// Returns what reading the layer would tell, without reading it; nothing when the record is of another changeset or other collectors.
    pub fn facts(&self, changeset: &Changeset, collectors: &[&dyn Collector]) -> Option<LayerFacts> {
        let mut facts = LayerFacts::of(changeset, self.layer.diff_id, self.layer.tar_size);
        self.collected(changeset, collectors)?.join(&mut facts, collectors).ok()?;
        Some(facts)
    }

    /// Says whether every block can be known again by its files alone.
    pub fn is_settled(&self) -> bool {
        self.blocks.iter().all(|block| block.fingerprint != NEVER)
    }

    /// Returns the blocks by their content.
    pub fn contents(&self) -> impl Iterator<Item = ([u8; 32], FoundBlock)> {
        (0..self.blocks.len()).map(|number| (self.blocks[number].content, self.found(number)))
    }

    pub(super) fn found(&self, number: usize) -> FoundBlock {
        let block = &self.blocks[number];
        let offset = number.checked_sub(1).map_or(0, |before| self.blocks[before].end);
        FoundBlock { blob: self.layer.descriptor.digest, offset, size: block.end - offset, sum: block.sum }
    }

    /// Returns the bytes to keep.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEAD + BLOCK * self.blocks.len());
        let Layer { descriptor, diff_id, tar_size } = &self.layer;
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.kind);
        bytes.extend_from_slice(descriptor.digest.as_bytes());
        bytes.extend_from_slice(&descriptor.size.to_le_bytes());
        bytes.extend_from_slice(diff_id.as_bytes());
        bytes.extend_from_slice(&tar_size.to_le_bytes());
        bytes.extend_from_slice(&(self.blocks.len() as u64).to_le_bytes());
        for block in &self.blocks {
            for sum in [&block.fingerprint, &block.content, &block.sum] {
                bytes.extend_from_slice(sum);
            }
            bytes.extend_from_slice(&block.end.to_le_bytes());
            bytes.extend_from_slice(&block.tar_end.to_le_bytes());
            bytes.extend_from_slice(&block.state);
        }
        let collectors = serde_json::to_vec(&self.collectors).unwrap_or_default();
        for part in std::iter::once(&*collectors).chain(self.blocks.iter().map(|block| &*block.found)) {
            bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
            bytes.extend_from_slice(part);
        }
        bytes
    }

    /// Reads what [`LayerRecord::to_bytes`] returned; `None` for anything else, or when it contradicts itself.
    pub fn from_bytes(bytes: &[u8], compressor: Compressor) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(HEAD)?;
        let mut head = Fields(head);
        if head.take::<8>()? != *MAGIC {
            return None;
        }
        let kind = head.take::<32>()?;
        let (digest, size) = (Digest::from_bytes(head.take()?), head.number()?);
        let (diff_id, tar_size) = (Digest::from_bytes(head.take()?), head.number()?);
        let count = usize::try_from(head.number()?).ok()?;
        let (parts, found) = rest.split_at_checked(count.checked_mul(BLOCK)?)?;
        let mut found = Fields(found);
        let collectors = serde_json::from_slice(found.part()?).ok()?;
        let mut blocks = Vec::with_capacity(count);
        let (mut end, mut tar_end) = (0, 0);
        for part in parts.chunks_exact(BLOCK) {
            let mut part = Fields(part);
            let block = BlockRecord {
                fingerprint: part.take()?,
                content: part.take()?,
                sum: part.take()?,
                end: part.number()?,
                tar_end: part.number()?,
                state: part.take()?,
                found: found.part()?.into(),
            };
            if block.end < end || block.tar_end <= tar_end {
                return None;
            }
            (end, tar_end) = (block.end, block.tar_end);
            blocks.push(block);
        }
        let descriptor = Descriptor::new(MediaType::Layer(compressor.compression()), digest, size);
        let whole = found.0.is_empty() && end == size && tar_end == tar_size && kind == compressor.identity();
        whole.then_some(Self { layer: Layer { descriptor, diff_id, tar_size }, kind, blocks, collectors })
    }

    /// Reads a record of any compressor.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let identity = bytes.get(MAGIC.len()..MAGIC.len() + 32)?.first_chunk::<32>()?;
        Self::from_bytes(bytes, Compressor::identified(identity)?)
    }

    /// Checks all that is said of the blocks against the layer's own bytes. Files are not known by a record from elsewhere: the fingerprints
    /// are dropped, and with them what collectors found.
    ///
    /// # Errors
    /// When the blob cannot be read, or is not what the record says.
    pub fn proved(mut self, blob: &mut dyn Read) -> io::Result<Self> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "the cached facts about a layer do not match the layer");
        let compression = Compressor::identified(&self.kind).ok_or_else(wrong)?.compression();
        let (mut tar, mut sum) = (Hasher::default(), Hasher::default());
        let mut end = 0;
        for block in &mut self.blocks {
            let (size, tar_size) = (block.end - end, block.tar_end - tar.size());
            if size > LARGEST_CARRIED || tar_size > LARGEST_CARRIED {
                return Err(wrong());
            }
            let mut encoded = Vec::new();
            blob.take(size).read_to_end(&mut encoded)?;
            let mut raw = Vec::new();
            Decompressed::new(&encoded[..], compression, Limits::default())?.take(tar_size + 1).read_to_end(&mut raw)?;
            tar.update(&raw);
            sum.update(&encoded);
            let same = block_sum(&raw) == block.content && block_sum(&encoded) == block.sum;
            if !same || tar.size() != block.tar_end || tar.midstate() != block.state {
                return Err(wrong());
            }
            (block.fingerprint, block.found) = (NEVER, Box::default());
            end = block.end;
        }
        self.collectors.clear();
        let ends = blob.read(&mut [0])? == 0;
        let whole = sum.finish().0 == self.layer.descriptor.digest && tar.finish().0 == self.layer.diff_id;
        if ends && whole { Ok(self) } else { Err(wrong()) }
    }

    /// Returns the layer if its files are, for all that their state tells, what they were.
    pub fn still_holds(&self, changeset: &Changeset) -> Option<&Layer> {
        let blocks = cut(changeset);
        let same = blocks.len() == self.blocks.len()
            && self.is_settled()
            && fingerprints(changeset, &blocks).zip(&self.blocks).all(|(print, block)| print == block.fingerprint);
        same.then_some(&self.layer)
    }

    /// Returns the numbers of the blocks by fingerprint.
    pub(super) fn by_fingerprint(&self) -> BTreeMap<[u8; 32], usize> {
        let known = self.blocks.iter().enumerate().filter(|(_, block)| block.fingerprint != NEVER);
        known.map(|(number, block)| (block.fingerprint, number)).collect()
    }
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (field, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*field)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    /// Takes bytes that follow their number.
    fn part(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }
}

fn identified(collectors: &[&dyn Collector]) -> Vec<CollectorId> {
    collectors.iter().map(|collector| CollectorId { name: collector.name().to_owned(), version: collector.version() }).collect()
}

/// Returns what a block is known by in the cache. SHA-256 over every block once more would cost a tenth of a build; this never leaves the machine.
pub(super) fn block_sum(bytes: &[u8]) -> [u8; 32] {
    *blake3::hash(bytes).as_bytes()
}

/// Returns a digest for each block over all that its bytes come from: headers, and the state of the files.
pub(super) fn fingerprints<'a>(changeset: &'a Changeset, blocks: &'a [Block]) -> impl Iterator<Item = [u8; 32]> + 'a {
    blocks.iter().enumerate().map(|(number, block)| {
        let entries = changeset.entries();
        let end = match blocks.get(number + 1) {
            // A block that begins inside an entry shares that entry with the one before.
            Some(next) => (next.entry + usize::from(next.offset > 0)).min(entries.len()),
            None => entries.len(),
        };
        let mut hasher = Hasher::default();
        hasher.update(&block.offset.to_le_bytes());
        hasher.update(&block.size.to_le_bytes());
        let mut text = Vec::new();
        for (path, entry) in &entries[block.entry.min(end)..end] {
            if !describe(path.as_bytes(), entry, &mut text) {
                return NEVER;
            }
            hasher.update(&text);
        }
        *hasher.finish().0.as_bytes()
    })
}

/// Replaces `text` by what tells an entry from any other; false when a file's state does not tell.
fn describe(path: &[u8], entry: &Entry, text: &mut Vec<u8>) -> bool {
    text.clear();
    let mut field = |bytes: &[u8]| {
        text.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        text.extend_from_slice(bytes);
    };
    field(path);
    field(&entry.mode.to_le_bytes());
    field(&entry.owner.uid.to_le_bytes());
    field(&entry.owner.gid.to_le_bytes());
    let stat = match &entry.kind {
        EntryKind::Directory => {
            field(b"directory");
            return true;
        }
        EntryKind::Symlink(target) => {
            field(b"symlink");
            field(target);
            return true;
        }
        EntryKind::HardLink(target) => {
            field(b"link");
            field(target.as_bytes());
            return true;
        }
        EntryKind::File(Content::Inline(bytes)) => {
            field(b"inline");
            field(bytes);
            return true;
        }
        EntryKind::File(Content::Tail { stat, .. }) => stat,
        EntryKind::File(Content::At(found)) => &found.stat,
        EntryKind::File(Content::Packed(file)) => {
            // A package never changes: its digest is what it is.
            field(b"packed");
            field(file.package.as_bytes());
            field(&file.offset.to_le_bytes());
            field(&file.size.to_le_bytes());
            return true;
        }
    };
    field(b"file");
    field(&stat.size.to_le_bytes());
    field(&stat.stamp.to_le_bytes());
    !stat.is_young()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::collect::STANDARD;
    use crate::rootfs::{ImagePath, Owner, Stat, TreeId};

    fn changeset(stat: impl Fn(u64) -> Stat) -> Changeset {
        let entries = (0..40_u64).map(|number| {
            let path = ImagePath::new(format!("file-{number:02}").as_bytes()).unwrap();
            let kind = EntryKind::File(Content::Tail { tree: TreeId(0), tail: 7, stat: stat(number) });
            (path, Entry { kind, mode: 0o644, owner: Owner::default() })
        });
        Changeset::new(entries.collect())
    }

    fn prints(changeset: &Changeset) -> Vec<[u8; 32]> {
        fingerprints(changeset, &cut(changeset)).collect()
    }

    #[test]
    fn a_file_changes_the_fingerprint_of_its_block_alone() {
        let size = 900_000;
        let before = prints(&changeset(|_| Stat { size, stamp: 2 }));
        assert!(before.len() > 5);
        for (changed, stat) in [(7, Stat { size, stamp: 4 }), (0, Stat { size, stamp: 6 }), (39, Stat { size: size - 1, stamp: 2 })] {
            let after = prints(&changeset(|number| if number == changed { stat } else { Stat { size, stamp: 2 } }));
            let different = before.iter().zip(&after).filter(|(one, other)| one != other).count();
            assert_eq!((before.len(), different), (after.len(), 1));
        }
        let young = prints(&changeset(|number| if number == 7 { Stat { size, stamp: 2 }.young() } else { Stat { size, stamp: 2 } }));
        assert_eq!(young.iter().filter(|print| **print == NEVER).count(), 1);
    }

    #[test]
    fn a_large_file_changes_all_its_blocks() {
        let large = |stamp| changeset(|number| if number == 3 { Stat { size: 30 << 20, stamp } } else { Stat { size: 5000, stamp: 2 } });
        let (before, after) = (prints(&large(2)), prints(&large(4)));
        let different = before.iter().zip(&after).filter(|(one, other)| one != other).count();
        assert!((7..=9).contains(&different), "{different}");
    }

    #[test]
    fn records_read_back_and_damaged_ones_do_not() {
        let compressor = Compressor::new(Format::NEWEST, Compression::Zstd, None).unwrap();
        let found = Box::from(&b"[]"[..]);
        let block = |end, tar_end| BlockRecord {
            fingerprint: [1; 32],
            content: [2; 32],
            sum: [3; 32],
            end,
            tar_end,
            state: [4; MIDSTATE],
            found: Box::clone(&found),
        };
        let layer = Layer {
            descriptor: Descriptor::new(MediaType::Layer(Compression::Zstd), Digest::of(b"x"), 30),
            diff_id: Digest::of(b"y"),
            tar_size: 1024,
        };
        let record = LayerRecord::new(layer, compressor, vec![block(10, 512), block(30, 1024)], &STANDARD);
        let bytes = record.to_bytes();
        assert_eq!(LayerRecord::from_bytes(&bytes, compressor).as_ref(), Some(&record));
        assert_eq!(record.found(1), FoundBlock { blob: Digest::of(b"x"), offset: 10, size: 20, sum: [3; 32] });
        let other = Compressor::new(Format::NEWEST, Compression::Zstd, Some(4)).unwrap();
        assert!(LayerRecord::from_bytes(&bytes, other).is_none());
        for length in 0..bytes.len() {
            assert!(LayerRecord::from_bytes(&bytes[..length], compressor).is_none());
        }
    }
}
