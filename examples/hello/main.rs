//! Prints its user, capabilities, networks, and whether the root file system is read-only, as seen from inside the container.

use std::fs;
use std::os::unix::fs::MetadataExt;

fn main() {
    println!(
        "hello from hardened, uid {}, root file system read-only: {}, capabilities: {}, network: {}",
        uid(),
        if root_is_read_only() { "yes" } else { "no" },
        capabilities(),
        networks(),
    );
}

fn uid() -> String {
    fs::metadata("/proc/self").map_or_else(|_| "unknown".to_owned(), |found| found.uid().to_string())
}

/// Read from the mounts, because a failed write may also be caused by missing permissions of the user.
fn root_is_read_only() -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let root = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).rfind(|fields| fields.get(1) == Some(&"/"));
    root.and_then(|fields| fields.get(3).map(|options| options.split(',').any(|option| option == "ro"))).unwrap_or(false)
}

/// The bounding set: a capability that is not in it cannot be obtained again.
fn capabilities() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    match status.lines().find_map(|line| line.strip_prefix("CapBnd:")).map(str::trim) {
        Some(set) if set.bytes().all(|digit| digit == b'0') => "none".to_owned(),
        Some(set) => set.to_owned(),
        None => "unknown".to_owned(),
    }
}

fn networks() -> String {
    let devices = fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
    let names = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).filter(|name| *name != "lo");
    let names: Vec<&str> = names.collect();
    if names.is_empty() { "none".to_owned() } else { names.join(" ") }
}
