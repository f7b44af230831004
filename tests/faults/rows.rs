//! `docs/FAULTS.md` names for each row the tests that show it, and they exist.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The names of all tests below a folder.
fn tests(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            tests(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            for (_, after) in text.match_indices("#[test]\n").map(|(at, mark)| (at, &text[at + mark.len()..])) {
                let name = after.trim_start().strip_prefix("fn ").and_then(|rest| rest.split('(').next());
                found.extend(name.map(str::to_owned));
            }
        }
    }
}

#[test]
fn every_row_has_a_test_that_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut existing = BTreeSet::new();
    for folder in ["tests", "src"] {
        tests(&root.join(folder), &mut existing);
    }
    let text = fs::read_to_string(root.join("docs/FAULTS.md")).unwrap();
    let mut rows = BTreeSet::new();
    let mut listed = BTreeSet::new();
    for line in text.lines().filter(|line| line.starts_with("| F")) {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let row: u32 = cells[1].strip_prefix('F').unwrap().parse().unwrap();
        let names: Vec<&str> = cells[3].split('`').skip(1).step_by(2).collect();
        let prefix = format!("f{row:02}_");
        assert!(names.iter().any(|name| name.starts_with(&prefix)), "F{row} has no test of its own");
        for name in names {
            assert!(existing.contains(name), "F{row} names `{name}`, which is no test");
            listed.insert(name.to_owned());
        }
        rows.insert(row);
    }
    assert_eq!(rows, (1..=42).collect::<BTreeSet<u32>>());
    let is_row = |name: &&String| name.len() > 4 && name.starts_with('f') && name[1..3].bytes().all(|byte| byte.is_ascii_digit());
    let unlisted: Vec<_> = existing.iter().filter(is_row).filter(|name| !listed.contains(*name)).collect();
    assert!(unlisted.is_empty(), "docs/FAULTS.md does not list {unlisted:?}");
}
