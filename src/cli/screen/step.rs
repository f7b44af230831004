use std::time::{Duration, Instant};

use super::amounts::{cut, done_of, duration, rounded, width};
use crate::ops::TaskKind;

/// What takes less time than this is not drawn.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long a step must last before its speed says anything.
const SETTLED: Duration = Duration::from_secs(2);
/// How long nothing may move before that is said.
const STALLED: Duration = Duration::from_secs(5);
/// How long a step lasts that is worth a line of its own.
pub(super) const LONG: Duration = Duration::from_secs(3);
/// How long a step is waited for without a word, where no progress is drawn.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(10);
/// No line is wider, however wide the terminal is: fewer lines are broken when it is made narrower.
const WIDEST: usize = 100;
/// How much of a step's name is left, and how much where its speed is written as well.
const NAME: usize = 14;
const NAME_BESIDE_SPEED: usize = 36;

/// A step that is under way, as it is at one moment.
#[derive(Debug, Clone)]
pub(super) struct Step {
    /// What is done.
    pub(super) kind: TaskKind,
    /// What it is done to, in printable characters.
    pub(super) name: String,
    /// The bytes that are done.
    pub(super) done: u64,
    /// The bytes of the whole, where they are known.
    pub(super) total: Option<u64>,
    /// When it began.
    pub(super) begun: Instant,
    /// When a byte was last moved.
    pub(super) moved: Instant,
    /// The bytes per second of the last seconds; nothing before some have passed.
    pub(super) rate: Option<u64>,
    /// The part that is under way for the longest time.
    pub(super) current: Option<String>,
}

/// Returns what is being done in words, and what was done.
pub(super) fn words(kind: TaskKind) -> (&'static str, &'static str) {
    match kind {
        TaskKind::LookUp => ("looking up", "looked up"),
        TaskKind::Fetch => ("fetching", "fetched"),
        TaskKind::Read => ("reading", "read"),
        TaskKind::Choose => ("choosing", "chose"),
        TaskKind::Assemble => ("assembling", "assembled"),
        TaskKind::Check => ("checking", "checked"),
        TaskKind::Layer => ("compressing", "compressed"),
        TaskKind::Upload => ("pushing", "pushed"),
        TaskKind::Write => ("writing", "wrote"),
        TaskKind::Verify => ("verifying", "verified"),
        TaskKind::Tag => ("tagging", "tagged"),
    }
}

impl Step {
    fn age(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.begun)
    }

    /// Says what is done.
    pub(super) fn title(&self) -> String {
        format!("{} {}", words(self.kind).0, self.name)
    }

    /// Returns how much is done.
    fn amount(&self) -> Option<String> {
        match self.total {
            Some(total) if total > 0 => Some(done_of(self.done.min(total), total)),
            _ if self.done > 0 => Some(rounded(self.done)),
            _ => None,
        }
    }

    /// Says for how long nothing has moved, where something should.
    fn stalled(&self, now: Instant) -> Option<Duration> {
        let still = now.saturating_duration_since(self.moved);
        (still >= STALLED && self.total.is_some_and(|total| self.done < total)).then_some(still)
    }

    /// Returns the time that is left at the present speed.
    fn left(&self, now: Instant) -> Option<Duration> {
        let (rate, total) = (self.rate.filter(|rate| *rate > 0)?, self.total.filter(|total| *total > self.done)?);
        (self.age(now) > SETTLED && self.stalled(now).is_none()).then(|| Duration::from_secs((total - self.done).div_ceil(rate)))
    }

    /// Returns what there is to say of its time: what is left, for how long nothing has moved, or how long it has lasted.
    fn time(&self, now: Instant) -> Option<String> {
        if let Some(still) = self.stalled(now) {
            return Some(format!("nothing for {}", duration(still)));
        }
        match self.left(now) {
            Some(left) => Some(format!("{} left", duration(left))),
            None => (self.age(now) >= Duration::from_secs(1)).then(|| duration(self.age(now))),
        }
    }
}

/// Returns the line of a step for a terminal of so many columns. It takes fewer than these: what it is on the left, how far and how long on the right.
pub(super) fn line(step: &Step, columns: usize, now: Instant) -> String {
    let columns = columns.saturating_sub(1).min(WIDEST);
    let title = step.title();
    let rate = step.rate.filter(|_| step.left(now).is_some()).map(|rate| format!("{}/s", rounded(rate)));
    let (amount, time) = (step.amount(), step.time(now));
    let joined =
        |parts: &[&Option<String>]| parts.iter().filter_map(|part| part.as_deref()).fold(String::new(), |all, one| all + "  " + one);
    let tails = [joined(&[&amount, &rate, &time]), joined(&[&amount, &time]), joined(&[&time])];
    // A speed is worth no letter of a name, unless that is a long one.
    let needed = [NAME_BESIDE_SPEED, NAME, NAME].map(|most| width(&title).min(most));
    let fits = |(tail, needed): &(String, usize)| needed + width(tail) <= columns;
    let tail = tails.into_iter().zip(needed).find(fits).map(|(tail, _)| tail).unwrap_or_default();
    let room = columns.saturating_sub(width(&tail));
    let mut text = cut(&title, room);
    if let Some(current) = step.current.as_deref().filter(|_| width(&text) + NAME <= room) {
        text = format!("{text}: {}", cut(current, room - width(&text) - 2));
    }
    let gap = room.saturating_sub(width(&text));
    format!("{text}{}{tail}", " ".repeat(gap)).trim_end().to_owned()
}

/// Returns the lines for a terminal of so many columns and at most so many lines; the last counts the steps that have none.
pub(super) fn lines(steps: &[Step], columns: usize, most: usize, now: Instant) -> Vec<String> {
    let lasting: Vec<&Step> = steps.iter().filter(|step| step.age(now) >= PATIENCE).collect();
    if lasting.len() <= most {
        return lasting.into_iter().map(|step| line(step, columns, now)).collect();
    }
    let (first, rest) = lasting.split_at(most.saturating_sub(1));
    let more = (most > 0).then(|| cut(&format!("{} more steps", rest.len()), columns.saturating_sub(1)));
    first.iter().map(|step| line(step, columns, now)).chain(more).collect()
}

/// Returns what is said of a step where no progress is drawn: that it lasts, and later that it still does, how far it is, and what it waits for.
pub(super) fn sentence(step: &Step, is_first: bool, now: Instant) -> String {
    let mut parts = vec![if is_first { step.title() } else { format!("still {}", step.title()) }];
    parts.extend(step.amount());
    parts.push(duration(step.age(now)));
    parts.extend(step.left(now).map(|left| format!("about {} left", duration(left))));
    parts.extend(step.stalled(now).map(|still| format!("nothing moved for {}", duration(still))));
    parts.extend(step.current.as_ref().map(|current| format!("waiting for {current}")));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetching(begun: Instant) -> Step {
        Step {
            kind: TaskKind::Fetch,
            name: "70 packages".to_owned(),
            done: 45 << 20,
            total: Some(120 << 20),
            begun,
            moved: begun + Duration::from_secs(6),
            rate: Some(8 << 20),
            current: Some("python3.13-minimal 3.13.5-2+deb13u1".to_owned()),
        }
    }

    #[test]
    fn a_line_shows_total_and_time_left_at_every_width() {
        let begun = Instant::now();
        let (step, now) = (fetching(begun), begun + Duration::from_secs(6));
        let shown = |columns| line(&step, columns, now);
        assert_eq!(shown(50), "fetching 70 packages    45.0/120.0 MiB  10 s left");
        assert_eq!(shown(80), "fetching 70 packages: python3.1…2+deb13u1  45.0/120.0 MiB  8.0 MiB/s  10 s left");
        assert_eq!(width(&shown(200)), WIDEST, "a wide terminal may become narrower");
        for columns in 0..200 {
            assert!(width(&shown(columns)) < columns.max(1), "{columns}: {}", shown(columns));
        }
        assert!(shown(30).ends_with("10 s left"), "{}", shown(30));
    }

    #[test]
    fn no_speed_is_shown_before_it_is_known() {
        let begun = Instant::now();
        let step = Step { current: None, ..fetching(begun) };
        assert_eq!(line(&Step { moved: begun, ..step.clone() }, 80, begun).split_whitespace().last(), Some("MiB"));
        let unknown = Step { total: None, rate: None, ..step.clone() };
        let now = begun + Duration::from_secs(12);
        assert!(line(&unknown, 80, now).ends_with("45.0 MiB  12 s"), "{}", line(&unknown, 80, now));
        // What stands still has no time left that could be told.
        assert!(line(&step, 80, now).ends_with("45.0/120.0 MiB  nothing for 6 s"), "{}", line(&step, 80, now));
        let done = Step { done: 120 << 20, ..step };
        assert!(line(&done, 80, now).ends_with("120.0/120.0 MiB  12 s"), "{}", line(&done, 80, now));
    }

    #[test]
    fn wide_letters_take_two_columns() {
        let begun = Instant::now();
        let step = Step { kind: TaskKind::Layer, name: "漢字".repeat(40), current: None, ..fetching(begun) };
        for columns in [10, 50, 51, 80, 200] {
            let shown = line(&step, columns, begun + Duration::from_secs(6));
            assert!(width(&shown) < columns, "{columns}: {shown}");
        }
    }

    #[test]
    fn more_steps_than_lines_are_counted() {
        let begun = Instant::now();
        let now = begun + Duration::from_secs(6);
        let steps = vec![fetching(begun); 5];
        assert_eq!(lines(&steps, 80, 5, now).len(), 5);
        let few = lines(&steps, 80, 3, now);
        assert_eq!((few.len(), few[2].as_str()), (3, "3 more steps"));
        assert_eq!(lines(&steps, 80, 5, begun), Vec::<String>::new(), "what takes a moment is not drawn");
    }

    #[test]
    fn a_heartbeat_says_how_far_and_what_is_waited_for() {
        let begun = Instant::now();
        let step = fetching(begun);
        assert_eq!(
            sentence(&step, false, begun + Duration::from_secs(6)),
            "still fetching 70 packages, 45.0/120.0 MiB, 6 s, about 10 s left, waiting for python3.13-minimal 3.13.5-2+deb13u1"
        );
        assert!(sentence(&step, true, begun + Duration::from_secs(40)).contains(", 40 s, nothing moved for 34 s, waiting for"));
    }
}
