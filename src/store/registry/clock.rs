use std::hash::{BuildHasher, Hasher};
use std::time::{Duration, Instant};

/// Measures time and waits. Tests of concurrent writers replace it, so that they need not wait as long.
pub trait Clock: Send + Sync {
    /// Returns the time since some moment that stays the same.
    fn now(&self) -> Duration;

    /// Waits at least so long.
    fn wait(&self, time: Duration);

    /// Returns a random time below `most`, so that writers that collided do not collide again.
    fn jitter(&self, most: Duration) -> Duration {
        // Each state of the standard library's hasher has fresh keys: randomness enough to spread waits.
        let random = std::hash::RandomState::new().build_hasher().finish() & 0xffff;
        most.mul_f64(f64::from(u32::try_from(random).unwrap_or(0)) / 65536.0)
    }
}

/// The time of this machine, which no setting of the clock moves.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        Self(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wait(&self, time: Duration) {
        std::thread::sleep(time);
    }
}
