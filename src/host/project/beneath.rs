use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

use rustix::fs::{AtFlags, Dev, FileType, Mode, OFlags, fstat, openat, statat};
use rustix::io::{Errno, pread, retry_on_intr};

use crate::host;
use crate::rootfs::Stat;

/// The flags of every open: a FIFO in place of a file does not block, and a terminal does not become the controlling one.
const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

// Passing through a folder needs no permission to list it; `O_PATH` of Linux asks for none.
#[cfg(target_os = "linux")]
const STEP: OFlags = OFlags::PATH.union(OFlags::CLOEXEC).union(OFlags::NOFOLLOW).union(OFlags::DIRECTORY);
#[cfg(not(target_os = "linux"))]
const STEP: OFlags = FLAGS.union(OFlags::DIRECTORY);

/// The metadata of a file of the host.
#[derive(Debug, Clone, Copy)]
pub(super) struct Facts {
    pub(super) kind: FileType,
    pub(super) bits: Mode,
    pub(super) stat: Stat,
    /// The device and inode: two names of one file have the same.
    pub(super) inode: (Dev, u64),
    pub(super) has_other_names: bool,
}

/// Opens a file beneath a folder. No name on the way, nor the last one, may be a symbolic link.
pub(super) fn open_file(folder: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    open(folder, path, FLAGS)
}

/// Opens a folder beneath a folder, in the same way.
pub(super) fn open_folder(folder: BorrowedFd<'_>, path: &[u8]) -> Result<OwnedFd, Errno> {
    open(folder, path, FLAGS.union(OFlags::DIRECTORY))
}

/// Returns the metadata of an open file.
pub(super) fn facts(file: BorrowedFd<'_>) -> Result<Facts, Errno> {
    let now = host::nanoseconds();
    retry_on_intr(|| fstat(file)).map(|stat| Facts::of(&stat, now))
}

/// Returns the metadata of a name in a folder; a symbolic link is not followed.
pub(super) fn facts_at(folder: BorrowedFd<'_>, name: &[u8]) -> Result<Facts, Errno> {
    let now = host::nanoseconds();
    retry_on_intr(|| statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)).map(|stat| Facts::of(&stat, now))
}

/// Says whether a file beneath a folder has file capabilities. Where that cannot be seen, it has none.
pub(super) fn has_capabilities(folder: BorrowedFd<'_>, path: &[u8]) -> bool {
    let mut through = format!("/proc/self/fd/{}/", folder.as_raw_fd()).into_bytes();
    through.extend_from_slice(path);
    // The largest form has 24 bytes (capabilities(7)).
    rustix::fs::lgetxattr(&*through, c"security.capability", &mut [0_u8; 64]).is_ok()
}

/// Fills a buffer from an offset on, and returns how much there was.
pub(super) fn read_at(file: BorrowedFd<'_>, buffer: &mut [u8], offset: u64) -> Result<usize, Errno> {
    let mut filled = 0;
    while filled < buffer.len() {
        match retry_on_intr(|| pread(file, &mut buffer[filled..], offset + filled as u64))? {
            0 => break,
            count => filled += count,
        }
    }
    Ok(filled)
}

/// Returns the first bytes of a file beneath a folder, at most `limit`. `None` when it is not a regular file.
pub(super) fn read_beginning(folder: BorrowedFd<'_>, path: &[u8], limit: usize) -> Result<Option<Vec<u8>>, Errno> {
    let file = open_file(folder, path)?;
    let facts = facts(file.as_fd())?;
    if facts.kind != FileType::RegularFile {
        return Ok(None);
    }
    let mut bytes = vec![0; limit.min(usize::try_from(facts.stat.size).unwrap_or(limit))];
    let filled = read_at(file.as_fd(), &mut bytes, 0)?;
    bytes.truncate(filled);
    Ok(Some(bytes))
}

fn open(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return retry_on_intr(|| openat(folder, c".", flags, Mode::empty()));
    }
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{ResolveFlags, openat2};
        let resolve = ResolveFlags::BENEATH.union(ResolveFlags::NO_SYMLINKS).union(ResolveFlags::NO_MAGICLINKS);
        match retry_on_intr(|| openat2(folder, path, flags, Mode::empty(), resolve)) {
            // Kernels before 5.6 don't have it, sandboxes may forbid it, and a rename on the way makes it fail with EAGAIN (openat2(2)).
            Err(Errno::NOSYS | Errno::PERM | Errno::AGAIN) => {}
            result => return result,
        }
    }
    open_by_steps(folder, path, flags)
}

/// Does the same with one call for each name.
fn open_by_steps(folder: BorrowedFd<'_>, path: &[u8], flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut names = path.split(|byte| *byte == b'/').peekable();
    let mut here: Option<OwnedFd> = None;
    while let Some(name) = names.next() {
        if matches!(name, b"" | b"." | b"..") {
            return Err(Errno::XDEV);
        }
        let above = here.as_ref().map_or(folder, AsFd::as_fd);
        let flags = if names.peek().is_none() { flags } else { STEP };
        here = Some(retry_on_intr(|| openat(above, name, flags, Mode::empty()))?);
    }
    here.ok_or(Errno::NOENT)
}

impl Facts {
    /// `now` is the time just before the metadata was read.
    fn of(stat: &rustix::fs::Stat, now: i128) -> Self {
        let state = Stat { size: u64::try_from(stat.st_size).unwrap_or(0), stamp: stamp(stat) };
        Self {
            kind: FileType::from_raw_mode(stat.st_mode),
            bits: Mode::from_raw_mode(stat.st_mode),
            stat: if is_young(stat, now) { state.young() } else { state },
            inode: (stat.st_dev, stat.st_ino),
            has_other_names: stat.st_nlink > 1,
        }
    }
}

/// Says whether the file could change again and keep its times. A file with a time in the future counts as young too.
fn is_young(stat: &rustix::fs::Stat, now: i128) -> bool {
    let nanoseconds = |seconds: i64, rest: i128| i128::from(seconds) * 1_000_000_000 + rest;
    let times = [nanoseconds(stat.st_mtime, i128::from(stat.st_mtime_nsec)), nanoseconds(stat.st_ctime, i128::from(stat.st_ctime_nsec))];
    // A time without a fraction comes from a file system that counts in seconds, or two of them.
    let settled = |time: i128| time + if time % 1_000_000_000 == 0 { 2_000_000_000 } else { 20_000_000 };
    times.into_iter().map(settled).any(|time| time > now)
}

/// FNV-1a over the bytes, and a final mix so that each bit depends on all of them.
fn stamp(stat: &rustix::fs::Stat) -> u64 {
    let words = [
        stat.st_mtime.to_le_bytes(),
        stat.st_mtime_nsec.to_le_bytes(),
        stat.st_ctime.to_le_bytes(),
        stat.st_ctime_nsec.to_le_bytes(),
        stat.st_ino.to_le_bytes(),
        stat.st_dev.to_le_bytes(),
    ];
    let hash =
        words.iter().flatten().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3));
    let hash = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    // The lowest bit is not of the hash.
    (hash ^ (hash >> 29)) & !1
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_file_is_young_until_its_next_change_would_show() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("file");
        fs::write(&path, "x")?;
        let handle = File::open(folder.path())?;
        let young = || facts_at(handle.as_fd(), b"file").map(|facts| facts.stat);
        let (first, deadline) = (young()?, std::time::Instant::now() + std::time::Duration::from_secs(10));
        while young()?.is_young() && std::time::Instant::now() < deadline {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        assert!(!young()?.is_young() && young()?.is_same(first));
        let future = host::nanoseconds() + 100_000_000_000;
        let file = File::options().write(true).open(&path)?;
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_nanos(u64::try_from(future).unwrap_or(0)))?;
        std::thread::sleep(std::time::Duration::from_millis(50));
        assert!(young()?.is_young() && !young()?.is_same(first));
        Ok(())
    }

    #[test]
    fn both_ways_refuse_links_and_climbing() -> std::io::Result<()> {
        let folder = tempfile::tempdir()?;
        let path = folder.path();
        fs::create_dir_all(path.join("in/deep"))?;
        fs::write(path.join("in/deep/file"), "x")?;
        fs::write(path.join("canary"), "secret")?;
        symlink("../canary", path.join("in/link"))?;
        symlink("deep", path.join("in/folder"))?;
        let inside = File::open(path.join("in"))?;
        for (name, expected) in [
            (&b"deep/file"[..], true),
            (b"link", false),
            (b"folder/file", false),
            (b"../canary", false),
            (b"deep/../deep/../../canary", false),
            (b"nothing", false),
        ] {
            assert_eq!(open_file(inside.as_fd(), name).is_ok(), expected, "{}", name.escape_ascii());
            assert_eq!(open_by_steps(inside.as_fd(), name, FLAGS).is_ok(), expected, "{}", name.escape_ascii());
        }
        let absolute = path.join("canary");
        assert!(open_file(inside.as_fd(), absolute.as_os_str().as_encoded_bytes()).is_err());
        assert!(open_by_steps(inside.as_fd(), absolute.as_os_str().as_encoded_bytes(), FLAGS).is_err());
        Ok(())
    }
}
