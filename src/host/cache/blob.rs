use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use super::{Cache, DamagedBlob};
use crate::oci::{Digest, Hasher};

/// How much is read at a time of what a reader left.
const PIECE: usize = 256 << 10;

/// Content of the cache that is being read. Its last bytes are given only when the digest is right; else the file is removed, and
/// the error holds a [`DamagedBlob`].
///
/// A reader that stops before the end may have met damage: a decoder fails at the first wrong byte. When it drops the content, the rest is
/// hashed, and a damaged file is removed as well ([`Cache::take_damaged`]); otherwise what the reader met is a fault of the content itself.
#[derive(Debug)]
pub struct CachedBlob {
    pub(super) file: Arc<File>,
    pub(super) cache: Cache,
    pub(super) expected: Digest,
    /// The size of the file when it was opened, in bytes.
    pub(super) size: u64,
    pub(super) offset: u64,
    pub(super) state: State,
}

/// How far the reading is.
#[derive(Debug)]
pub(super) enum State {
    /// The digest of what was read so far.
    Reading(Hasher),
    /// All was read, and it was right.
    Whole,
    /// It was wrong.
    Damaged,
}

impl CachedBlob {
    /// Reads on, and compares the digest once all is read.
    fn advance(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let State::Reading(hasher) = &mut self.state else {
            return if matches!(self.state, State::Whole) { Ok(0) } else { Err(self.damage()) };
        };
        let count = match self.file.read_at(buffer, self.offset) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
            // What the disk does not give back is as good as wrong.
            Err(_) => return Err(self.damage()),
        };
        hasher.update(&buffer[..count]);
        self.offset += count as u64;
        if count > 0 && self.offset < self.size {
            return Ok(count);
        }
        if hasher.clone().finish().0 == self.expected && self.offset == self.size {
            self.state = State::Whole;
            return Ok(count);
        }
        Err(self.damage())
    }

    fn damage(&mut self) -> io::Error {
        self.state = State::Damaged;
        self.cache.discard_open(&self.file, &self.cache.blob_path(&self.expected));
        io::Error::new(io::ErrorKind::InvalidData, DamagedBlob(self.expected))
    }
}

impl Read for CachedBlob {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() { Ok(0) } else { self.advance(buffer) }
    }
}

impl Drop for CachedBlob {
    fn drop(&mut self) {
        if self.offset == 0 {
            return;
        }
        let mut buffer = Vec::new();
        while matches!(self.state, State::Reading(_)) {
            buffer.resize(PIECE, 0);
            match self.advance(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}
