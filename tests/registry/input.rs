//! What users get wrong, and what the world gets wrong: one clear message, the right exit code, and nothing half-written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use crate::registry::{Guard, TestRegistry};
use crate::sandbox::{Sandbox, recipe};

fn with_files(entry: &str) -> Sandbox {
    let sandbox = Sandbox::with(&recipe("static = true").replace("[process]", &format!("[[files]]\n{entry}\n[process]")));
    sandbox.write("dist/index.js", b"x");
    sandbox
}

const DIST: &str = "from = \"dist\"\nto = \"/dist\"";

#[test]
fn files_that_cannot_be_taken() {
    let sandbox = with_files("from = \"dost\"\nto = \"/dist\"");
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["`dost`", "dist", "hardened.toml"]);
    let sandbox = with_files(DIST);
    let _socket = UnixListener::bind(sandbox.path("dist/socket")).unwrap();
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["dist/socket", "socket"]);
    for target in ["../../../../../../../../../../etc/passwd", "/dist/../../../up", "../app/../../.."] {
        let sandbox = with_files(DIST);
        symlink(target, sandbox.path("dist/link")).unwrap();
        let ran = sandbox.run(&["build", "-o", "oci:out"]);
        assert!(ran.code == Some(2) || target.starts_with('/'), "{target}: {}", ran.err);
    }
    let sandbox = with_files("from = \"../outside\"\nto = \"/dist\"");
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["../outside"]);
    let sandbox = with_files("from = \"app\"\nto = \"/app\"");
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["two entries for `/app`", "replace = true"]);
    assert!(!sandbox.has("out"));
}

#[test]
fn programs_that_could_not_start() {
    for (content, mode, texts) in [
        (crate::project::program(183), 0o755, ["arm64", "linux/amd64"]),
        (crate::project::program(62), 0o644, ["/app", "execut"]),
        (b"#!/bin/sh\n".to_vec(), 0o755, ["/bin/sh", "/app"]),
        (b"text".to_vec(), 0o755, ["no program", "#!"]),
    ] {
        let sandbox = Sandbox::new("static = true");
        sandbox.write("app", &content);
        fs::set_permissions(sandbox.path("app"), fs::Permissions::from_mode(mode)).unwrap();
        sandbox.run(&["build", "-o", "oci:out"]).fails(1, &texts);
        assert!(!sandbox.has("out"));
    }
    let sandbox = Sandbox::with(&recipe("static = true").replace("[\"/app\"]", "[\"/ap\"]"));
    sandbox.run(&["build", "-o", "oci:out"]).fails(1, &["`/ap` is not in the image", "hardened.toml:9:14"]);
}

#[test]
fn flags_and_places_that_are_wrong() {
    let sandbox = Sandbox::new("static = true");
    for (arguments, texts) in [
        (&["build", "-o", "oci:"][..], &["oci:PATH"][..]),
        (&["build", "-o", "tar:x.tar"], &["tar"]),
        (&["build", "-o", "localhost:5000/a:b"], &["--push"]),
        (&["build", "-f", "nowhere.toml"], &["nowhere.toml", "hardened init"]),
        (&["build", "-t", "A/B"], &["A/B", "-t"]),
        (&["build", "--platform", "linux/vax"], &["linux/vax"]),
        (&["build", "--bogus"], &["--bogus"]),
        (&["push", "oci:nowhere", "-o"], &["-o"]),
        (&["init", "--template", "cobol"], &["cobol", "python"]),
        (&["--token-realm", "x", "inspect", "a.example/b"], &["REGISTRY=HOST"]),
    ] {
        sandbox.run(arguments).fails(2, texts);
    }
    sandbox.run(&["inspect", "oci:nowhere"]).fails(3, &["nowhere"]);
    sandbox.run(&["init"]).fails(2, &["hardened.toml"]);
    sandbox.write("full/file", b"x");
    sandbox.run(&["build", "-o", "oci:full"]).fails(3, &["holds other files"]);
}

#[test]
fn a_disk_that_is_full_and_a_folder_that_is_read_only() {
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-o", "docker-archive:/dev/full/x"]).fails(3, &["/dev/full/x"]);
    sandbox.run(&["build", "-o", "oci:/proc/nowhere"]).fails(3, &["/proc/nowhere"]);
    // A cache that cannot be written is replaced for the run.
    let ran = sandbox.run_with(&sandbox.path("app/cache"), &["build", "-o", "oci:out"]).succeeds();
    assert!(ran.err.contains("lasts for this run only"), "{}", ran.err);
}

#[test]
fn registries_that_refuse_or_are_not_there() {
    let test = TestRegistry::with(Guard::Basic("dXNlcjpjYW5hcnk="), |_, _| None);
    let name = format!("{}/shop/api:1", test.host());
    let mut sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "--push", "-t", &name]).fails(3, &[test.host(), "hardened login"]);
    sandbox.set("HARDENED_REGISTRY_HOST", test.host());
    sandbox.set("HARDENED_REGISTRY_USER", "user");
    sandbox.set("HARDENED_REGISTRY_PASSWORD", "canary-wrong");
    for more in [&["-v"][..], &["--format", "json"]] {
        let ran = sandbox.run(&[&["build", "--push", "-t", &name][..], more].concat());
        ran.fails(3, &[test.host(), "HARDENED_REGISTRY_PASSWORD"]);
        // `user:canary-wrong` in base64 is no less a password.
        assert!(!ran.err.contains("canary-wrong") && !ran.err.contains("dXNlcjpjYW5hcnktd3Jvbmc"), "{}", ran.err);
    }
    let sandbox = Sandbox::new("static = true");
    let begun = std::time::Instant::now();
    sandbox.run(&["build", "--push", "-t", "127.0.0.1:1/a/b:c"]).fails(3, &["127.0.0.1:1", "Connection refused"]);
    sandbox.run(&["inspect", "registry.invalid/a/b:c"]).fails(3, &["registry.invalid"]);
    assert!(begun.elapsed().as_secs() < 20);
    assert!(test.manifest("shop/api", "1").is_none());
}

#[test]
fn addresses_are_shown_without_their_queries() {
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        let to = "http://127.0.0.1:1/blob?signature=canary-signature".to_owned();
        (seen.method == "GET" && seen.path().contains("/blobs/"))
            .then(|| crate::registry::Fault::Answer(307, vec![("Location".to_owned(), to.clone())], String::new()))
    });
    crate::images::Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    let ran = sandbox.run(&["-v", "build", "-o", "oci:out"]);
    ran.fails(3, &["127.0.0.1:1"]);
    assert!(!ran.err.contains("canary-signature"), "{}", ran.err);
}

#[test]
fn pages_are_printed() {
    let sandbox = Sandbox::new("static = true");
    for (arguments, text) in [
        (&["schema"][..], "\"$schema\""),
        (&["man"], ".TH"),
        (&["completions", "bash"], "hardened"),
        (&["--version"], "hardened "),
        (&["build", "--help"], "Examples:"),
    ] {
        assert!(sandbox.run(arguments).succeeds().out.contains(text), "{arguments:?}");
    }
    let sandbox = Sandbox::new("static = true");
    fs::remove_file(sandbox.path("hardened.toml")).unwrap();
    sandbox.run(&["init", "--template", "static"]).succeeds();
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
}
