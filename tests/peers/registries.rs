//! Registries: what is pushed arrives whole, is not brought twice, and is mounted when it is next door.

use std::fs;

use sha2::{Digest as _, Sha256};

use crate::bases::Base;
use crate::elf;
use crate::layout::hex;
use crate::peer::Peer;
use crate::project::{Project, digest};
use crate::registry::{PASSWORD, Registry, USER};

/// Pushes a project twice and reads it back by its digest.
fn pushed(registry: &Registry, project: &Project, crane: &Peer) {
    let name = format!("{}/shop/api:1", registry.address());
    let first = project.hardened(&["build", "--push", "-t", &name]);
    let uploads = registry.uploads();
    assert!(!uploads.is_empty(), "{:?}", registry.requests());

    fs::remove_dir_all(project.home().join(".cache")).ok();
    assert_eq!(project.hardened(&["build", "--push", "-t", &name]), first);
    assert_eq!(registry.uploads(), uploads, "the second push brought something");

    let by_digest = format!("{}/shop/api@{}", registry.address(), digest(&first));
    let manifest = crane.run(&project.home(), ["manifest", &by_digest]);
    assert_eq!(format!("sha256:{}", hex(&Sha256::digest(manifest.as_bytes()))), digest(&first));
    crane.run(&project.home(), ["validate", "--remote", &by_digest]);
    assert_eq!(crane.run(&project.home(), ["digest", &name]).trim(), digest(&first));

    // What an image in a layout is pushed as is the same image.
    assert!(project.hardened(&["build", "-o", "oci:out"]).ends_with(digest(&first)));
    project.hardened(&["push", "oci:out", &format!("{}/shop/copy:1", registry.address())]);
    let copy = crane.run(&project.home(), ["digest", &format!("{}/shop/copy:1", registry.address())]);
    assert_eq!(copy.trim(), digest(&first));
    assert!(project.hardened(&["inspect", &by_digest, "--format", "json"]).contains(digest(&first)));
}

/// A small project whose program needs no compiler.
fn small() -> Project {
    let recipe =
        "[image]\nname = \"small\"\n[base]\nstatic = true\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[process]\nentrypoint = [\"/app\"]\n";
    Project::new(recipe).program("app", &elf::program("amd64", "small\n"))
}

#[test]
fn docker_registry_takes_an_image_once() {
    let (Some(registry), Some(crane)) = (Registry::distribution(), Peer::find("crane")) else { return };
    pushed(&registry, &small(), &crane);
}

#[test]
fn crane_registry_takes_an_image_once() {
    let (Some(registry), Some(crane)) = (Registry::crane(), Peer::find("crane")) else { return };
    pushed(&registry, &small(), &crane);
}

#[test]
fn docker_registry_with_a_password_wants_a_login() {
    let (Some(registry), Some(crane)) = (Registry::distribution_with_password(), Peer::find("crane")) else { return };
    let project = small();
    let refused = project.command(&["build", "--push", "-t", &format!("{}/shop/api:1", registry.address())]).output().unwrap();
    assert_eq!(refused.status.code(), Some(3), "{}", String::from_utf8_lossy(&refused.stderr));

    let login = ["login", registry.address(), "--username", USER, "--password-stdin"];
    let wrong = project.hardened_with_input(&login, "not-the-password\n");
    assert!(!wrong.status.success());
    assert!(!String::from_utf8_lossy(&wrong.stderr).contains("not-the-password"));
    let right = project.hardened_with_input(&login, &format!("{PASSWORD}\n"));
    assert!(right.status.success(), "{}", String::from_utf8_lossy(&right.stderr));

    // crane finds the credentials too: they are where docker and podman keep them.
    pushed(&registry, &project, &crane);
}

#[test]
fn layers_of_the_repository_next_door_are_mounted() {
    let (Some(registry), Some(crane)) = (Registry::distribution(), Peer::find("crane")) else { return };
    let base = format!("{}/library/base:1", registry.address());
    let recipe = format!(
        "[image]\nname = \"{0}/shop/api\"\n[base]\nimage = \"{base}\"\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[process]\nentrypoint = [\"/app\"]\n",
        registry.address()
    );
    let project = Project::new(&recipe).program("app", &elf::program("amd64", "small\n"));
    let layout = project.path("base");
    Base::new().file("usr/share/large", &vec![7; 1 << 20], 0o644).write(&layout, "amd64");
    crane.run(&project.home(), ["push", layout.to_str().unwrap(), &base]);
    let layer = crate::layout::Layout::open(&layout);
    let layer = layer.layers(&layer.only()).remove(0);

    let built = project.hardened(&["build", "--push"]);
    let mounts: Vec<String> = registry.requests().into_iter().filter(|request| request.contains("mount=")).collect();
    let hexadecimal = layer.strip_prefix("sha256:").unwrap();
    assert!(
        mounts.iter().any(|request| request.starts_with("POST /v2/shop/api/") && request.contains(hexadecimal)),
        "{:#?}",
        registry.requests()
    );
    assert!(registry.uploads().iter().all(|request| !request.contains("/shop/api/") || !request.contains(hexadecimal)));
    crane.run(&project.home(), ["validate", "--remote", &built]);
}

#[test]
fn what_one_name_got_the_other_mounts() {
    let (Some(registry), Some(crane)) = (Registry::distribution(), Peer::find("crane")) else { return };
    let (first, second) = (format!("{}/shop/one:1", registry.address()), format!("{}/shop/two:1", registry.address()));
    let project = small();
    project.hardened(&["build", "--push", "-t", &first, "-t", &second]);
    assert_eq!(crane.run(&project.home(), ["digest", &first]), crane.run(&project.home(), ["digest", &second]));
    crane.run(&project.home(), ["validate", "--remote", &second]);
    assert!(registry.requests().iter().any(|request| request.contains("mount=")), "{:#?}", registry.requests());
}
