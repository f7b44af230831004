use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use crate::debian::{DebFacts, DebKind};
use crate::rootfs::{ContentFault, Gap, Head, ReadAt, ReadFault};

/// A file of a package inside of its plain `data.tar`.
struct Inside<'a> {
    tar: &'a File,
    offset: u64,
}

impl ReadAt for Inside<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault> {
        self.tar.read_exact_at(buffer, self.offset + offset).map_err(|error| ContentFault::Io(error).into())
    }
}

/// Reads again those ELF files of which not enough was kept while the package went by: here the whole of them is at hand.
pub(super) fn complete(mut facts: DebFacts, tar: &File) -> io::Result<DebFacts> {
    for entry in &mut facts.entries {
        let DebKind::File { offset, size, head } = &mut entry.kind else { continue };
        let unkept = matches!(head, Head::Elf { dynamic: Some(dynamic), .. } if dynamic.gap == Some(Gap::Unkept));
        if unkept || *head == Head::Unread {
            *head = Head::read(&Inside { tar, offset: *offset }, *size).map_err(io::Error::other)?;
        }
    }
    Ok(facts)
}
