use std::io::{self, Read};

use super::decompress::{Decompressed, Limits};
use super::strict::{ArchiveFault, MemberKind, StrictTar};
use crate::oci::Compression;
use crate::rootfs::ImagePath;

/// Reads one regular file of a layer, by the path of its entry; nothing when the layer has none there. The layer is read to its end, so that the
/// blob's own reader checks the digest.
///
/// # Errors
/// When the layer is broken, ambiguous, or larger than the limits, or the file has more than `most` bytes.
pub fn read_file(
    blob: impl Read,
    compression: Compression,
    limits: &Limits,
    wanted: &ImagePath,
    most: u64,
) -> Result<Option<Vec<u8>>, ArchiveFault> {
    let tar = Decompressed::new(blob, compression, *limits).map_err(ArchiveFault::Read)?;
    let mut archive = StrictTar::new(tar);
    let mut found = None;
    while let Some(member) = archive.next_member()? {
        if member.kind != MemberKind::File || member.path != *wanted {
            continue;
        }
        if member.size > most {
            let message = format!("`{wanted}` has {} bytes, more than {most}", member.size);
            return Err(ArchiveFault::Read(io::Error::new(io::ErrorKind::FileTooLarge, message)));
        }
        let mut bytes = vec![0; usize::try_from(member.size).unwrap_or_default()];
        let mut filled = 0;
        while filled < bytes.len() {
            filled += archive.read_content(&mut bytes[filled..])?;
        }
        // Of two entries for one path the later one counts.
        found = Some(bytes);
    }
    let mut tar = archive.into_source();
    io::copy(&mut tar, &mut io::sink()).map_err(ArchiveFault::Read)?;
    io::copy(&mut tar.into_inner(), &mut io::sink()).map_err(ArchiveFault::Read)?;
    Ok(found)
}
