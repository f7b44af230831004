use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::screen::display_input;
use crate::host::abandon;

/// Ends the program within a moment of SIGINT, SIGTERM or SIGHUP, with the code that shells expect: 128 and the signal's number.
///
/// Unfinished files are removed first; those that SIGKILL leaves behind are removed by the next run.
pub(super) fn watch() {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            abandon();
            display_input();
            #[expect(
                clippy::exit,
                clippy::disallowed_methods,
                reason = "threads may be waiting for the network; they need not be waited for"
            )]
            std::process::exit(128 + signal);
        }
    });
}
