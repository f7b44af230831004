//! The mirror of Debian's archive that this machine's apt uses: tests build bases from it, and no file names its host.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::peer::{Peer, success};

/// Where packages come from, and the cache that all tests share, so that each is fetched once.
pub(crate) struct Mirror {
    address: String,
    cache: PathBuf,
}

impl Mirror {
    /// Finds the mirror. Without one the test is to return: it was said, or is a failure when peers are required.
    pub(crate) fn find() -> Option<Self> {
        let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers-debian");
        std::fs::create_dir_all(&cache).unwrap();
        let named = std::env::var("HARDENED_DEBIAN_MIRROR").ok().filter(|address| !address.is_empty());
        let found = match named {
            Some(address) => Some(address),
            None => Self::of_apt(&cache)?,
        };
        if found.is_none() {
            let is_required = std::env::var_os("HARDENED_REQUIRE_PEERS").is_some_and(|value| value == "1");
            assert!(!is_required, "apt names no mirror of Debian and HARDENED_DEBIAN_MIRROR is not set, and peers are required");
            writeln!(io::stderr(), "skipped: apt names no mirror of Debian, and HARDENED_DEBIAN_MIRROR is not set").unwrap();
        }
        found.map(|address| Self { address, cache })
    }

    /// Asks apt; nothing without apt, and nothing inside when it names no mirror.
    fn of_apt(home: &Path) -> Option<Option<String>> {
        let apt = Peer::find("apt-get")?;
        let mut command = apt.command(home, 60);
        let told = success(command.args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", "Origin: Debian"]));
        let addresses = told.lines().map(|line| line.trim_end_matches('/'));
        Some(addresses.filter(|line| line.starts_with("http")).find(|line| !line.ends_with("-security")).map(str::to_owned))
    }

    /// Returns the lines by which apt knows a suite, with its updates.
    pub(crate) fn sources(&self, suite: &str) -> [String; 3] {
        let mirror = self.address.trim_end_matches('/');
        [
            format!("deb {mirror} {suite} main"),
            format!("deb {mirror} {suite}-updates main"),
            format!("deb {mirror}-security {suite}-security main"),
        ]
    }

    /// Lets a run of hardened use the mirror and the cache.
    pub(crate) fn offer<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("HARDENED_DEBIAN_MIRROR", &self.address).env("HARDENED_CACHE_DIR", &self.cache)
    }

    /// Waits until no other test fetches packages: what one fetched, the next finds in the cache.
    pub(crate) fn turn() -> MutexGuard<'static, ()> {
        static TURN: Mutex<()> = Mutex::new(());
        TURN.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
