//! The rules of the house that no compiler checks: which room may use which.

#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::collections::{BTreeMap, BTreeSet};
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
    &["lint"],
    &["plan"],
    &["linkage"],
    &["base", "layer", "sbom", "advisory"],
    &["lock"],
    &["recipe"],
    &["debian"],
    &["rootfs"],
    &["oci"],
    &["diagnostic"],
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

/// Reads the paths of an import behind `prefix`: `a::{b, c::d}` gives `a::b` and `a::c::d`. Returns the text behind it.
fn paths<'a>(text: &'a str, prefix: &[&'a str], found: &mut Vec<Vec<&'a str>>) -> &'a str {
    let mut path = prefix.to_vec();
    let mut rest = text;
    loop {
        if let Some(list) = rest.strip_prefix('{') {
            rest = list.trim_start();
            while !rest.starts_with('}') && !rest.is_empty() {
                rest = paths(rest, &path, found);
                rest = rest.split_once([',', '}']).map_or("", |(skipped, _)| &rest[skipped.len()..]);
                rest = rest.trim_start_matches(',').trim_start();
            }
            return rest.strip_prefix('}').unwrap_or_default();
        }
        let end = rest.find(|character: char| !character.is_alphanumeric() && character != '_').unwrap_or(rest.len());
        path.push(&rest[..end]);
        let Some(more) = rest[end..].strip_prefix("::") else {
            found.push(path);
            return &rest[end..];
        };
        rest = more;
    }
}

/// Returns what a module imports by `crate::` and `super::`, as paths from the crate's root.
fn imported<'a>(module: &[&'a str], text: &'a str) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    let starts = text.match_indices("crate::").chain(text.match_indices("super::"));
    for (start, _) in starts.filter(|(start, _)| !text[..*start].ends_with("super::")) {
        paths(&text[start..], &[], &mut found);
    }
    let absolute = found.into_iter().map(|path| {
        let ups = path.iter().take_while(|part| **part == "super").count();
        let base = if ups == 0 { &[][..] } else { &module[..module.len().saturating_sub(ups)] };
        base.iter().copied().chain(path.into_iter().filter(|part| !matches!(*part, "super" | "crate" | "self"))).collect()
    });
    absolute.collect()
}

/// Returns, for each file that is no `mod.rs`, the other such files of its room that its code imports. What a `mod.rs` exports again counts
/// for the `mod.rs`.
fn imports_in_rooms() -> BTreeMap<String, BTreeSet<String>> {
    let paths: Vec<PathBuf> = sources(&root());
    let names: Vec<&str> = paths.iter().map(|path| path.strip_prefix(root()).unwrap().to_str().unwrap()).collect();
    let is_file = |name: &str| names.contains(&name) && !name.ends_with("mod.rs");
    let mut graph = BTreeMap::new();
    for (path, name) in paths.iter().zip(&names).filter(|(_, name)| is_file(name) && name.contains('/')) {
        let text = code(&fs::read_to_string(path).unwrap());
        let module: Vec<&str> = name.trim_end_matches(".rs").split('/').collect();
        let mut edges = BTreeSet::new();
        for path in imported(&module, text.split("#[cfg(test)]").next().unwrap_or_default()) {
            let file = (1..=path.len()).rev().map(|length| format!("{}.rs", path[..length].join("/"))).find(|file| is_file(file));
            edges.extend(file.filter(|file| file != name && file.split('/').next() == module.first().copied()));
        }
        graph.insert((*name).to_owned(), edges);
    }
    graph
}

/// Returns the files that a file leads to, over any number of imports.
fn reached<'a>(graph: &'a BTreeMap<String, BTreeSet<String>>, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut queue = vec![from];
    while let Some(file) = queue.pop() {
        queue.extend(graph.get(file).into_iter().flatten().map(String::as_str).filter(|next| reached.insert(*next)));
    }
    reached
}

/// Returns the circles of a graph: sets of files of which each leads to all.
fn circles(graph: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<Vec<&str>> {
    let reached: BTreeMap<&str, BTreeSet<&str>> = graph.keys().map(|file| (file.as_str(), reached(graph, file))).collect();
    let in_circles = reached.iter().filter(|(file, to)| to.contains(*file));
    in_circles
        .map(|(file, to)| to.iter().copied().filter(|other| reached.get(other).is_some_and(|back| back.contains(file))).collect())
        .collect()
}

#[test]
fn files_of_a_room_import_each_other_in_one_direction() {
    let graph = imports_in_rooms();
    assert!(graph["net/send.rs"].contains("net/response.rs"), "the test looks at nothing");
    let wrong = circles(&graph);
    assert!(wrong.is_empty(), "files that import each other: {wrong:?}");
}

#[test]
fn a_circle_of_imports_is_found() {
    let text = "use super::b::{self, C};\nuse crate::room::{d, e::F};\nfn f() { super::super::other::g(); }";
    let mut found = imported(&["room", "a"], text);
    found.sort();
    assert_eq!(found, [&["other", "g"][..], &["room", "b"], &["room", "b", "C"], &["room", "d"], &["room", "e", "F"]]);
    let set = |files: &[&str]| files.iter().map(|file| (*file).to_owned()).collect::<BTreeSet<_>>();
    let graph = BTreeMap::from([("a".to_owned(), set(&["b"])), ("b".to_owned(), set(&["c"])), ("c".to_owned(), set(&["a", "d"]))]);
    assert_eq!(circles(&graph), BTreeSet::from([vec!["a", "b", "c"]]));
}

#[test]
fn src_includes_no_file_of_tests() {
    for path in sources(&root()) {
        for line in code(&fs::read_to_string(&path).unwrap()).lines() {
            let includes = line.contains("#[path") || line.contains("include");
            assert!(!includes || !line.contains("tests/"), "{}: {line}", path.display());
        }
    }
}

#[test]
fn the_terminal_and_clap_are_in_the_command_line_only() {
    for path in sources(&root()) {
        let text = code(&fs::read_to_string(&path).unwrap());
        let inside = path.strip_prefix(root()).unwrap();
        if inside.starts_with("cli") || inside == Path::new("main.rs") {
            continue;
        }
        for word in ["clap::", "unicode_width::", "anstream::", "annotate_snippets::"] {
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
fn only_stores_make_the_errors_of_stores() {
    let mut seen = 0;
    for path in sources(&root()).iter().filter(|path| !path.ends_with("tests.rs")) {
        let inside = path.strip_prefix(root()).unwrap();
        let text = code(&fs::read_to_string(path).unwrap());
        let text = text.split("#[cfg(test)]").next().unwrap_or_default();
        let makes = ["StoreError::new(", "StoreError::disk("].iter().any(|word| text.contains(word));
        seen += usize::from(makes);
        let is_store = inside.starts_with("store") || inside.starts_with("oci");
        assert!(is_store || !makes, "{} makes a `StoreError`: other failures are an `ExternalError`", inside.display());
    }
    assert!(seen > 3, "the test looks at nothing");
}

#[test]
fn files_stay_short() {
    for path in sources(&root()) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= 500, "{} has {lines} lines: divide it", path.display());
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
