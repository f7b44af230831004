//! What apt has fetched and verified on this machine: real `InRelease` and `Packages` files, and where they came from.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use hardened::debian::{Index, Limits};

use crate::peer::{Peer, bounded, success};

/// One index that apt holds.
pub(crate) struct Listed {
    /// The suite as it was asked for, `bookworm-updates`.
    pub(crate) suite: String,
    /// The architecture.
    pub(crate) architecture: String,
    /// The file, compressed in one way or another.
    file: PathBuf,
}

/// Returns the indexes that apt holds of the component `main`, those of Debian first; none when it never fetched any, which is a failure where
/// peers are required.
pub(crate) fn lists(home: &Path) -> Vec<Listed> {
    let Some(apt) = Peer::find("apt-get") else { return Vec::new() };
    let format = "$(RELEASE) $(COMPONENT) $(ARCHITECTURE) $(FILENAME)";
    let told = apt.run(home, ["indextargets", "--format", format, "Created-By: Packages", "Origin: Debian"]);
    let listed = |line: &str| {
        let mut words = line.split(' ');
        let (suite, component, architecture, file) = (words.next()?, words.next()?, words.next()?, PathBuf::from(words.next()?));
        (component == "main" && file.exists()).then(|| Listed { suite: suite.to_owned(), architecture: architecture.to_owned(), file })
    };
    let found: Vec<Listed> = told.lines().filter_map(listed).collect();
    if found.is_empty() {
        let is_required = std::env::var_os("HARDENED_REQUIRE_PEERS").is_some_and(|value| value == "1");
        assert!(!is_required, "apt holds no indexes (`apt-get update` fetches them), and peers are required");
        writeln!(io::stderr(), "skipped: apt holds no indexes").unwrap();
    }
    found
}

impl Listed {
    /// Returns the index, as apt decompresses it.
    pub(crate) fn text(&self, home: &Path) -> Vec<u8> {
        let mut command = bounded(Path::new("/usr/lib/apt/apt-helper"), home, 120);
        success(command.arg("cat-file").arg(&self.file)).into_bytes()
    }

    /// Reads the index.
    pub(crate) fn index(&self, home: &Path) -> Index {
        Index::read(self.text(home).as_slice(), &Limits::default()).unwrap()
    }
}

/// Returns the `InRelease` files that apt holds beside its indexes, with their names.
pub(crate) fn releases(lists: &[Listed]) -> Vec<(String, Vec<u8>)> {
    let Some(folder) = lists.first().and_then(|list| list.file.parent()) else { return Vec::new() };
    let mut found: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with("_InRelease"))
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(&path).unwrap()))
        .collect();
    found.sort();
    found
}
