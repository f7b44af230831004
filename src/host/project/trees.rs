use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use rustix::fs::{CWD, Dev, FileType, Mode, OFlags, openat};
use rustix::io::{Errno, retry_on_intr};

use super::beneath::{Facts, facts, open_file, read_at};
use super::{FileFault, HostPath, Outputs};
use crate::rootfs::{Content, ContentFault, ImagePath, OpenContent, Stat, TreeId};

/// The recipe's folder, and the folders in it that files were found in.
///
/// [`Project::find`] may be called again after a change; what was found before stays readable as long as it is unchanged.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    trees: RwLock<Vec<OpenFolder>>,
    outputs: Outputs,
}

#[derive(Debug)]
struct OpenFolder {
    handle: Arc<OwnedFd>,
    inode: (Dev, u64),
}

impl Project {
    /// Opens the recipe's root.
    ///
    /// # Errors
    /// [`FileFault::Root`] when it cannot be opened.
    pub fn open(root: &Path) -> Result<Self, FileFault> {
        let failed = |source| FileFault::Root { path: HostPath::new(root.as_os_str().as_bytes()), source };
        let real = root.canonicalize().map_err(failed)?;
        let handle = open_anywhere(&real).map_err(|errno| failed(errno.into()))?;
        let inode = facts(handle.as_fd()).map_err(|errno| failed(errno.into()))?.inode;
        Ok(Self { root: real, trees: RwLock::new(vec![OpenFolder { handle: Arc::new(handle), inode }]), outputs: Outputs::default() })
    }

    /// Leaves out what this run writes.
    #[must_use]
    pub fn without(self, outputs: Outputs) -> Self {
        Self { outputs, ..self }
    }

    /// Returns what this run writes.
    pub(super) fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Returns the root, absolute and without symbolic links.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns the first bytes of a file that was found, at most `limit` of them.
    ///
    /// # Errors
    /// As [`OpenContent::read`].
    pub fn read_head(&self, path: &ImagePath, content: &Content, limit: usize) -> Result<Vec<u8>, ContentFault> {
        let length = usize::try_from(content.size()).unwrap_or(usize::MAX).min(limit);
        if let Content::Inline(bytes) = content {
            return Ok(bytes[..length].to_vec());
        }
        let mut buffer = vec![0; length];
        if let Some((tree, path, stat)) = content.found(path) {
            self.read(tree, path, stat, 0, &mut buffer)?;
        }
        Ok(buffer)
    }

    /// Returns the handle of the recipe's root.
    pub(super) fn root_handle(&self) -> Result<Arc<OwnedFd>, Errno> {
        self.handle(TreeId(0)).ok_or(Errno::BADF)
    }

    /// Returns the tree of the whole host, for what links outside of the root lead to.
    pub(super) fn host(&self) -> Result<(TreeId, Arc<OwnedFd>), FileFault> {
        let path = HostPath::new(b"/");
        match open_anywhere(Path::new("/")) {
            Ok(handle) => self.register(handle, &path),
            Err(errno) => Err(FileFault::Unreadable { path, source: errno.into() }),
        }
    }

    /// Makes a folder a tree that files are read from, unless it is one already.
    pub(super) fn register(&self, handle: OwnedFd, path: &HostPath) -> Result<(TreeId, Arc<OwnedFd>), FileFault> {
        let inode = facts(handle.as_fd()).map_err(|errno| FileFault::Unreadable { path: path.clone(), source: errno.into() })?.inode;
        let mut trees = self.trees.write().unwrap_or_else(PoisonError::into_inner);
        let known = trees.iter().position(|tree| tree.inode == inode);
        let index = known.unwrap_or(trees.len());
        let too_many = |_| FileFault::TooMany { path: path.clone(), what: "folders", limit: usize::from(u16::MAX) };
        let id = TreeId(u16::try_from(index).map_err(too_many)?);
        if known.is_none() {
            trees.push(OpenFolder { handle: Arc::new(handle), inode });
        }
        Ok((id, Arc::clone(&trees[index].handle)))
    }

    fn handle(&self, tree: TreeId) -> Option<Arc<OwnedFd>> {
        let trees = self.trees.read().unwrap_or_else(PoisonError::into_inner);
        trees.get(usize::from(tree.0)).map(|tree| Arc::clone(&tree.handle))
    }
}

impl OpenContent for Project {
    fn read(&self, tree: TreeId, path: &[u8], stat: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        let tree = self.handle(tree).ok_or_else(|| io::Error::from(Errno::BADF))?;
        let file = open_file(tree.as_fd(), path).map_err(opening)?;
        unchanged(&file, stat)?;
        let filled = read_at(file.as_fd(), buffer, offset).map_err(io::Error::from)?;
        unchanged(&file, stat)?;
        if filled == buffer.len() { Ok(()) } else { Err(ContentFault::Changed) }
    }
}

/// The name is gone, or a link, a folder in its way, or a socket stands there now: in each case it is no longer what was found.
fn opening(errno: Errno) -> ContentFault {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::MLINK | Errno::XDEV | Errno::NXIO | Errno::ISDIR => ContentFault::Changed,
        errno => ContentFault::Io(errno.into()),
    }
}

fn unchanged(file: &OwnedFd, expected: Stat) -> Result<(), ContentFault> {
    let Facts { kind, stat, .. } = facts(file.as_fd()).map_err(io::Error::from)?;
    if kind == FileType::RegularFile && stat.is_same(expected) { Ok(()) } else { Err(ContentFault::Changed) }
}

fn open_anywhere(folder: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);
    retry_on_intr(|| openat(CWD, folder, flags, Mode::empty()))
}
