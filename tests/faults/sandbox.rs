//! A folder with a recipe and the program run in it, and a base image.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use hardened::oci::Digest;
use serde_json::json;
use tempfile::TempDir;

use crate::made::program;
use crate::registry::TestRegistry;

pub(crate) struct Sandbox {
    folder: TempDir,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Checks that the run failed in this way, with each of these texts in its message.
    pub(crate) fn fails(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        assert!(self.out.is_empty(), "{}", self.out);
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is not in:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    /// Returns the digest of the reference that was printed.
    pub(crate) fn digest(&self) -> String {
        self.out.trim_end().rsplit('@').next().unwrap().to_owned()
    }
}

impl Sandbox {
    /// A folder with a program `app`, a folder `tree`, and a recipe that takes both on a base.
    pub(crate) fn new(base: &str) -> Self {
        let sandbox = Self { folder: TempDir::new().unwrap() };
        let recipe = format!(
            "[image]\nname = \"registry.example.no/shop/api\"\n[base]\n{base}\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[[files]]\nfrom = \"tree\"\nto = \"/srv\"\n[process]\nentrypoint = [\"/app\"]\n"
        );
        sandbox.write("hardened.toml", recipe.as_bytes());
        sandbox.write("app", &program(62));
        sandbox.write("tree/file", b"content");
        fs::set_permissions(sandbox.path("app"), fs::Permissions::from_mode(0o755)).unwrap();
        sandbox
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Prepares a run with the sandbox's own home and cache, and nothing else in its environment.
    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardened"));
        command.env_clear().current_dir(self.folder.path()).env("HOME", self.path("home"));
        command.env("HARDENED_CACHE_DIR", self.path("cache")).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with(&self, cache: &Path, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).env("HARDENED_CACHE_DIR", cache).output().unwrap())
    }
}

/// Lists the files under digests' names in a cache, and whether each is what its name says.
pub(crate) fn cached(cache: &Path) -> Vec<(String, bool)> {
    let inner = |folder: PathBuf| fs::read_dir(folder).map(|found| found.map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
    let folders = inner(cache.join("blobs/sha256")).unwrap_or_default();
    let files = folders.into_iter().flat_map(|folder| inner(folder).unwrap());
    let check = |path: PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let good = Digest::of(&fs::read(&path).unwrap()).hex() == name;
        (name, good)
    };
    files.map(check).collect()
}

/// Lists all unfinished files of a cache and beside the outputs.
pub(crate) fn litter(sandbox: &Sandbox) -> Vec<PathBuf> {
    let list = |folder: PathBuf| fs::read_dir(folder).map(|found| found.map(|entry| entry.unwrap().path()).collect::<Vec<_>>());
    let beside = [sandbox.path("."), sandbox.path("out")].into_iter().flat_map(|folder| list(folder).unwrap_or_default());
    let beside = beside.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("new-")));
    beside.chain(list(sandbox.path("cache/tmp")).unwrap_or_default()).collect()
}

/// A base image.
pub(crate) struct Image {
    tar: Vec<u8>,
    pub(crate) layer: Vec<u8>,
}

impl Image {
    pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

    pub(crate) fn new() -> Self {
        Self::with("first")
    }

    /// Two images with notes of the same length have layers of the same length.
    pub(crate) fn with(note: &str) -> Self {
        let passwd = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
        let mut tar = tar::Builder::new(Vec::new());
        for (name, content) in [("etc/passwd", passwd), ("etc/group", "root:x:0:\nnonroot:x:65532:\n"), ("etc/note", note)] {
            let mut header = tar::Header::new_ustar();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            tar.append_data(&mut header, name, content.as_bytes()).unwrap();
        }
        Self::of(tar.into_inner().unwrap())
    }

    /// The layer is gzip without compression, so that its size depends on that of the tar alone.
    pub(crate) fn of(tar: Vec<u8>) -> Self {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::none());
        std::io::Write::write_all(&mut encoder, &tar).unwrap();
        Self { layer: encoder.finish().unwrap(), tar }
    }

    fn config(&self) -> Vec<u8> {
        let diff_id = Digest::of(&self.tar).to_string();
        let config = json!({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": {"type": "layers", "diff_ids": [diff_id]}});
        serde_json::to_vec(&config).unwrap()
    }

    fn manifest(&self) -> Vec<u8> {
        let (config, layer) = (self.config(), &self.layer);
        let kind = "application/vnd.oci.image";
        let manifest = json!({
            "schemaVersion": 2, "mediaType": Self::MANIFEST,
            "config": {"mediaType": format!("{kind}.config.v1+json"), "digest": Digest::of(&config).to_string(), "size": config.len()},
            "layers": [{"mediaType": format!("{kind}.layer.v1.tar+gzip"), "digest": Digest::of(layer).to_string(), "size": layer.len()}]
        });
        serde_json::to_vec(&manifest).unwrap()
    }

    pub(crate) fn manifest_digest(&self) -> String {
        Digest::of(&self.manifest()).to_string()
    }

    /// Stores config and layer, and the manifest under its digest; returns the manifest.
    pub(crate) fn store(&self, at: &TestRegistry, repository: &str) -> Vec<u8> {
        at.put_blob(repository, &self.layer);
        at.put_blob(repository, &self.config());
        at.put_manifest(repository, &self.manifest_digest(), Self::MANIFEST, &self.manifest());
        self.manifest()
    }

    /// Stores the image under a tag.
    pub(crate) fn tag(&self, at: &TestRegistry, repository: &str, tag: &str) -> Digest {
        let manifest = self.store(at, repository);
        at.put_manifest(repository, tag, Self::MANIFEST, &manifest);
        Digest::of(&manifest)
    }

    /// Stores an index that names the image once for each architecture.
    pub(crate) fn index(&self, at: &TestRegistry, repository: &str, tag: &str, architectures: &[&str]) {
        let manifest = self.store(at, repository);
        let entry = |architecture: &&str| {
            json!({
                "mediaType": Self::MANIFEST, "digest": Digest::of(&manifest).to_string(), "size": manifest.len(),
                "platform": {"architecture": architecture, "os": "linux"}
            })
        };
        let entries: Vec<_> = architectures.iter().map(entry).collect();
        let index = json!({"schemaVersion": 2, "mediaType": crate::client::INDEX, "manifests": entries});
        at.put_manifest(repository, tag, crate::client::INDEX, &serde_json::to_vec(&index).unwrap());
    }
}
