//! README's samples that need Debian's archive or a runtime.

use std::fs;
use std::path::Path;

use crate::debian::{hardened, recipe};
use crate::mirror::Mirror;
use crate::project::{HELLO_SAYS, Project};

/// Returns what README shows that a command prints.
fn shown(command: &str) -> String {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let (_, rest) = readme.split_once(&format!("```console\n$ {command}")).unwrap_or_else(|| panic!("README does not show `{command}`"));
    let (_, printed) = rest.split_once('\n').unwrap();
    printed.split_once("```").unwrap().0.to_owned()
}

#[test]
fn an_explanation_in_readme_is_what_hardened_prints() {
    if Mirror::find().is_none() {
        return;
    }
    let project = Project::new(&recipe("trixie", "python3", "", ""));
    assert_eq!(hardened(&project, &["explain", "package", "dpkg"]), shown("hardened explain package dpkg").trim_end());
}

#[test]
fn readme_shows_what_the_hello_example_prints() {
    // `running` shows that it prints this.
    assert_eq!(shown("podman run"), HELLO_SAYS);
}
