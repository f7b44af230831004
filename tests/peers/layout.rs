use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An OCI image layout on disk, read without any of the product's own code.
pub(crate) struct Layout {
    folder: PathBuf,
}

impl Layout {
    /// Opens a layout.
    pub(crate) fn open(folder: &Path) -> Self {
        assert!(folder.join("oci-layout").is_file(), "{} is no layout", folder.display());
        Self { folder: folder.to_owned() }
    }

    /// Returns a blob, after checking that it has its digest.
    pub(crate) fn blob(&self, digest: &str) -> Vec<u8> {
        let content = fs::read(self.path(digest)).unwrap();
        assert_eq!(format!("sha256:{}", hex(&Sha256::digest(&content))), digest);
        content
    }

    /// Returns where a blob is.
    pub(crate) fn path(&self, digest: &str) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
    }

    /// Returns a blob that is JSON.
    pub(crate) fn json(&self, digest: &str) -> Value {
        serde_json::from_slice(&self.blob(digest)).unwrap()
    }

    /// Returns the digest of the layout's only image or index.
    pub(crate) fn only(&self) -> String {
        let index: Value = serde_json::from_slice(&fs::read(self.folder.join("index.json")).unwrap()).unwrap();
        let manifests = index["manifests"].as_array().unwrap();
        assert_eq!(manifests.len(), 1, "{index}");
        manifests[0]["digest"].as_str().unwrap().to_owned()
    }

    /// Returns the digests of a manifest's layers, lowest first.
    pub(crate) fn layers(&self, manifest: &str) -> Vec<String> {
        let manifest = self.json(manifest);
        manifest["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
    }

    /// Returns a layer without its compression.
    pub(crate) fn tar(&self, layer: &str) -> Vec<u8> {
        let blob = self.blob(layer);
        let mut tar = Vec::new();
        if blob.starts_with(b"\x1f\x8b") {
            flate2::read::MultiGzDecoder::new(blob.as_slice()).read_to_end(&mut tar).unwrap();
        } else if blob.starts_with(b"\x28\xb5\x2f\xfd") {
            zstd::stream::copy_decode(blob.as_slice(), &mut tar).unwrap();
        } else {
            tar = blob;
        }
        tar
    }

    /// Returns a file of a manifest's layers: what the topmost one that has it says.
    pub(crate) fn file(&self, manifest: &str, path: &str) -> Option<Vec<u8>> {
        self.layers(manifest).iter().rev().find_map(|layer| {
            let tar = self.tar(layer);
            let mut archive = tar::Archive::new(tar.as_slice());
            archive.entries().unwrap().map(Result::unwrap).find_map(|mut entry| {
                let name = entry.path().unwrap().to_string_lossy().into_owned();
                (name.trim_start_matches("./") == path).then(|| {
                    let mut content = Vec::new();
                    entry.read_to_end(&mut content).unwrap();
                    content
                })
            })
        })
    }
}

/// Writes hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
