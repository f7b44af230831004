use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::unfinished::{UNFINISHED, Unfinished, sweep};

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, is larger, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_bytes(path, limit)?).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// Reads a file whole.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn read_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// Writes a file whole or not at all: beside it, flushed, and renamed.
///
/// # Errors
/// When the disk fails; what was there before is then still there.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with(path, |file| file.write_all(bytes))
}

/// Writes a file whole or not at all, by what `write` writes.
///
/// # Errors
/// When `write` or the disk fails; what was there before is then still there.
pub fn write_with(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    write_unfinished(path, write)?.finish(path)
}

/// Writes what `write` writes into a file beside `path`, which [`Unfinished::finish`] gives its name.
///
/// # Errors
/// When `write` or the disk fails.
pub fn write_unfinished(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<Unfinished> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
    sweep(folder, UNFINISHED);
    let mut file = Unfinished::new(folder, UNFINISHED)?;
    let mut buffered = io::BufWriter::with_capacity(256 << 10, file.as_file_mut());
    write(&mut buffered)?;
    buffered.flush()?;
    drop(buffered);
    Ok(file)
}
