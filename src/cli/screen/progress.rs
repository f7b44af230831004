use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Screen;
use super::amounts::rounded;
use super::excerpt::escaped;
use super::output::Counters;
use super::step::{LONG, words};
use crate::diagnostic::Diagnostic;
use crate::net::Wait;
use crate::oci::Progress;
use crate::ops::{Observer, Task, TaskKind};

/// Tells on the screen what happens: steps are drawn on a terminal, and told as lines anywhere else.
#[derive(Clone)]
pub(in crate::cli) struct Reporter {
    screen: Screen,
}

impl Reporter {
    pub(in crate::cli) fn new(screen: Screen) -> Self {
        Self { screen }
    }
}

impl Observer for Reporter {
    fn begin(&self, kind: TaskKind, name: &str, total: Option<u64>) -> Arc<dyn Task> {
        let name = escaped(name);
        let (id, counters) = self.screen.output.begin(kind, &name, total);
        Arc::new(Whole { step: Running { screen: self.screen.clone(), kind, name, id, counters }, begun: Instant::now() })
    }

    fn note(&self, text: &str) {
        self.screen.say(&format!("note: {text}"));
    }

    fn detail(&self, text: &str) {
        if self.screen.is_verbose() {
            self.screen.say(text);
        }
    }

    fn wait(&self, wait: &Wait) {
        self.screen.say(&wait.to_string());
    }

    fn warn(&self, diagnostic: &Diagnostic) {
        self.screen.draw(self.screen.diagnostics(std::slice::from_ref(diagnostic)).trim_end());
    }
}

/// A step that is under way.
#[derive(Clone)]
struct Running {
    screen: Screen,
    kind: TaskKind,
    name: String,
    id: u64,
    counters: Arc<Counters>,
}

/// A step as a whole. One that is dropped before it is finished has failed, and the failure is told elsewhere.
struct Whole {
    step: Running,
    begun: Instant,
}

impl Progress for Whole {
    fn advance(&self, bytes: u64) {
        self.step.counters.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn restart(&self) {
        self.step.counters.done.store(0, Ordering::Relaxed);
    }
}

impl Task for Whole {
    fn expect(&self, more: u64) {
        self.step.counters.expect(more);
    }

    fn part(&self, name: &str, size: Option<u64>) -> Arc<dyn Task> {
        Arc::new(Part::begin(&self.step, name, size))
    }

    fn finish(&self, outcome: &str) {
        let was_told = self.step.screen.output.end(self.step.id);
        let took = self.begun.elapsed();
        if took < LONG && !was_told && !self.step.screen.is_verbose() {
            return;
        }
        let moved = Some(self.step.counters.done.load(Ordering::Relaxed)).filter(|moved| outcome.is_empty() && *moved > 0).map(rounded);
        let outcome = moved.as_deref().unwrap_or(outcome);
        self.step.screen.say(&finished(self.step.kind, &self.step.name, outcome, took));
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.step.screen.output.end(self.step.id);
    }
}

/// A part of a step: its bytes count for the whole.
struct Part {
    step: Running,
    name: String,
    size: Option<u64>,
    id: u64,
    done: AtomicU64,
    begun: Instant,
}

impl Part {
    fn begin(step: &Running, name: &str, size: Option<u64>) -> Self {
        let name = escaped(name);
        let id = step.screen.output.begin_part(step.id, &name);
        Self { step: step.clone(), name, size, id, done: AtomicU64::new(0), begun: Instant::now() }
    }
}

impl Progress for Part {
    fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
        self.step.counters.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn restart(&self) {
        self.step.counters.retract(self.done.swap(0, Ordering::Relaxed));
    }
}

impl Task for Part {
    fn expect(&self, more: u64) {
        self.step.counters.expect(more);
    }

    fn part(&self, name: &str, size: Option<u64>) -> Arc<dyn Task> {
        Arc::new(Part::begin(&self.step, name, size))
    }

    fn finish(&self, outcome: &str) {
        // What was there already need not be moved any more.
        let left = self.size.unwrap_or(0).saturating_sub(self.done.load(Ordering::Relaxed));
        self.advance(left);
        self.step.screen.output.end_part(self.step.id, self.id);
        if self.step.screen.is_verbose() {
            let name = match self.step.kind {
                TaskKind::Upload => format!("{} {}", self.name, self.step.name),
                TaskKind::Write => format!("{} to {}", self.name, self.step.name),
                _ => self.name.clone(),
            };
            self.step.screen.say(&finished(self.step.kind, &name, outcome, self.begun.elapsed()));
        }
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.step.screen.output.end_part(self.step.id, self.id);
    }
}

fn finished(kind: TaskKind, name: &str, outcome: &str, took: Duration) -> String {
    let outcome = if outcome.is_empty() { String::new() } else { format!(", {outcome}") };
    format!("{} {name}{outcome} ({:.1} s)", words(kind).1, took.as_secs_f64())
}
