//! What the loader is asked for and what it finds, as others read it: binutils' `readelf`, and the loader itself.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use hardened::rootfs::{Dynamic, Head};

use crate::peer::{Peer, success};

/// This machine's libraries and programs, a part of them from all folders.
fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in ["/usr/bin", "/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/sbin", "/usr/lib64"] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect();
        paths.sort();
        found.extend(paths);
    }
    // Programs and libraries, not the objects that are linked to them.
    let is_elf = |path: &PathBuf| fs::read(path).is_ok_and(|bytes| bytes.starts_with(b"\x7fELF") && matches!(bytes.get(16), Some(2 | 3)));
    found.into_iter().step_by(3).filter(is_elf).collect()
}

fn head(path: &Path) -> (Option<String>, Dynamic) {
    match Head::of(&fs::read(path).unwrap()) {
        Head::Elf { interpreter, dynamic, .. } => (interpreter, dynamic.map(|dynamic| (*dynamic).clone()).unwrap_or_default()),
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// What `readelf -dVlW` says, as we would.
fn read(text: &str) -> (Option<String>, Dynamic) {
    let bracket = |line: &str| Some(line.split_once('[')?.1.rsplit_once(']')?.0.to_owned());
    let mut dynamic = Dynamic::default();
    let (mut interpreter, mut part) = (None, "");
    let mut versions: Vec<(Box<str>, Vec<Box<str>>)> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.trim().strip_prefix("[Requesting program interpreter: ") {
            interpreter = Some(name.trim_end_matches(']').to_owned());
        }
        for (tag, what) in [("(NEEDED)", 0), ("(FILTER)", 0), ("(SONAME)", 1), ("(RPATH)", 2), ("(RUNPATH)", 3)] {
            if let Some(value) = line.contains(tag).then(|| bracket(line)).flatten() {
                match what {
                    0 => dynamic.needed.push(value.into()),
                    1 => dynamic.soname = Some(value.into()),
                    2 => dynamic.rpath = Some(value.into()),
                    _ => dynamic.runpath = Some(value.into()),
                }
            }
        }
        for (title, name) in [("Version definition section", "d"), ("Version needs section", "n"), ("Version symbols section", "")] {
            if line.starts_with(title) {
                part = name;
            }
        }
        if part == "d" && line.contains("Index:") && !line.contains("Flags: BASE") {
            dynamic.defines.extend(line.split_once("Name: ").map(|(_, name)| name.trim().into()));
        }
        if part == "n"
            && let Some((_, file)) = line.split_once("File: ")
        {
            versions.push((file.split_whitespace().next().unwrap().into(), Vec::new()));
        } else if part == "n"
            && let Some((_, name)) = line.split_once("Name: ")
            && !name.contains("Flags: WEAK")
        {
            versions.last_mut().unwrap().1.push(name.split_whitespace().next().unwrap().into());
        }
    }
    let needed = |(library, versions)| hardened::rootfs::NeededVersions { library, versions };
    dynamic.versions = versions.into_iter().filter(|(_, versions)| !versions.is_empty()).map(needed).collect();
    (interpreter, dynamic)
}

#[test]
fn readelf_reads_the_same() {
    let Some(readelf) = Peer::find("readelf") else { return };
    let home = tempfile::TempDir::new().unwrap();
    let files = files();
    assert!(files.len() > 50, "{}", files.len());
    let mut different = Vec::new();
    let mut seen = BTreeSet::new();
    let mut openers: BTreeMap<bool, usize> = BTreeMap::new();
    for path in files {
        let (interpreter, ours) = head(&path);
        let text = success(readelf.command(home.path(), 60).args(["-dVlW"]).arg(&path));
        let (expected_interpreter, expected) = read(&text);
        let symbols = success(readelf.command(home.path(), 60).args(["--dyn-syms", "-W"]).arg(&path));
        let opens = symbols.lines().any(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let name = words.get(7).map(|name| name.split('@').next().unwrap());
            words.get(6) == Some(&"UND") && matches!(name, Some("dlopen" | "dlmopen"))
        });
        *openers.entry(opens).or_default() += 1;
        let expected = Dynamic { opens_by_name: opens, folders: ours.folders.clone(), without_defaults: ours.without_defaults, ..expected };
        if interpreter != expected_interpreter || ours != expected {
            different
                .push(format!("{}:\nours      {interpreter:?} {ours:?}\nreadelf's {expected_interpreter:?} {expected:?}", path.display()));
        }
        seen.insert(path);
    }
    assert!(different.is_empty(), "{} of {} differ:\n{}", different.len(), seen.len(), different.join("\n"));
    assert!(openers.len() == 2, "{openers:?}");
    println!("{} files", seen.len());
}
