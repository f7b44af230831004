use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::net::Wait;
use crate::oci::Progress;

/// Is told what happens while a verb runs. How it is displayed is up to the observer; a verb never waits for it.
pub trait Observer: Send + Sync {
    /// Something begins that may take a while; `total` is its size in bytes, when it is known.
    fn begin(&self, kind: TaskKind, name: &str, total: Option<u64>) -> Arc<dyn Task>;

    /// Something worth a line, but no fault.
    fn note(&self, text: &str);

    /// Something worth a line only to those who ask for more.
    fn detail(&self, text: &str);

    /// A wait of more than 5 seconds begins, or goes on.
    fn wait(&self, wait: &Wait);

    /// A warning about what was written.
    fn warn(&self, diagnostic: &Diagnostic);
}

/// What takes a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// A name is asked for, or a file opened: what is there.
    LookUp,
    /// Something is downloaded.
    Fetch,
    /// Something on this machine is read whole.
    Read,
    /// Packages are chosen.
    Choose,
    /// A base is put together.
    Assemble,
    /// It is checked that an image starts.
    Check,
    /// A layer is compressed.
    Layer,
    /// Something is sent.
    Upload,
    /// Something is written on this machine.
    Write,
    /// What was written or sent is read back.
    Verify,
    /// The image gets its names.
    Tag,
}

/// Something that takes a while. One that is dropped before it is finished has failed.
pub trait Task: Progress {
    /// More bytes belong to it than were known before.
    fn expect(&self, more: u64);

    /// A part of it begins, whose bytes count for the whole: it is named as what is waited for. A task that has parts does nothing between them.
    fn part(&self, name: &str, size: Option<u64>) -> Arc<dyn Task>;

    /// It is done; `outcome` says how in a few words.
    fn finish(&self, outcome: &str);
}

/// Tells another observer of the steps alone: what there is to say about them is said elsewhere.
#[derive(Clone, Copy)]
pub(super) struct StepsOnly<'a>(pub(super) &'a dyn Observer);

impl Observer for StepsOnly<'_> {
    fn begin(&self, kind: TaskKind, name: &str, total: Option<u64>) -> Arc<dyn Task> {
        self.0.begin(kind, name, total)
    }

    fn note(&self, _: &str) {}

    fn detail(&self, _: &str) {}

    fn wait(&self, wait: &Wait) {
        self.0.wait(wait);
    }

    fn warn(&self, _: &Diagnostic) {}
}
