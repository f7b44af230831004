//! Podman and runc start what was built, locked in as far as a runtime can.

use crate::bases::Base;
use crate::peer::Peer;
use crate::podman::Podman;
use crate::project::{HELLO, HELLO_SAYS, Project};
use crate::registry::Registry;

#[test]
fn an_image_on_the_embedded_base_starts() {
    let (Some(podman), Some(registry)) = (Podman::find(), Registry::distribution()) else { return };
    let project = Project::hello();
    let from_layout = project.hardened(&["build", "-o", "oci:out:1"]);
    assert_eq!(podman.run(&format!("oci:{}:1", project.path("out").display()), &[]), HELLO_SAYS);
    let from_registry = project.hardened(&["build", "--push", "-t", &format!("{}/shop/hello:1", registry.address())]);
    assert_eq!(crate::project::digest(&from_layout), crate::project::digest(&from_registry));
    assert_eq!(podman.run(&from_registry, &[]), HELLO_SAYS);
}

#[test]
fn an_image_with_zstd_layers_starts() {
    let Some(podman) = Podman::find() else { return };
    let project = Project::hello();
    project.hardened(&["build", "--set", "layers.compression=zstd", "-o", "oci:out:1"]);
    assert_eq!(podman.run(&format!("oci:{}:1", project.path("out").display()), &[]), HELLO_SAYS);
}

#[test]
fn an_image_on_a_layout_starts() {
    let Some(podman) = Podman::find() else { return };
    let project = Project::hello();
    Base::new().file("etc/of-the-base", b"yes\n", 0o644).write(&project.path("base"), "amd64");
    let project = project.file("hardened.toml", HELLO.replace("static = true", "layout = \"base\""));
    project.hardened(&["build", "-o", "oci:out:1"]);
    assert_eq!(podman.run(&format!("oci:{}:1", project.path("out").display()), &[]), HELLO_SAYS);
}

#[test]
fn an_image_on_a_base_of_a_registry_starts() {
    let (Some(podman), Some(registry), Some(crane)) = (Podman::find(), Registry::distribution(), Peer::find("crane")) else { return };
    let project = Project::hello();
    Base::new().file("etc/of-the-base", b"yes\n", 0o644).write(&project.path("base"), "amd64");
    let base = format!("{}/library/base:1", registry.address());
    crane.run(&project.home(), ["push", project.path("base").to_str().unwrap(), &base]);
    let project = project.file("hardened.toml", HELLO.replace("static = true", &format!("image = \"{base}\"")));
    let built = project.hardened(&["build", "--push", "-t", &format!("{}/shop/hello:1", registry.address())]);
    assert!(std::fs::read_to_string(project.path("hardened.lock")).unwrap().contains("sha256:"));
    assert_eq!(podman.run(&built, &[]), HELLO_SAYS);

    // The lock holds, the tag may move: the same digest, with nothing asked of the registry's tag.
    let again = project.hardened(&["build", "--locked", "-o", "oci:out"]);
    assert_eq!(crate::project::digest(&again), crate::project::digest(&built));
}
