//! Bringing an image to several places at once, while it is still being made.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;

use crate::oci::{BlobSource, Descriptor, Digest, Progress, RawManifest, Store, StoreError, Tag, Written};

/// How many blobs go to one place at once.
const LANES: usize = 4;

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
    senders: Vec<mpsc::Sender<Job>>,
    known: Mutex<BTreeSet<Digest>>,
    failed: &'a AtomicBool,
}

type Job = (Descriptor, Arc<dyn BlobSource>);

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

    /// Says whether a blob could not be sent, so that it is of no use to make more of them.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Relaxed)
    }
}

/// Sends the blobs that `make` hands to its queue to all places, while `make` goes on making more.
///
/// Returns what `make` returned, once all blobs have arrived.
///
/// # Errors
/// The first failure of a place, or what `make` failed with.
pub fn upload<T, E: From<StoreError>>(
    places: &[&dyn Store],
    watch: &dyn Watch,
    make: impl FnOnce(&Queue<'_>) -> Result<T, E>,
) -> Result<(T, Vec<Sent>), E> {
    let failed = AtomicBool::new(false);
    let first_failure: Mutex<Option<StoreError>> = Mutex::new(None);
    let sent: Mutex<Vec<Sent>> = Mutex::new(Vec::new());
    let made = thread::scope(|scope| {
        let mut senders = Vec::new();
        for (number, place) in places.iter().enumerate() {
            let (sender, receiver) = mpsc::channel::<Job>();
            senders.push(sender);
            let receiver = Arc::new(Mutex::new(receiver));
            for _ in 0..LANES {
                let (receiver, failed, first_failure, sent) = (Arc::clone(&receiver), &failed, &first_failure, &sent);
                scope.spawn(move || {
                    while let Some((descriptor, source)) = next(&receiver).filter(|_| !failed.load(Ordering::Relaxed)) {
                        let transfer = watch.begin(*place, &descriptor);
                        match place.write_blob(&descriptor, &*source, &*transfer) {
                            Ok(written) => {
                                transfer.arrived(written);
                                lock(sent).push(Sent { place: number, descriptor, written });
                            }
                            Err(error) => {
                                failed.store(true, Ordering::Relaxed);
                                lock(first_failure).get_or_insert(error);
                            }
                        }
                    }
                });
            }
        }
        let queue = Queue { senders, known: Mutex::default(), failed: &failed };
        let made = make(&queue);
        if made.is_err() {
            failed.store(true, Ordering::Relaxed);
        }
        made
    });
    // A place that failed is the reason why making stopped, and not the other way round.
    if let Some(error) = first_failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        return Err(error.into());
    }
    let mut sent = sent.into_inner().unwrap_or_else(PoisonError::into_inner);
    sent.sort_by_key(|sent| (sent.place, sent.descriptor.digest));
    Ok((made?, sent))
}

fn next(receiver: &Mutex<mpsc::Receiver<Job>>) -> Option<Job> {
    lock(receiver).recv().ok()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
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
        let places: Vec<&dyn Store> = places.iter().map(|place| place as &dyn Store).collect();
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
        let failure = upload(&[&place], &Unwatched, |queue| {
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
