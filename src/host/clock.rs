use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Returns the time of this moment, in whole seconds since 1970.
pub fn now() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    Timestamp::now().as_second()
}

/// Returns the time of this moment in nanoseconds since 1970.
pub(crate) fn nanoseconds() -> i128 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    Timestamp::now().as_nanosecond()
}

/// Returns how long ago a moment was.
pub fn seconds_since(start: Instant) -> Duration {
    start.elapsed()
}

/// Writes a time as RFC 3339 in UTC: `2026-11-24T00:00:00Z`.
pub fn rfc3339(seconds: i64) -> String {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH).to_string()
}
