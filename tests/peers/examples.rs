//! Every example becomes an image that runs.

use std::fs;
use std::path::Path;

use crate::bases::Base;
use crate::peer::{Peer, free_port, success};
use crate::podman::Podman;
use crate::project::{Project, compile, example};

const TEMPLATES: [&str; 5] = ["static", "node", "python", "java", "site"];

#[test]
fn templates_are_what_the_examples_use() {
    for name in TEMPLATES {
        let template = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates").join(name).join("hardened.toml");
        let (template, example) = (fs::read_to_string(template).unwrap(), fs::read_to_string(example(name).join("hardened.toml")).unwrap());
        assert_eq!(template, example, "{name}");
        let project = Project::new("");
        fs::remove_file(project.path("hardened.toml")).unwrap();
        project.hardened(&["init", "--template", name]);
        assert_eq!(fs::read_to_string(project.path("hardened.toml")).unwrap(), template);
    }
}

/// Builds a project into a layout; returns the name by which podman knows it.
fn built(project: &Project) -> String {
    project.hardened(&["build", "-o", "oci:out:1"]);
    format!("oci:{}:1", project.path("out").display())
}

/// Starts an image as a service, asks it for a path, and returns the answer.
fn asked(podman: &Podman, image: &str, path: &str) -> String {
    let port = free_port();
    let service = podman.start(image, &[("PORT", &port.to_string())]);
    service.ask(port, path)
}

fn install(npm: &Peer, project: &Project) {
    let mut command = npm.command(&project.home(), 180);
    success(command.args(["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(project.path(".")));
}

#[test]
fn hello() {
    let Some(podman) = Podman::find() else { return };
    let program = compile(&example("hello").join("main.rs"), "hello-example");
    let project = Project::of_example("hello").program("hello", &fs::read(program).unwrap());
    assert_eq!(podman.run(&built(&project), &[]), crate::project::HELLO_SAYS);
}

#[test]
fn a_static_program() {
    let Some(podman) = Podman::find() else { return };
    let program = compile(&example("static").join("main.rs"), "app");
    let project = Project::of_example("static").program("app", &fs::read(program).unwrap());
    assert_eq!(podman.run(&built(&project), &["Ada", "Grace"]), "hello, Ada and Grace\n");
}

#[test]
fn a_site() {
    let Some(podman) = Podman::find() else { return };
    let program = compile(&example("site").join("server.rs"), "server");
    let project = Project::of_example("site").program("server", &fs::read(program).unwrap());
    let image = built(&project);
    let answer = asked(&podman, &image, "/");
    assert!(answer.starts_with("HTTP/1.1 200 OK") && answer.contains("<h1>A small site</h1>"), "{answer}");
}

#[test]
fn a_node_service() {
    let (Some(podman), Some(npm), Some(base)) = (Podman::find(), Peer::find("npm"), Base::node()) else { return };
    let project = Project::of_example("node");
    base.write(&project.path("base"), "amd64");
    install(&npm, &project);
    let answer = asked(&podman, &built(&project), "/here");
    assert!(answer.contains("\"path\":\"/here\""), "{answer}");
}

#[test]
fn an_express_service_that_had_a_dockerfile() {
    let (Some(podman), Some(npm), Some(base)) = (Podman::find(), Peer::find("npm"), Base::node()) else { return };
    let project = Project::of_example("node-api");
    base.write(&project.path("base"), "amd64");
    install(&npm, &project);
    let image = built(&project);
    let port = free_port();
    let service = podman.start(&image, &[("PORT", &port.to_string())]);
    assert!(service.ask(port, "/health").contains("{\"status\":\"up\"}"));
    assert!(service.ask(port, "/products/1").contains("{\"id\":1,\"name\":\"coffee\",\"price\":89}"));
    assert!(service.ask(port, "/products/9").starts_with("HTTP/1.1 404"));
    // What `docker stop` does: the service ends by itself, and soon.
    drop(service);
}

#[test]
fn a_python_service() {
    let (Some(podman), Some(python), Some(base)) = (Podman::find(), Peer::find("python3"), Base::python()) else { return };
    let project = Project::of_example("python");
    base.write(&project.path("base"), "amd64");
    let mut pip = python.command(&project.home(), 180);
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target", "site-packages", "-r", "requirements.txt"]);
    success(pip.current_dir(project.path(".")));
    let answer = asked(&podman, &built(&project), "/hello/Ada");
    assert!(answer.contains("{\"hello\": \"Ada\"}"), "{answer}");
}

#[test]
fn a_java_service() {
    let (Some(podman), Some(javac), Some(jar), Some(base)) = (Podman::find(), Peer::find("javac"), Peer::find("jar"), Base::java()) else {
        return;
    };
    let project = Project::of_example("java");
    base.write(&project.path("base"), "amd64");
    success(javac.command(&project.home(), 120).args(["-d", "classes", "src/Server.java"]).current_dir(project.path(".")));
    let arguments = ["--create", "--file", "app.jar", "--main-class", "Server", "-C", "classes", "."];
    success(jar.command(&project.home(), 120).args(arguments).current_dir(project.path(".")));
    let answer = asked(&podman, &built(&project), "/coffee");
    assert!(answer.contains("you asked for /coffee"), "{answer}");
}
