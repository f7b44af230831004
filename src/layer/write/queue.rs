use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::LayerFault;
use crate::layer::compress::Compressor;

/// A block before and after compression.
#[derive(Default)]
pub(super) struct Buffers {
    pub(super) raw: Vec<u8>,
    pub(super) encoded: Vec<u8>,
    pub(super) content: [u8; 32],
    pub(super) sum: [u8; 32],
    /// What collectors found of the files that end in it, as a record keeps it.
    pub(super) found: Box<[u8]>,
}

impl Buffers {
    /// Buffers have room for the largest block from the start: those that grew would leave holes in the heap, several times their size.
    pub(super) fn make_room(&mut self, compressor: Compressor, largest: usize) {
        if self.raw.capacity() < largest {
            self.raw = Vec::with_capacity(largest);
            self.encoded = Vec::with_capacity(compressor.bound(largest));
        }
    }
}

/// The blocks on their way from the workers to the thread that writes them in order.
pub(super) struct BlockQueue {
    state: Mutex<State>,
    moved: Condvar,
    total: usize,
    window: usize,
}

#[derive(Default)]
struct State {
    next: usize,
    written: usize,
    finished: BTreeMap<usize, Result<Buffers, LayerFault>>,
    spare: Vec<Buffers>,
    stopped: bool,
}

impl BlockQueue {
    pub(super) fn new(total: usize, window: usize) -> Self {
        Self { state: Mutex::default(), moved: Condvar::new(), total, window }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next block to work on, once there is room for it.
    pub(super) fn take(&self) -> Option<(usize, Buffers)> {
        let mut state = self.state();
        loop {
            if state.stopped || state.next >= self.total {
                return None;
            }
            if state.next < state.written + self.window {
                let number = state.next;
                state.next += 1;
                return Some((number, state.spare.pop().unwrap_or_default()));
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn put(&self, number: usize, result: Result<Buffers, LayerFault>) {
        self.state().finished.insert(number, result);
        self.moved.notify_all();
    }

    /// Waits for a block; `None` when the workers ended without it.
    pub(super) fn wait_for(&self, number: usize) -> Option<Result<Buffers, LayerFault>> {
        let mut state = self.state();
        loop {
            if let Some(result) = state.finished.remove(&number) {
                return Some(result);
            }
            if state.stopped {
                return None;
            }
            state = self.moved.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(super) fn done_with(&self, buffers: Buffers) {
        let mut state = self.state();
        state.written += 1;
        state.spare.push(buffers);
        drop(state);
        self.moved.notify_all();
    }

    pub(super) fn stop(&self) {
        self.state().stopped = true;
        self.moved.notify_all();
    }

    /// Runs a worker, and stops the queue if it panics, so that nobody waits for it for ever.
    pub(super) fn guard(&self, worker: impl FnOnce()) {
        struct StopOnPanic<'a>(&'a BlockQueue);
        impl Drop for StopOnPanic<'_> {
            fn drop(&mut self) {
                if thread::panicking() {
                    self.0.stop();
                }
            }
        }
        let guard = StopOnPanic(self);
        worker();
        drop(guard);
    }
}
