//! The rules of the house that no compiler checks: which room may use which.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, top to bottom, as in the map of `src/lib.rs`. A room uses lower floors only, and none of its neighbours.
const FLOORS: &[&[&str]] = &[
    &["cli"],
    &["ops"],
    &["feed", "signer"],
    &["store"],
    &["net"],
    &["host"],
    &["report"],
    &["attest"],
    &["policy", "diff", "workload"],
    &["image"],
    &["plan"],
    &["linkage"],
    &["base", "layer", "sbom", "advisory"],
    &["lock"],
    &["recipe"],
    &["debian"],
    &["rootfs"],
    &["diagnostic", "oci"],
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The code without comments, strings apart: a room named in a doc line is no import.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn rooms_use_lower_floors_only() {
    let floors: BTreeMap<&str, usize> =
        FLOORS.iter().enumerate().flat_map(|(floor, rooms)| rooms.iter().map(move |room| (*room, floor))).collect();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in sources(&root()) {
        let inside = path.strip_prefix(root()).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        if inside.components().count() == 1 {
            continue;
        }
        let own = *floors.get(room).unwrap_or_else(|| panic!("the room `{room}` is on no floor"));
        let code = code(&fs::read_to_string(&path).unwrap());
        // `use crate::{a, b}` would hide rooms from this test.
        assert!(!code.contains("crate::{"), "{}: import rooms one by one", path.display());
        for used in code.split("crate::").skip(1) {
            let used: String = used.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect();
            let Some(floor) = floors.get(used.as_str()) else { continue };
            seen += 1;
            let is_same = used == room;
            if !is_same && *floor <= own {
                wrong.push(format!("{} uses `{used}`", inside.display()));
            }
        }
    }
    assert!(seen > 20, "the test looks at nothing");
    assert!(wrong.is_empty(), "imports against the floors:\n{}", wrong.join("\n"));
}

#[test]
fn the_terminal_and_clap_are_at_the_door_only() {
    for path in sources(&root()) {
        let text = code(&fs::read_to_string(&path).unwrap());
        let inside = path.strip_prefix(root()).unwrap();
        if inside.starts_with("cli") || inside == Path::new("main.rs") {
            continue;
        }
        for word in ["clap::", "indicatif::", "anstream::", "annotate_snippets::"] {
            assert!(!text.contains(word), "{} uses `{word}`", inside.display());
        }
    }
}

#[test]
fn input_and_output_are_in_their_rooms_only() {
    for path in sources(&root()) {
        let inside = path.strip_prefix(root()).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap();
        if ["host", "net", "store", "feed", "signer", "cli", "ops", "main.rs"].contains(&room) {
            continue;
        }
        let text = code(&fs::read_to_string(&path).unwrap());
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        for word in ["std::fs", "std::net", "File::open", "reqwest", "tokio", "rustix"] {
            assert!(!text.contains(word), "{} uses `{word}`", inside.display());
        }
    }
}

#[test]
fn files_stay_short() {
    for path in sources(&root()) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines: the room wants a wall", path.display());
    }
}

#[test]
fn every_room_says_what_lives_there() {
    for path in sources(&root()).iter().filter(|path| path.ends_with("mod.rs")) {
        let text = fs::read_to_string(path).unwrap();
        let depth = path.strip_prefix(root()).unwrap().components().count();
        assert!(depth > 2 || text.starts_with("//!"), "{} has no head", path.display());
        let head = text.lines().take_while(|line| line.starts_with("//!")).count();
        assert!(head <= 25, "{} has a head of {head} lines", path.display());
    }
}
