use crate::feed::Mirror;
use crate::host::now;
use crate::ops::Tools;

/// Debian's archive of all its past states. It is keyed by time.
const SNAPSHOT: &str = "https://snapshot.debian.org/archive";
/// The archive of security updates.
const SECURITY: &str = "https://security.debian.org/debian-security";

/// The name of Debian's own archive in a lock.
pub(in crate::ops) const DEBIAN: &str = "debian";
/// The name of its archive of security updates.
pub(in crate::ops) const DEBIAN_SECURITY: &str = "debian-security";

/// Returns the mirrors of an archive, those that the user named first. `time` is for the snapshot: `20261124T101637Z`.
pub(super) fn mirrors_of(archive: &str, time: &str, tools: &Tools) -> Vec<Mirror> {
    let addresses = match archive {
        DEBIAN => {
            let mirrors = tools.debian_mirrors.iter().map(|mirror| mirror.strip_suffix("-security").unwrap_or(mirror).to_owned());
            mirrors.chain(snapshots(DEBIAN, time)).collect()
        }
        DEBIAN_SECURITY => {
            let mirrors =
                tools.debian_mirrors.iter().map(|mirror| format!("{}-security", mirror.strip_suffix("-security").unwrap_or(mirror)));
            mirrors.chain([SECURITY.to_owned()]).chain(snapshots(DEBIAN_SECURITY, time)).collect::<Vec<_>>()
        }
        other => vec![other.to_owned()],
    };
    let mut found: Vec<Mirror> = Vec::new();
    for mirror in addresses.iter().filter_map(|address| Mirror::new(address)) {
        if !found.contains(&mirror) {
            found.push(mirror);
        }
    }
    found
}

/// The snapshot answers a time with its last state before; it takes in what is new some hours after the archive itself has it. So a day later goes first.
fn snapshots(archive: &str, time: &str) -> Vec<String> {
    // Of what is yet to come there is no snapshot.
    let later = a_day_later(time).filter(|later| *later <= snapshot_time(now()));
    later.iter().map(String::as_str).chain([time]).map(|time| format!("{SNAPSHOT}/{archive}/{time}")).collect()
}

fn a_day_later(time: &str) -> Option<String> {
    let format = "%Y%m%dT%H%M%SZ";
    let at = jiff::civil::DateTime::strptime(format, time).ok()?;
    Some(at.checked_add(jiff::ToSpan::days(1)).ok()?.strftime(format).to_string())
}

/// Returns a time, in seconds since 1970, as the snapshot writes it.
pub(super) fn snapshot_time(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap_or_default();
    time.strftime("%Y%m%dT%H%M%SZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_the_snapshot_writes_them() {
        assert_eq!(snapshot_time(1_795_515_397), "20261124T101637Z");
        assert_eq!(a_day_later("20261231T235959Z").as_deref(), Some("20270101T235959Z"));
        assert_eq!(a_day_later("yesterday"), None);
        assert_eq!(snapshots(DEBIAN, "29991231T000000Z"), ["https://snapshot.debian.org/archive/debian/29991231T000000Z"]);
        assert_eq!(
            snapshots(DEBIAN, "20260711T101637Z"),
            ["https://snapshot.debian.org/archive/debian/20260712T101637Z", "https://snapshot.debian.org/archive/debian/20260711T101637Z"]
        );
    }
}
