use super::LayerFault;
use crate::layer::blocks::Block;
use crate::layer::collect::{Collected, Collecting, Collector, FileCollecting, FileHeader};
use crate::layer::header::{content_size, entry_size, header_size, write_header};
use crate::rootfs::{Changeset, Content, Entry, EntryKind, ImagePath, OpenContent};

/// Replaces `out` by a block of the tar.
pub(super) fn fill(block: Block, changeset: &Changeset, contents: &dyn OpenContent, out: &mut Vec<u8>) -> Result<(), LayerFault> {
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

/// Hands the files of a block to collectors; `raw` is the block. The entries are numbered from the block's first.
pub(super) fn collect_block(
    block: Block,
    changeset: &Changeset,
    raw: &[u8],
    collectors: &[&dyn Collector],
) -> Result<Collected, LayerFault> {
    let mut collecting = Collecting::new(collectors);
    let mut begin = 0;
    for (number, (path, entry)) in (0..).zip(&changeset.entries()[block.entry..]) {
        if begin >= raw.len() {
            break;
        }
        if let EntryKind::File(content) = &entry.kind {
            let start = begin + to_usize(header_size(path, entry));
            let mut file = collecting.begin(number, &FileHeader { path, size: content.size() });
            if file.wants_any() && content.size() > 0 {
                file.take(&raw[start..start + to_usize(content.size())]);
            }
            collecting.end(file).map_err(LayerFault::Collector)?;
        }
        begin += to_usize(entry_size(path, entry));
    }
    Ok(collecting.finish())
}

/// A file that is cut into several blocks, handed to collectors block after block.
pub(super) struct LargeFile<'a> {
    collecting: Collecting<'a>,
    file: FileCollecting,
}

impl<'a> LargeFile<'a> {
    /// Begins with the file that the block is of.
    pub(super) fn begin(path: &ImagePath, entry: &Entry, collectors: &'a [&'a dyn Collector]) -> Self {
        let collecting = Collecting::new(collectors);
        let file = collecting.begin(0, &FileHeader { path, size: content_size(entry) });
        Self { collecting, file }
    }

    /// Takes the next block, and returns what was found once it is the last one.
    pub(super) fn take(mut self, block: Block, (path, entry): &(ImagePath, Entry), raw: &[u8]) -> Result<Taken<'a>, LayerFault> {
        let headers = header_size(path, entry);
        let end = block.offset + block.size;
        let from = to_usize(headers.saturating_sub(block.offset)).min(raw.len());
        let to = to_usize((headers + content_size(entry)).min(end) - block.offset);
        if self.file.wants_any() && from < to {
            self.file.take(&raw[from..to]);
        }
        if end < entry_size(path, entry) {
            return Ok(Taken::Unfinished(self));
        }
        self.collecting.end(self.file).map_err(LayerFault::Collector)?;
        Ok(Taken::Finished(self.collecting.finish()))
    }
}

/// How far a large file has come.
pub(super) enum Taken<'a> {
    /// More blocks follow.
    Unfinished(LargeFile<'a>),
    /// That was all of it.
    Finished(Collected),
}

fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
