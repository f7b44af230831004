use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use super::unfinished::{UNFINISHED, Unfinished, sweep};

/// Reads a text file of at most `limit` bytes.
///
/// # Errors
/// When it cannot be read, is larger, or is not UTF-8.
pub fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    String::from_utf8(read_bytes(path, limit)?).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        let (before, byte) = (&error.as_bytes()[..offset], error.as_bytes()[offset]);
        let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        let message = format!("it is not UTF-8: the byte 0x{byte:02X} in line {line}, column {column}, at offset {offset}");
        io::Error::new(io::ErrorKind::InvalidData, message)
    })
}

/// Reads a file whole.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn read_bytes(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut file = File::open(path)?;
    (&mut file).take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let size = match file.metadata()?.len() {
            size if size > limit => size.to_string(),
            // What is no regular file has no size.
            _ => format!("more than {limit}"),
        };
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("it has {size} bytes, and at most {limit} are read")));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_told_with_its_position_and_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        for (bytes, expected) in [
            (&b"a\n\xc3\xa6\xe6b"[..], "it is not UTF-8: the byte 0xE6 in line 2, column 2, at offset 4"),
            (b"\xff", "it is not UTF-8: the byte 0xFF in line 1, column 1, at offset 0"),
            (&[b'x'; 20], "it has 20 bytes, and at most 10 are read"),
        ] {
            std::fs::write(&path, bytes).unwrap();
            assert_eq!(read_text(&path, 10).unwrap_err().to_string(), expected);
        }
        assert_eq!(read_text(Path::new("/dev/zero"), 10).unwrap_err().to_string(), "it has more than 10 bytes, and at most 10 are read");
    }
}
