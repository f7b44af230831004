use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::fmt::rfc2822;

use super::wait::{UNSAID, seconds};
use super::{Again, HttpFault, Step, Wait};
use crate::host;

/// How often a failed step is tried again, and how long it waits in between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How often a step is tried at most, without any progress in between.
    pub attempts: u32,
    /// How long the first wait is at most.
    pub base: Duration,
    /// How long a wait is at most.
    pub cap: Duration,
    /// How long a server may make us wait.
    pub longest_pause: Duration,
    /// How long one step may wait in all its tries together, if that is limited; [`Step`] says what is counted. With zero, there is one try.
    pub deadline: Option<Duration>,
    /// How long a host that cannot be reached is tried.
    pub unreached: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 12,
            base: Duration::from_millis(100),
            cap: Duration::from_secs(10),
            longest_pause: Duration::from_mins(5),
            deadline: None,
            unreached: Duration::from_secs(10),
        }
    }
}

/// How long the only try of a step may wait that is not to be tried again.
const ONLY_TRY: Duration = Duration::from_secs(10);
/// The longest pause that a server can ask for at all: a hundred years.
const FOREVER: Duration = Duration::from_secs(100 * 365 * 86400);

impl RetryPolicy {
    /// Returns how long a step may wait.
    pub fn limit(&self) -> Option<Duration> {
        self.deadline.map(|deadline| if deadline.is_zero() { ONLY_TRY } else { deadline })
    }

    /// Returns how much of a pause that a server asks for is kept. Where a step has a limit, all: what is longer than the limit ends the step.
    pub(crate) fn longest_pause(&self) -> Duration {
        if self.deadline.is_some() { FOREVER } else { self.longest_pause }
    }
}

/// How many tries a step has at most, progress or not.
const TRIES_IN_ALL: u32 = 200;
/// How many tries a host has that cannot be reached at all.
const TRIES_UNREACHED: u32 = 4;

impl Again {
    /// Says whether a request may succeed later that got this status: the one list for registries, mirrors, and all others
    /// (RFC 9110 section 15, RFC 6585; 499 and 522 come from proxies).
    pub fn after_status(status: u16) -> Self {
        if matches!(status, 408 | 425 | 429 | 499 | 500 | 502 | 503 | 504 | 522) { Self::Soon } else { Self::Never }
    }
}

/// A failure that says whether trying again may help.
pub trait Retry: Sized {
    /// Says whether trying again may help.
    fn again(&self) -> Again;

    /// Says in a few words what failed, for who waits for the next try.
    fn reason(&self) -> String {
        String::new()
    }

    /// Adds why it is not tried again, though that might help.
    #[must_use]
    fn given_up(self, _: GivenUp) -> Self {
        self
    }
}

impl Retry for () {
    fn again(&self) -> Again {
        Again::Never
    }
}

/// Why a step is not tried again, though that might help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// It may take no longer.
    Limit(Duration),
    /// A server asks for a pause that is longer than it may take.
    Pause {
        /// How long a pause.
        asked: Duration,
        /// How long the step may wait.
        limit: Duration,
    },
    /// It was tried often enough.
    Tries {
        /// How often.
        count: u32,
        /// In how much time.
        took: Duration,
    },
}

impl GivenUp {
    /// What to do when a step may take no longer.
    pub(crate) const LONGER: &str = "run it again later, or let each step take longer: `--retry-for SECONDS`";

    /// Returns what to do about it, if anything.
    pub fn hint(self) -> Option<String> {
        (!matches!(self, Self::Tries { .. })).then(|| Self::LONGER.to_owned())
    }
}

impl std::fmt::Display for GivenUp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Limit(limit) => write!(formatter, "given up, as a step may take {} seconds (`--retry-for`)", seconds(*limit)),
            Self::Pause { asked, limit } => write!(
                formatter,
                "given up, as it asks for a pause of {} seconds (`Retry-After`), and a step may take {} seconds (`--retry-for`)",
                asked.as_secs(),
                seconds(*limit)
            ),
            Self::Tries { count, took } => write!(formatter, "given up after {count} tries in {} seconds", seconds(*took)),
        }
    }
}

/// Does a step again while that may help.
///
/// # Errors
/// The last failure.
pub fn retried<T, E: Retry>(mut tries: Tries, mut attempt: impl FnMut() -> Result<T, E>) -> Result<T, E> {
    loop {
        match attempt() {
            Ok(value) => return Ok(value),
            Err(failure) => {
                let again = failure.again();
                tries.next(failure, again)?;
            }
        }
    }
}

/// The tries of one step.
#[derive(Debug)]
pub struct Tries {
    policy: RetryPolicy,
    step: Step,
    started: Instant,
    /// When the try that is under way began.
    began: Instant,
    /// When the first of the latest consecutive tries began that could not reach the host.
    unreached_since: Option<Instant>,
    without_progress: u32,
    all: u32,
}

impl Tries {
    /// Starts counting, for a step of its own.
    pub fn new(policy: RetryPolicy) -> Self {
        Self::within(policy, &Step::new(policy.limit(), None))
    }

    /// Starts counting, for a part of a step.
    pub fn within(policy: RetryPolicy, step: &Step) -> Self {
        let now = Instant::now();
        Self { policy, step: step.clone(), started: now, began: now, unreached_since: None, without_progress: 0, all: 0 }
    }

    /// Notes that the last try got something done, so that the next failure counts as the first.
    pub fn progressed(&mut self) {
        self.without_progress = 0;
    }

    /// Says how many tries have failed.
    pub fn failed(&self) -> u32 {
        self.all
    }

    /// Waits before the next try, or gives the error back when there is none.
    ///
    /// # Errors
    /// The error that was given, when trying again is over or will not help.
    pub fn next<E: Retry>(&mut self, error: E, again: Again) -> Result<(), E> {
        self.without_progress += 1;
        self.all += 1;
        let limit = match again {
            Again::Never => return Err(error),
            Again::Unreached => self.policy.attempts.min(TRIES_UNREACHED),
            Again::Soon => self.policy.attempts,
        };
        let wait = full_jitter(self.policy.base, self.policy.cap, self.without_progress - 1);
        let unreached = again == Again::Unreached && self.is_lost(wait, Instant::now());
        if again != Again::Unreached {
            self.unreached_since = None;
        }
        if self.policy.deadline == Some(Duration::ZERO) {
            return Err(error);
        }
        if let Some(why) = self.over(wait) {
            return Err(error.given_up(why));
        }
        if self.without_progress >= limit || self.all >= TRIES_IN_ALL || unreached {
            let why = GivenUp::Tries { count: self.all, took: self.started.elapsed() };
            return Err(if self.all > 1 { error.given_up(why) } else { error });
        }
        self.step.pause(wait, "the next try", || error.reason());
        self.began = Instant::now();
        Ok(())
    }

    /// Returns why the step may not go on after this wait, if it may not.
    fn over(&self, wait: Duration) -> Option<GivenUp> {
        let (rest, limit) = (self.step.rest()?, self.step.limit()?);
        if let Some(asked) = self.step.pause_beyond_limit() {
            return Some(GivenUp::Pause { asked, limit });
        }
        // A try that has next to no time would only hide the failure that is known.
        let least = (limit / 4).min(Duration::from_secs(1));
        (rest < wait + least).then_some(GivenUp::Limit(limit))
    }

    /// Says whether a host that was not reached just `now` is given up, because a further try would end after the budget for that.
    fn is_lost(&mut self, wait: Duration, now: Instant) -> bool {
        let budget = self.policy.unreached;
        // What took longer did something else before, an upload for example: the time for reaching the host begins now.
        let took = Some(now.saturating_duration_since(self.began)).filter(|took| *took <= budget * 2).unwrap_or_default();
        let since = *self.unreached_since.get_or_insert(now.checked_sub(took).unwrap_or(now));
        now.saturating_duration_since(since) + wait + took > budget
    }
}

/// Returns a random wait of at most `base` doubled `step` times and at most `cap`, so that many clients do not come back at once.
fn full_jitter(base: Duration, cap: Duration, step: u32) -> Duration {
    jitter(base.saturating_mul(2_u32.saturating_pow(step.min(20))).min(cap))
}

/// Returns a random time below `most`.
pub(crate) fn jitter(most: Duration) -> Duration {
    // Each state of the standard library's hasher has fresh keys: randomness enough to spread waits.
    let random = std::hash::RandomState::new().build_hasher().finish() & 0xffff;
    most.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 65536.0)
}

/// The hosts that asked for a pause (`Retry-After`). All threads wait for it.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<String, Pause>>);

#[derive(Debug, Clone, Copy)]
struct Pause {
    until: Instant,
    /// Whether the user was told.
    is_said: bool,
}

impl Pauses {
    /// Waits until a host's pause is over.
    ///
    /// # Errors
    /// At once, when the step may not take so long.
    pub(crate) fn keep(&self, host: &str, step: &Step) -> Result<(), HttpFault> {
        loop {
            let left = self.left(host, step);
            if left.is_zero() {
                return Ok(());
            }
            if let (Some(rest), Some(limit)) = (step.rest(), step.limit())
                && left > rest
            {
                return Err(HttpFault::Pause { host: host.to_owned(), left, limit });
            }
            std::thread::sleep(left);
            step.spend(left);
        }
    }

    /// Returns how much of a host's pause is left. A long one is said by the first who waits for it.
    fn left(&self, host: &str, step: &Step) -> Duration {
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pause) = hosts.get_mut(host) else { return Duration::ZERO };
        let left = pause.until.saturating_duration_since(Instant::now());
        if left > UNSAID && !pause.is_said && step.rest().is_none_or(|rest| left <= rest) {
            pause.is_said = true;
            let before = format!("`{host}` is asked again");
            step.tell(&Wait::Pause { length: left, before, why: "it asks for that (`Retry-After`)".to_owned() });
        }
        left
    }

    /// Notes that a host asked for a pause.
    pub(crate) fn ask(&self, host: &str, pause: Duration) {
        let Some(until) = Instant::now().checked_add(pause) else { return };
        let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = hosts.get(host).filter(|known| known.until >= until);
        if known.is_none() {
            hosts.insert(host.to_owned(), Pause { until, is_said: false });
        }
    }
}

/// Reads a `Retry-After` header (RFC 9110, section 10.2.3): seconds or a date. What makes no sense is no pause.
pub fn retry_after(value: &str, most: Duration) -> Option<Duration> {
    let value = value.trim();
    let pause = match value.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) => most,
        Err(_) => {
            let date = rfc2822::DateTimeParser::new().parse_timestamp(value).ok()?;
            Duration::from_secs(u64::try_from(date.as_second().checked_sub(host::now())?).ok()?)
        }
    };
    Some(pause.min(most))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_list_says_which_statuses_are_tried_again() {
        for status in [408, 425, 429, 499, 500, 502, 503, 504, 522] {
            assert_eq!(Again::after_status(status), Again::Soon, "{status}");
        }
        for status in [200, 301, 400, 401, 403, 404, 409, 410, 413, 416, 422, 501, 505, 511] {
            assert_eq!(Again::after_status(status), Again::Never, "{status}");
        }
    }

    #[test]
    fn a_step_ends_with_the_first_failure_that_stays() {
        struct Status(u16);
        impl Retry for Status {
            fn again(&self) -> Again {
                Again::after_status(self.0)
            }
        }
        let policy = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
        let mut answers = [503, 425, 404, 200].into_iter();
        let outcome = retried(Tries::new(policy), || answers.next().map_or(Ok(()), |status| Err(Status(status))));
        assert!(outcome.is_err_and(|failure| failure.0 == 404));
        assert_eq!(answers.next(), Some(200));
    }

    #[test]
    fn a_pause_is_never_longer_than_we_allow() {
        let most = Duration::from_mins(5);
        for (value, expected) in [
            ("3", Some(Duration::from_secs(3))),
            (" 0 ", Some(Duration::ZERO)),
            ("-5", None),
            ("", None),
            ("soon", None),
            ("1e9", None),
            ("99999999999999999999999999", Some(most)),
            ("86400", Some(most)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", None),
            ("Fri, 31 Dec 2399 23:59:59 GMT", Some(most)),
        ] {
            assert_eq!(retry_after(value, most), expected, "{value}");
        }
    }

    #[test]
    fn tries_end() {
        let quick = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
        let count = |again, progress: u32| {
            let mut tries = Tries::new(quick);
            (1..=1000).find(|step| {
                if *step <= progress {
                    tries.progressed();
                }
                tries.next((), again).is_err()
            })
        };
        assert_eq!(count(Again::Never, 0), Some(1));
        assert_eq!(count(Again::Unreached, 0), Some(4));
        assert_eq!(count(Again::Soon, 0), Some(12));
        assert_eq!(count(Again::Soon, 30), Some(41));
        assert_eq!(count(Again::Soon, 1000), Some(200));
        let seconds = |took: &[u64]| {
            let mut tries = Tries::new(RetryPolicy::default());
            let mut now = tries.began;
            took.iter().position(|took| {
                tries.began = now;
                now += Duration::from_secs(*took);
                tries.is_lost(Duration::from_millis(100), now)
            })
        };
        // Refused at once; silence of some seconds; a connection that takes the whole budget; an upload of minutes that ends so.
        assert_eq!(seconds(&[0; 50]), None);
        assert_eq!(seconds(&[3, 3, 3, 3]), Some(2));
        assert_eq!(seconds(&[10]), Some(0));
        assert_eq!(seconds(&[300, 3, 3, 3]), Some(3));
        assert!(full_jitter(Duration::from_millis(100), Duration::from_secs(10), 40) <= Duration::from_secs(10));
    }
}
