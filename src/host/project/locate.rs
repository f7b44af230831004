use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{Dir, FileType};
use rustix::io::Errno;

use super::beneath::{Facts, facts, facts_at, open_folder};
use super::choice::split_glob;
use super::host_path::{joined, last_name};
use super::{FileFault, HostPath, LinkFault, Project};
use crate::diagnostic::nearest;
use crate::recipe::Symlinks;
use crate::rootfs::TreeId;

/// How many names of a folder are compared for a hint.
const NAMES: usize = 10_000;

/// What a request's `from` names.
#[derive(Debug)]
pub(super) enum Located {
    File(LocatedFile),
    Folder(Folder),
}

/// A file named by itself.
#[derive(Debug)]
pub(super) struct LocatedFile {
    pub(super) tree: TreeId,
    pub(super) handle: Arc<OwnedFd>,
    /// The path in the tree.
    pub(super) path: Vec<u8>,
    /// The absolute path without symbolic links, and without the leading slash.
    pub(super) host: Vec<u8>,
    pub(super) facts: Facts,
    /// The path as the user wrote it, cleaned.
    pub(super) written: Vec<u8>,
}

/// A folder that is walked.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) tree: TreeId,
    pub(super) handle: Arc<OwnedFd>,
    /// The absolute path without symbolic links, and without the leading slash.
    pub(super) host: Vec<u8>,
    /// The path as the user wrote it, cleaned.
    pub(super) written: Vec<u8>,
    /// What of it matches; else all.
    pub(super) glob: Option<String>,
}

/// A path without symbolic links.
struct Real {
    tree: TreeId,
    handle: Arc<OwnedFd>,
    /// The path in the tree: the recipe's root, or the whole host.
    path: Vec<u8>,
    host: Vec<u8>,
}

/// Finds what `from` names. No content is read.
pub(super) fn locate(project: &Project, from: &str, symlinks: Symlinks) -> Result<Located, FileFault> {
    let written = cleaned(from)?;
    let (path, glob) = match (project.root().join(OsStr::from_bytes(written.as_bytes())).symlink_metadata(), split_glob(&written)) {
        (Err(_), Some((folder, glob))) => (folder, Some(glob.to_owned())),
        _ => (written.as_str(), None),
    };
    let real = real(project, path.as_bytes(), symlinks)?;
    let unreadable = |errno: Errno| FileFault::Unreadable { path: HostPath::new(path.as_bytes()), source: errno.into() };
    let facts = facts_beneath(&real.handle, &real.path).map_err(unreadable)?;
    match facts.kind {
        FileType::Directory => {
            let handle = open_folder(real.handle.as_fd(), &real.path).map_err(unreadable)?;
            let (tree, handle) = project.register(handle, &HostPath::new(path.as_bytes()))?;
            Ok(Located::Folder(Folder { tree, handle, host: real.host, written: path.into(), glob }))
        }
        _ if glob.is_some() => Err(missing(project, written.as_bytes())),
        FileType::RegularFile => {
            let Real { tree, handle, path: real_path, host } = real;
            Ok(Located::File(LocatedFile { tree, handle, path: real_path, host, facts, written: path.into() }))
        }
        kind => Err(FileFault::Special { path: HostPath::new(path.as_bytes()), what: special(kind) }),
    }
}

/// Names a kind of file that no image holds.
pub(super) fn special(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "FIFO",
        FileType::Socket => "socket",
        FileType::CharacterDevice | FileType::BlockDevice => "device",
        _ => "file of an unknown kind",
    }
}

/// Looks at a path beneath a tree.
pub(super) fn facts_beneath(tree: &OwnedFd, path: &[u8]) -> Result<Facts, Errno> {
    let name = last_name(path);
    let folder = &path[..path.len() - name.len()];
    let above = open_folder(tree.as_fd(), folder.strip_suffix(b"/").unwrap_or(folder))?;
    if name.is_empty() { facts(above.as_fd()) } else { facts_at(above.as_fd(), name) }
}

/// Drops empty and `.` parts, and resolves `..` by the names alone.
fn cleaned(from: &str) -> Result<String, FileFault> {
    let outside = || FileFault::Outside { from: HostPath::new(from.as_bytes()) };
    if from.starts_with('/') || from.contains('\0') {
        return Err(outside());
    }
    let mut names: Vec<&str> = Vec::new();
    for name in from.split('/') {
        match name {
            "" | "." => {}
            ".." => _ = names.pop().ok_or_else(outside)?,
            name => names.push(name),
        }
    }
    Ok(names.join("/"))
}

fn real(project: &Project, path: &[u8], symlinks: Symlinks) -> Result<Real, FileFault> {
    let host_path = || HostPath::new(path);
    let whole = project.root().join(OsStr::from_bytes(path));
    let host = whole.canonicalize().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => match whole.read_link() {
            Ok(target) => {
                FileFault::Link { path: host_path(), target: HostPath::new(target.as_os_str().as_bytes()), fault: LinkFault::Dangling }
            }
            Err(_) => missing(project, path),
        },
        _ => FileFault::Unreadable { path: host_path(), source: error },
    })?;
    let absolute = || host.as_os_str().as_bytes().strip_prefix(b"/").unwrap_or_default().to_vec();
    match host.strip_prefix(project.root()) {
        Ok(inside) => {
            let handle = project.root_handle().map_err(|errno| FileFault::Unreadable { path: host_path(), source: errno.into() })?;
            Ok(Real { tree: TreeId(0), handle, path: inside.as_os_str().as_bytes().to_vec(), host: absolute() })
        }
        Err(_) if symlinks == Symlinks::Keep => {
            Err(FileFault::Link { path: host_path(), target: HostPath::new(host.as_os_str().as_bytes()), fault: LinkFault::LeavesRoot })
        }
        Err(_) => {
            let (tree, handle) = project.host()?;
            Ok(Real { tree, handle, path: absolute(), host: absolute() })
        }
    }
}

/// Tells that there is nothing at a path, and what is near it.
pub(super) fn missing(project: &Project, from: &[u8]) -> FileFault {
    FileFault::Missing { from: HostPath::new(from), nearest: near(project, from).map(|path| HostPath::new(&path)) }
}

fn near(project: &Project, from: &[u8]) -> Option<Vec<u8>> {
    let root = project.root_handle().ok()?;
    let mut folder: Vec<u8> = Vec::new();
    for name in from.split(|byte| *byte == b'/') {
        let next = joined(&folder, name);
        if facts_beneath(&root, &next).is_ok() {
            folder = next;
            continue;
        }
        let entries = Dir::new(open_folder(root.as_fd(), &folder).ok()?).ok()?;
        let mut names: Vec<String> =
            entries.take(NAMES).filter_map(|entry| String::from_utf8(entry.ok()?.file_name().to_bytes().to_vec()).ok()).collect();
        names.sort_unstable();
        let wanted = std::str::from_utf8(name).ok()?;
        let found = nearest(wanted, names.iter().map(String::as_str).filter(|name| !matches!(*name, "." | "..")))?;
        return Some(joined(&folder, found.as_bytes()));
    }
    None
}

/// Resolves a link's path on the host, outside of the root too.
pub(super) fn followed(host: &[u8]) -> io::Result<Vec<u8>> {
    let path = Path::new("/").join(OsStr::from_bytes(host)).canonicalize()?;
    Ok(path.as_os_str().as_bytes().strip_prefix(b"/").unwrap_or_default().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_inside_by_their_names() {
        for (from, expected) in [
            ("dist", Some("dist")),
            ("./dist//x/", Some("dist/x")),
            (".", Some("")),
            ("a/../b", Some("b")),
            ("a/../../b", None),
            ("..", None),
            ("/etc", None),
        ] {
            assert_eq!(cleaned(from).ok().as_deref(), expected, "{from}");
        }
    }
}
