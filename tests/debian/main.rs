//! Bases of Debian packages, end to end: a signed archive of this machine's own, and hardened as its users run it.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[path = "../support/damage.rs"]
mod damage;
#[path = "../support/debs.rs"]
mod debs;
#[path = "../../src/rootfs/elf/writer.rs"]
mod elf;

mod assembling;
mod faults;
mod generating;
mod locking;
#[path = "../support/shapes.rs"]
mod shapes;

use std::collections::BTreeMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use debs::{ARCHIVE_KEY, Deb, Mirror, deb, public_key};
use tempfile::TempDir;

/// A project whose base is made of packages, with a cache of its own.
struct Project {
    folder: TempDir,
    mirror: Mirror,
}

impl Project {
    /// Makes a project; `keys` are those of `base.debian` beside its archive.
    fn new(packages: &[Deb], keys: &str) -> Self {
        let mirror = Mirror::new(packages);
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("archive.gpg"), public_key(ARCHIVE_KEY)).unwrap();
        let project = Self { folder, mirror };
        project.recipe(keys);
        project
    }

    fn recipe(&self, keys: &str) {
        let address = &self.mirror.address;
        let archive = format!("archives = [{{ url = \"{address}\", suite = \"stable\", keys = [\"archive.gpg\"] }}]");
        let recipe = format!(
            "[image]\nname = \"registry.example.no/shop/api\"\n\n[base.debian]\n{archive}\n{keys}\n\n[process]\nentrypoint = [\"/usr/bin/app\"]\n"
        );
        fs::write(self.path("hardened.toml"), recipe).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn lock(&self) -> String {
        fs::read_to_string(self.path("hardened.lock")).unwrap()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_hardened"))
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("HARDENED_CACHE_DIR", self.path("cache"))
            .args(arguments)
            .output()
            .unwrap()
    }

    /// Runs hardened, which has to succeed, and returns what it printed.
    fn good(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs hardened, which has to fail with this code, and returns what it said, with this project's address as `ARCHIVE`.
    fn bad(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap().replace(&self.mirror.address, "ARCHIVE");
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(output.stdout.is_empty());
        said
    }

    /// Builds into a layout, and returns its files.
    fn files(&self, more: &[&str]) -> BTreeMap<String, Entry> {
        let _ = fs::remove_dir_all(self.path("out"));
        self.good(&[&["build", "-q", "-o", "oci:out"], more].concat());
        files_of(&self.path("out"))
    }
}

/// A file of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    mode: u32,
    /// The content, or the target of a link behind `->`; `/` for a folder.
    content: Vec<u8>,
    layer: usize,
}

fn text(files: &BTreeMap<String, Entry>, path: &str) -> String {
    let entry = files.get(path).unwrap_or_else(|| panic!("{path} is not there: {:?}", files.keys()));
    String::from_utf8(entry.content.clone()).unwrap()
}

fn layers_of(layout: &Path) -> Vec<String> {
    let read = |digest: &str| fs::read(layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())).unwrap();
    let index: serde_json::Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest: serde_json::Value = serde_json::from_slice(&read(index["manifests"][0]["digest"].as_str().unwrap())).unwrap();
    manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
}

fn files_of(layout: &Path) -> BTreeMap<String, Entry> {
    let mut files = BTreeMap::new();
    for (number, digest) in layers_of(layout).iter().enumerate() {
        let blob = fs::File::open(layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())).unwrap();
        let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(blob));
        for member in archive.entries().unwrap() {
            let mut member = member.unwrap();
            let path = String::from_utf8(member.path_bytes().into_owned()).unwrap().trim_end_matches('/').to_owned();
            let kind = member.header().entry_type();
            let mut content = Vec::new();
            if kind.is_symlink() || kind.is_hard_link() {
                content = [b"->", &member.link_name_bytes().unwrap()[..]].concat();
            } else if kind.is_dir() {
                content = b"/".to_vec();
            } else {
                member.read_to_end(&mut content).unwrap();
            }
            let mode = member.header().mode().unwrap();
            files.insert(path, Entry { mode, content, layer: number });
        }
    }
    files
}

/// A program that needs nothing.
fn program() -> Vec<u8> {
    elf::Elf { machine: 62, ..elf::Elf::default() }.write()
}

/// A package with the program that is started, and what it depends on.
fn app(depends: &str) -> Deb {
    let package = deb("app", "1.0").program("usr/bin/app", &program());
    if depends.is_empty() { package } else { package.field(&format!("Depends: {depends}")) }
}
