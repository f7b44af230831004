use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use hardened::host::Environment;

/// Where a run of hardened leaves the most memory that it had.
const PEAK: &str = "SOAK_PEAK_FILE";

/// Runs hardened with these arguments in this process.
pub(crate) fn be_hardened(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let code = hardened::cli::run(std::iter::once("hardened".into()).chain(arguments), Environment::of_process());
    if let Some(file) = std::env::var_os(PEAK) {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        let _ = fs::write(file, line.trim().trim_end_matches(" kB"));
    }
    code
}

/// Prepares a run of hardened in a folder, with a cache and nothing of the caller's environment.
pub(crate) fn hardened<S: AsRef<OsStr>>(folder: &Path, cache: &Path, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("hardened").args(arguments).env_clear().current_dir(folder);
    command.env("HOME", folder).env("HARDENED_CACHE_DIR", cache).stdin(Stdio::null());
    command
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) good: bool,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) time: Duration,
    /// The most memory that it had, in KiB, where that was asked for.
    pub(crate) peak: u64,
}

impl Ran {
    /// Returns the digest of the reference that was printed.
    pub(crate) fn digest(&self) -> String {
        assert!(self.good, "{}", self.err);
        self.out.trim_end().rsplit('@').next().unwrap_or_default().to_owned()
    }
}

/// Runs a command to its end, and measures it.
pub(crate) fn measured(mut command: Command) -> Ran {
    let file = tempfile::NamedTempFile::new().unwrap();
    command.env(PEAK, file.path());
    let begun = Instant::now();
    let output = command.output().unwrap();
    let time = begun.elapsed();
    let peak = fs::read_to_string(file.path()).unwrap_or_default().parse().unwrap_or(0);
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Ran { good: output.status.success(), out: text(output.stdout), err: text(output.stderr), time, peak }
}
