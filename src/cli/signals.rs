use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::screen::Screen;
use crate::host::abandon;

/// Ends the program within a moment of SIGINT, SIGTERM or SIGHUP, with the code that shells expect: 128 and the signal's number.
///
/// What is drawn is erased, and a line says what was under way. Unfinished files are removed; those that SIGKILL leaves behind are removed by the
/// next run.
pub(super) fn watch(screen: &Screen) {
    let Ok(mut signals) = Signals::new([SIGINT, SIGTERM, SIGHUP]) else { return };
    let screen = screen.clone();
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            screen.close(match signal {
                SIGINT => "interrupted",
                SIGTERM => "terminated",
                _ => "hung up",
            });
            abandon();
            #[expect(
                clippy::exit,
                clippy::disallowed_methods,
                reason = "threads may be waiting for the network; they need not be waited for"
            )]
            std::process::exit(128 + signal);
        }
    });
}
