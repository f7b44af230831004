use std::collections::VecDeque;

use super::header::{BLOCK, entry_size};
use crate::rootfs::Changeset;

/// Within this distance, to both sides, the entry before which a block begins has the highest hash of its path.
const REACH: u64 = 2 << 20;
/// No block is larger; it bounds the memory of a block in flight.
const LARGEST: u64 = 6 << 20;
/// A file of this size or more is cut by itself, at multiples of this size.
const LARGE_FILE: u64 = 4 << 20;
/// The two empty blocks at the end of a tar.
const END: u64 = 2 * BLOCK;

/// A piece of the tar that is compressed by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Block {
    /// The entry that the block begins in; the number of entries for the end of the tar.
    pub(super) entry: usize,
    /// How many bytes of that entry, headers included, come before the block.
    pub(super) offset: u64,
    /// The size of the block.
    pub(super) size: u64,
}

/// Cuts the tar of a changeset into blocks.
///
/// A block begins before an entry whose path's hash is the highest within [`REACH`] bytes to both sides. So a cut depends
/// on the paths and sizes around it alone: whether a file far away grows or goes does not move it, and an edit changes the
/// block that it touches and at most the neighbours. Large files begin and end blocks of their own.
pub(super) fn cut(changeset: &Changeset) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut run: Vec<Item> = Vec::new();
    let mut at = 0;
    for (index, (path, entry)) in changeset.entries().iter().enumerate() {
        let size = entry_size(path, entry);
        if size >= LARGE_FILE {
            cut_run(&run, at, &mut blocks);
            run.clear();
            at = 0;
            cut_large(index, size, &mut blocks);
        } else {
            run.push(Item { entry: index, position: at, priority: path_hash(path.as_bytes()) });
            at += size;
        }
    }
    // The end of the tar belongs to the last run, so that a small layer is one block.
    run.push(Item { entry: changeset.entries().len(), position: at, priority: 0 });
    cut_run(&run, at + END, &mut blocks);
    blocks
}

struct Item {
    entry: usize,
    position: u64,
    priority: u64,
}

fn cut_large(entry: usize, size: u64, blocks: &mut Vec<Block>) {
    let mut offset = 0;
    while offset < size {
        let piece = LARGE_FILE.min(size - offset);
        blocks.push(Block { entry, offset, size: piece });
        offset += piece;
    }
}

/// Cuts a run of small entries of `size` bytes in all.
fn cut_run(run: &[Item], size: u64, blocks: &mut Vec<Block>) {
    let mut starts = vec![0];
    starts.extend(peaks(run).into_iter().filter(|index| *index > 0));
    for (number, start) in starts.iter().enumerate() {
        let end = starts.get(number + 1).copied().unwrap_or(run.len());
        let end_position = run.get(end).map_or(size, |item| item.position);
        cut_oversized(&run[*start..end], end_position, blocks);
    }
}

/// Returns the items whose priority is the highest within [`REACH`] to both sides.
fn peaks(run: &[Item]) -> Vec<usize> {
    let mut found = Vec::new();
    // The items of the window that no later item outranks, in falling order: the first is the window's highest.
    let mut falling: VecDeque<usize> = VecDeque::new();
    let mut entering = 0;
    for (index, item) in run.iter().enumerate() {
        while entering < run.len() && run[entering].position <= item.position + REACH {
            while falling.back().is_some_and(|last| run[*last].priority <= run[entering].priority) {
                falling.pop_back();
            }
            falling.push_back(entering);
            entering += 1;
        }
        while falling.front().is_some_and(|first| run[*first].position + REACH < item.position) {
            falling.pop_front();
        }
        if falling.front() == Some(&index) {
            found.push(index);
        }
    }
    found
}

/// Adds a piece as one block, or as several where it is too large: cut at the highest item that is not near the ends.
fn cut_oversized(piece: &[Item], end: u64, blocks: &mut Vec<Block>) {
    let Some(first) = piece.first() else { return };
    let size = end - first.position;
    if size > LARGEST {
        let inside = |item: &&Item| item.position >= first.position + REACH / 2 && item.position + REACH / 2 <= end;
        if let Some(highest) = piece.iter().filter(inside).max_by_key(|item| item.priority) {
            let middle = piece.partition_point(|item| item.position < highest.position);
            cut_oversized(&piece[..middle], highest.position, blocks);
            cut_oversized(&piece[middle..], end, blocks);
            return;
        }
    }
    if size > 0 {
        blocks.push(Block { entry: first.entry, offset: 0, size });
    }
}

/// Hashes a path: FNV-1a, and a finalizer so that all bits matter. It must never change while the number of the format stays.
pub fn path_hash(path: &[u8]) -> u64 {
    let mut hash = path.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::{Content, Entry, EntryKind, ImagePath, Owner, PathFault, Stat, TreeId};

    fn changeset(sizes: &[u64]) -> Result<Changeset, PathFault> {
        let entries = sizes.iter().enumerate().map(|(number, size)| {
            let content = Content::Tail { tree: TreeId(0), tail: 1, stat: Stat { size: *size, stamp: 0 } };
            let entry = Entry { kind: EntryKind::File(content), mode: 0o644, owner: Owner::default() };
            Ok((ImagePath::new(format!("folder/{number:06}").as_bytes())?, entry))
        });
        Ok(Changeset::new(entries.collect::<Result<_, PathFault>>()?))
    }

    /// Sizes as in a real folder: many small files, some of a megabyte, few large ones.
    fn sizes(seed: u64) -> Vec<u64> {
        let mut state = seed;
        (0..6000)
            .map(|_| {
                state = path_hash(&state.to_le_bytes());
                match state % 1000 {
                    0 => 5_000_000 + state % 7_000_000,
                    1..=5 => state % 3_000_000,
                    _ => state % 30_000,
                }
            })
            .collect()
    }

    #[test]
    fn blocks_cover_the_tar_without_gaps() -> Result<(), PathFault> {
        for seed in 0..8 {
            let changeset = changeset(&sizes(seed))?;
            let starts: Vec<u64> = changeset
                .entries()
                .iter()
                .scan(0, |at, (path, entry)| {
                    let start = *at;
                    *at += entry_size(path, entry);
                    Some(start)
                })
                .collect();
            let total: u64 = changeset.entries().iter().map(|(path, entry)| entry_size(path, entry)).sum::<u64>();
            let mut at = 0;
            for block in cut(&changeset) {
                assert_eq!(starts.get(block.entry).copied().unwrap_or(total) + block.offset, at);
                assert!(block.size <= LARGEST + LARGE_FILE, "{block:?}");
                at += block.size;
            }
            assert_eq!(at, total + END);
        }
        let empty = cut(&Changeset::default());
        assert_eq!(empty, [Block { entry: 0, offset: 0, size: END }]);
        Ok(())
    }

    #[test]
    fn an_edit_moves_only_the_cuts_around_it() -> Result<(), PathFault> {
        // What a block holds: its entries with their sizes.
        let contents = |sizes: &[u64]| -> Result<std::collections::BTreeSet<Vec<(usize, u64)>>, PathFault> {
            let changeset = changeset(sizes)?;
            let blocks = cut(&changeset);
            let next =
                |number: usize| blocks.get(number + 1).map_or(sizes.len(), |block: &Block| block.entry.max(blocks[number].entry + 1));
            Ok(blocks
                .iter()
                .enumerate()
                .map(|(number, block)| {
                    (block.entry..next(number).min(sizes.len())).map(|entry| (entry, sizes[entry] * 1000 + block.offset % 997)).collect()
                })
                .collect())
        };
        for seed in 0..40_u64 {
            let before = sizes(seed % 4);
            let mut after = before.clone();
            let edited = usize::try_from(path_hash(&seed.to_le_bytes()) % 6000).unwrap_or_default();
            after[edited] = path_hash(&edited.to_le_bytes()) % 40_000;
            let (old, new) = (contents(&before)?, contents(&after)?);
            let changed = new.difference(&old).count();
            assert!(changed <= 3, "{changed} blocks changed with file {edited} of seed {seed}");
        }
        Ok(())
    }

    #[test]
    fn the_hash_is_part_of_the_format() {
        assert_eq!(path_hash(b"usr/bin/node"), 0xcf32_8784_2673_b06c);
    }
}
