//! Bringing an image to several places at once, while it is still being made.

use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::oci::{BlobSource, Descriptor, Digest, ImageName, Progress, RawManifest, Store, StoreError, Tag, Written};

/// How many blobs go to one place at once.
const LANES: usize = 8;

/// A place that an image goes to.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The store.
    pub store: &'a dyn Store,
    /// The repository, where the store is one of a registry.
    pub name: Option<&'a ImageName>,
}

impl Place<'_> {
    /// Says whether another place is in the same registry, and so can mount what this one has.
    fn lends_to(&self, other: &Place<'_>) -> bool {
        self.name.zip(other.name).is_some_and(|(own, other)| own.registry() == other.registry() && own != other)
    }
}

/// What came of one blob at one place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The place, by its position in the list.
    pub place: usize,
    /// The blob.
    pub descriptor: Descriptor,
    /// What was done.
    pub written: Written,
}

/// Shows how transfers go.
pub trait Watch: Sync {
    /// A blob is on its way to a place.
    fn begin(&self, place: &dyn Store, descriptor: &Descriptor) -> Box<dyn Transfer>;
}

/// Shows how one transfer goes.
pub trait Transfer: Progress {
    /// The blob has arrived.
    fn arrived(&self, written: Written);
}

/// Takes blobs for all places.
pub struct Queue<'a> {
    senders: Vec<Sender<Job>>,
    known: Mutex<BTreeSet<Digest>>,
    failed: &'a AtomicBool,
    left_out: &'a [AtomicBool],
}

type Job = (Descriptor, Arc<dyn BlobSource>);

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
    /// Hands a blob over, and returns at once; one that was handed over before is not sent again.
    pub fn submit(&self, descriptor: &Descriptor, source: &Arc<dyn BlobSource>) {
        if !lock(&self.known).insert(descriptor.digest) {
            return;
        }
        for sender in &self.senders {
            // A place whose lanes have all ended has failed, and `upload` says how.
            let _ = sender.send((descriptor.clone(), Arc::clone(source)));
        }
    }

    /// Sends nothing to a place from here on: it has the whole image.
    pub fn leave_out(&self, place: usize) {
        self.left_out[place].store(true, Ordering::Relaxed);
    }

    /// Says whether a blob could not be sent, so that it is of no use to make more of them.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Sends the blobs that `make` hands to its queue to all places, while `make` goes on making more. Of several repositories of one
/// registry the first gets each blob, and the others mount it from there.
///
/// Returns what `make` returned, once all blobs have arrived.
///
/// # Errors
/// The first failure of a place, or what `make` failed with.
pub fn upload<T, E: From<StoreError>>(
    places: &[Place<'_>],
    watch: &dyn Watch,
    make: impl FnOnce(&Queue<'_>) -> Result<T, E>,
) -> Result<(T, Vec<Sent>), E> {
    let left_out = places.iter().map(|_| AtomicBool::new(false)).collect();
    let run = Run { places, watch, failed: AtomicBool::new(false), failure: Mutex::new(None), sent: Mutex::default(), left_out };
    let outcome = thread::scope(|scope| {
        let (senders, receivers): (Vec<Sender<Job>>, Vec<_>) = places.iter().map(|_| mpsc::channel()).unzip();
        let lender = |number: usize| places[..number].iter().position(|earlier| earlier.lends_to(&places[number]));
        for (number, receiver) in receivers.into_iter().enumerate() {
            let receiver = Arc::new(Mutex::new(receiver));
            let borrowers = (0..places.len()).filter(|other| lender(*other) == Some(number));
            let borrowers: Vec<Sender<Job>> = borrowers.map(|other| senders[other].clone()).collect();
            for _ in 0..LANES {
                let (receiver, borrowers, run) = (Arc::clone(&receiver), borrowers.clone(), &run);
                scope.spawn(move || {
                    while let Some(job) = next(&receiver).filter(|_| !run.failed.load(Ordering::Relaxed)) {
                        run.carry(number, job, &borrowers);
                    }
                });
            }
        }
        // A borrower's channel closes with the last lane of its lender, and a lender's with the queue.
        let senders = senders.into_iter().enumerate().filter(|(number, _)| lender(*number).is_none()).map(|(_, sender)| sender).collect();
        let queue = Queue { senders, known: Mutex::default(), failed: &run.failed, left_out: &run.left_out };
        let outcome = make(&queue);
        if outcome.is_err() {
            run.failed.store(true, Ordering::Relaxed);
        }
        outcome
    });
    // A place that failed is the reason why making stopped, and not the other way round.
    if let Some(error) = run.failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    let mut sent = run.sent.into_inner().unwrap_or_else(PoisonError::into_inner);
    sent.sort_by_key(|sent| (sent.place, sent.descriptor.digest));
    Ok((outcome?, sent))
}

struct Run<'a> {
    places: &'a [Place<'a>],
    watch: &'a dyn Watch,
    failed: AtomicBool,
    failure: Mutex<Option<StoreError>>,
    sent: Mutex<Vec<Sent>>,
    left_out: Vec<AtomicBool>,
}

impl Run<'_> {
    /// Brings a blob to a place, and hands it on to those that can mount it there.
    fn carry(&self, number: usize, (descriptor, source): Job, borrowers: &[Sender<Job>]) {
        let place = self.places[number];
        let written = if self.left_out[number].load(Ordering::Relaxed) {
            Ok(Written::Present)
        } else {
            let transfer = self.watch.begin(place.store, &descriptor);
            place.store.write_blob(&descriptor, &*source, &*transfer).inspect(|written| transfer.arrived(*written))
        };
        match written {
            Ok(written) => {
                for borrower in borrowers {
                    let lent =
                        place.name.map(|name| Arc::new(Lent { source: Arc::clone(&source), lender: name.clone() }) as Arc<dyn BlobSource>);
                    let _ = borrower.send((descriptor.clone(), lent.unwrap_or_else(|| Arc::clone(&source))));
                }
                lock(&self.sent).push(Sent { place: number, descriptor, written });
            }
            Err(error) => {
                self.failed.store(true, Ordering::Relaxed);
                lock(&self.failure).get_or_insert(error);
            }
        }
    }
}

fn next(receiver: &Mutex<Receiver<Job>>) -> Option<Job> {
    lock(receiver).recv().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Asks all places at once whether they have a whole image under all the tags that it gets there.
pub fn whole(places: &[(&dyn Store, &[Tag])], root: &RawManifest) -> Vec<bool> {
    thread::scope(|scope| {
        let asked: Vec<_> = places.iter().map(|(store, tags)| scope.spawn(|| store.is_named(root, tags))).collect();
        asked.into_iter().map(|asked| asked.join().unwrap_or(false)).collect()
    })
}

/// Names an image whose blobs a place has: the manifests below an index first, then the root, then the tags, one by one.
///
/// # Errors
/// When the place refuses a document.
pub fn name(place: &dyn Store, children: &[RawManifest], root: &RawManifest, tags: &[Tag]) -> Result<(), StoreError> {
    children.iter().try_for_each(|child| place.write_manifest(child, None))?;
    if tags.is_empty() || !children.is_empty() {
        place.write_manifest(root, None)?;
    }
    tags.iter().try_for_each(|tag| place.write_manifest(root, Some(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{MediaType, Silent, StoreFault};
    use crate::store::layout::Layout;

    struct Unwatched;

    impl Watch for Unwatched {
        fn begin(&self, _: &dyn Store, _: &Descriptor) -> Box<dyn Transfer> {
            Box::new(Silent)
        }
    }

    impl Transfer for Silent {
        fn arrived(&self, _: Written) {}
    }

    #[test]
    fn blobs_reach_all_places_once() {
        let folder = tempfile::tempdir().unwrap();
        let places = ["a", "b"].map(|name| Layout::create(&folder.path().join(name)).unwrap());
        let places: Vec<Place<'_>> = places.iter().map(|store| Place { store, name: None }).collect();
        let ((), sent) = upload(&places, &Unwatched, |queue| {
            for number in [1_u8, 2, 3, 2, 1] {
                let source: Arc<dyn BlobSource> = Arc::new(vec![number; 1000]);
                queue.submit(&Descriptor::of(MediaType::Config, &[number; 1000]), &source);
            }
            Ok::<(), StoreError>(())
        })
        .unwrap();
        assert_eq!(sent.len(), 6);
        assert!(sent.iter().all(|sent| sent.written == Written::Uploaded));
    }

    #[test]
    fn the_failure_of_a_place_is_what_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let place = Layout::create(folder.path()).unwrap();
        let failure = upload(&[Place { store: &place, name: None }], &Unwatched, |queue| {
            let source: Arc<dyn BlobSource> = Arc::new(b"wrong".to_vec());
            queue.submit(&Descriptor::of(MediaType::Config, b"right"), &source);
            while !queue.has_failed() {
                thread::yield_now();
            }
            Err::<(), StoreError>(StoreError::new(StoreFault::Refused, "stopped"))
        });
        assert_eq!(failure.unwrap_err().fault, StoreFault::Disk);
    }
}
