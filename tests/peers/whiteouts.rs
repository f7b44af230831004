//! What upper layers hide: the proof, umoci and podman agree.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use hardened::oci::Digest;
use serde_json::{Value, json};

use crate::peer::{Peer, success};
use crate::podman::Podman;
use crate::project::{Project, hello};

const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// Returns a layer of files, all of which may be executed.
fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o755);
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, path, *content).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Writes a layout that holds one image of these layers under the tag `1`.
fn write_layout(folder: &Path, layers: &[Vec<u8>]) {
    let blobs = folder.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let blob = |media_type: &str, bytes: &[u8]| -> Value {
        let digest = Digest::of(bytes);
        fs::write(blobs.join(digest.hex()), bytes).unwrap();
        json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
    };
    let diff_ids: Vec<String> = layers.iter().map(|tar| Digest::of(tar).to_string()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "config": {"Env": ["PATH=/usr/bin"], "Entrypoint": ["/app/hello"]},
        "rootfs": {"type": "layers", "diff_ids": diff_ids}
    });
    let layers: Vec<Value> = layers.iter().map(|tar| blob(LAYER, tar)).collect();
    let config = blob(CONFIG, &serde_json::to_vec(&config).unwrap());
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers});
    let mut entry = blob(MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    entry["annotations"] = json!({"org.opencontainers.image.ref.name": "1"});
    fs::write(folder.join("index.json"), serde_json::to_vec(&json!({"schemaVersion": 2, "manifests": [entry]})).unwrap()).unwrap();
    fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
}

/// Returns all paths below a folder.
fn paths(folder: &Path, above: &str, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{above}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            paths(&entry.path(), &path, found);
        }
        found.insert(path);
    }
}

#[test]
fn runtimes_hide_the_same_files_and_do_not_start_what_the_proof_refuses() {
    let (Some(umoci), Some(podman)) = (Peer::find("umoci"), Podman::find()) else { return };
    let program = fs::read(hello()).unwrap();
    let lower: &[(&str, &[u8])] = &[("app/hello", &program), ("app/data/old", b"1"), ("srv/kept", b"1"), ("srv/a.wh.b", b"1")];
    for (name, upper, starts) in [
        ("the entrypoint", &[("app/.wh.hello", &b""[..])][..], false),
        ("its folder", &[(".wh.app", b"")], false),
        ("all in its folder", &[("app/.wh..wh..opq", b""), ("app/new", b"1")], false),
        ("other files", &[("app/data/.wh..wh..opq", b""), ("app/data/new", b"1"), ("srv/.wh.kept", b"")], true),
    ] {
        let project = Project::new("[image]\nname = \"shop/x\"\n[base]\nlayout = \"base\"\n[process]\nentrypoint = [\"/app/hello\"]\n");
        write_layout(&project.path("base"), &[layer(lower), layer(upper)]);
        let image = format!("{}:1", project.path("base").display());
        let mut command = umoci.command(&project.home(), 60);
        let rootless = if rustix::process::geteuid().is_root() { None } else { Some("--rootless") };
        success(command.arg("unpack").args(rootless).args(["--image", &image]).arg(project.path("bundle")));
        let mut unpacked = BTreeSet::new();
        paths(&project.path("bundle/rootfs"), "", &mut unpacked);
        let listed: Value = serde_json::from_str(&project.hardened(&["ls", "oci:base", "--format", "json"])).unwrap();
        let files = listed["images"][0]["files"].as_array().unwrap();
        let listed: BTreeSet<String> = files.iter().map(|file| file["path"].as_str().unwrap().to_owned()).collect();
        assert_eq!(listed, unpacked, "{name}");

        let built = project.command(&["build", "-o", "oci:out"]).output().unwrap();
        assert_eq!(built.status.code(), Some(if starts { 0 } else { 1 }), "{name}: {}", String::from_utf8_lossy(&built.stderr));
        let started = podman.reach(&format!("oci:{image}"), &[]);
        assert_eq!(started.status.success(), starts, "{name}: {}", String::from_utf8_lossy(&started.stderr));
    }
}
