//! Packages that read and write private keys, and hold none: nothing is found in them.

use std::path::Path;
use std::process::Command;

use crate::peer::{Peer, success, told};
use crate::project::{HELLO, Project};

/// A project that packs a folder `tree` beside the program of the hello example.
fn project() -> Project {
    let project = Project::hello();
    let recipe = HELLO.replacen("[[files]]", "[[files]]\nfrom = \"tree\"\nto = \"/tree\"\n\n[[files]]", 1);
    std::fs::create_dir(project.path("tree")).unwrap();
    project.file("hardened.toml", recipe)
}

/// Builds it: a private key would be an error.
fn builds(project: &Project) {
    project.hardened(&["build", "-q", "-o", "oci:image"]);
}

/// Copies regular files of the machine into the tree, as they are, and what links lead to.
fn copied(project: &Project, source: &Path) {
    assert!(source.exists(), "{}", source.display());
    let mut command = Command::new("cp");
    command.args(["--recursive", "--dereference", "--no-preserve=mode"]).arg(source).arg(project.path("tree"));
    let output = command.output().unwrap();
    // Links to nothing are left out.
    assert!(std::fs::read_dir(project.path("tree")).unwrap().count() > 0, "{}", told(&command, &output));
}

#[test]
fn python_packages_that_read_keys_hold_none() {
    let Some(python) = Peer::find("python3") else { return };
    let project = project();
    let arguments = ["-m", "pip", "install", "--quiet", "--only-binary", ":all:", "--target", "tree", "cryptography", "paramiko"];
    success(python.command(&project.home(), 240).args(arguments).current_dir(project.path(".")));
    builds(&project);
}

#[test]
fn node_modules_that_read_keys_hold_none() {
    let Some(npm) = Peer::find("npm") else { return };
    let project = project();
    let arguments = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "jose", "node-forge"];
    success(npm.command(&project.home(), 240).args(arguments).current_dir(project.path("tree")));
    builds(&project);
}

#[test]
fn a_jdk_holds_no_private_key() {
    let Some(java) = Peer::find("java") else { return };
    let program = std::fs::canonicalize(java.path()).unwrap();
    let project = project();
    copied(&project, program.ancestors().nth(2).unwrap());
    builds(&project);
}

#[test]
fn openssl_holds_no_private_key() {
    let Some(openssl) = Peer::find("openssl") else { return };
    let project = project();
    copied(&project, &std::fs::canonicalize(openssl.path()).unwrap());
    let libraries = format!("/usr/lib/{}-linux-gnu/libcrypto.so.3", std::env::consts::ARCH);
    for also in [&*libraries, "/usr/include/openssl", "/usr/share/doc/openssl"].map(Path::new).into_iter().filter(|path| path.exists()) {
        copied(&project, also);
    }
    builds(&project);
}
