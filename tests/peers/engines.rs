//! Container engines take the image in Docker's own format, from a file and through their socket.

use crate::podman::Podman;
use crate::project::{HELLO_SAYS, Project};

#[test]
fn podman_loads_the_docker_archive() {
    let Some(podman) = Podman::find() else { return };
    let project = Project::hello();
    project.hardened(&["build", "-t", "shop/hello:1", "-o", "docker-archive:image.tar"]);
    let said = podman.podman(&["load", "--quiet", "--input", project.path("image.tar").to_str().unwrap()]);
    assert!(said.contains("shop/hello:1"), "{said}");
    assert_eq!(podman.run(said.trim().rsplit(' ').next().unwrap(), &[]), HELLO_SAYS);
}

/// The tag alone is in `org.opencontainers.image.ref.name`, by which podman would call the image `localhost/1`.
#[test]
fn podman_names_the_image_of_an_oci_archive_as_the_recipe_does() {
    let Some(podman) = Podman::find() else { return };
    let project = Project::hello();
    project.hardened(&["build", "-t", "registry.example.no/shop/hello:1.4", "-o", "oci-archive:image.tar"]);
    let said = podman.podman(&["load", "--quiet", "--input", project.path("image.tar").to_str().unwrap()]);
    assert_eq!(said.trim(), "Loaded image: registry.example.no/shop/hello:1.4");
    assert_eq!(podman.run("registry.example.no/shop/hello:1.4", &[]), HELLO_SAYS);
}

#[test]
fn the_engine_behind_the_socket_gets_the_image() {
    let Some(podman) = Podman::find() else { return };
    let project = Project::hello();
    let (_server, socket) = podman.serve();
    let mut command = project.command(&["build", "-t", "shop/hello:2", "-o", "docker-daemon:"]);
    crate::peer::success(command.env("DOCKER_HOST", &socket));
    let images = podman.podman(&["images", "--format", "{{.Repository}}:{{.Tag}}"]);
    let image = images.lines().find(|image| image.ends_with("shop/hello:2")).unwrap_or_else(|| panic!("{images}"));
    assert_eq!(podman.run(image, &[]), HELLO_SAYS);
}
