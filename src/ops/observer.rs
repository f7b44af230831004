use std::sync::Arc;

use crate::diagnostic::Diagnostic;
use crate::net::Wait;
use crate::oci::Progress;

/// Is told what happens while a verb runs. How it is displayed is up to the observer; a verb never waits for it.
pub trait Observer: Send + Sync {
    /// Something begins that takes a while; `total` is its size in bytes, when it is known.
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
    /// A layer is compressed.
    Layer,
    /// A base's layer is fetched.
    Fetch,
    /// A blob is sent.
    Upload,
    /// An output is written.
    Write,
}

/// Something that takes a while.
pub trait Task: Progress {
    /// It is done; `outcome` says how in a few words.
    fn finish(&self, outcome: &str);
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Observer for Quiet {
    fn begin(&self, _: TaskKind, _: &str, _: Option<u64>) -> Arc<dyn Task> {
        Arc::new(Self)
    }

    fn note(&self, _: &str) {}

    fn detail(&self, _: &str) {}

    fn wait(&self, _: &Wait) {}

    fn warn(&self, _: &Diagnostic) {}
}

impl Progress for Quiet {
    fn advance(&self, _: u64) {}
}

impl Task for Quiet {
    fn finish(&self, _: &str) {}
}
