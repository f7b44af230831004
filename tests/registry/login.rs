//! Credentials: `login`, `logout`, helpers and what they get, and variables that are not complete.

use std::io::Write;
use std::process::Stdio;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::images::Image;
use crate::registry::{Guard, TestRegistry};
use crate::sandbox::{Ran, Sandbox};

/// `user:canary` in base64.
const PAIR: &str = "dXNlcjpjYW5hcnk=";

fn typed(sandbox: &Sandbox, arguments: &[&str], input: &str) -> Ran {
    let mut command = sandbox.command(arguments);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A program that refuses its arguments reads nothing.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    Ran::of(child.wait_with_output().unwrap())
}

#[test]
fn a_login_is_checked_kept_and_removed_again() {
    let test = TestRegistry::with(Guard::Basic(PAIR), |_, _| None);
    let sandbox = Sandbox::new("static = true");
    let login = ["login", test.host(), "--username", "user", "--password-stdin"];
    let ran = typed(&sandbox, &login, "canary-wrong\n");
    ran.fails(3, &["401", "check the user `user` and its password"]);
    assert!(!ran.err.contains("hardened login") && !ran.err.contains("run it again") && !ran.err.contains("canary-wrong"), "{}", ran.err);
    assert!(!sandbox.has("home/.docker/config.json"));
    typed(&sandbox, &login, "").fails(2, &["standard input holds no password"]);
    typed(&sandbox, &["login", test.host()], "").fails(2, &["there is no terminal", "--password-stdin"]);
    typed(&sandbox, &["login", &format!("https://{}/v2/", test.host())], "").fails(2, &["is no host", test.host()]);
    typed(&sandbox, &login, "canary\n").succeeds();
    assert!(sandbox.read("home/.docker/config.json").contains(PAIR));
    let out = typed(&sandbox, &["logout", test.host()], "").succeeds();
    assert!(out.err.contains("logged out of") && out.err.contains("home/.docker/config.json"), "{}", out.err);
    assert!(!sandbox.read("home/.docker/config.json").contains(PAIR));
    let again = typed(&sandbox, &["logout", test.host()], "").succeeds();
    assert!(again.err.contains("there were no credentials for"), "{}", again.err);
}

/// A credential helper that answers only with `AWS_PROFILE`, keeps in a file that it was asked to forget, and writes down its environment.
const HELPER: &str = "#!/bin/sh
env > \"$HOME/helper-environment\"
read host
[ \"$AWS_PROFILE\" = shop ] || { echo 'no profile'; exit 1; }
case $1 in
get) [ -e \"$HOME/forgotten\" ] && { echo 'credentials not found in native keychain'; exit 1; }
    echo '{\"ServerURL\":\"'\"$host\"'\",\"Username\":\"user\",\"Secret\":\"canary\"}';;
erase) : > \"$HOME/forgotten\";;
esac
";

#[test]
fn a_helper_gets_the_variables_of_its_service_and_none_of_our_secrets() {
    let test = TestRegistry::with(Guard::Basic(PAIR), |_, _| None);
    Image::new("amd64").tag(&test, "base", "1");
    let name = format!("{}/base:1", test.host());
    let mut sandbox = Sandbox::new("static = true");
    sandbox.write("bin/docker-credential-shop", HELPER.as_bytes());
    sandbox.executable("bin/docker-credential-shop");
    sandbox.write("home/.docker/config.json", json!({ "credHelpers": { test.host(): "shop" } }).to_string().as_bytes());
    sandbox.set("PATH", &format!("{}:/usr/bin:/bin", sandbox.path("bin").display()));
    sandbox.run(&["inspect", &name]).fails(3, &["401", "docker-credential-shop"]);
    sandbox.set("AWS_PROFILE", "shop");
    for (name, value) in [
        ("HARDENED_REGISTRY_HOST", "other.example"),
        ("HARDENED_REGISTRY_USER", "canary-user"),
        ("HARDENED_REGISTRY_PASSWORD", "canary-password"),
        ("HARDENED_DEBIAN_MIRROR", "https://mirror.example/canary-mirror"),
    ] {
        sandbox.set(name, value);
    }
    sandbox.run(&["inspect", &name]).succeeds();
    let given = sandbox.read("home/helper-environment");
    for part in ["AWS_PROFILE=shop", "PATH=", "HARDENED_CACHE_DIR=", "HARDENED_REGISTRY_HOST=other.example"] {
        assert!(given.contains(part), "`{part}` is not in {given}");
    }
    assert!(!given.contains("canary") && !given.contains("HARDENED_REGISTRY_PASSWORD"), "{given}");
    let out = sandbox.run(&["logout", test.host()]).succeeds();
    assert!(out.err.contains("removed from docker-credential-shop"), "{}", out.err);
    assert!(sandbox.run(&["logout", test.host()]).succeeds().err.contains("there were no credentials"));
    sandbox.run(&["inspect", &name]).fails(3, &["401"]);
}

#[test]
fn variables_of_a_registry_that_are_incomplete_are_a_mistake() {
    let all = ["HARDENED_REGISTRY_HOST", "HARDENED_REGISTRY_USER", "HARDENED_REGISTRY_PASSWORD"];
    for set in 1..7_usize {
        let mut sandbox = Sandbox::new("static = true");
        let chosen: Vec<&str> = all.into_iter().enumerate().filter(|(bit, _)| set >> bit & 1 == 1).map(|(_, name)| name).collect();
        for name in &chosen {
            sandbox.set(name, "canary.example");
        }
        for verb in [&["build", "-o", "oci:out"][..], &["inspect", "127.0.0.1:1/a/b"], &["lock"]] {
            let ran = sandbox.run(verb);
            ran.fails(2, &["all of `HARDENED_REGISTRY_HOST`", "set all three of them, or none"]);
            assert!(!ran.err.contains("canary"), "{}", ran.err);
        }
        // An empty variable counts as none, as where a secret is withheld from a pull request.
        all.iter().filter(|name| !chosen.contains(name)).for_each(|name| sandbox.set(name, ""));
        sandbox.run(&["lock"]).fails(2, &["is not: all of"]);
    }
    let mut sandbox = Sandbox::new("static = true");
    for name in all {
        sandbox.set(name, "");
    }
    sandbox.run(&["lock"]).succeeds();
    for name in all {
        sandbox.set(name, "ghcr.io/team");
    }
    sandbox.run(&["lock"]).fails(2, &["`ghcr.io/team`, which is no host of a registry"]);
    assert_eq!(STANDARD.encode("user:canary"), PAIR);
}

#[test]
fn a_base_whose_layers_do_not_fit_its_config_is_a_failure_of_its_registry() {
    let digest = format!("sha256:{}", "0".repeat(64));
    for diff_ids in [json!([]), json!([digest]), json!([digest, digest]), json!(["short"]), json!("none")] {
        let test = TestRegistry::start();
        let mut image = Image::new("amd64");
        image.config["rootfs"]["diff_ids"] = diff_ids.clone();
        image.tag(&test, "base", "1");
        let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
        let ran = sandbox.run(&["build", "-o", "oci:out"]);
        ran.fails(3, &["base"]);
        assert!(!sandbox.has("out"), "{diff_ids}");
    }
}
