use std::ops::Range;

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
    parts: Vec<(Range<u64>, Vec<u8>)>,
}

impl Window {
    /// Reads a file of `size` bytes as far as it is worth it, but its first `least` bytes in any case.
    /// `read` fills a part of its buffer, and says how much.
    pub(super) fn read<Fault>(size: u64, least: u64, mut read: impl FnMut(&mut [u8]) -> Result<usize, Fault>) -> Result<Self, Fault> {
        let mut window = Self { size, parts: Vec::new() };
        let mut start = vec![0; usize::try_from(size.min(least.max(START))).unwrap_or_default()];
        let mut at = fill(&mut start, &mut read)?;
        let is_elf = start.starts_with(b"\x7fELF");
        if !is_elf && !start.starts_with(b"glibc-ld.so.cache") && !start.starts_with(b"ld.so-") {
            window.parts.push((0..at, start));
            return Ok(window);
        }
        let table = if is_elf { dynamic_range(&start).filter(|range| range.end <= size) } else { None };
        let front = 0..size.min(FRONT);
        let back = size.saturating_sub(BACK).max(front.end)..size;
        let mut wanted = vec![front];
        wanted.extend(table.filter(|table| table.end > wanted[0].end));
        wanted.push(back);
        window.parts = wanted.into_iter().filter(|range| !range.is_empty()).map(|range| (range, Vec::new())).collect();
        window.keep(0, &start);
        let end = window.parts.iter().map(|(range, _)| range.end).max().unwrap_or_default();
        let mut piece = vec![0; PIECE];
        while at < end {
            let length = usize::try_from(end - at).unwrap_or(PIECE).min(PIECE);
            let count = fill(&mut piece[..length], &mut read)?;
            window.keep(at, &piece[..length]);
            at += count;
        }
        Ok(window)
    }

    /// Returns the whole file, when it was kept.
    pub(super) fn whole(&self) -> Option<&[u8]> {
        self.parts.iter().find(|(range, _)| *range == (0..self.size)).map(|(_, bytes)| &**bytes)
    }

    /// Keeps what is wanted of the bytes at `at`.
    fn keep(&mut self, at: u64, bytes: &[u8]) {
        for (range, kept) in &mut self.parts {
            let (from, to) = (range.start.max(at), range.end.min(at + bytes.len() as u64));
            if from < to {
                let place = |offset: u64| usize::try_from(offset - at).unwrap_or_default();
                kept.extend_from_slice(&bytes[place(from)..place(to)]);
            }
        }
    }
}

fn fill<Fault>(buffer: &mut [u8], read: &mut impl FnMut(&mut [u8]) -> Result<usize, Fault>) -> Result<u64, Fault> {
    let mut filled = 0;
    while filled < buffer.len() {
        filled += read(&mut buffer[filled..])?;
    }
    Ok(filled as u64)
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
