use std::cell::RefCell;

use super::Gap;
use crate::rootfs::ContentFault;

/// The bytes that are read at once, so that small reads close to each other cost one.
const BLOCK: u64 = 16 << 10;
/// How many blocks are kept.
const BLOCKS: usize = 16;

/// A file that can be read at any offset, wholly or in parts.
pub trait ReadAt {
    /// Fills `buffer` with the bytes from `offset` on. It is asked for bytes within the file's size only.
    ///
    /// # Errors
    /// [`ReadFault::Unkept`] when these bytes are not there, though the file has them.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault>;
}

/// Why bytes of a file were not read.
#[derive(Debug, thiserror::Error)]
pub enum ReadFault {
    /// They were not kept.
    #[error("these bytes were not kept")]
    Unkept,
    /// The file cannot be read, or has changed.
    #[error(transparent)]
    Content(#[from] ContentFault),
}

impl ReadAt for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault> {
        let start = usize::try_from(offset).ok();
        let found = start.and_then(|start| self.get(start..start.checked_add(buffer.len())?));
        buffer.copy_from_slice(found.ok_or(ReadFault::Unkept)?);
        Ok(())
    }
}

/// Why reading an ELF file ended.
#[derive(Debug)]
pub(in crate::rootfs) enum Stop {
    /// The file does not let itself be read on.
    Gap(Gap),
    /// The world does not.
    Content(ContentFault),
}

impl From<Gap> for Stop {
    fn from(gap: Gap) -> Self {
        Self::Gap(gap)
    }
}

impl From<ReadFault> for Stop {
    fn from(fault: ReadFault) -> Self {
        match fault {
            ReadFault::Unkept => Self::Gap(Gap::Unkept),
            ReadFault::Content(fault) => Self::Content(fault),
        }
    }
}

/// A file that is read in blocks, and never beyond its size.
pub(in crate::rootfs) struct Source<'a> {
    inner: &'a dyn ReadAt,
    size: u64,
    blocks: RefCell<Vec<(u64, Vec<u8>)>>,
}

impl<'a> Source<'a> {
    pub(in crate::rootfs) fn new(inner: &'a dyn ReadAt, size: u64) -> Self {
        Self { inner, size, blocks: RefCell::default() }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns `length` bytes from `offset` on.
    pub(in crate::rootfs) fn bytes(&self, offset: u64, length: usize) -> Result<Vec<u8>, Stop> {
        let end = offset.checked_add(length as u64).filter(|end| *end <= self.size).ok_or(Gap::Broken)?;
        let start = offset - offset % BLOCK;
        if length as u64 > BLOCK || end > start + BLOCK {
            let mut bytes = vec![0; length];
            self.inner.read_at(offset, &mut bytes)?;
            return Ok(bytes);
        }
        let at = usize::try_from(offset - start).unwrap_or_default();
        let mut blocks = self.blocks.borrow_mut();
        if let Some((_, block)) = blocks.iter().find(|(known, _)| *known == start) {
            return Ok(block[at..at + length].to_vec());
        }
        let mut block = vec![0; usize::try_from(BLOCK.min(self.size - start)).unwrap_or_default()];
        match self.inner.read_at(start, &mut block) {
            Ok(()) => {}
            // What is kept may begin or end within a block.
            Err(ReadFault::Unkept) => {
                let mut bytes = vec![0; length];
                self.inner.read_at(offset, &mut bytes)?;
                return Ok(bytes);
            }
            Err(fault) => return Err(fault.into()),
        }
        if blocks.len() == BLOCKS {
            blocks.remove(0);
        }
        let bytes = block[at..at + length].to_vec();
        blocks.push((start, block));
        Ok(bytes)
    }
}
