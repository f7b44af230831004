use std::ops::Range;

use super::collect::Wanted;
use crate::rootfs::{ReadAt, ReadFault, dynamic_range};

/// The first bytes of every file: they tell what it is.
const START: u64 = 4096;
/// Of a file that is worth it, so much of its beginning is kept: linkers put the tables of the loader there.
const FRONT: u64 = 8 << 20;
/// And so much of its end: tools that change an ELF file afterwards put the tables there.
const BACK: u64 = 2 << 20;
/// What is read at once.
const PIECE: usize = 64 << 10;

/// What is kept of a file that goes by once, from its beginning to its end.
#[derive(Debug, Default)]
pub(super) struct Window {
    size: u64,
    /// How many bytes have to be seen before it is decided what is kept.
    first: usize,
    at: u64,
    parts: Vec<(Range<u64>, Vec<u8>)>,
}

impl Window {
    /// Begins with a file of `size` bytes, of which the first `least` are kept in any case.
    pub(super) fn new(size: u64, least: u64) -> Self {
        let first = usize::try_from(size.min(least.max(START))).unwrap_or_default();
        Self { size, first, at: 0, parts: vec![(0..first as u64, Vec::new())] }
    }

    /// Reads a file of `size` bytes as far as it is worth it, but its first `least` bytes in any case.
    /// `read` fills a part of its buffer, and says how much.
    pub(super) fn read<Fault>(size: u64, least: u64, mut read: impl FnMut(&mut [u8]) -> Result<usize, Fault>) -> Result<Self, Fault> {
        let mut window = Self::new(size, least);
        if size == 0 {
            return Ok(window);
        }
        let mut piece = vec![0; window.first];
        loop {
            let count = read(&mut piece)?;
            if window.take(&piece[..count]) == Wanted::Enough {
                return Ok(window);
            }
            if window.at >= window.first as u64 {
                piece.resize(PIECE, 0);
            }
        }
    }

    /// Takes the next bytes of the file, and says whether more are worth it.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Wanted {
        let decided = self.at >= self.first as u64;
        let (head, rest) = if decided {
            (&[][..], bytes)
        } else {
            bytes.split_at(bytes.len().min(self.first.saturating_sub(usize::try_from(self.at).unwrap_or(usize::MAX))))
        };
        self.keep(head);
        if !decided && self.at >= self.first as u64 {
            self.decide();
        }
        self.keep(rest);
        let end = self.parts.iter().map(|(range, _)| range.end).max().unwrap_or_default();
        if self.at < end { Wanted::More } else { Wanted::Enough }
    }

    /// Decides by the first bytes what else is kept.
    fn decide(&mut self) {
        let start = self.parts.pop().map(|(_, start)| start).unwrap_or_default();
        let size = self.size;
        let is_elf = start.starts_with(b"\x7fELF");
        if !is_elf && !start.starts_with(b"glibc-ld.so.cache") && !start.starts_with(b"ld.so-") {
            self.parts.push((0..self.at, start));
            return;
        }
        let table = if is_elf { dynamic_range(&start).filter(|range| range.end <= size) } else { None };
        let front = 0..size.min(FRONT);
        let back = size.saturating_sub(BACK).max(front.end)..size;
        let mut wanted = vec![front];
        wanted.extend(table.filter(|table| table.end > wanted[0].end));
        wanted.push(back);
        self.parts = wanted.into_iter().filter(|range| !range.is_empty()).map(|range| (range, Vec::new())).collect();
        self.at = 0;
        self.keep(&start);
    }

    /// Returns the size of the file in bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Returns the whole file, when it was kept.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        self.parts.iter().find(|(range, _)| *range == (0..self.size)).map(|(_, bytes)| &**bytes)
    }

    /// Keeps what is wanted of the next bytes.
    fn keep(&mut self, bytes: &[u8]) {
        let at = self.at;
        for (range, kept) in &mut self.parts {
            let (from, to) = (range.start.max(at), range.end.min(at + bytes.len() as u64));
            if from < to {
                let index = |offset: u64| usize::try_from(offset - at).unwrap_or_default();
                kept.extend_from_slice(&bytes[index(from)..index(to)]);
            }
        }
        self.at += bytes.len() as u64;
    }
}

impl ReadAt for Window {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault> {
        let end = offset.saturating_add(buffer.len() as u64);
        let holds = |range: &Range<u64>| range.start <= offset && end <= range.end;
        let (range, bytes) = self.parts.iter().find(|(range, _)| holds(range)).ok_or(ReadFault::Unkept)?;
        let start = usize::try_from(offset - range.start).map_err(|_| ReadFault::Unkept)?;
        buffer.copy_from_slice(bytes.get(start..start + buffer.len()).ok_or(ReadFault::Unkept)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
