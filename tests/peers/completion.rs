//! Completion in the shells themselves.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use tempfile::TempDir;

use crate::peer::{Peer, success};

/// A program that is completed in a folder with a layout and an archive.
fn prepared(folder: &Path) {
    let program = Path::new(env!("CARGO_BIN_EXE_hardened"));
    fs::create_dir(folder.join("bin")).unwrap();
    symlink(program, folder.join("bin/hardened")).unwrap();
    fs::create_dir_all(folder.join("image/blobs/sha256")).unwrap();
    fs::write(folder.join("image/oci-layout"), "{\"imageLayoutVersion\":\"1.0.0\"}").unwrap();
    let digest = format!("sha256:{}", "a".repeat(64));
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let index = format!(
        "{{\"schemaVersion\":2,\"manifests\":[{{\"mediaType\":\"{media_type}\",\"digest\":\"{digest}\",\"size\":9,\"annotations\":{{\"org.opencontainers.image.ref.name\":\"dev\"}}}}]}}"
    );
    fs::write(folder.join("image/index.json"), index).unwrap();
    fs::write(folder.join("saved.tar"), "").unwrap();
}

/// Asks bash for what may come next, with the words as its line editor splits them: at colons and equal signs as well.
fn in_bash(bash: &Peer, folder: &Path, line: &str, words: &[&str]) -> Vec<String> {
    let script = r#"
        PATH="$PWD/bin:$PATH"
        source <(hardened completions bash)
        COMP_LINE=$1 COMP_POINT=${#1} COMP_TYPE=9
        shift
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _clap_complete_hardened hardened "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut command = bash.command(folder, 60);
    command.args(["--norc", "-c", script, "bash", line]).args(words);
    success(&mut command).lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_verbs_outputs_layouts_and_tags() {
    let Some(bash) = Peer::find("bash") else { return };
    let folder = TempDir::new().unwrap();
    prepared(folder.path());
    for (line, words, expected) in [
        ("hardened bui", &["hardened", "bui"][..], &["build"][..]),
        ("hardened build -o oci", &["hardened", "build", "-o", "oci"], &["oci:", "oci-archive:"]),
        ("hardened inspect oci:im", &["hardened", "inspect", "oci", ":", "im"], &["image", "image:dev"]),
        ("hardened inspect oci:image:", &["hardened", "inspect", "oci", ":", "image", ":"], &["dev"]),
        ("hardened ls oci-archive:sa", &["hardened", "ls", "oci-archive", ":", "sa"], &["saved.tar"]),
        ("hardened build --output=oci:im", &["hardened", "build", "--output", "=", "oci", ":", "im"], &["image", "image:dev"]),
        ("hardened init --template ja", &["hardened", "init", "--template", "ja"], &["java"]),
    ] {
        assert_eq!(in_bash(&bash, folder.path(), line, words), expected, "{line}");
    }
}

#[test]
fn zsh_and_fish_read_their_scripts() {
    let folder = TempDir::new().unwrap();
    prepared(folder.path());
    if let Some(zsh) = Peer::find("zsh") {
        let script = "PATH=$PWD/bin:$PATH; autoload -Uz compinit; compinit -u -D; source <(hardened completions zsh); print -r -- ${_comps[hardened]}";
        assert!(success(zsh.command(folder.path(), 60).args(["-f", "-c", script])).contains("hardened"));
    }
    if let Some(fish) = Peer::find("fish") {
        let script = "set PATH $PWD/bin $PATH; hardened completions fish | source; complete -C 'hardened inspect oci:im'";
        assert!(success(fish.command(folder.path(), 60).args(["--no-config", "-c", script])).contains("oci:image:dev"));
    }
}
