use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::Mode;

use super::beneath::{has_capabilities, read_beginning};
use super::choice::{Choice, Decision};
use super::gather::{Gather, file_mode};
use super::host_path::{joined, last_name};
use super::listing::Bits;
use super::locate::{Folder, Located, LocatedFile, locate, missing};
use super::walk::{Host, Walked, walk};
use super::{FileFault, Found, HostPath, Note, Project, Request};
use crate::recipe::{Destination, Symlinks};
use crate::rootfs::{Content, Entry, EntryKind, FoundFile};

impl Project {
    /// Finds the files that a request names. Contents stay where they are; only files that may be private keys are looked into.
    ///
    /// # Errors
    /// All that is wrong, at most [`FileFault::LISTED`] faults and the number of the others.
    pub fn find(&self, request: &Request) -> Result<Found, Vec<FileFault>> {
        let located = locate(self, &request.from, request.symlinks).map_err(one)?;
        let (host, written) = match &located {
            Located::File(file) => (&file.host, &file.written),
            Located::Folder(folder) => (&folder.host, &folder.written),
        };
        if self.outputs().hold(host) {
            return Err(vec![FileFault::Output { from: HostPath::new(written) }]);
        }
        match located {
            Located::File(file) => find_file(request, &file, &Choice::new(request, None)?).map_err(one),
            Located::Folder(folder) => self.find_folder(request, &folder),
        }
    }

    /// Checks that what a request names exists, without looking into it.
    ///
    /// # Errors
    /// When it does not exist, or cannot be in an image.
    pub fn check(&self, request: &Request) -> Result<(), FileFault> {
        locate(self, &request.from, request.symlinks).map(drop)
    }

    fn find_folder(&self, request: &Request, folder: &Folder) -> Result<Found, Vec<FileFault>> {
        let choice = Choice::new(request, folder.glob.as_deref())?;
        denied(&choice, &folder.written, &folder.path).map_err(one)?;
        let host = match request.symlinks {
            Symlinks::Keep => None,
            Symlinks::Follow => {
                let (tree, handle) = self.host().map_err(one)?;
                let root = self.root().as_os_str().as_bytes();
                Some(Host { tree, handle, root: root.strip_prefix(b"/").unwrap_or(root).to_vec() })
            }
        };
        let Walked { listings, left, faults } = walk(folder, &choice, host.as_ref(), self.outputs());
        let mut gather = Gather::new(request, folder, faults);
        gather.run(listings);
        let Gather { faults, entries, notes, .. } = gather;
        faults.into_result()?;
        if let Some(glob) = &folder.glob
            && entries.len() == usize::from(!request.to.path().is_root())
        {
            let from = joined(&folder.written, glob.as_bytes());
            let left_out = FileFault::AllLeftOut { from: HostPath::new(&from) };
            return Err(vec![if left.count > 0 { left_out } else { missing(self, &from) }]);
        }
        Ok(Found { entries, skipped_count: left.count, skipped: left.into_list(), notes })
    }
}

/// Finds a file that is named by itself.
fn find_file(request: &Request, file: &LocatedFile, choice: &Choice) -> Result<Found, FileFault> {
    let host_path = || HostPath::new(&file.written);
    denied(choice, &file.written, &file.path)?;
    let name = last_name(&file.written);
    if let Some(limit) = choice.must_see(last_name(&file.path)) {
        let unreadable = |errno: rustix::io::Errno| FileFault::Unreadable { path: host_path(), source: errno.into() };
        let beginning = read_beginning(file.handle.as_fd(), &file.path, limit).map_err(unreadable)?.unwrap_or_default();
        if let Some(rule) = Choice::denied_content(&beginning) {
            return Err(FileFault::Denied { path: host_path(), rule });
        }
    }
    if choice.decide(b"", name, name, false, true) != Decision::Take {
        return Err(FileFault::AllLeftOut { from: host_path() });
    }
    let path = match &request.to {
        Destination::At(path) => Ok(path.clone()),
        Destination::In(folder) => folder.join(name),
    };
    let path = path.map_err(|fault| FileFault::Name { path: host_path(), fault })?;
    let mode = file.facts.bits;
    let special = mode.intersects(Mode::SUID.union(Mode::SGID).union(Mode::SVTX));
    let executable = mode.contains(Mode::XUSR);
    let capable = executable && has_capabilities(file.handle.as_fd(), &file.path);
    let mode = file_mode(request, Bits { executable, special, capable });
    let content = Content::At(Box::new(FoundFile { tree: file.tree, path: file.path.as_slice().into(), stat: file.facts.stat }));
    let special = (special && request.file_mode.is_none()).then(|| Note::SpecialBits { first: path.clone(), count: 1 });
    let capable = capable.then(|| Note::Capabilities { first: path.clone(), count: 1 });
    let notes = special.into_iter().chain(capable).collect();
    let entries = vec![(path, Entry { kind: EntryKind::File(content), mode, owner: request.owner })];
    Ok(Found { entries, notes, ..Found::default() })
}

/// Refuses what is on the deny list and asked for by name, whether by the written path or by where its links lead.
fn denied(choice: &Choice, written: &[u8], real: &[u8]) -> Result<(), FileFault> {
    let rule = [written, real].into_iter().find_map(|path| Some((path, choice.denied_path(path)?)));
    rule.map_or(Ok(()), |(path, rule)| Err(FileFault::Denied { path: HostPath::new(path), rule }))
}

fn one(fault: FileFault) -> Vec<FileFault> {
    vec![fault]
}
