use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How long a wait may last without a word to the user.
pub(crate) const UNSAID: Duration = Duration::from_secs(5);

/// A wait that lasts longer than 5 seconds. Its `Display` form is one line for the user: what is waited for, why, and how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// Nothing is done for a time that is known.
    Pause {
        /// How long.
        length: Duration,
        /// What comes after it: "the next try".
        before: String,
        /// Why there is one.
        why: String,
    },
    /// A server does not go on. It is said 5 seconds after it stopped.
    Server {
        /// The host.
        host: String,
        /// What it does not do: "has not answered".
        what: &'static str,
        /// When it is given up, counted from when it stopped.
        most: Duration,
    },
}

impl fmt::Display for Wait {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pause { length, before, why } => write!(formatter, "waiting {} seconds before {before}: {why}", seconds(*length)),
            Self::Server { host, what, most } => {
                let (waited, most) = (seconds(UNSAID), seconds(*most));
                write!(formatter, "waiting for `{host}`, which {what} for {waited} seconds; it is given up after {most} seconds")
            }
        }
    }
}

/// Returns a time in whole seconds for a message: the nearest number, and never none.
pub(crate) fn seconds(time: Duration) -> u64 {
    (time + Duration::from_millis(500)).as_secs().max(1)
}

/// Is told of each wait that lasts longer than 5 seconds.
#[derive(Clone)]
pub struct WaitListener(Arc<dyn Fn(&Wait) + Send + Sync>);

impl WaitListener {
    /// Takes what is called; it may be called by many threads.
    pub fn new(listener: impl Fn(&Wait) + Send + Sync + 'static) -> Self {
        Self(Arc::new(listener))
    }

    pub(crate) fn tell(&self, wait: &Wait) {
        (self.0)(wait);
    }
}

impl fmt::Debug for WaitListener {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("WaitListener")
    }
}
