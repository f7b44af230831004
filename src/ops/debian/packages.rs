use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;

use crate::base::debian::is_generator_source;
use crate::debian::DebFacts;
use crate::diagnostic::ExternalError;
use crate::feed::{FetchError, FetchFault, Mirror};
use crate::host::project::Project;
use crate::layer::Limits;
use crate::layer::deb::{control_stanza, read_deb};
use crate::lock::LockedPackage;
use crate::oci::{Descriptor, Digest, MediaType, Store};
use crate::ops::layer_facts::Counted;
use crate::ops::{Failure, Run, Task, TaskKind, Tools};
use crate::rootfs::{ContentFault, ImagePath, OpenContent, Stat, TreeId};

use super::mirrors::mirrors_of;

/// How many packages are fetched at once.
const AT_ONCE: usize = 6;
/// The media type of a package as a blob (as in Debian's shared MIME database).
pub(in crate::ops) const PACKAGE_TYPE: &str = "application/vnd.debian.binary-package";

/// Raised when [`is_kept`] chooses other files, or [`DebFacts`] gets another form or meaning, so that what was learned before is learned again.
const FACTS_VERSION: u32 = 2;

/// The packages of a build: in the cache, and unpacked for a while when their files are needed.
pub(in crate::ops) struct Packages {
    cache: crate::host::cache::Cache,
    /// The plain `data.tar` of each package, in a file without a name that is gone with this run.
    unpacked: BTreeMap<Digest, Unpacked>,
}

struct Unpacked {
    descriptor: Descriptor,
    name: String,
    file: OnceLock<Result<Arc<File>, String>>,
}

impl Packages {
    /// Returns packages that are in the cache, or are fetched by [`fetch`] before a file of them is read.
    pub(in crate::ops) fn new<'a>(packages: impl Iterator<Item = &'a LockedPackage>, tools: &Tools) -> Self {
        let unpacked = packages.map(|package| {
            let one = Unpacked { descriptor: descriptor(package), name: package.name.clone(), file: OnceLock::new() };
            (package.digest, one)
        });
        Self { cache: tools.cache.clone(), unpacked: unpacked.collect() }
    }

    /// Returns what is known of a package; it is read if nothing is. What it calls itself is compared with the lock either way.
    pub(super) fn facts(&self, package: &LockedPackage) -> Result<DebFacts, Failure> {
        let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
            let message = format!("could not read the package `{}` ({})", package.name, package.digest);
            Failure::from(ExternalError::new(message).caused_by(cause))
        };
        if let Some(facts) = self.cache.package(&facts_key(package)).and_then(|bytes| serde_json::from_slice::<DebFacts>(&bytes).ok()) {
            is_named_so(&facts, package).map_err(unreadable)?;
            return Ok(facts);
        }
        let (facts, file) = self.unpack(&descriptor(package)).map_err(|error| unreadable(error.into()))?;
        is_named_so(&facts, package).map_err(unreadable)?;
        if let Some(unpacked) = self.unpacked.get(&package.digest) {
            let _ = unpacked.file.set(Ok(file));
        }
        if let Ok(bytes) = serde_json::to_vec(&facts) {
            self.cache.write_package(&facts_key(package), &bytes);
        }
        Ok(facts)
    }

    /// Reads a package of the cache whole, checks its digest, and puts its plain `data.tar` into a file without a name.
    fn unpack(&self, descriptor: &Descriptor) -> io::Result<(DebFacts, Arc<File>)> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, format!("the package {} is not in the cache", descriptor.digest));
        let mut blob = self.cache.open(descriptor).ok_or_else(gone)?;
        let mut spool = BufWriter::with_capacity(256 << 10, self.cache.scratch()?);
        let facts = read_deb(&mut blob, &limits(), &is_kept, &mut spool);
        // Only at its end is it known whether the package is the one that it should be.
        io::copy(&mut blob, &mut io::sink())?;
        let facts = facts.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
        spool.flush()?;
        let file = spool.into_inner().map_err(io::IntoInnerError::into_error)?;
        let facts = super::heads::complete(facts, &file)?;
        Ok((facts, Arc::new(file)))
    }

    fn file(&self, package: &Digest) -> io::Result<Arc<File>> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, format!("{package} is none of the packages"));
        let unpacked = self.unpacked.get(package).ok_or_else(gone)?;
        let read = || {
            let of_package = |error: io::Error| format!("could not read the package `{}`: {error}", unpacked.name);
            self.unpack(&unpacked.descriptor).map(|(_, file)| file).map_err(of_package)
        };
        unpacked.file.get_or_init(read).clone().map_err(io::Error::other)
    }
}

/// Returns how much a package may hold.
fn limits() -> Limits {
    Limits { bytes: 8 << 30, entries: 400_000, ..Limits::default() }
}

/// Returns the key under which the cache keeps what is known of a package: all that decides what is learned, or whether it is refused.
fn facts_key(package: &LockedPackage) -> Digest {
    Digest::of(format!("{} {} {FACTS_VERSION} {:?}", package.digest, package.size, limits()).as_bytes())
}

/// Makes sure that a package is the one which the lock names.
fn is_named_so(facts: &DebFacts, package: &LockedPackage) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let stanza = control_stanza(&facts.control)?;
    for (field, found, locked) in [
        ("Package", &stanza.package, &package.name),
        ("Version", &stanza.version, &package.version),
        ("Architecture", &stanza.architecture, &package.architecture),
    ] {
        if found != locked {
            let found = found.escape_debug();
            return Err(format!("its `{field}` is `{found}`, and the lock says `{locked}`").into());
        }
    }
    Ok(())
}

/// Files whose content the makers of a base read.
fn is_kept(path: &ImagePath) -> bool {
    if is_generator_source(path) {
        return true;
    }
    let path = path.as_bytes();
    let configuration = path == b"usr/share/libc-bin/nsswitch.conf" || path.starts_with(b"etc/ld.so.conf");
    let accounts_and_folders = [&b"usr/lib/sysusers.d/"[..], b"usr/lib/tmpfiles.d/"].iter().any(|above| path.starts_with(above));
    configuration || accounts_and_folders || path.starts_with(b"usr/share/ca-certificates/") && path.ends_with(b".crt")
}

/// Returns a package as a blob.
pub(in crate::ops) fn descriptor(package: &LockedPackage) -> Descriptor {
    Descriptor::new(MediaType::from(PACKAGE_TYPE), package.digest, package.size)
}

/// Reads files of the project, and those of packages.
pub(in crate::ops) struct Contents<'a> {
    pub(in crate::ops) project: &'a Project,
    pub(in crate::ops) packages: Option<&'a Packages>,
}

impl OpenContent for Contents<'_> {
    fn read(&self, tree: TreeId, path: &[u8], stat: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        self.project.read(tree, path, stat, offset, buffer)
    }

    fn read_packed(&self, package: &Digest, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        let none = || io::Error::new(io::ErrorKind::NotFound, "there are no packages");
        Ok(self.packages.ok_or_else(none)?.file(package)?.read_exact_at(buffer, offset)?)
    }
}

/// Brings packages into the cache: from where they were vendored, a mirror, or the snapshot of the time at which they were locked.
///
/// # Errors
/// When one is nowhere to be had; what else might help is said.
pub(in crate::ops) fn fetch(packages: &[&LockedPackage], run: Run<'_>) -> Result<(), Failure> {
    let missing: Vec<&LockedPackage> = packages.iter().copied().filter(|package| !run.tools.cache.has(&descriptor(package))).collect();
    let vendored = if missing.is_empty() { None } else { super::vendored(run.tools)? };
    if missing.is_empty() {
        return Ok(());
    }
    let task = run.observer.begin(TaskKind::Fetch, &amount_of(&missing), Some(sizes(&missing)));
    in_parallel(&missing, AT_ONCE, |package| {
        let part = task.part(&format!("{} {}", package.name, package.version), Some(package.size));
        fetch_one(package, vendored.as_deref(), &*part, run.tools)?;
        part.finish("");
        Ok(())
    })?;
    task.finish("");
    Ok(())
}

/// Says how many packages there are, or which is the only one.
fn amount_of(packages: &[&LockedPackage]) -> String {
    if let [package] = packages { format!("the package {}", package.name) } else { format!("{} packages", packages.len()) }
}

fn sizes(packages: &[&LockedPackage]) -> u64 {
    packages.iter().fold(0, |size, package| size.saturating_add(package.size))
}

fn fetch_one(package: &LockedPackage, vendored: Option<&dyn Store>, task: &dyn Task, tools: &Tools) -> Result<(), Failure> {
    let wanted = descriptor(package);
    let mut from_vendored = None;
    if let Some(store) = vendored {
        match copy(store, &wanted, task, tools) {
            Ok(()) => return Ok(()),
            Err(error) => {
                task.restart();
                from_vendored = Some(error);
            }
        }
    }
    let mirrors: Vec<Mirror> = mirrors_of(&package.archive, &package.snapshot, tools);
    let fetched = tools.feed.fetch(&mirrors, &[&package.path], &wanted, task);
    fetched.map_err(|FetchError { fault, mut error }| {
        error.message = format!("could not fetch the package `{}` {} (`{}`)", package.name, package.version, package.path);
        if let Some(vendored) = from_vendored {
            error.hints.push(format!("it is not in the vendored copy either: {vendored}"));
        }
        if fault == FetchFault::Offline {
            error.hints.push("`hardened vendor DIR` keeps all packages of a lock, and `--vendored oci:DIR` takes them from there".to_owned());
        } else {
            error.hints.push(
                "an archive removes old versions: `hardened lock --update` locks the versions that it has now; `hardened vendor DIR|REFERENCE` keeps a copy of the locked ones"
                    .to_owned(),
            );
        }
        error
    })?;
    Ok(())
}

/// Copies a blob into the cache.
fn copy(store: &dyn Store, wanted: &Descriptor, task: &dyn Task, tools: &Tools) -> Result<(), ExternalError> {
    let mut blob = Counted { inner: store.open_blob(wanted)?, progress: task };
    let failed =
        |error: io::Error| ExternalError::new(format!("could not copy {} from `{}`", wanted.digest, store.name())).caused_by(error);
    tools.cache.copy_from(&mut blob, wanted).map_err(failed)
}

/// Does something with each of many, some at once. The first failure in their order is returned; later ones may not have been begun.
pub(super) fn in_parallel<T: Sync>(all: &[T], at_once: usize, work: impl Fn(&T) -> Result<(), Failure> + Sync) -> Result<(), Failure> {
    let next = AtomicUsize::new(0);
    let failures: Mutex<BTreeMap<usize, Failure>> = Mutex::default();
    let held = || failures.lock().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|scope| {
        for _ in 0..at_once.min(all.len()) {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let Some(one) = all.get(number).filter(|_| held().is_empty()) else { return };
                    if let Err(failure) = work(one) {
                        held().insert(number, failure);
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap_or_else(PoisonError::into_inner);
    failures.into_values().next().map_or(Ok(()), Err)
}

/// Reads all packages of which nothing is known yet, on several threads.
pub(super) fn learn(packages: &Packages, all: &[&LockedPackage], run: Run<'_>) -> Result<(), Failure> {
    let unknown: Vec<&LockedPackage> = all.iter().copied().filter(|package| !run.tools.cache.has_package(&facts_key(package))).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    let task = run.observer.begin(TaskKind::Read, &amount_of(&unknown), Some(sizes(&unknown)));
    in_parallel(&unknown, run.tools.threads.get(), |package| {
        let part = task.part(&package.name, Some(package.size));
        packages.facts(package)?;
        part.finish("");
        Ok(())
    })?;
    task.finish("");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_kept_by_all_that_decides_them() {
        let package = |digest: &[u8], size| LockedPackage {
            name: "a".to_owned(),
            version: "1".to_owned(),
            architecture: "amd64".to_owned(),
            source: "a".to_owned(),
            source_version: "1".to_owned(),
            archive: "main".to_owned(),
            path: "pool/a.deb".to_owned(),
            size,
            digest: Digest::of(digest),
            snapshot: String::new(),
            wanted_by: Vec::new(),
        };
        let key = facts_key(&package(b"one", 7));
        // The same bytes under another size are refused where they have to be fetched, so they are where nothing has to be.
        assert_ne!(facts_key(&package(b"one", 8)), key);
        assert_ne!(facts_key(&package(b"two", 7)), key);
        assert_eq!(facts_key(&package(b"one", 7)), key);
    }
}
