//! What programs read: results and failures as JSON, each held against its schema, and what a shell completes.

use std::fs;

use serde_json::Value;

use crate::registry::TestRegistry;
use crate::sandbox::{Ran, Sandbox};
use crate::shapes::faults;

fn schema(sandbox: &Sandbox, kind: &str) -> Value {
    sandbox.run(&["schema", "--of", kind]).succeeds().json()
}

/// Checks that a result has the shape that its schema documents.
fn has_shape(sandbox: &Sandbox, kind: &str, value: &Value) {
    let found = faults(&schema(sandbox, kind), value);
    assert!(found.is_empty(), "{kind}: {found:#?}\n{value:#}");
}

/// Runs a verb that fails with `--format json`, and returns its report.
fn report(sandbox: &Sandbox, arguments: &[&str], code: i32) -> Value {
    let ran = sandbox.run(&[arguments, &["--format", "json"]].concat());
    assert_eq!(ran.code, Some(code), "{}\n{}", ran.out, ran.err);
    assert!(!ran.err.is_empty() && !ran.err.contains("panicked"), "{}", ran.err);
    let report = ran.json();
    has_shape(sandbox, "error", &report);
    assert_eq!((&report["exit_code"], &report["errors"][0]), (&code.into(), &report["error"]));
    report
}

#[test]
fn results_have_the_shapes_that_are_documented() {
    let sandbox = Sandbox::new("static = true");
    let json = |arguments: &[&str]| sandbox.run(&[arguments, &["--format", "json"]].concat()).succeeds().json();
    sandbox.write("more/.env", b"A=1");
    sandbox.write("more/a", b"a");
    let recipe = sandbox.read("hardened.toml");
    sandbox.write("hardened.toml", format!("{recipe}[[files]]\nfrom = \"more\"\nto = \"/more\"\n").as_bytes());
    has_shape(&sandbox, "build-dry-run", &json(&["build", "--dry-run"]));
    has_shape(&sandbox, "build", &json(&["build", "-o", "oci:image"]));
    let registry = TestRegistry::start();
    let name = format!("{}/a/b:1", registry.host());
    sandbox.run(&["build", "--push", "-t", &name, "--metadata-file", "built.json"]).succeeds();
    has_shape(&sandbox, "build", &serde_json::from_str(&sandbox.read("built.json")).unwrap());
    has_shape(&sandbox, "lock", &json(&["lock"]));
    has_shape(&sandbox, "lock", &json(&["lock", "--update"]));
    has_shape(&sandbox, "push", &json(&["push", "oci:image", &name]));
    for image in ["oci:image", &name] {
        has_shape(&sandbox, "inspect", &json(&["inspect", image]));
        has_shape(&sandbox, "ls", &json(&["ls", image]));
    }
    has_shape(&sandbox, "cache-show", &json(&["cache", "show"]));
    has_shape(&sandbox, "cache-check", &json(&["cache", "check"]));
    has_shape(&sandbox, "cache-export", &json(&["cache", "export", "carried.tar"]));
    has_shape(&sandbox, "cache-import", &json(&["cache", "import", "carried.tar"]));
    fs::create_dir(sandbox.path("other")).unwrap();
    has_shape(&sandbox, "init", &json(&["init", "other"]));
    // A wrong value is found: the test looks at something.
    let mut built = json(&["build"]);
    built["lock"]["written"] = "no".into();
    assert_eq!(faults(&schema(&sandbox, "build"), &built).len(), 1);
}

#[test]
fn failures_are_told_as_json() {
    let sandbox = Sandbox::new("static = true");
    let recipe = sandbox.read("hardened.toml");
    // Options that cannot be read, wherever `--format` stands.
    let usage = report(&sandbox, &["build", "--offlin"], 2);
    assert_eq!((&usage["error"]["kind"], &usage["error"]["message"]), (&"usage".into(), &"unexpected argument '--offlin' found".into()));
    assert!(usage["error"]["hints"].to_string().contains("--offline"), "{usage}");
    assert_eq!(report(&sandbox, &["pull", "nginx"], 2)["error"]["kind"], "usage");
    // Every fault of the recipe has its location.
    sandbox.write("hardened.toml", recipe.replace("name =", "nmae =").replace("to = \"/app\"", "to = 1").as_bytes());
    let wrong = report(&sandbox, &["build"], 2);
    let errors = wrong["errors"].as_array().unwrap();
    assert!(errors.len() >= 2, "{wrong:#}");
    let location = &errors[0]["location"];
    assert_eq!((&location["file"], &location["line"], &location["column"]), (&"hardened.toml".into(), &2.into(), &1.into()), "{wrong:#}");
    // An image that could not start.
    sandbox.write("hardened.toml", recipe.replace("entrypoint = [\"/app\"]", "entrypoint = [\"/none\"]").as_bytes());
    let refused = report(&sandbox, &["build"], 1);
    assert_eq!(refused["error"]["kind"], "check");
    // What is outside of the program, with its causes.
    sandbox.write("hardened.toml", recipe.as_bytes());
    let outside = report(&sandbox, &["inspect", "oci:none"], 3);
    assert_eq!(outside["error"]["kind"], "environment");
    assert!(outside["error"]["causes"].as_array().is_some_and(|causes| !causes.is_empty()), "{outside:#}");
    // A password that was typed is no more in the report than on the terminal.
    let ran = sandbox.run(&["inspect", "user:canary-secret@registry.invalid/a/b@x", "--format", "json"]);
    assert!(ran.code == Some(2) && !ran.out.contains("canary-secret") && !ran.err.contains("canary-secret"), "{}{}", ran.out, ran.err);
    // A check that finds something says what in one object.
    sandbox.run(&["build", "-o", "oci:image"]).succeeds();
    let blobs = fs::read_dir(sandbox.path("cache/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let blob = blobs.flat_map(|folder| fs::read_dir(folder).unwrap()).next().unwrap().unwrap().path();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[0] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let damaged = report(&sandbox, &["cache", "check"], 1);
    assert_eq!(damaged["removed"].as_array().map(Vec::len), Some(1), "{damaged:#}");
    // Without `--format json` nothing is on standard output.
    sandbox.run(&["build", "--offlin"]).fails(2, &["unexpected argument"]);
}

/// Returns what completes the last of these words.
fn completed(sandbox: &Sandbox, words: &[&str]) -> Vec<String> {
    let all = [&["--", "hardened"], words].concat();
    let mut command = sandbox.command(&all);
    command.env("HARDENED_COMPLETE", "bash").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
    let ran = Ran::of(command.output().unwrap()).succeeds();
    ran.out.lines().map(str::to_owned).collect()
}

#[test]
fn values_are_completed_as_they_are_now() {
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-o", "oci:image:dev", "-o", "oci:out/second", "-o", "oci-archive:image.tar"]).succeeds();
    for (words, expected) in [
        (&["bui"][..], &["build"][..]),
        (&["init", "--template", "n"], &["node", "nginx"]),
        (&["build", "--platform", "linux/a"], &["linux/amd64", "linux/arm64", "linux/arm"]),
        (&["build", "-o", ""], &["oci:", "oci-archive:", "docker-archive:", "docker-daemon:"]),
        (&["build", "-o", "oci:im"], &["oci:image", "oci:image:dev"]),
        (&["inspect", ""], &["docker-archive:image.tar", "oci-archive:image.tar", "oci:image", "oci:image:dev"]),
        (&["inspect", "oci:image:"], &["oci:image:dev"]),
        (&["ls", "oci:out/"], &["oci:out/second", "oci:out/second:latest"]),
        (&["push", "oci:image", "registry"], &["registry.example.no/shop/api:"]),
        (&["build", "-t", "reg"], &["registry.example.no/shop/api:"]),
        (&["help", "cac"], &["cache"]),
        (&["schema", "--of", "cache-"], &["cache-show", "cache-check", "cache-export", "cache-import", "cache-prune"]),
    ] {
        let found = completed(&sandbox, words);
        // Where nothing is typed yet, options come behind the values.
        let is_whole = found.len() == expected.len() || words.ends_with(&[""]);
        assert!(found.starts_with(&expected.iter().map(ToString::to_string).collect::<Vec<_>>()) && is_whole, "{words:?}: {found:?}");
    }
    for (shell, text) in [
        ("bash", "complete -o bashdefault"),
        ("zsh", "#compdef hardened"),
        ("fish", "complete --"),
        ("elvish", "edit:"),
        ("powershell", "Register-ArgumentCompleter"),
    ] {
        let script = sandbox.run(&["completions", shell]).succeeds().out;
        assert!(script.contains(text) && script.contains("HARDENED_COMPLETE"), "{shell}: {script}");
    }
}

#[test]
fn each_verb_has_a_page_of_the_manual() {
    let sandbox = Sandbox::new("static = true");
    let written = sandbox.run(&["man", "--dir", "man1"]).succeeds().out;
    assert!(written.starts_with("man1/hardened.1\nman1/hardened-init.1\n"), "{written}");
    for (verb, page) in
        [("build", "hardened-build"), ("cache prune", "hardened-cache-prune"), ("explain package", "hardened-explain-package")]
    {
        let text = sandbox.run(&[&["man"], &verb.split(' ').collect::<Vec<_>>()[..]].concat()).succeeds().out;
        assert!(text.contains(&format!(".TH {page} 1")) && text.contains(".SH OPTIONS"), "{text}");
        assert_eq!(text.matches(".TH ").count(), 1);
        assert_eq!(sandbox.read(&format!("man1/{page}.1")), text);
    }
    let all = sandbox.run(&["man"]).succeeds().out;
    assert_eq!(all.matches(".TH ").count(), written.lines().count());
    sandbox.run(&["man", "buld"]).fails(2, &["there is no verb `buld`", "`hardened man build`"]);
    assert_eq!(sandbox.run(&["help", "build"]).succeeds().out, sandbox.run(&["build", "--help"]).succeeds().out);
}
