//! README's samples, run as they are written.

use std::fs;
use std::path::Path;

use crate::registry::TestRegistry;
use crate::sandbox::Sandbox;

/// A recipe with five faults, two of which README shows.
const FAULTY: &str = r#"[image]
name = "registry.example.no/team/app"
platform = ["linux/amd64"]

[base]
static = true

[user]
uid = 0

[[files]]
from = "app"
to = "usr/bin/app"

[process]
entrypoint = "/app/server --port 80"
ports = [80000]
"#;

/// Returns each command of README's console samples with what it prints, from the line that begins a sample on.
fn samples() -> Vec<(String, String)> {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```console\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let mut found: Vec<(String, String)> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ ") {
            found.push((command.to_owned(), String::new()));
        } else {
            let printed = &mut found.last_mut().unwrap().1;
            printed.push_str(line);
            printed.push('\n');
        }
    }
    found
}

/// Replaces what depends on the program that is in the image: digests, sizes and the columns that follow from them.
fn without_values(text: &str) -> String {
    let is_size = |word: &str, unit: &str| word.parse::<f64>().is_ok() && ["B", "KiB", "MiB"].contains(&unit);
    let lines = text.trim().lines().map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut told = Vec::new();
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let size = words.get(at + 1).is_some_and(|unit| is_size(word.trim_start_matches('('), unit.trim_end_matches([')', ','])));
            let (name, digest) = word.split_once("sha256:").unwrap_or((word, ""));
            match digest {
                _ if size && *word != "(0" => {
                    told.push("SIZE".to_owned());
                    at += 1;
                }
                "" => told.push((*word).to_owned()),
                _ => told.push(format!("{name}sha256:{}", "x".repeat(digest.len()))),
            }
            at += 1;
        }
        told.join(" ")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn the_samples_of_readme_print_what_they_show() {
    let registry = TestRegistry::start();
    let sandbox = Sandbox::new("static = true");
    fs::remove_file(sandbox.path("hardened.toml")).unwrap();
    let mut run = Vec::new();
    for (command, printed) in samples() {
        // The others need a runtime or Debian's archive: `tests/peers` runs them.
        let Some(arguments) = command.strip_prefix("hardened ").filter(|arguments| !arguments.starts_with("explain")) else { continue };
        if printed.starts_with("error:") {
            sandbox.write("hardened.toml", FAULTY.as_bytes());
        }
        let arguments = arguments.replace("localhost:5055", registry.host());
        let ran = sandbox.run(&arguments.split(' ').collect::<Vec<_>>());
        let told = format!("{}{}", ran.err, ran.out).replace(registry.host(), "localhost:5055");
        if printed.starts_with("error:") {
            ran.fails(2, &["error: "]);
            for fault in printed.trim().split("\n\n") {
                assert!(told.contains(fault), "README shows\n{fault}\nand not\n{told}");
            }
            assert_eq!(told.matches("error: ").count(), 5, "README says that there are five\n{told}");
        } else {
            assert_eq!(without_values(&told), without_values(&printed), "$ {command}\n{told}");
        }
        run.push(command);
    }
    assert_eq!(run.len(), 6, "{run:?}");
}
