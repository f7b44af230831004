//! Two platforms: each image has its own files, and a program of the wrong kind is refused.

use std::process::Command;

use crate::elf;
use crate::layout::Layout;
use crate::peer::{Peer, success};
use crate::podman::Podman;
use crate::project::{Project, digest};
use crate::registry::Registry;

const RECIPE: &str = r#"
[image]
name = "two"
platforms = ["linux/amd64", "linux/arm64"]

[base]
static = true

[[files]]
from = "build/{platform.arch}/app"
to = "/app"

[process]
entrypoint = ["/app"]
"#;

fn two() -> Project {
    let project = Project::new(RECIPE).program("build/amd64/app", &elf::program("amd64", "built for amd64\n"));
    project.program("build/arm64/app", &elf::program("arm64", "built for arm64\n"))
}

#[test]
fn each_platform_has_its_own_files() {
    let (Some(skopeo), Some(registry), Some(podman)) = (Peer::find("skopeo"), Registry::distribution(), Podman::find()) else { return };
    let project = two();
    let name = format!("{}/shop/two:1", registry.address());
    let built = project.hardened(&["build", "--push", "-t", &name, "-o", "oci:out"]);
    let layout = Layout::open(&project.path("out"));
    let index = layout.json(digest(&built));
    let manifests = index["manifests"].as_array().unwrap();
    assert_eq!(manifests.len(), 2);
    for (manifest, architecture) in manifests.iter().zip(["amd64", "arm64"]) {
        assert_eq!(manifest["platform"], serde_json::json!({"architecture": architecture, "os": "linux"}), "{index}");
        let manifest = manifest["digest"].as_str().unwrap();
        let config = layout.json(layout.json(manifest)["config"]["digest"].as_str().unwrap());
        assert_eq!(config["architecture"], architecture);
        assert_eq!(layout.file(manifest, "app").unwrap(), elf::program(architecture, &format!("built for {architecture}\n")));
        let (os, remote) = (format!("--override-arch={architecture}"), format!("docker://{name}"));
        let seen = skopeo.run(&project.home(), [os.as_str(), "inspect", "--tls-verify=false", "--config", &remote]);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&seen).unwrap()["architecture"], architecture);
    }
    assert_eq!(podman.run(&built, &[]), "built for amd64\n");
}

#[test]
fn the_program_for_arm64_runs_where_there_is_an_emulator() {
    let Some(emulator) = Peer::find("qemu-aarch64-static") else { return };
    let project = two();
    let out = success(emulator.command(&project.home(), 30).arg(project.path("build/arm64/app")));
    assert_eq!(out, "built for arm64\n");
    if std::env::consts::ARCH == "x86_64" {
        assert_eq!(success(&mut Command::new(project.path("build/amd64/app"))), "built for amd64\n");
    }
}

#[test]
fn a_program_for_another_processor_is_refused() {
    let project = two().program("build/arm64/app", &elf::program("amd64", "wrong\n"));
    let output = project.command(&["build", "-o", "oci:out"]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("amd64") && said.contains("linux/arm64"), "{said}");
    assert!(!project.path("out/index.json").exists());
}
