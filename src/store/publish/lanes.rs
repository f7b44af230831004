use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::oci::StoreError;

/// How many requests go to one destination at once.
pub(super) const LANES: usize = 8;

/// Does a step for each item, at most [`LANES`] at once, and begins no further one after a failure.
///
/// # Errors
/// The first failure.
pub(super) fn each<T: Sync>(items: &[T], step: impl Fn(&T) -> Result<(), StoreError> + Sync) -> Result<(), StoreError> {
    let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
    thread::scope(|scope| {
        for _ in 0..LANES.min(items.len()) {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = step(item) {
                        next.store(items.len(), Ordering::Relaxed);
                        lock(&failure).get_or_insert(error);
                    }
                }
            });
        }
    });
    failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
