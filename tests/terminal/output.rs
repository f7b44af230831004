//! Results, where they cannot be written.

use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use crate::SlowBase;
use crate::sandbox::Ran;

/// Returns a command line for each way to write a result.
fn printing(image: &str) -> Vec<Vec<&str>> {
    let lines = [
        "--help",
        "--version",
        "build --help",
        "schema",
        "man",
        "completions bash",
        "inspect IMAGE",
        "inspect IMAGE --format json",
        "ls IMAGE",
        "ls IMAGE --format json",
        "cat IMAGE /etc/passwd",
        "build -o oci:image",
        "build -o oci:image --format json",
        "build --dry-run",
        "lock --format json",
        "cache show",
        "cache check",
        "cache prune --keep 5GB",
        "push oci:image oci:copy",
    ];
    lines.iter().map(|line| line.split(' ').map(|word| if word == "IMAGE" { image } else { word }).collect()).collect()
}

fn full() -> Stdio {
    OpenOptions::new().write(true).open("/dev/full").unwrap().into()
}

/// Returns a pipe that nobody reads any more.
fn closed() -> Stdio {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    writer.into()
}

#[test]
fn a_reader_that_has_gone_away_is_no_failure() {
    let base = SlowBase::new(1, Duration::ZERO);
    base.sandbox.run(&["build", "-o", "oci:image"]).succeeds();
    for arguments in printing(&base.name()) {
        let ran = Ran::of(base.sandbox.command(&arguments).stdout(closed()).output().unwrap());
        assert_eq!(ran.code, Some(0), "{arguments:?}: {}", ran.err);
        assert!(!ran.err.contains("error") && !ran.err.contains("panicked"), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_standard_output_that_cannot_be_written_is_one_with_a_message() {
    let base = SlowBase::new(1, Duration::ZERO);
    base.sandbox.run(&["build", "-o", "oci:image"]).succeeds();
    for arguments in printing(&base.name()) {
        let ran = Ran::of(base.sandbox.command(&arguments).stdout(full()).output().unwrap());
        assert_eq!(ran.code, Some(3), "{arguments:?}: {}", ran.err);
        let message = "error: could not write to standard output\ncaused by: No space left on device";
        assert!(ran.err.contains(message), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn a_standard_error_that_cannot_be_written_changes_nothing_else() {
    let base = SlowBase::new(1, Duration::ZERO);
    let whole = base.sandbox.run(&["build", "-o", "oci:image"]).succeeds().out;
    for broken in [full, closed] {
        let command = |arguments: &[&str]| base.sandbox.command(arguments).stderr(broken()).output().unwrap();
        let output = command(&["build", "-v", "-o", "oci:image"]);
        assert_eq!((output.status.code(), String::from_utf8(output.stdout).unwrap()), (Some(0), whole.clone()));
        assert_eq!(command(&["build", "--no-such-option"]).status.code(), Some(2));
        assert_eq!(command(&["inspect", "oci:nowhere"]).status.code(), Some(3));
    }
}
