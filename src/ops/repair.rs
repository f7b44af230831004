use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostic::{Diagnostic, ExternalError, first_of};
use crate::net::Wait;

use super::{Failure, Observer, Run, Task, TaskKind};

/// Runs a verb that reads from the cache. When it fails and a file in the cache was damaged, all of the cache is checked, and the verb runs once more:
/// what was removed is then made or fetched again. Damage is told in either case.
///
/// # Errors
/// What the verb failed with, the second time if there was one.
pub(super) fn repaired<T>(run: Run<'_>, verb: impl Fn(Run<'_>) -> Result<T, Failure>) -> Result<T, Failure> {
    let cache = &run.tools.cache;
    // What another verb of this process met is not of this one.
    let _ = cache.take_damaged();
    let first = OnceTold { inner: run.observer, told: Mutex::default(), leave_out: None };
    let outcome = verb(Run { observer: &first, ..run });
    let damaged: Vec<String> = cache.take_damaged().iter().map(|file| format!("`{}`", file.display())).collect();
    if damaged.is_empty() {
        return outcome;
    }
    let named = first_of(&damaged, 1);
    if outcome.is_ok() {
        run.observer.note(&format!("a file in the cache was damaged, and is made or fetched again: {named}"));
        return outcome;
    }
    run.observer
        .note(&format!("a file in the cache was damaged: {named}; all of it is checked, and what is missing is made or fetched again"));
    cache.check().map_err(|error| ExternalError::new("could not check the cache").caused_by(error))?;
    let told = first.told.into_inner().unwrap_or_else(PoisonError::into_inner);
    verb(Run { observer: &OnceTold { inner: run.observer, told: Mutex::default(), leave_out: Some(told) }, ..run })
}

/// An observer that is not told twice what is said in both of two runs.
struct OnceTold<'a> {
    inner: &'a dyn Observer,
    /// What was said in this run.
    told: Mutex<BTreeSet<String>>,
    /// What was said in the run before.
    leave_out: Option<BTreeSet<String>>,
}

impl OnceTold<'_> {
    fn is_new(&self, text: String) -> bool {
        let is_new = self.leave_out.as_ref().is_none_or(|before| !before.contains(&text));
        self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(text);
        is_new
    }
}

impl Observer for OnceTold<'_> {
    fn begin(&self, kind: TaskKind, name: &str, total: Option<u64>) -> Arc<dyn Task> {
        self.inner.begin(kind, name, total)
    }

    fn note(&self, text: &str) {
        if self.is_new(text.to_owned()) {
            self.inner.note(text);
        }
    }

    fn detail(&self, text: &str) {
        self.inner.detail(text);
    }

    fn wait(&self, wait: &Wait) {
        self.inner.wait(wait);
    }

    fn warn(&self, diagnostic: &Diagnostic) {
        if self.is_new(format!("{diagnostic:?}")) {
            self.inner.warn(diagnostic);
        }
    }
}
