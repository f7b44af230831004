//! Base images, made here: good ones, and such as no base should be.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use hardened::oci::Digest;
use serde_json::{Value, json};

use crate::registry::TestRegistry;

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(crate) const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
pub(crate) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
pub(crate) const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const DOCKER_LIST: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const DOCKER_LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
pub(crate) const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";

/// One image, before it is stored somewhere.
pub(crate) struct Image {
    /// The uncompressed layer.
    pub(crate) tar: Vec<u8>,
    pub(crate) layer: Vec<u8>,
    pub(crate) config: Value,
    pub(crate) docker: bool,
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A tar of folders (no content), files (content) and links (a target).
pub(crate) fn tar(entries: &[(&str, Entry)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, entry) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(0);
        match entry {
            Entry::Folder => {
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, name, &[][..]).unwrap();
            }
            Entry::File(content) => {
                header.set_size(content.len() as u64);
                tar.append_data(&mut header, name, content.as_bytes()).unwrap();
            }
            Entry::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, name, target).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

pub(crate) enum Entry {
    Folder,
    File(&'static str),
    Link(&'static str),
}

impl Image {
    pub(crate) fn new(architecture: &str) -> Self {
        let passwd = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
        let group = "root:x:0:\nnonroot:x:65532:\n";
        let entries = [
            ("etc/", Entry::Folder),
            ("etc/passwd", Entry::File(passwd)),
            ("etc/group", Entry::File(group)),
            ("home/nonroot/", Entry::Folder),
            ("usr/bin/", Entry::Folder),
            ("bin", Entry::Link("usr/bin")),
        ];
        Self::of(architecture, tar(&entries))
    }

    pub(crate) fn of(architecture: &str, tar: Vec<u8>) -> Self {
        let config = json!({
            "architecture": architecture, "os": "linux", "no.example.unknown": [1, 2],
            "config": {
                "Env": ["PATH=/usr/bin", "FROM=base"], "WorkingDir": "/home/nonroot", "StopSignal": "SIGQUIT", "Cmd": ["old"],
                "Labels": {"base": "label"}, "Volumes": {"/base": {}}, "ExposedPorts": {"1/tcp": {}}, "Unknown": true
            },
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&tar).to_string()]},
            "history": [{"created_by": "the base"}]
        });
        Self { layer: gzip(&tar), tar, config, docker: false }
    }

    pub(crate) fn config_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(&self.config).unwrap()
    }

    pub(crate) fn media_type(&self) -> &'static str {
        if self.docker { DOCKER_MANIFEST } else { MANIFEST }
    }

    pub(crate) fn manifest(&self) -> Value {
        let (config, layer) = if self.docker { (DOCKER_CONFIG, DOCKER_LAYER) } else { (CONFIG, LAYER) };
        let bytes = self.config_bytes();
        json!({
            "schemaVersion": 2, "mediaType": self.media_type(),
            "config": {"mediaType": config, "digest": Digest::of(&bytes).to_string(), "size": bytes.len()},
            "layers": [{"mediaType": layer, "digest": Digest::of(&self.layer).to_string(), "size": self.layer.len()}]
        })
    }

    /// Stores config and layer, and the manifest under its digest; returns the manifest's bytes.
    pub(crate) fn store(&self, at: &TestRegistry, repository: &str) -> Vec<u8> {
        at.put_blob(repository, &self.layer);
        at.put_blob(repository, &self.config_bytes());
        let manifest = serde_json::to_vec(&self.manifest()).unwrap();
        at.put_manifest(repository, &Digest::of(&manifest).to_string(), self.media_type(), &manifest);
        manifest
    }

    /// Stores the image under a tag.
    pub(crate) fn tag(&self, at: &TestRegistry, repository: &str, tag: &str) -> Digest {
        let manifest = self.store(at, repository);
        at.put_manifest(repository, tag, self.media_type(), &manifest);
        Digest::of(&manifest)
    }
}

/// Stores an index of several images under a tag.
pub(crate) fn index(images: &[(&str, &Image)], media_type: &str, at: &TestRegistry, repository: &str, tag: &str) -> Digest {
    let entries: Vec<Value> = images
        .iter()
        .map(|(architecture, image)| {
            let manifest = image.store(at, repository);
            json!({
                "mediaType": image.media_type(), "digest": Digest::of(&manifest).to_string(), "size": manifest.len(),
                "platform": {"architecture": architecture, "os": "linux"}
            })
        })
        .collect();
    let bytes = serde_json::to_vec(&json!({"schemaVersion": 2, "mediaType": media_type, "manifests": entries})).unwrap();
    for name in [tag.to_owned(), Digest::of(&bytes).to_string()] {
        at.put_manifest(repository, &name, media_type, &bytes);
    }
    Digest::of(&bytes)
}
