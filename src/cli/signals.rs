use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Ends the program within a moment of SIGINT, SIGTERM or SIGHUP, with the code that shells expect: 128 and the signal's number.
///
/// Nothing has to be tidied up: what is not finished has no final name, and the next run sweeps the cache.
pub(super) fn watch() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            #[expect(
                clippy::exit,
                clippy::disallowed_methods,
                reason = "threads may be waiting for the network; they need not be waited for"
            )]
            std::process::exit(128 + signal);
        }
    });
}
