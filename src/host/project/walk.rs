use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use rustix::fs::{Access, AtFlags, Dir, FileType, Mode, accessat, readlinkat};
use rustix::io::{Errno, retry_on_intr};

use super::beneath::{facts_at, has_capabilities, open_folder, read_beginning};
use super::choice::{Choice, Decision};
use super::follow::Followed;
use super::host_path::{is_below, joined, last_name};
use super::listing::{Bits, Faults, Left, Listing, SharedFile, Slot, What};
use super::locate::{Folder, facts_beneath, followed, special};
use super::outputs::{INDEX_LIMIT, LAYOUT_FILES, Near, is_own_layout, near};
use super::{FileFault, HostPath, LinkFault, Outputs, Why};
use crate::rootfs::{FoundFile, TreeId};

/// How many threads walk. More wait for the file system only.
const THREADS: usize = 8;
/// How many links to folders are followed: links to folders of links multiply.
const FOLLOWED: usize = 100_000;

/// What a walk found: one listing for each folder, the request's own first.
#[derive(Debug, Default)]
pub(super) struct Walked {
    pub(super) listings: Vec<Listing>,
    pub(super) left: Left,
    pub(super) faults: Faults,
}

/// The whole host, when links are followed.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) tree: TreeId,
    pub(super) handle: Arc<OwnedFd>,
    /// Where the recipe's root is in it.
    pub(super) root: Vec<u8>,
}

/// Walks a folder on several threads. Each takes the folder that was seen last, so that few wait.
pub(super) fn walk(folder: &Folder, choice: &Choice, host: Option<&Host>, outputs: &Outputs) -> Walked {
    let first = Task { slot: 0, path: Box::default(), matched: folder.glob.is_none(), followed: None };
    let queue = Queue { tasks: vec![first], running: 0 };
    let walk = Walk {
        folder,
        choice,
        host,
        outputs,
        queue: Mutex::new(queue),
        ready: Condvar::new(),
        slots: AtomicU32::new(1),
        followed: AtomicUsize::new(0),
    };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(THREADS);
    let workers: Vec<Worker<'_>> = thread::scope(|scope| {
        let threads: Vec<_> = (1..threads).map(|_| scope.spawn(|| Worker::new(&walk).run())).collect();
        let own = Worker::new(&walk).run();
        let others = threads.into_iter().map(|thread| thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        std::iter::once(own).chain(others).collect()
    });
    let count = walk.slots.load(Ordering::Relaxed) as usize;
    let mut walked = Walked::default();
    walked.listings.resize_with(count, Listing::default);
    for worker in workers {
        for (slot, listing) in worker.listings {
            walked.listings[slot as usize] = listing;
        }
        walked.left.append(worker.left);
        walked.faults.append(worker.faults);
    }
    walked
}

struct Walk<'a> {
    folder: &'a Folder,
    choice: &'a Choice,
    host: Option<&'a Host>,
    outputs: &'a Outputs,
    queue: Mutex<Queue>,
    ready: Condvar,
    slots: AtomicU32,
    followed: AtomicUsize,
}

struct Queue {
    tasks: Vec<Task>,
    running: usize,
}

/// One folder to be listed.
struct Task {
    slot: Slot,
    /// The path below the request's folder, as it will be in the image.
    path: Box<[u8]>,
    matched: bool,
    followed: Option<Arc<Followed>>,
}

struct Worker<'a> {
    walk: &'a Walk<'a>,
    listings: Vec<(Slot, Listing)>,
    left: Left,
    faults: Faults,
}

/// The folder that is being listed.
struct Here<'a> {
    task: &'a Task,
    handle: BorrowedFd<'a>,
    /// Its path in the tree that its files are in.
    in_tree: &'a [u8],
    /// The outputs below it, relative to it.
    outputs: Vec<&'a [u8]>,
    listing: Listing,
    tasks: Vec<Task>,
}

impl Walk<'_> {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the next task, or `None` when there are none and nobody works on one that could bring more.
    fn next(&self) -> Option<Task> {
        let mut queue = self.queue();
        loop {
            if let Some(task) = queue.tasks.pop() {
                queue.running += 1;
                return Some(task);
            }
            if queue.running == 0 {
                return None;
            }
            queue = self.ready.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn done(&self, more: Vec<Task>) {
        let mut queue = self.queue();
        queue.running -= 1;
        let (few, ended) = (more.len() == 1, queue.running == 0 && more.is_empty() && queue.tasks.is_empty());
        let any = !more.is_empty();
        queue.tasks.extend(more);
        drop(queue);
        // The thread that found them takes one of them itself.
        if ended || (any && !few) {
            self.ready.notify_all();
        }
    }

    /// Returns a path below the request's folder as messages name it.
    fn host_path(&self, path: &[u8]) -> HostPath {
        HostPath::in_entry(&self.folder.written, path)
    }
}

impl<'a> Worker<'a> {
    fn new(walk: &'a Walk<'a>) -> Self {
        Self { walk, listings: Vec::new(), left: Left::default(), faults: Faults::default() }
    }

    fn run(mut self) -> Self {
        while let Some(task) = self.walk.next() {
            let more = self.list(&task).unwrap_or_else(|errno| {
                self.unreadable(&task.path, errno);
                Vec::new()
            });
            self.walk.done(more);
        }
        self
    }

    fn list(&mut self, task: &Task) -> Result<Vec<Task>, Errno> {
        let (tree, in_tree) = match (&task.followed, self.walk.host) {
            (Some(link), Some(host)) => (host.handle.as_fd(), link.on_host(&task.path)),
            _ => (self.walk.folder.handle.as_fd(), task.path.to_vec()),
        };
        let mut entries = Dir::new(open_folder(tree, &in_tree)?)?;
        let handle = rustix::io::fcntl_dupfd_cloexec(entries.fd()?, 0)?;
        let on_host = if task.followed.is_some() { in_tree.clone() } else { joined(&self.walk.folder.host, &in_tree) };
        let (outputs, handle) = (self.walk.outputs.below(&on_host), handle.as_fd());
        let mut here = Here { task, handle, in_tree: &in_tree, outputs, listing: Listing::default(), tasks: Vec::new() };
        let mut layout_files = 0;
        while let Some(entry) = entries.read() {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            layout_files += usize::from(LAYOUT_FILES.contains(&name));
            let path = joined(&task.path, name);
            match self.take(&mut here, name, &path, entry.file_type()) {
                // It was deleted in the meantime.
                Ok(()) | Err(Errno::NOENT) => {}
                Err(errno) => self.unreadable(&path, errno),
            }
        }
        if task.slot != 0 && layout_files == LAYOUT_FILES.len() && is_own(here.handle) {
            self.left.push(self.walk.host_path(&task.path), Why::Output);
            self.listings.push((task.slot, Listing::left_out()));
            return Ok(Vec::new());
        }
        self.listings.push((task.slot, here.listing.finish()));
        Ok(here.tasks)
    }

    fn take(&mut self, here: &mut Here<'_>, name: &[u8], path: &[u8], kind: FileType) -> Result<(), Errno> {
        let kind = if kind == FileType::Unknown { facts_at(here.handle, name)?.kind } else { kind };
        let Some(matched) = self.decide(here, name, path, kind == FileType::Directory) else { return Ok(()) };
        let near = near(&here.outputs, name);
        if near == Near::Output {
            self.left.push(self.walk.host_path(path), Why::Output);
            return Ok(());
        }
        match kind {
            // Whether the output is there already must not matter.
            FileType::Directory if near == Near::Above => {
                here.folder(self.walk, name, path, Matched { itself: false, inside: matched }, false, here.task.followed.clone());
                Ok(())
            }
            FileType::Directory => {
                let bits = facts_at(here.handle, name)?.bits;
                here.folder(self.walk, name, path, Matched::of(matched), is_special(bits), here.task.followed.clone());
                Ok(())
            }
            FileType::RegularFile => self.file(here, name, path),
            FileType::Symlink if self.walk.host.is_some() => self.follow(here, name, path),
            FileType::Symlink => {
                let target = retry_on_intr(|| readlinkat(here.handle, name, Vec::new()))?;
                here.listing.push(name, What::Symlink(target.to_bytes().into()));
                Ok(())
            }
            kind => {
                self.faults.push(path, FileFault::Special { path: self.walk.host_path(path), what: special(kind) });
                Ok(())
            }
        }
    }

    /// Returns whether a path is taken as a whole, or `None` when it is not taken.
    fn decide(&mut self, here: &Here<'_>, name: &[u8], path: &[u8], is_folder: bool) -> Option<bool> {
        let folder = if here.task.path.is_empty() { &self.walk.folder.written } else { &*here.task.path };
        match self.walk.choice.decide(last_name(folder), name, path, is_folder, here.task.matched) {
            Decision::Take => Some(true),
            Decision::Enter => Some(false),
            Decision::Ignore => None,
            Decision::Skip(why) => {
                self.left.push(self.walk.host_path(path), why);
                None
            }
        }
    }

    fn file(&mut self, here: &mut Here<'_>, name: &[u8], path: &[u8]) -> Result<(), Errno> {
        let facts = facts_at(here.handle, name)?;
        if facts.kind != FileType::RegularFile {
            // Another file has this name now.
            return self.take(here, name, path, facts.kind);
        }
        if !readable(here.handle, name, facts.bits) {
            return Err(Errno::ACCESS);
        }
        if self.holds_key(here.handle, name, name, path)? {
            return Ok(());
        }
        let mut bits = bits(facts.bits);
        // Only what can be started has any use for them.
        bits.capable = bits.executable && has_capabilities(here.handle, name);
        let what = if here.task.followed.is_some() {
            let Some(host) = self.walk.host else { return Ok(()) };
            let file = FoundFile { tree: host.tree, path: joined(here.in_tree, name).into(), stat: facts.stat };
            What::Elsewhere(Box::new(file), bits)
        } else if facts.has_other_names {
            What::Shared(Box::new(SharedFile { stat: facts.stat, bits, inode: facts.inode }))
        } else {
            What::File(facts.stat, bits)
        };
        here.listing.push(name, what);
        Ok(())
    }

    /// Takes the target of a link instead of the link.
    fn follow(&mut self, here: &mut Here<'_>, name: &[u8], path: &[u8]) -> Result<(), Errno> {
        let Some(host) = self.walk.host else { return Ok(()) };
        let link_folder = match &here.task.followed {
            Some(_) => here.in_tree.to_vec(),
            None => joined(&self.walk.folder.host, here.in_tree),
        };
        let target = match followed(&joined(&link_folder, name)) {
            Ok(target) => target,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return self.broken(here, name, path, LinkFault::Dangling),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => return self.broken(here, name, path, LinkFault::Loop),
            Err(error) => return Err(Errno::from_io_error(&error).unwrap_or(Errno::IO)),
        };
        let facts = facts_beneath(&host.handle, &target)?;
        // Above the recipe's root, names do not matter; outside of it, all do.
        let below_root = if is_below(&target, &host.root) { &target[host.root.len()..] } else { &target };
        if let Some(rule) = self.walk.choice.denied_path(below_root) {
            self.left.push(self.walk.host_path(path), Why::Denied(rule));
            return Ok(());
        }
        if self.walk.outputs.hold(&target) {
            self.left.push(self.walk.host_path(path), Why::Output);
            return Ok(());
        }
        match facts.kind {
            FileType::Directory => {
                let Some(matched) = self.decide(here, name, path, true) else { return Ok(()) };
                if self.walk.followed.fetch_add(1, Ordering::Relaxed) >= FOLLOWED {
                    let fault = FileFault::TooMany { path: self.walk.host_path(path), what: "followed links", limit: FOLLOWED };
                    self.faults.push(path, fault);
                    return Ok(());
                }
                match Followed::new(&target, path, &link_folder, here.task.followed.as_ref()) {
                    Some(link) => here.folder(self.walk, name, path, Matched::of(matched), is_special(facts.bits), Some(Arc::new(link))),
                    None => return self.broken(here, name, path, LinkFault::Loop),
                }
            }
            FileType::RegularFile => {
                if !self.holds_key(host.handle.as_fd(), &target, last_name(&target), path)? {
                    let file = FoundFile { tree: host.tree, path: target.into(), stat: facts.stat };
                    here.listing.push(name, What::Elsewhere(Box::new(file), bits(facts.bits)));
                }
            }
            kind => self.faults.push(path, FileFault::Special { path: self.walk.host_path(path), what: special(kind) }),
        }
        Ok(())
    }

    /// Leaves out a file that its content forbids.
    fn holds_key(&mut self, folder: BorrowedFd<'_>, file: &[u8], name: &[u8], path: &[u8]) -> Result<bool, Errno> {
        let Some(limit) = self.walk.choice.must_see(name) else { return Ok(false) };
        let beginning = read_beginning(folder, file, limit)?.unwrap_or_default();
        let rule = Choice::denied_content(&beginning);
        if let Some(rule) = rule {
            self.left.push(self.walk.host_path(path), Why::Denied(rule));
        }
        Ok(rule.is_some())
    }

    fn broken(&mut self, here: &Here<'_>, name: &[u8], path: &[u8], fault: LinkFault) -> Result<(), Errno> {
        let target = HostPath::new(retry_on_intr(|| readlinkat(here.handle, name, Vec::new()))?.to_bytes());
        self.faults.push(path, FileFault::Link { path: self.walk.host_path(path), target, fault });
        Ok(())
    }

    fn unreadable(&mut self, path: &[u8], errno: Errno) {
        self.faults.push(path, FileFault::Unreadable { path: self.walk.host_path(path), source: errno.into() });
    }
}

/// How a folder is taken: for its own sake, though it may be empty, and with all that it holds.
#[derive(Debug, Clone, Copy)]
struct Matched {
    itself: bool,
    inside: bool,
}

impl Matched {
    fn of(matched: bool) -> Self {
        Self { itself: matched, inside: matched }
    }
}

impl Here<'_> {
    fn folder(&mut self, walk: &Walk<'_>, name: &[u8], path: &[u8], matched: Matched, special: bool, followed: Option<Arc<Followed>>) {
        let slot = walk.slots.fetch_add(1, Ordering::Relaxed);
        self.listing.push(name, What::Folder { slot, matched: matched.itself, special });
        self.listing.push(name, What::Inside(slot));
        self.tasks.push(Task { slot, path: path.into(), matched: matched.inside, followed });
    }
}

/// Says whether a folder that has the files of a layout is one that hardened wrote.
fn is_own(folder: BorrowedFd<'_>) -> bool {
    let index = read_beginning(folder, LAYOUT_FILES[1], INDEX_LIMIT);
    index.is_ok_and(|index| index.is_some_and(|index| is_own_layout(&index)))
}

fn bits(mode: Mode) -> Bits {
    Bits { executable: mode.contains(Mode::XUSR), special: is_special(mode), capable: false }
}

fn is_special(mode: Mode) -> bool {
    mode.intersects(Mode::SUID.union(Mode::SGID).union(Mode::SVTX))
}

/// Says whether a file can be read. The question is put to the system only where the mode leaves a doubt.
fn readable(folder: BorrowedFd<'_>, name: &[u8], mode: Mode) -> bool {
    let everyone = Mode::RUSR.union(Mode::RGRP).union(Mode::ROTH);
    mode.contains(everyone) || retry_on_intr(|| accessat(folder, name, Access::READ_OK, AtFlags::EACCESS)) != Err(Errno::ACCESS)
}
