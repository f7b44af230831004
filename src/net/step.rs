use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::time::timeout;

use super::wait::UNSAID;
use super::{Wait, WaitListener};

/// The slowest transfer that is not counted as waiting, in bytes a second.
pub(crate) const SLOWEST: u64 = 1 << 10;

/// One step of a verb at a server, such as one blob that is fetched: a request with all its tries, the waits between them, its redirects, its
/// requests for tokens, and the transfer of its body. Clones are the same step.
///
/// A step has one limit (`--retry-for`) for the time that it spends waiting for others. What it does itself is not counted, and each KiB that was
/// not transferred before gives a second back: a transfer that goes on lasts as long as it needs, one that drips ends.
#[derive(Debug, Clone)]
pub struct Step(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: Option<Duration>,
    listener: Option<WaitListener>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The time that was spent waiting, without what was given back.
    spent: Duration,
    /// How far the transfer has come, in bytes.
    reached: u64,
    /// The time that was waited in vain and without a word.
    unsaid: Duration,
    /// Until when a server asked to be left alone, and how long that was.
    pause: Option<(Instant, Duration)>,
}

impl Step {
    /// Starts a step. Without a limit it lasts as long as its tries.
    pub fn new(limit: Option<Duration>, listener: Option<WaitListener>) -> Self {
        Self(Arc::new(Inner { limit, listener, state: Mutex::default() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the limit.
    pub fn limit(&self) -> Option<Duration> {
        self.0.limit
    }

    /// Returns how long it may still wait.
    pub fn rest(&self) -> Option<Duration> {
        self.0.limit.map(|limit| limit.saturating_sub(self.state().spent))
    }

    /// Says whether its limit is over.
    pub fn is_over(&self) -> bool {
        self.rest().is_some_and(|rest| rest.is_zero())
    }

    /// Counts time that it waited elsewhere.
    pub fn spend(&self, time: Duration) {
        let mut state = self.state();
        state.spent = state.spent.saturating_add(time);
    }

    /// Notes that its transfer has come to `position` bytes. What is transferred again after a break gives no time back.
    pub fn reached(&self, position: u64) {
        let mut state = self.state();
        let fresh = position.saturating_sub(state.reached);
        state.reached += fresh;
        let micros = fresh.saturating_mul(1_000_000) / SLOWEST;
        state.spent = state.spent.saturating_sub(Duration::from_micros(micros));
    }

    /// Notes that a server asked for a pause (`Retry-After`).
    pub(crate) fn asked_for(&self, pause: Duration) {
        self.state().pause = Instant::now().checked_add(pause).map(|until| (until, pause));
    }

    /// Returns the pause that a server asked for, when it lasts longer than the step may.
    pub(crate) fn pause_beyond_limit(&self) -> Option<Duration> {
        let rest = self.rest()?;
        let (until, pause) = self.state().pause?;
        (until.saturating_duration_since(Instant::now()) > rest).then_some(pause)
    }

    /// Says that it waits.
    pub fn tell(&self, wait: &Wait) {
        if let Some(listener) = &self.0.listener {
            listener.tell(wait);
        }
    }

    /// Does nothing for a time, which is counted, and said when it is long.
    pub(crate) fn pause(&self, length: Duration, before: &str, why: impl FnOnce() -> String) {
        if length > UNSAID {
            self.tell(&Wait::Pause { length, before: before.to_owned(), why: why() });
        }
        thread::sleep(length);
        self.spend(length);
        let mut state = self.state();
        state.unsaid = if length > UNSAID { Duration::ZERO } else { state.unsaid.saturating_add(length) };
    }

    /// Waits for a server, at most so long and no longer than the step may; says so when it takes long.
    ///
    /// # Errors
    /// The time that was waited in vain.
    pub(crate) fn wait<T>(
        &self,
        runtime: &Handle,
        most: Duration,
        server: (&str, &'static str),
        answer: impl Future<Output = T>,
    ) -> Result<T, Duration> {
        let most = self.rest().map_or(most, |rest| rest.min(most));
        // Several short waits, one after the other, are a long one to who sits before it.
        let before = self.state().unsaid;
        let silence = UNSAID.saturating_sub(before);
        let begun = Instant::now();
        let done = runtime.block_on(async {
            let mut answer = pin!(answer);
            if let Ok(done) = timeout(most.min(silence), &mut answer).await {
                return Some(done);
            }
            if most <= silence {
                return None;
            }
            self.state().unsaid = Duration::ZERO;
            let most_in_all = self.rest().map_or(most, |rest| rest.min(most)).saturating_add(before);
            self.tell(&Wait::Server { host: server.0.to_owned(), what: server.1, most: most_in_all });
            timeout(most.saturating_sub(silence), answer).await.ok()
        });
        let waited = begun.elapsed();
        self.spend(waited);
        let mut state = self.state();
        let is_said = waited > silence;
        state.unsaid = if done.is_some() || is_said { Duration::ZERO } else { before + waited };
        drop(state);
        done.ok_or(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_transfer_that_goes_on_costs_a_step_nothing_and_one_that_drips_ends_it() {
        let seconds = Duration::from_secs;
        let step = Step::new(Some(seconds(10)), None);
        for second in 1..=1000 {
            step.spend(seconds(1));
            step.reached(second * SLOWEST);
            assert_eq!(step.rest(), Some(seconds(10)));
        }
        let transferred = 1000 * SLOWEST;
        // The same bytes again, after a break, give nothing back.
        step.spend(seconds(4));
        step.reached(transferred / 2);
        step.reached(transferred);
        assert_eq!(step.rest(), Some(seconds(6)));
        // One byte a second.
        let lasted = (1..1000).find(|second| {
            step.spend(seconds(1));
            step.reached(transferred + second);
            step.is_over()
        });
        assert_eq!(lasted, Some(7));
        assert!(!Step::new(None, None).is_over());
    }

    #[test]
    fn long_waits_are_said_and_short_ones_are_not() {
        let said: Arc<Mutex<Vec<String>>> = Arc::default();
        let told = Arc::clone(&said);
        let step = Step::new(None, Some(WaitListener::new(move |wait| told.lock().unwrap().push(wait.to_string()))));
        step.pause(Duration::from_millis(1), "the next try", String::new);
        assert!(said.lock().unwrap().is_empty());
        step.tell(&Wait::Pause { length: Duration::from_mins(1), before: "the next try".to_owned(), why: "it answered 503".to_owned() });
        step.tell(&Wait::Server { host: "a.example".to_owned(), what: "has not answered", most: Duration::from_secs(8) });
        assert_eq!(
            *said.lock().unwrap(),
            [
                "waiting 60 seconds before the next try: it answered 503",
                "waiting for `a.example`, which has not answered for 5 seconds; it is given up after 8 seconds"
            ]
        );
    }
}
