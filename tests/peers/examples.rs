//! Every example becomes an image that runs.

use std::fs;
use std::path::Path;

use crate::mirror::Mirror;
use crate::peer::{Peer, Server, free_port, listens, success, told};
use crate::podman::Podman;
use crate::project::{Project, compile, example};

const TEMPLATES: [&str; 6] = ["static", "node", "python", "java", "nginx", "site"];

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

/// Builds a project whose base is made of Debian packages into a layout; returns the name by which podman knows it.
fn assembled(project: &Project, mirror: &Mirror) -> String {
    let _turn = Mirror::turn();
    let mut command = project.command(&["build", "-o", "oci:out:1"]);
    success(mirror.offer(&mut command));
    format!("oci:{}:1", project.path("out").display())
}

/// Starts an image as a service, asks it for a path, and returns the answer.
fn asked(podman: &Podman, image: &str, path: &str) -> String {
    let port = free_port();
    let service = podman.start(image, &[("PORT", &port.to_string())]);
    service.ask(port, path)
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

/// Runs a program that a project needs before it is built, in the project's folder.
fn prepare(project: &Project, program: &Peer, arguments: &[&str]) {
    success(program.command(&project.home(), 240).args(arguments).current_dir(project.path(".")));
}

/// Installs what a Node.js project depends on.
fn install(project: &Project, npm: &Peer) {
    prepare(project, npm, &["ci", "--omit=dev", "--ignore-scripts", "--no-audit", "--no-fund"]);
}

/// Installs the wheels that a Python project depends on, for Python 3.13.
fn wheels(project: &Project, python: &Peer) {
    let target = ["--target", "site-packages", "--platform", "manylinux2014_x86_64", "--python-version", "3.13", "--only-binary", ":all:"];
    prepare(project, python, &[&["-m", "pip", "install", "--quiet"][..], &target, &["-r", "requirements.txt"]].concat());
}

/// Makes a jar of a Java program.
fn jar(project: &Project, javac: &Peer, jar: &Peer, class: &str) {
    prepare(project, javac, &["--release", "17", "-d", "classes", &format!("src/{class}.java")]);
    prepare(project, jar, &["--create", "--file", "app.jar", "--main-class", class, "-C", "classes", "."]);
}

#[test]
fn a_node_service() {
    let (Some(podman), Some(npm), Some(mirror)) = (Podman::find(), Peer::find("npm"), Mirror::find()) else { return };
    let project = Project::of_example("node");
    install(&project, &npm);
    let answer = asked(&podman, &assembled(&project, &mirror), "/here");
    assert!(answer.contains("\"path\":\"/here\""), "{answer}");
}

#[test]
fn an_express_service_that_had_a_dockerfile() {
    let (Some(podman), Some(npm), Some(mirror)) = (Podman::find(), Peer::find("npm"), Mirror::find()) else { return };
    let project = Project::of_example("node-api");
    install(&project, &npm);
    let image = assembled(&project, &mirror);
    let port = free_port();
    let service = podman.start(&image, &[("PORT", &port.to_string())]);
    assert!(service.ask(port, "/health").contains("{\"status\":\"up\"}"));
    assert!(service.ask(port, "/products/1").contains("{\"id\":1,\"name\":\"coffee\",\"price\":89}"));
    assert!(service.ask(port, "/products/9").starts_with("HTTP/1.1 404"));
    assert_eq!(service.users(), "USER\nnonroot\n");
}

#[test]
fn a_python_service() {
    let (Some(podman), Some(python), Some(mirror)) = (Podman::find(), Peer::find("python3"), Mirror::find()) else { return };
    let project = Project::of_example("python");
    wheels(&project, &python);
    let answer = asked(&podman, &assembled(&project, &mirror), "/hello/Ada");
    assert!(answer.contains("{\"hello\": \"Ada\"}"), "{answer}");
}

#[test]
fn numpy_and_pandas_from_wheels() {
    let (Some(podman), Some(python), Some(mirror)) = (Podman::find(), Peer::find("python3"), Mirror::find()) else { return };
    let project = Project::of_example("pandas");
    wheels(&project, &python);
    let expected = "Bergen: 2475 mm a year, +50 mm each year\nOslo: 770 mm a year, -20 mm each year\nnoon in Oslo is 10:00 UTC\n-1.0\n";
    assert_eq!(podman.run(&assembled(&project, &mirror), &[]), expected);
}

#[test]
fn a_java_service() {
    let (Some(podman), Some(javac), Some(archiver), Some(mirror)) =
        (Podman::find(), Peer::find("javac"), Peer::find("jar"), Mirror::find())
    else {
        return;
    };
    let project = Project::of_example("java");
    jar(&project, &javac, &archiver, "Server");
    let answer = asked(&podman, &assembled(&project, &mirror), "/coffee");
    assert!(answer.contains("you asked for /coffee"), "{answer}");
}

/// What `openssl req` is to write into certificates.
const EXTENSIONS: &str = "[req]
distinguished_name = name
[name]
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
[server]
basicConstraints = CA:FALSE
subjectAltName = IP:127.0.0.1
extendedKeyUsage = serverAuth
";

/// Makes a certificate and its key in the project, signed by `issuer` or by itself.
fn certificate(project: &Project, openssl: &Peer, name: &str, extensions: &str, issuer: &[&str]) {
    let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
    let kind = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    let what = ["-config", "openssl.cnf", "-subj", &format!("/CN={name}"), "-extensions", extensions];
    prepare(project, openssl, &[&kind[..], &what, &["-out", &certificate, "-keyout", &key], issuer].concat());
}

#[test]
fn java_trusts_the_authority_of_a_company_and_only_when_told_to() {
    let (Some(podman), Some(javac), Some(archiver), Some(openssl), Some(mirror)) =
        (Podman::find(), Peer::find("javac"), Peer::find("jar"), Peer::find("openssl"), Mirror::find())
    else {
        return;
    };
    let project = Project::of_example("java-tls").file("openssl.cnf", EXTENSIONS);
    jar(&project, &javac, &archiver, "Fetch");
    certificate(&project, &openssl, "corp", "authority", &[]);
    certificate(&project, &openssl, "server", "server", &["-CA", "corp.pem", "-CAkey", "corp.key"]);
    let port = free_port();
    let mut command = openssl.command(&project.home(), 240);
    command.args(["s_server", "-www", "-cert", "server.pem", "-key", "server.key", "-accept", &format!("127.0.0.1:{port}")]);
    command.current_dir(project.path("."));
    let _server = Server::start(command, &project.path("s_server.log"), || listens(port));
    let address = format!("https://127.0.0.1:{port}/");

    let output = podman.reach(&assembled(&project, &mirror), &[&address]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let (authorities, answer) = said.split_once('\n').unwrap();
    assert_eq!(authorities, "authorities: more than 100");
    assert!(answer.starts_with(&format!("{address}: 200, by TLS_")) && answer.ends_with("certificate of CN=server\n"), "{answer}");

    // The same program without the certificate.
    let recipe = fs::read_to_string(project.path("hardened.toml")).unwrap();
    let without = recipe.replace(", certificates = [\"corp.pem\"]", "");
    assert_ne!(without, recipe);
    let project = project.file("hardened.toml", without);
    fs::remove_file(project.path("hardened.lock")).unwrap();
    let output = podman.reach(&assembled(&project, &mirror), &[&address]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(&format!("{address}: not trusted: ")) && said.contains("unable to find valid certification path"), "{said}");
}

#[test]
fn nginx_serves_files_on_8080() {
    let (Some(podman), Some(_), Some(mirror)) = (Podman::find(), Peer::find("slirp4netns"), Mirror::find()) else { return };
    let project = Project::of_example("nginx");
    let image = assembled(&project, &mirror);
    let port = free_port();
    let service = podman.publish(&image, 8080, port);
    let page = service.ask(port, "/");
    assert!(page.starts_with("HTTP/1.1 200 OK\r\nServer: nginx\r\n") && page.contains("<h1>Tides of Bergen</h1>"), "{page}");
    // What would be the same after an edit.
    assert!(!page.contains("ETag") && !page.contains("Last-Modified"), "{page}");
    let style = service.ask(port, "/style.css");
    assert!(style.contains("Content-Type: text/css") && style.contains("max-width: 36rem"), "{style}");
    assert!(service.ask(port, "/nginx.conf").starts_with("HTTP/1.1 404"));
    // The master and one worker.
    assert_eq!(service.users(), "USER\nnonroot\nnonroot\n");
}

#[test]
fn a_program_in_cpp_with_a_library_of_its_own() {
    let (Some(podman), Some(compiler), Some(mirror)) = (Podman::find(), Peer::find("g++"), Mirror::find()) else { return };
    let project = Project::of_example("cpp");
    fs::create_dir_all(project.path("app")).unwrap();
    prepare(&project, &compiler, &["-O2", "-shared", "-fPIC", "-o", "app/libtokens.so", "tokens.cpp"]);
    prepare(&project, &compiler, &["-O2", "-o", "app/count", "count.cpp", "-Lapp", "-ltokens", "-Wl,-rpath,$ORIGIN"]);
    let image = assembled(&project, &mirror);
    assert_eq!(podman.run(&image, &["a b a", " ", "b c"]), "left out: no word in ` `\na 2\nb 2\nc 1\n");

    // Without its library it would not start, and is refused.
    fs::remove_file(project.path("app/libtokens.so")).unwrap();
    let mut command = project.command(&["build", "-o", "oci:out:2"]);
    let output = mirror.offer(&mut command).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(1) && said.contains("/app/count") && said.contains("libtokens.so"), "{}", told(&command, &output));
}
