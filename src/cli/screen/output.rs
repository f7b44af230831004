use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use super::step::{HEARTBEAT, LONG, Step, lines, sentence};
use crate::ops::TaskKind;

/// How often progress is drawn.
const FRAME: Duration = Duration::from_millis(100);
/// How often is looked for something to say, where no progress is drawn.
const LOOK: Duration = Duration::from_millis(250);
/// How far back the speed is measured.
const WINDOW: Duration = Duration::from_secs(8);
/// How much of it must have passed.
const MEASURED: Duration = Duration::from_secs(1);
/// How many lines are drawn at most.
const LINES: usize = 6;
/// How long the end of the program waits for a standard error that is not read.
const LAST_WORD: Duration = Duration::from_millis(300);

/// How steps are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Steps {
    /// Not at all.
    Silent,
    /// As lines, when they last.
    Told,
    /// In lines that are drawn again and again, below all other text.
    Drawn {
        /// Whether their first words have a colour.
        colored: bool,
    },
}

/// Standard error and standard output, which all threads write to through this one lock, and the steps that are under way.
///
/// Between two writes the cursor is at the beginning of the first line that is drawn, so that erasing from there to the end of the terminal removes
/// them all, however a terminal has broken them after it was made narrower.
pub(super) struct Output {
    steps: Steps,
    state: Mutex<State>,
    ticks: AtomicBool,
}

struct State {
    running: Vec<Running>,
    next: u64,
    /// Whether lines are drawn below the cursor.
    drawn: bool,
    /// What was last drawn, and for which terminal: it is not drawn again while it stays the same.
    last: Option<(Option<(usize, usize)>, String)>,
    /// When a line was last written; at first, when the program began.
    spoken: Instant,
}

/// What threads count without a lock.
#[derive(Debug)]
pub(super) struct Counters {
    pub(super) done: AtomicU64,
    /// [`UNKNOWN`] where it is not known.
    total: AtomicU64,
}

const UNKNOWN: u64 = u64::MAX;

impl Counters {
    fn total(&self) -> Option<u64> {
        Some(self.total.load(Ordering::Relaxed)).filter(|total| *total != UNKNOWN)
    }

    pub(super) fn expect(&self, more: u64) {
        let raised = |total: u64| Some(if total == UNKNOWN { more } else { total.saturating_add(more).min(UNKNOWN - 1) });
        let _ = self.total.fetch_update(Ordering::Relaxed, Ordering::Relaxed, raised);
    }

    pub(super) fn retract(&self, bytes: u64) {
        let lowered = |done: u64| Some(done.saturating_sub(bytes));
        let _ = self.done.fetch_update(Ordering::Relaxed, Ordering::Relaxed, lowered);
    }
}

/// A step that is under way.
struct Running {
    id: u64,
    kind: TaskKind,
    name: String,
    begun: Instant,
    moved: Instant,
    counters: Arc<Counters>,
    samples: VecDeque<(Instant, u64)>,
    /// The parts that are under way, the oldest first.
    parts: Vec<(u64, String)>,
    /// Whether it has had parts: between two of them there is nothing that is waited for.
    has_parts: bool,
    /// When it was last told of.
    told: Option<Instant>,
}

impl Running {
    fn sample(&mut self, now: Instant) {
        let done = self.counters.done.load(Ordering::Relaxed);
        if self.samples.back().is_none_or(|(_, before)| *before != done) {
            self.moved = now;
        }
        if self.samples.back().is_some_and(|(_, before)| *before > done) {
            self.samples.clear();
        }
        self.samples.push_back((now, done));
        while self.samples.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW) {
            self.samples.pop_front();
        }
    }

    fn rate(&self) -> Option<u64> {
        let ((from, before), (to, after)) = (self.samples.front()?, self.samples.back()?);
        let passed = to.saturating_duration_since(*from);
        let milliseconds = u64::try_from(passed.as_millis()).ok().filter(|_| passed >= MEASURED)?;
        Some(after.saturating_sub(*before).saturating_mul(1000) / milliseconds)
    }

    fn is_waiting(&self) -> bool {
        !self.has_parts || !self.parts.is_empty()
    }

    fn step(&self) -> Step {
        Step {
            kind: self.kind,
            name: self.name.clone(),
            done: self.counters.done.load(Ordering::Relaxed),
            total: self.counters.total(),
            begun: self.begun,
            moved: self.moved,
            rate: self.rate(),
            current: self.parts.first().map(|(_, name)| name.clone()),
        }
    }
}

impl State {
    fn waiting(&self) -> Vec<Step> {
        self.running.iter().filter(|running| running.is_waiting()).map(Running::step).collect()
    }

    /// Returns what erases the lines that are drawn.
    fn erased(&mut self) -> &'static str {
        self.last = None;
        if std::mem::take(&mut self.drawn) { "\r\u{1b}[J" } else { "" }
    }

    /// Returns what draws the lines of now, over those of before. The cursor ends where it began.
    fn frame(&mut self, colored: bool, size: Option<(usize, usize)>, now: Instant) -> String {
        let (columns, rows) = size.unwrap_or((80, 24));
        let lines = lines(&self.waiting(), columns, LINES.min(rows.saturating_sub(1)), now);
        if lines.is_empty() {
            return self.erased().to_owned();
        }
        // Lines that are too long for a terminal that was made narrower at this moment are cut by it, and not broken.
        let mut frame = String::from("\r\u{1b}[?7l");
        for (number, line) in lines.iter().enumerate() {
            if number > 0 {
                frame.push_str("\r\n");
            }
            let (word, rest) = line.split_at(line.find(' ').unwrap_or(line.len()));
            let (bold, plain) = if colored { ("\u{1b}[1m\u{1b}[36m", "\u{1b}[0m") } else { ("", "") };
            // Writing to a String cannot fail.
            let _ = write!(frame, "{bold}{word}{plain}{rest}\u{1b}[K");
        }
        frame.push_str("\u{1b}[J\r");
        if lines.len() > 1 {
            let _ = write!(frame, "\u{1b}[{}A", lines.len() - 1);
        }
        frame.push_str("\u{1b}[?7h");
        self.drawn = true;
        frame
    }

    /// Returns what is to be said now of steps that last.
    fn sentences(&mut self, now: Instant) -> Vec<String> {
        let silent = now.saturating_duration_since(self.spoken) >= HEARTBEAT;
        let mut is_oldest = true;
        let mut said = Vec::new();
        for running in self.running.iter_mut().filter(|running| running.is_waiting()) {
            let age = now.saturating_duration_since(running.begun);
            let due = match running.told {
                None => age >= LONG || is_oldest && silent && age >= LOOK,
                Some(told) => now.saturating_duration_since(told) >= HEARTBEAT,
            };
            if due {
                said.push(sentence(&running.step(), running.told.is_none(), now));
                running.told = Some(now);
            }
            is_oldest = false;
        }
        said
    }
}

impl Output {
    pub(super) fn new(steps: Steps) -> Arc<Self> {
        let state = State { running: Vec::new(), next: 0, drawn: false, last: None, spoken: Instant::now() };
        Arc::new(Self { steps, state: Mutex::new(state), ticks: AtomicBool::new(false) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a line, or several, to standard error.
    pub(super) fn line(&self, text: &str) {
        let mut state = self.state();
        let now = Instant::now();
        state.spoken = now;
        let mut all = format!("{}{text}\n", state.erased());
        if let Steps::Drawn { colored } = self.steps {
            all.push_str(&state.frame(colored, size(), now));
        }
        put(&all);
    }

    /// Does something with standard output, while nothing is drawn.
    pub(super) fn standard_output<T>(&self, write: impl FnOnce(&mut io::StdoutLock<'_>) -> T) -> T {
        let mut state = self.state();
        put(state.erased());
        write(&mut io::stdout().lock())
    }

    /// Begins a step, and returns its number and what counts for it.
    pub(super) fn begin(self: &Arc<Self>, kind: TaskKind, name: &str, total: Option<u64>) -> (u64, Arc<Counters>) {
        let counters = Arc::new(Counters { done: AtomicU64::new(0), total: AtomicU64::new(total.unwrap_or(UNKNOWN)) });
        let now = Instant::now();
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        state.running.push(Running {
            id,
            kind,
            name: name.to_owned(),
            begun: now,
            moved: now,
            counters: Arc::clone(&counters),
            samples: VecDeque::new(),
            parts: Vec::new(),
            has_parts: false,
            told: None,
        });
        drop(state);
        if self.steps != Steps::Silent && !self.ticks.swap(true, Ordering::Relaxed) {
            let (output, period) = (Arc::downgrade(self), if self.steps == Steps::Told { LOOK } else { FRAME });
            thread::spawn(move || tick(&output, period));
        }
        (id, counters)
    }

    /// Begins a part of a step, and returns its number.
    pub(super) fn begin_part(&self, step: u64, name: &str) -> u64 {
        let mut state = self.state();
        state.next += 1;
        let id = state.next;
        if let Some(running) = state.running.iter_mut().find(|running| running.id == step) {
            if running.parts.is_empty() {
                // Before it there was nothing to wait for.
                running.moved = Instant::now();
            }
            running.parts.push((id, name.to_owned()));
            running.has_parts = true;
        }
        id
    }

    /// Ends a part of a step.
    pub(super) fn end_part(&self, step: u64, part: u64) {
        let mut state = self.state();
        if let Some(running) = state.running.iter_mut().find(|running| running.id == step) {
            running.parts.retain(|(id, _)| *id != part);
        }
    }

    /// Ends a step, and returns whether it was told of as one that lasts.
    pub(super) fn end(&self, id: u64) -> bool {
        let mut state = self.state();
        let position = state.running.iter().position(|running| running.id == id);
        let ended = position.map(|position| state.running.remove(position));
        if state.drawn
            && let Steps::Drawn { colored } = self.steps
        {
            state.last = None;
            put(&state.frame(colored, size(), Instant::now()));
        }
        ended.is_some_and(|ended| ended.told.is_some())
    }

    /// Writes the last line of the program, with what was under way. No other thread can write from here on, so that none ends the program
    /// otherwise. A standard error that nobody reads is not waited for.
    pub(super) fn close(&self, word: &str) {
        let begun = Instant::now();
        let state = loop {
            match self.state.try_lock() {
                Ok(state) => break state,
                Err(TryLockError::Poisoned(poisoned)) => break poisoned.into_inner(),
                Err(TryLockError::WouldBlock) if begun.elapsed() < LAST_WORD => thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::WouldBlock) => return,
            }
        };
        let mut state = std::mem::ManuallyDrop::new(state);
        let oldest = state.waiting().into_iter().next();
        let during = oldest.map(|step| format!(" while {}", step.title())).unwrap_or_default();
        // A terminal shows the key as `^C` where nothing is drawn.
        let start = if io::stderr().is_terminal() { "\r" } else { "" };
        let text = format!("{}{start}{word}{during}\n", state.erased());
        let written = thread::spawn(move || put(&text));
        while !written.is_finished() && begun.elapsed() < 2 * LAST_WORD {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn tick(&self, now: Instant) {
        let mut state = self.state();
        state.running.iter_mut().for_each(|running| running.sample(now));
        match self.steps {
            Steps::Silent => {}
            Steps::Drawn { colored } => {
                let size = size();
                let frame = state.frame(colored, size, now);
                if state.last.as_ref().is_none_or(|(before, drawn)| *before != size || *drawn != frame) {
                    put(&frame);
                }
                state.last = state.drawn.then_some((size, frame));
            }
            Steps::Told => {
                let said = state.sentences(now);
                if !said.is_empty() {
                    state.spoken = now;
                    put(&(said.join("\n") + "\n"));
                }
            }
        }
    }
}

/// Looks at the steps again and again, until the output is gone.
fn tick(output: &Weak<Output>, period: Duration) {
    loop {
        thread::sleep(period);
        let Some(output) = output.upgrade() else { return };
        output.tick(Instant::now());
    }
}

/// Writes to standard error at once. Where it cannot be written, that cannot be reported either.
fn put(text: &str) {
    if !text.is_empty() {
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}

/// Returns the columns and rows of the terminal, where there is one that knows them.
pub(super) fn size() -> Option<(usize, usize)> {
    let size = rustix::termios::tcgetwinsize(io::stderr()).ok()?;
    Some((usize::from(size.ws_col), usize::from(size.ws_row))).filter(|(columns, rows)| *columns > 0 && *rows > 0)
}

/// Says whether lines can be drawn again where they were.
pub(super) fn can_draw(terminal: Option<&str>) -> bool {
    io::stderr().is_terminal() && terminal != Some("dumb")
}
