use std::os::fd::{AsFd, BorrowedFd};

use rustix::fs::FileType;
use rustix::io::Errno;

use super::beneath::{facts, open_file, read_at, read_beginning};
use super::deny::{MAVEN, holds_password};
use crate::layer::KeySearch;

/// How much of a file is read at once.
const PIECE: usize = 256 * 1024;
/// The largest settings that are read, in bytes.
const SETTINGS: usize = 1024 * 1024;

/// Says whether a file beneath a folder holds what a rule denies.
pub(super) fn holds(rule: &str, folder: BorrowedFd<'_>, path: &[u8]) -> Result<bool, Errno> {
    if rule == MAVEN {
        return Ok(read_beginning(folder, path, SETTINGS)?.is_some_and(|settings| holds_password(&settings)));
    }
    holds_key(folder, path)
}

/// Searches a whole file for a private key.
fn holds_key(folder: BorrowedFd<'_>, path: &[u8]) -> Result<bool, Errno> {
    let file = open_file(folder, path)?;
    let facts = facts(file.as_fd())?;
    if facts.kind != FileType::RegularFile {
        return Ok(false);
    }
    let mut search = KeySearch::new(facts.stat.size);
    let mut piece = vec![0; PIECE.min(usize::try_from(facts.stat.size).unwrap_or(PIECE))];
    let mut offset = 0;
    while offset < facts.stat.size {
        let count = read_at(file.as_fd(), &mut piece, offset)?;
        if search.take(&piece[..count]).is_some() {
            return Ok(true);
        }
        if count == 0 {
            break;
        }
        offset += count as u64;
    }
    Ok(false)
}
