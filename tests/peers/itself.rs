//! hardened puts itself into an image with the recipe at the top of the repository.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peer::locate;
use crate::podman::Podman;
use crate::project::Project;

/// Where the recipe takes the program from.
const PROGRAM: &str = "target/x86_64-unknown-linux-gnu/release/hardened";

/// Returns the static program: the one that `HARDENED_STATIC_BINARY` names, or one built now, which takes minutes.
fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("HARDENED_STATIC_BINARY") {
        return PathBuf::from(path);
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    // A target folder of its own: the one in use may be locked by the run of this test.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("itself");
    let mut cargo = Command::new(std::env::var_os("CARGO").map(PathBuf::from).or_else(|| locate("cargo")).unwrap());
    cargo.args(["build", "--release", "--locked", "--bin", "hardened", "--target", "x86_64-unknown-linux-gnu", "--target-dir"]);
    let built = cargo.arg(&target).env("RUSTFLAGS", "-C target-feature=+crt-static").current_dir(top).status().unwrap();
    assert!(built.success());
    target.join("x86_64-unknown-linux-gnu/release/hardened")
}

#[test]
fn podman_runs_hardened_from_its_own_image() {
    let Some(podman) = Podman::find() else { return };
    let recipe = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("hardened.toml")).unwrap();
    let project = Project::new(&recipe).program(PROGRAM, &std::fs::read(program()).unwrap());
    project.hardened(&["build", "-o", "oci:out:1"]);
    let image = format!("oci:{}:1", project.path("out").display());
    assert_eq!(podman.run(&image, &["--version"]), format!("hardened {}\n", env!("CARGO_PKG_VERSION")));
    assert!(podman.run(&image, &["schema"]).contains("\"$schema\""));
}
