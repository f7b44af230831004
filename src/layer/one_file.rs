use std::io::{self, Read, Seek, Write};

use super::decompress::{Decompressed, Limits};
use super::strict::{ArchiveFault, MemberKind, StrictTar};
use crate::oci::Compression;
use crate::rootfs::ImagePath;

/// What is read at once of a file's content.
const PIECE: usize = 64 << 10;

/// Writes one regular file of a layer, by the path of its entry, to the beginning of `spool`, and returns its size in bytes; nothing when the
/// layer has none there. The layer is read to its end, so that the blob's own reader checks the digest.
///
/// # Errors
/// When the layer is broken, ambiguous, or larger than the limits, the file has more than `most` bytes, or `spool` fails.
pub fn read_file(
    blob: impl Read,
    compression: Compression,
    limits: &Limits,
    wanted: &ImagePath,
    most: u64,
    spool: &mut (impl Write + Seek),
) -> Result<Option<u64>, ArchiveFault> {
    let tar = Decompressed::new(blob, compression, *limits).map_err(ArchiveFault::Read)?;
    let mut archive = StrictTar::new(tar);
    let (mut found, mut piece) = (None, vec![0; PIECE]);
    while let Some(member) = archive.next_member()? {
        if member.kind != MemberKind::File || member.path != *wanted {
            continue;
        }
        if member.size > most {
            let message = format!("`{wanted}` has {} bytes, more than {most}", member.size);
            return Err(ArchiveFault::Read(io::Error::new(io::ErrorKind::FileTooLarge, message)));
        }
        // Of two entries for one path the later one counts.
        spool.rewind().map_err(ArchiveFault::Read)?;
        let mut left = member.size;
        while left > 0 {
            let count = archive.read_content(&mut piece)?;
            spool.write_all(&piece[..count]).map_err(ArchiveFault::Read)?;
            left -= count as u64;
        }
        found = Some(member.size);
    }
    let mut tar = archive.into_source();
    io::copy(&mut tar, &mut io::sink()).map_err(ArchiveFault::Read)?;
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(ArchiveFault::Read)?;
    Ok(found)
}
