use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Screen;
use crate::diagnostic::Diagnostic;
use crate::net::Wait;
use crate::oci::Progress;
use crate::ops::{Observer, Task, TaskKind};

/// What takes less time than this gets no bar and no line of its own.
const PATIENCE: Duration = Duration::from_millis(300);

/// Draws bars on a terminal, and writes plain lines anywhere else.
#[derive(Clone)]
pub(in crate::cli) struct Bars {
    bars: Option<MultiProgress>,
    screen: Screen,
}

impl Bars {
    pub(in crate::cli) fn new(screen: Screen) -> Self {
        let bars = screen.draws_bars().then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10)));
        Self { bars, screen }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            Some(bars) => bars.suspend(|| self.screen.say(text)),
            None => self.screen.say(text),
        }
    }
}

fn words(kind: TaskKind) -> (&'static str, &'static str) {
    match kind {
        TaskKind::Layer => ("compressing", "compressed"),
        TaskKind::Fetch => ("fetching", "fetched"),
        TaskKind::Upload => ("pushing", "pushed"),
        TaskKind::Write => ("writing", "wrote"),
    }
}

impl Observer for Bars {
    fn begin(&self, kind: TaskKind, name: &str, total: Option<u64>) -> Arc<dyn Task> {
        let (doing, done) = words(kind);
        let name: String = name.escape_debug().collect();
        let bar = self.bars.as_ref().map(|bars| {
            let bar = bars.add(ProgressBar::new(total.unwrap_or_default()).with_message(format!("{doing} {name}")));
            let form = match total {
                Some(_) => "{msg:40!} {wide_bar} {bytes:>10}/{total_bytes:<10} {bytes_per_sec:>12}",
                None => "{msg:40!} {spinner} {bytes:>10} {bytes_per_sec:>12}",
            };
            bar.set_style(ProgressStyle::with_template(form).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        });
        let bars = self.bars.clone();
        Arc::new(Running { bar, bars, screen: self.screen, done, name, begun: Instant::now(), bytes: AtomicU64::new(0) })
    }

    fn note(&self, text: &str) {
        self.line(&format!("note: {text}"));
    }

    fn detail(&self, text: &str) {
        if self.screen.is_verbose() {
            self.line(text);
        }
    }

    fn wait(&self, wait: &Wait) {
        self.line(&wait.to_string());
    }

    fn warn(&self, diagnostic: &Diagnostic) {
        let text = self.screen.diagnostics(std::slice::from_ref(diagnostic));
        let draw = || self.screen.draw(text.trim_end());
        match &self.bars {
            Some(bars) => bars.suspend(draw),
            None => draw(),
        }
    }
}

struct Running {
    bar: Option<ProgressBar>,
    bars: Option<MultiProgress>,
    screen: Screen,
    done: &'static str,
    name: String,
    begun: Instant,
    bytes: AtomicU64,
}

impl Progress for Running {
    fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
    }

    fn restart(&self) {
        self.bytes.store(0, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.reset();
        }
    }
}

impl Task for Running {
    fn finish(&self, outcome: &str) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = self.begun.elapsed();
        if took < PATIENCE && !self.screen.is_verbose() {
            return;
        }
        let outcome = if outcome.is_empty() { String::new() } else { format!(", {outcome}") };
        let line = format!("{} {}{outcome} ({:.1} s)", self.done, self.name, took.as_secs_f64());
        match &self.bars {
            Some(bars) => bars.suspend(|| self.screen.say(&line)),
            None => self.screen.say(&line),
        }
    }
}
