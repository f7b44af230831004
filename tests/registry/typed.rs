//! What people type: which recipe is meant, what the result is called, and what is told of a command that belongs to another tool.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::registry::TestRegistry;
use crate::sandbox::{Ran, Sandbox};

/// Prepares a run in a folder of the sandbox.
fn command_in(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Command {
    let mut command = sandbox.command(arguments);
    command.current_dir(sandbox.path(folder));
    command
}

fn run_in(sandbox: &Sandbox, folder: &str, arguments: &[&str]) -> Ran {
    Ran::of(command_in(sandbox, folder, arguments).output().unwrap())
}

fn mode(sandbox: &Sandbox, name: &str, mode: u32) {
    fs::set_permissions(sandbox.path(name), fs::Permissions::from_mode(mode)).unwrap();
}

/// A sandbox with the recipe in `project`, and an empty folder `project/src/deep` below it.
fn nested() -> Sandbox {
    let sandbox = Sandbox::new("static = true");
    for name in ["hardened.toml", "app"] {
        let content = fs::read(sandbox.path(name)).unwrap();
        sandbox.write(&format!("project/{name}"), &content);
        fs::remove_file(sandbox.path(name)).unwrap();
    }
    sandbox.executable("project/app");
    fs::create_dir_all(sandbox.path("project/src/deep")).unwrap();
    for folder in ["project", "project/src", "project/src/deep"] {
        mode(&sandbox, folder, 0o755);
    }
    mode(&sandbox, "project/hardened.toml", 0o644);
    sandbox
}

#[test]
fn the_recipe_is_searched_for_in_the_folders_above() {
    let sandbox = nested();
    let deep = |arguments: &[&str]| run_in(&sandbox, "project/src/deep", arguments);
    // Outputs and result files are beside the one who types; the recipe's files and the lock are beside the recipe.
    let built = deep(&["build", "-o", "oci:image", "--digest-file", "digest"]).succeeds();
    assert!(built.err.contains("using the recipe ../../hardened.toml\n"), "{}", built.err);
    assert!(sandbox.has("project/src/deep/image/oci-layout") && sandbox.has("project/src/deep/digest"));
    assert!(sandbox.has("project/hardened.lock") && !sandbox.has("project/src/deep/hardened.lock"));
    assert!(deep(&["lock"]).succeeds().err.contains("using the recipe ../../hardened.toml\n"));
    // What is named is not searched for, and what is here needs no word.
    deep(&["build", "."]).fails(2, &["could not read the recipe `hardened.toml`"]);
    deep(&["build", "-f", "hardened.toml"]).fails(2, &["could not read the recipe `hardened.toml`"]);
    assert!(!run_in(&sandbox, "project", &["lock"]).succeeds().err.contains("using the recipe"));
    // A folder that others may write to ends the search, as does the home folder.
    mode(&sandbox, "project", 0o777);
    deep(&["lock"]).fails(2, &["`../../hardened.toml` is not used: other users may write", "-f ../../hardened.toml"]);
    mode(&sandbox, "project", 0o755);
    mode(&sandbox, "project/hardened.toml", 0o666);
    deep(&["lock"]).fails(2, &["`../../hardened.toml` is not used: other users may write"]);
    mode(&sandbox, "project/hardened.toml", 0o644);
    let home = command_in(&sandbox, "project/src/deep", &["lock"]).env("HOME", sandbox.path("project")).output();
    Ran::of(home.unwrap()).fails(2, &["`../../hardened.toml` is not used: it is in the home folder"]);
    // The nearest repository is the last folder that is looked at.
    fs::create_dir(sandbox.path("project/src/.git")).unwrap();
    deep(&["lock"]).fails(2, &["could not read the recipe `hardened.toml`"]);
}

#[test]
fn what_is_pushed_is_of_the_same_repository() {
    let sandbox = nested();
    let registry = TestRegistry::start();
    let name = format!("{}/a/b:1", registry.host());
    let push = || run_in(&sandbox, "project/src/deep", &["build", "--push", "-t", &name]);
    push().fails(2, &["`../../hardened.toml` is not used", "not in the same Git repository", "-f ../../hardened.toml"]);
    assert!(registry.seen().is_empty());
    fs::create_dir(sandbox.path("project/.git")).unwrap();
    assert!(push().succeeds().out.starts_with(&format!("{}/a/b@sha256:", registry.host())));
}

#[test]
fn the_result_is_one_line_that_verbs_take() {
    let sandbox = Sandbox::new("static = true");
    let first = sandbox.run(&["build"]).succeeds();
    assert!(first.err.contains("wrote hardened.lock\n"), "{}", first.err);
    let digest = first.out.trim_end().to_owned();
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "{digest}");
    for output in ["oci:image:dev", "oci-archive:image.tar", "docker-archive:saved.tar", "oci:odd@name"] {
        let built = sandbox.run(&["build", "-o", output, "-o", "oci:second", "--metadata-file", "built.json"]).succeeds();
        assert!(!built.err.contains("wrote hardened.lock"), "{}", built.err);
        let result = built.out.trim_end();
        let path = output.trim_end_matches(":dev");
        assert!(result.starts_with(&format!("{path}@sha256:")) && built.out.lines().count() == 1, "{result}");
        if !output.starts_with("docker-archive") {
            assert_eq!(built.digest(), digest);
        }
        let metadata: serde_json::Value = serde_json::from_str(&sandbox.read("built.json")).unwrap();
        assert_eq!((&metadata["result"], &metadata["digest"]), (&result.into(), &digest.clone().into()));
        assert_eq!((&metadata["reference"], &metadata["references"]), (&serde_json::Value::Null, &serde_json::Value::Null));
        sandbox.run(&["inspect", result]).succeeds();
        sandbox.run(&["ls", result, "/app"]).succeeds();
        assert_eq!(sandbox.command(&["cat", result, "/app"]).output().unwrap().stdout, fs::read(sandbox.path("app")).unwrap());
        let copied = sandbox.run(&["push", result, "oci:copied"]).succeeds();
        assert!(copied.out.starts_with("oci:copied@sha256:"), "{}", copied.out);
        // The digest is checked, and not only its form.
        let other = format!("{path}@sha256:{}", "0".repeat(64));
        for verb in [&["inspect", &other][..], &["ls", &other], &["cat", &other, "/app"], &["push", &other, "oci:other"]] {
            sandbox.run(verb).fails(3, &["has no image `@sha256:0000"]);
        }
    }
    let registry = TestRegistry::start();
    let name = format!("{}/a/b", registry.host());
    let pushed = sandbox.run(&["build", "--push", "-t", &format!("{name}:1"), "-o", "oci:image"]).succeeds();
    assert_eq!(pushed.out, format!("{name}@{digest}\n"));
    let pushed = sandbox.run(&["build", "--push", "-t", &format!("{name}:1"), "--format", "json"]).succeeds().json();
    assert_eq!(pushed["reference"], format!("{name}@{digest}"));
    assert_eq!((&pushed["result"], &pushed["references"][0]), (&pushed["reference"], &pushed["reference"]));
    assert_eq!(pushed["lock"], serde_json::json!({"path": "hardened.lock", "written": false}));
}

#[test]
fn what_is_missing_here_is_told_before_anything_is_fetched() {
    let registry = TestRegistry::start();
    crate::images::Image::new("amd64").tag(&registry, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", registry.host()));
    for output in ["oci-archive:missing/image.tar", "docker-archive:missing/image.tar"] {
        sandbox.run(&["build", "-o", output]).fails(2, &["there is no folder `missing`", "mkdir -p missing"]);
    }
    for option in ["--digest-file", "--metadata-file"] {
        sandbox.run(&["build", option, "missing/file"]).fails(2, &["there is no folder `missing`"]);
        sandbox.run(&["build", option, "."]).fails(2, &["`.` cannot be written: it is a folder"]);
    }
    sandbox.run(&["push", "oci:none", "oci:other", "--digest-file", "missing/file"]).fails(2, &["there is no folder `missing`"]);
    let recipe = sandbox.read("hardened.toml");
    sandbox.write("hardened.toml", recipe.replace("\"app\"", "\"appp\"").as_bytes());
    let ran = sandbox.run(&["build"]);
    ran.fails(2, &["`appp`", "hardened.toml:6"]);
    sandbox.write(
        "hardened.toml",
        format!("{recipe}[[files]]\nfrom = \"none\"\nto = \"/a\"\n[[files]]\nfrom = \"nor\"\nto = \"/b\"\n").as_bytes(),
    );
    sandbox.run(&["build"]).fails(2, &["`none`", "`nor`"]);
    assert!(registry.seen().is_empty(), "{:?}", registry.seen());
    assert!(!sandbox.has("hardened.lock"));
}

#[test]
fn a_path_without_its_kind_is_told_how_to_write_it() {
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-o", "oci:image", "-o", "oci-archive:image.tar"]).succeeds();
    for verb in [&["inspect", "image"][..], &["ls", "image"], &["cat", "image", "/app"], &["push", "image", "oci:other"]] {
        sandbox.run(verb).fails(2, &["`oci:image`", "`docker://image`"]);
    }
    sandbox.run(&["inspect", "./image"]).fails(2, &["`oci:./image`"]);
    sandbox.run(&["inspect", "image.tar"]).fails(2, &["`oci-archive:image.tar`", "`docker-archive:image.tar`"]);
    sandbox.run(&["push", "oci:image", "copy.tar"]).fails(2, &["`oci-archive:copy.tar`"]);
    sandbox.run(&["build", "-o", "image.tar"]).fails(2, &["-o oci-archive:image.tar", "-o docker-archive:image.tar", "-o docker-daemon:"]);
    sandbox.run(&["build", "-o", "docker:x"]).fails(2, &["-o oci-archive:x.tar", "-o docker-archive:x.tar", "-o docker-daemon:"]);
}

#[test]
fn what_docker_users_type_is_answered() {
    let sandbox = Sandbox::new("static = true");
    for (typed, answer) in [
        (&["run", "--rm", "image"][..], "docker run --rm --read-only"),
        (&["pull", "nginx"], "hardened lock"),
        (&["build", "--load", "."], "-o docker-daemon:"),
        (&["build", "--build-arg", "A=1", "."], "--set KEY=VALUE"),
        (&["init", "--force"], "rm hardened.toml"),
        (&["cache", "clean"], "hardened cache prune"),
        (&["build", "--threads", "0"], "one thread for each processor"),
    ] {
        sandbox.run(typed).fails(2, &[answer]);
    }
    sandbox.write("Dockerfile", b"# syntax=docker/dockerfile:1\nFROM node:20\nRUN npm ci\n");
    for typed in [&["build", "-f", "Dockerfile"][..], &["build", "Dockerfile"], &["lock", "-f", "Dockerfile"]] {
        sandbox.run(typed).fails(2, &["`Dockerfile` is a Dockerfile, and no recipe", "-f hardened.toml"]);
    }
    fs::remove_file(sandbox.path("hardened.toml")).unwrap();
    sandbox.run(&["build", "-f", "Dockerfile"]).fails(2, &["`hardened init` writes a recipe"]);
}

#[test]
fn a_usage_line_shows_what_was_typed_and_no_variable() {
    let mut sandbox = Sandbox::new("static = true");
    sandbox.set("HARDENED_DEBIAN_MIRROR", "http://127.0.0.1:1/debian");
    sandbox.set("HARDENED_THREADS", "2");
    for typed in [&["build", "--nosuch"][..], &["push", "oci:image"], &["cache", "prune", "--nosuch"]] {
        let ran = sandbox.run(typed);
        ran.fails(2, &["Usage: hardened"]);
        for option in ["--debian-mirror", "--cache-dir", "--threads"] {
            assert!(!ran.err.contains(option), "{}", ran.err);
        }
    }
    sandbox.set("HARDENED_THREADS", "0");
    let ran = sandbox.run(&["build"]);
    ran.fails(2, &["HARDENED_THREADS", "leave `--threads` and HARDENED_THREADS out"]);
    assert!(!ran.err.contains("Usage:"), "{}", ran.err);
}
