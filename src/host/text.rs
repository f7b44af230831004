use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::unfinished::{UNFINISHED, Unfinished, sweep};

/// Opens a regular file to read it. Nothing else is waited for: a FIFO that nobody writes to, or a terminal, would never end.
///
/// # Errors
/// When it cannot be opened; with [`io::ErrorKind::InvalidInput`] when it is a FIFO, a device, a socket or a folder.
pub fn open_regular(path: &Path) -> io::Result<File> {
    open_regular_with(path, OFlags::empty())
}

/// Opens a regular file, as [`open_regular`] does; a symbolic link counts as another kind of file.
pub(super) fn open_regular_itself(path: &Path) -> io::Result<File> {
    open_regular_with(path, OFlags::NOFOLLOW)
}

fn open_regular_with(path: &Path, more: OFlags) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC | more;
    let other = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, format!("it is {what}, not a regular file"));
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::LOOP) if more.contains(OFlags::NOFOLLOW) => return Err(other("a symbolic link")),
        // What Linux says of a socket (open(2)).
        Err(rustix::io::Errno::NXIO) => return Err(other("a socket or a device")),
        Err(error) => return Err(error.into()),
    };
    let kind = file.metadata()?.file_type();
    match () {
        () if kind.is_file() => Ok(file),
        () if kind.is_fifo() => Err(other("a FIFO")),
        () if kind.is_dir() => Err(other("a folder")),
        () => Err(other("a device")),
    }
}

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
    let mut file = open_regular(path)?;
    (&mut file).take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        let size = match file.metadata()?.len() {
            size if size > limit => size.to_string(),
            // The files of /proc name no size.
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
    }

    #[test]
    fn what_is_no_regular_file_is_refused_at_once() -> io::Result<()> {
        let folder = tempfile::tempdir()?;
        let fifo = folder.path().join("fifo");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket"))?;
        std::os::unix::fs::symlink("fifo", folder.path().join("link"))?;
        for (name, what) in [("fifo", "a FIFO"), ("socket", "a socket"), ("link", "a FIFO"), ("", "a folder")] {
            let error = read_text(&folder.path().join(name), 10).unwrap_err();
            assert!(error.kind() == io::ErrorKind::InvalidInput && error.to_string().contains(what), "{name}: {error}");
        }
        assert!(read_bytes(Path::new("/dev/zero"), 10).unwrap_err().to_string().contains("a device"));
        std::fs::write(folder.path().join("file"), "text")?;
        std::os::unix::fs::symlink("file", folder.path().join("other"))?;
        assert_eq!(read_text(&folder.path().join("other"), 10)?, "text");
        assert!(open_regular_itself(&folder.path().join("other")).unwrap_err().to_string().contains("a symbolic link"));
        Ok(())
    }
}
