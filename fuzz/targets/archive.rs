//! An OCI archive and a Docker archive.

use std::path::PathBuf;

use hardened::oci::{Manifest, Store};
use hardened::store::archive::Archive;
use hardened::store::docker_archive::DockerArchive;

/// Both are read from files; this one is of this process and thread.
struct Written(PathBuf);

impl Drop for Written {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

pub(crate) fn run(bytes: &[u8]) {
    let name = format!("hardened-fuzz-{}-{:?}", std::process::id(), std::thread::current().id());
    let file = Written(std::env::temp_dir().join(name));
    if std::fs::write(&file.0, bytes).is_err() {
        return;
    }
    if let Ok(archive) = Archive::open(&file.0) {
        let _ = archive.read_selected(None);
    }
    if let Ok(archive) = DockerArchive::open(&file.0)
        && let Ok(manifest) = archive.manifest().parse::<Manifest>()
    {
        for layer in manifest.view().layers.iter().take(8) {
            let _ = archive.open_blob(layer).map(|blob| blob.read_all(1 << 20));
        }
    }
}
