use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::screen::{Screen, display_input};
use crate::host::{abandon, read_text};

/// The largest status of a process that is read, in bytes.
const STATUS_LIMIT: u64 = 64 << 10;

/// Ends the program within a moment of SIGINT, SIGTERM or SIGHUP, with the code that shells expect: 128 and the signal's number. One that it was
/// started to ignore, as by `nohup`, stays ignored.
///
/// What is drawn is erased, and a line says what was under way. Unfinished files are removed; those that SIGKILL leaves behind are removed by the
/// next run.
pub(super) fn watch(screen: &Screen) {
    let status = read_text("/proc/self/status".as_ref(), STATUS_LIMIT).unwrap_or_default();
    let watched = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !is_ignored(&status, *signal));
    let Ok(mut signals) = Signals::new(watched) else { return };
    let screen = screen.clone();
    thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            screen.close(match signal {
                SIGINT => "interrupted",
                SIGTERM => "terminated",
                _ => "hung up",
            });
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

/// Says whether a process ignores a signal, by the mask `SigIgn` of its status (`proc_pid_status(5)`).
fn is_ignored(status: &str, signal: i32) -> bool {
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    u32::try_from(signal - 1).is_ok_and(|bit| mask.checked_shr(bit).is_some_and(|rest| rest & 1 == 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_that_were_ignored_at_the_start_stay_so() {
        let status = "Name:\thardened\nSigBlk:\t0000000000000002\nSigIgn:\t0000000000001001\nSigCgt:\t0000000000000002\n";
        assert!(is_ignored(status, SIGHUP));
        assert!(!is_ignored(status, SIGINT) && !is_ignored(status, SIGTERM));
        assert!(!is_ignored("", SIGHUP) && !is_ignored("SigIgn:\tnone", SIGHUP));
    }
}
