use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::destination::{Kind, NamedStore};
use super::lanes::{LANES, lock};
use super::{Destination, PublishFault, Staged, Transaction, Work};
use crate::host::Unfinished;
use crate::oci::{BlobSource, Descriptor, Digest, ImageName, Written};
use crate::store::publication::Publication;

/// What was done with one blob at one destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The destination, by its position in the list.
    pub destination: usize,
    /// The blob.
    pub descriptor: Descriptor,
    /// What was done.
    pub written: Written,
}

/// Takes blobs for all destinations.
pub struct Queue<'a> {
    run: &'a Run<'a>,
    senders: Vec<Sender<Blob>>,
    known: Mutex<BTreeSet<Digest>>,
}

type Blob = (Descriptor, Arc<dyn BlobSource>);

/// A blob that another repository of the same registry has by now.
struct Lent {
    source: Arc<dyn BlobSource>,
    lender: ImageName,
}

impl BlobSource for Lent {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        self.source.open()
    }

    fn origin(&self) -> Option<&ImageName> {
        Some(&self.lender)
    }
}

impl Queue<'_> {
    /// Hands a blob over, and returns at once; one that was handed over before is not sent again, and neither is a layer that the
    /// gate refuses.
    pub fn submit(&self, descriptor: &Descriptor, source: &Arc<dyn BlobSource>) {
        if !lock(&self.known).insert(descriptor.digest) {
            return;
        }
        if descriptor.media_type.is_layer()
            && let Err(refusal) = self.run.transaction.gates.layer(descriptor)
        {
            self.run.fail(refusal.into());
            return;
        }
        let run = self.run;
        for (number, destination) in run.transaction.destinations.iter().enumerate().filter(|(_, open)| open.store().is_some()) {
            if !run.complete[number].load(Ordering::Relaxed) {
                run.transaction.watch.expect(destination, descriptor);
            }
        }
        for sender in &self.senders {
            // A destination whose workers have all ended has failed, and `stage_blobs` says how.
            let _ = sender.send((descriptor.clone(), Arc::clone(source)));
        }
    }

    /// Asks all destinations at once whether they have the whole publication. Those that have it get nothing from here on.
    pub fn skip_complete(&self, publication: &Publication) {
        let Transaction { destinations, watch, .. } = self.run.transaction;
        let holds = |destination: &Destination| {
            let work = watch.work(Work::LookUp, destination, None);
            let holds = destination.holds(publication);
            work.done("");
            holds
        };
        let holds = &holds;
        let complete: Vec<bool> = thread::scope(|scope| {
            let asked: Vec<_> = destinations.iter().map(|destination| scope.spawn(move || holds(destination))).collect();
            asked.into_iter().map(|asked| asked.join().unwrap_or(false)).collect()
        });
        for (number, destination) in destinations.iter().enumerate().filter(|(number, _)| complete[*number]) {
            self.run.complete[number].store(true, Ordering::Relaxed);
            watch.complete(&destination.name());
        }
    }

    /// Says whether a blob could not be sent, so that it is of no use to make more of them.
    pub fn has_failed(&self) -> bool {
        self.run.failed.load(Ordering::Relaxed)
    }
}

impl<'a> Transaction<'a> {
    /// Sends the blobs that `make` hands to its queue to all destinations, while `make` goes on making more. Of several repositories
    /// of one registry the first gets each blob, and the others mount it from there.
    ///
    /// Returns what `make` returned, once all blobs have arrived.
    ///
    /// # Errors
    /// The first failure of a destination or refusal of a layer, or what `make` failed with.
    pub fn stage_blobs<T, E: From<PublishFault>>(self, make: impl FnOnce(&Queue<'_>) -> Result<T, E>) -> Result<(T, Staging<'a>), E> {
        let complete = self.destinations.iter().map(|_| AtomicBool::new(false)).collect();
        let run = Run { transaction: self, failed: AtomicBool::new(false), failure: Mutex::new(None), sent: Mutex::default(), complete };
        let outcome = run.make(make);
        // A destination that failed is the reason why making stopped, and not the other way round.
        if let Some(fault) = run.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(fault.into());
        }
        let mut sent = run.sent.into_inner().unwrap_or_else(PoisonError::into_inner);
        sent.sort_by_key(|sent| (sent.destination, sent.descriptor.digest));
        let complete = run.complete.into_iter().map(AtomicBool::into_inner).collect();
        Ok((outcome?, Staging { transaction: self, complete, sent }))
    }
}

/// One staging of blobs.
struct Run<'a> {
    transaction: Transaction<'a>,
    failed: AtomicBool,
    failure: Mutex<Option<PublishFault>>,
    sent: Mutex<Vec<Sent>>,
    complete: Vec<AtomicBool>,
}

impl Run<'_> {
    /// Runs `make`, with workers that send its blobs to all stores.
    fn make<T, E>(&self, make: impl FnOnce(&Queue<'_>) -> Result<T, E>) -> Result<T, E> {
        let destinations = self.transaction.destinations;
        let lender = |number: usize| destinations[..number].iter().position(|earlier| earlier.lends_to(&destinations[number]));
        thread::scope(|scope| {
            let (senders, receivers): (Vec<Sender<Blob>>, Vec<_>) = destinations.iter().map(|_| mpsc::channel()).unzip();
            for (number, receiver) in receivers.into_iter().enumerate() {
                let Some(named) = destinations[number].store() else { continue };
                let receiver = Arc::new(Mutex::new(receiver));
                let borrowers = (0..destinations.len()).filter(|other| lender(*other) == Some(number));
                let borrowers: Vec<Sender<Blob>> = borrowers.map(|other| senders[other].clone()).collect();
                for _ in 0..LANES {
                    let (receiver, borrowers) = (Arc::clone(&receiver), borrowers.clone());
                    scope.spawn(move || {
                        while let Some(blob) = next(&receiver).filter(|_| !self.failed.load(Ordering::Relaxed)) {
                            self.carry(number, named, blob, &borrowers);
                        }
                    });
                }
            }
            // A repository that mounts from another gets its blobs from that one's workers, and its channel closes with the last of them.
            let first = senders.into_iter().enumerate().filter(|(number, _)| lender(*number).is_none());
            let queue = Queue { run: self, senders: first.map(|(_, sender)| sender).collect(), known: Mutex::default() };
            let outcome = make(&queue);
            if outcome.is_err() {
                self.failed.store(true, Ordering::Relaxed);
            }
            outcome
        })
    }

    /// Stores a blob, and hands it on to the repositories that can mount it from there.
    fn carry(&self, number: usize, named: &NamedStore, (descriptor, source): Blob, borrowers: &[Sender<Blob>]) {
        let written = if self.complete[number].load(Ordering::Relaxed) {
            Ok(Written::Present)
        } else {
            let transfer = self.transaction.watch.begin(&self.transaction.destinations[number], &descriptor);
            named.store.write_blob(&descriptor, &*source, &*transfer).inspect(|written| transfer.arrived(*written))
        };
        match written {
            Ok(written) => {
                for borrower in borrowers {
                    let from = |name: &ImageName| Arc::new(Lent { source: Arc::clone(&source), lender: name.clone() });
                    let lent = named.image.as_ref().map(|name| from(name) as Arc<dyn BlobSource>);
                    let _ = borrower.send((descriptor.clone(), lent.unwrap_or_else(|| Arc::clone(&source))));
                }
                lock(&self.sent).push(Sent { destination: number, descriptor, written });
            }
            Err(error) => self.fail(error.into()),
        }
    }

    /// Stops the run. The first failure is the one that is returned; only damaged content of the cache replaces another: it is removed,
    /// and the caller who learns of it can make it again.
    fn fail(&self, fault: PublishFault) {
        self.failed.store(true, Ordering::Relaxed);
        let mut failure = lock(&self.failure);
        if failure.as_ref().is_none_or(|first| first.damaged_blob().is_none() && fault.damaged_blob().is_some()) {
            *failure = Some(fault);
        }
    }
}

fn next(receiver: &Mutex<Receiver<Blob>>) -> Option<Blob> {
    lock(receiver).recv().ok()
}

/// All blobs have arrived at all stores.
pub struct Staging<'a> {
    pub(super) transaction: Transaction<'a>,
    /// Which destinations had the whole publication, by position.
    pub(super) complete: Vec<bool>,
    pub(super) sent: Vec<Sent>,
}

impl<'a> Staging<'a> {
    /// Writes archives into unfinished files, asks the gate of the image, and stores manifests and indexes by digest.
    ///
    /// # Errors
    /// When the gate refuses the image, or a destination fails. No name has changed then, and unfinished files are removed.
    pub fn stage(self, publication: &'a Publication) -> Result<Staged<'a>, PublishFault> {
        let archives = self.write_archives(publication)?;
        self.transaction.gates.image(publication)?;
        Staged::store(self, archives, publication)
    }

    fn write_archives(&self, publication: &Publication) -> Result<Vec<(usize, Unfinished)>, PublishFault> {
        let mut written = Vec::new();
        for (number, destination) in self.transaction.destinations.iter().enumerate() {
            if let Kind::Archive(file) = &destination.0 {
                let work = self.transaction.watch.work(Work::Write, destination, file.size(publication));
                written.push((number, file.write(publication, &*work)?));
                work.done("");
            }
        }
        Ok(written)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::Diagnostic;
    use crate::host::cache::DamagedBlob;
    use crate::oci::{Compression, MediaType, Silent, StoreError, StoreFault};
    use crate::store::FullNames;
    use crate::store::layout::Layout;
    use crate::store::publish::gate::{AcceptAll, Gates, Refusal};
    use crate::store::publish::{Transfer, Watch, Working};

    struct Unwatched;

    impl Watch for Unwatched {
        fn expect(&self, _: &Destination, _: &Descriptor) {}
        fn begin(&self, _: &Destination, _: &Descriptor) -> Box<dyn Transfer> {
            Box::new(Silent)
        }
        fn work(&self, _: Work, _: &Destination, _: Option<u64>) -> Box<dyn Working> {
            Box::new(Silent)
        }
        fn complete(&self, _: &str) {}
        fn committed(&self, _: &str, _: &Digest) {}
    }

    impl Transfer for Silent {
        fn arrived(&self, _: Written) {}
    }

    impl Working for Silent {
        fn done(&self, _: &str) {}
    }

    /// Refuses one of the questions.
    #[derive(PartialEq, Eq)]
    enum Refusing {
        Layer,
        Image,
        Commit,
    }

    impl Refusing {
        fn answer(&self, asked: &Self) -> Result<(), Refusal> {
            if self == asked { Err(Refusal(vec![Diagnostic::error("no")])) } else { Ok(()) }
        }
    }

    impl Gates for Refusing {
        fn layer(&self, _: &Descriptor) -> Result<(), Refusal> {
            self.answer(&Self::Layer)
        }
        fn image(&self, _: &Publication) -> Result<(), Refusal> {
            self.answer(&Self::Image)
        }
        fn commit(&self, _: &Publication) -> Result<(), Refusal> {
            self.answer(&Self::Commit)
        }
    }

    fn layouts(folder: &std::path::Path, names: &[&str]) -> Vec<Destination> {
        let layout = |name: &&str| Destination::layout(Layout::create(&folder.join(name)).unwrap(), vec!["1".parse().unwrap()]);
        names.iter().map(layout).collect()
    }

    #[test]
    fn blobs_reach_all_destinations_once() {
        let folder = tempfile::tempdir().unwrap();
        let destinations = layouts(folder.path(), &["a", "b"]);
        let transaction = Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Unwatched };
        let ((), staging) = transaction
            .stage_blobs(|queue| {
                for number in [1_u8, 2, 3, 2, 1] {
                    let source: Arc<dyn BlobSource> = Arc::new(vec![number; 1000]);
                    queue.submit(&Descriptor::of(MediaType::Config, &[number; 1000]), &source);
                }
                Ok::<(), PublishFault>(())
            })
            .unwrap();
        assert_eq!(staging.sent.len(), 6);
        assert!(staging.sent.iter().all(|sent| sent.written == Written::Uploaded));
    }

    #[test]
    fn the_failure_of_a_destination_is_what_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let destinations = layouts(folder.path(), &["a"]);
        let transaction = Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Unwatched };
        let failure = transaction.stage_blobs(|queue| {
            let source: Arc<dyn BlobSource> = Arc::new(b"wrong".to_vec());
            queue.submit(&Descriptor::of(MediaType::Config, b"right"), &source);
            while !queue.has_failed() {
                thread::yield_now();
            }
            Err::<(), PublishFault>(StoreError::new(StoreFault::Refused, "stopped").into())
        });
        assert!(matches!(failure, Err(PublishFault::Failed(error)) if error.fault == StoreFault::Disk));
    }

    /// Damaged content of the cache, which is read once another blob has failed.
    struct Damaged {
        opened: AtomicBool,
        may_end: AtomicBool,
    }

    impl BlobSource for Damaged {
        fn open(&self) -> io::Result<Box<dyn Read + Send>> {
            self.opened.store(true, Ordering::SeqCst);
            while !self.may_end.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            Err(io::Error::new(io::ErrorKind::InvalidData, DamagedBlob(Digest::of(b"damaged"))))
        }
    }

    #[test]
    fn damage_of_the_cache_is_told_whatever_failed_before() {
        let folder = tempfile::tempdir().unwrap();
        let destinations = layouts(folder.path(), &["a"]);
        let transaction = Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Unwatched };
        let damaged = Arc::new(Damaged { opened: AtomicBool::new(false), may_end: AtomicBool::new(false) });
        let failure = transaction.stage_blobs(|queue| {
            let source: Arc<dyn BlobSource> = damaged.clone();
            queue.submit(&Descriptor::of(MediaType::Config, b"damaged"), &source);
            while !damaged.opened.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            let source: Arc<dyn BlobSource> = Arc::new(b"wrong".to_vec());
            queue.submit(&Descriptor::of(MediaType::Config, b"right"), &source);
            while !queue.has_failed() {
                thread::yield_now();
            }
            damaged.may_end.store(true, Ordering::SeqCst);
            Err::<(), PublishFault>(StoreError::new(StoreFault::Unreachable, "an upload failed").into())
        });
        let found = failure.err().and_then(|fault| fault.damaged_blob());
        assert_eq!(found, Some(DamagedBlob(Digest::of(b"damaged"))));
    }

    #[test]
    fn each_gate_stops_the_publication_before_its_step() {
        let layer = b"layer".to_vec();
        let descriptor = Descriptor::of(MediaType::Layer(Compression::None), &layer);
        let root = crate::oci::RawManifest { bytes: b"{}".to_vec(), media_type: MediaType::Manifest };
        let source: Arc<dyn BlobSource> = Arc::new(layer);
        let blobs = [(descriptor.digest, (descriptor.clone(), source))].into_iter().collect();
        let publication = Publication::single(root, blobs);
        for (gates, sends_layer, stores_root) in
            [(Refusing::Layer, false, false), (Refusing::Image, true, false), (Refusing::Commit, true, true)]
        {
            let folder = tempfile::tempdir().unwrap();
            let mut destinations = layouts(folder.path(), &["layout"]);
            destinations.push(Destination::archive(folder.path().join("archive.tar"), vec![], FullNames::default()));
            let transaction = Transaction { destinations: &destinations, gates: &gates, watch: &Unwatched };
            let refused = transaction.publish(&publication);
            assert!(matches!(refused, Err(PublishFault::Refused(_))));
            let has = |digest: Digest| folder.path().join("layout/blobs/sha256").join(digest.hex()).exists();
            assert_eq!((has(descriptor.digest), has(publication.digest())), (sends_layer, stores_root));
            assert!(!folder.path().join("layout/index.json").exists());
            let mut names = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
            assert!(names.all(|name| name == "layout"), "no archive is left");
        }
    }
}
