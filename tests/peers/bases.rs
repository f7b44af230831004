//! Small bases as OCI image layouts.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::layout::hex;

/// The files of a base, by their path in the image without the leading `/`.
#[derive(Default)]
pub(crate) struct Base {
    nodes: BTreeMap<String, Node>,
    /// Entries of the environment behind the usual ones.
    environment: Vec<String>,
}

enum Node {
    Folder(u32),
    File(Vec<u8>, u32),
    Link(String),
}

impl Base {
    /// Makes a base with the folders that programs expect, `/lib` and its like being links as in Debian.
    pub(crate) fn new() -> Self {
        let mut base = Self::default();
        for folder in ["etc", "usr", "usr/bin", "usr/lib", "usr/lib64"] {
            base.nodes.insert(folder.to_owned(), Node::Folder(0o755));
        }
        base.nodes.insert("tmp".to_owned(), Node::Folder(0o1777));
        let base = base.link("bin", "usr/bin").link("lib", "usr/lib").link("lib64", "usr/lib64");
        let accounts = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
        base.file("etc/passwd", accounts.as_bytes(), 0o644).file("etc/group", b"root:x:0:\nnonroot:x:65532:\n", 0o644)
    }

    /// Adds a file, and the folders above.
    pub(crate) fn file(mut self, path: &str, content: &[u8], mode: u32) -> Self {
        self.add(path, Node::File(content.to_vec(), mode));
        self
    }

    /// Adds an entry to the environment, whatever is there before.
    pub(crate) fn variable(mut self, entry: &str) -> Self {
        self.environment.push(entry.to_owned());
        self
    }

    /// Adds a symbolic link, and the folders above.
    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.add(path, Node::Link(target.to_owned()));
        self
    }

    fn add(&mut self, path: &str, node: Node) {
        for (index, _) in path.match_indices('/') {
            self.nodes.entry(path[..index].to_owned()).or_insert(Node::Folder(0o755));
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Writes the base as a layout with one layer and one platform.
    pub(crate) fn write(&self, folder: &Path, architecture: &str) {
        let tar = self.tar();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let layer = gzip.finish().unwrap();
        let usual = ["PATH=/usr/local/bin:/usr/bin:/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"];
        let environment: Vec<&str> = usual.into_iter().chain(self.environment.iter().map(String::as_str)).collect();
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Env": environment, "Labels": {"of": "the base"}},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&Sha256::digest(&tar)))]},
            "history": [{"created_by": "the base's maker"}],
        });
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        let config = blob(folder, "application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config).unwrap());
        let layer = blob(folder, "application/vnd.oci.image.layer.v1.tar+gzip", &layer);
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]});
        let manifest = blob(folder, media_type, &serde_json::to_vec(&manifest).unwrap());
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]});
        fs::write(folder.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, node) in &self.nodes {
            let mut header = tar::Header::new_ustar();
            let (kind, mode, content): (_, _, &[u8]) = match node {
                Node::Folder(mode) => (tar::EntryType::Directory, *mode, &[]),
                Node::File(content, mode) => (tar::EntryType::Regular, *mode, content),
                Node::Link(_) => (tar::EntryType::Symlink, 0o777, &[]),
            };
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(content.len() as u64);
            match node {
                Node::Link(target) => builder.append_link(&mut header, path, target).unwrap(),
                _ => builder.append_data(&mut header, path, content).unwrap(),
            }
        }
        builder.into_inner().unwrap()
    }
}

fn blob(folder: &Path, media_type: &str, content: &[u8]) -> serde_json::Value {
    let digest = hex(&Sha256::digest(content));
    fs::write(folder.join("blobs/sha256").join(&digest), content).unwrap();
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len()})
}
