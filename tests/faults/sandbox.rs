//! The sandbox of this suite: a recipe with a program and a folder, and a base image.

use std::fs;
use std::path::{Path, PathBuf};

use hardened::oci::Digest;
use serde_json::json;

use crate::made::program;
use crate::registry::TestRegistry;

#[path = "../support/sandbox.rs"]
#[expect(dead_code, reason = "shared by suites of which each needs a part")]
mod shared;

pub(crate) use shared::{Ran, Sandbox};

impl Sandbox {
    /// A folder with a program `app`, a folder `tree`, and a recipe that takes both on a base.
    pub(crate) fn new(base: &str) -> Self {
        let recipe = format!(
            "[image]\nname = \"registry.example.no/shop/api\"\n[base]\n{base}\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[[files]]\nfrom = \"tree\"\nto = \"/srv\"\n[process]\nentrypoint = [\"/app\"]\n"
        );
        let sandbox = Self::with(&recipe, &program(62));
        sandbox.write("tree/file", b"content");
        sandbox
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
    pub(crate) tar: Vec<u8>,
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
