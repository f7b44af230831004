//! The list in `docs/ADVISORIES.md` is whole, and each test that it names exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every advisory that has to stand in the list.
const ADVISORIES: &str = "
RUSTSEC-2018-0002 RUSTSEC-2021-0080 RUSTSEC-2026-0067 CVE-2026-33056 RUSTSEC-2026-0113 RUSTSEC-2026-0068 CVE-2026-33055 CVE-2025-62518
RUSTSEC-2026-0066 RUSTSEC-2026-0112 RUSTSEC-2026-0145 CVE-2021-29136 CVE-2021-32760 RUSTSEC-2026-0148 CVE-2026-50163 CVE-2026-50162
CVE-2026-17106 CVE-2026-28406 CVE-2026-42574 CVE-2026-25121 CVE-2024-24579 CVE-2026-5223 CVE-2014-6407 CVE-2014-9356 CVE-2014-9357
CVE-2014-9358 CVE-2022-2879 CVE-2025-58183 CVE-2026-32288 CVE-2017-14992 CVE-2023-25153 CVE-2026-25122 CVE-2026-25140 CVE-2026-48702
CVE-2023-30551 CVE-2022-36114 CVE-2023-0475 CVE-2026-54448 CVE-2021-29482 CVE-2025-58058 CVE-2021-20291 RUSTSEC-2024-0400 CVE-2022-30631
CVE-2020-27350 CVE-2020-3810 CVE-2022-1664 CVE-2020-15157 CVE-2026-49349 CVE-2026-48978 GHSA-28r5-37g7-p6mp CVE-2026-33540 CVE-2026-24845
CVE-2025-51471 GHSA-vh4v-2xq2-g5cg CVE-2023-45289 CVE-2024-45336 CVE-2025-4673 CVE-2026-50151 CVE-2024-35192 CVE-2021-32690 CVE-2019-10214
CVE-2021-41092 CVE-2024-36127 CVE-2025-48374 CVE-2022-29810 CVE-2025-65965 CVE-2021-41190 GHSA-qq97-vm5h-rrhg CVE-2024-3727
GHSA-qv35-3gw6-8q4j GHSA-f36w-mj3v-6jqv CVE-2017-11468 CVE-2023-46737 CVE-2024-29902 CVE-2024-29903 CVE-2023-33957 CVE-2023-33958
CVE-2024-45395 CVE-2022-23649 CVE-2022-36056 CVE-2026-22703 CVE-2024-51746 CVE-2022-35929 CVE-2026-39395 CVE-2026-44310 CVE-2026-24122
CVE-2026-49834 CVE-2026-54787 RUSTSEC-2020-0024 CVE-2026-23992 CVE-2025-62725 CVE-2026-24137 CVE-2026-24686 CVE-2026-29051 CVE-2026-40090
CVE-2026-53488 CVE-2026-53492 CVE-2026-55887 CVE-2024-40635 CVE-2026-46680 CVE-2021-21303 CVE-2024-24557 CVE-2026-42575 CVE-2026-54174
CVE-2026-42576 CVE-2016-1252 CVE-2013-1051 CVE-2018-0501 CVE-2019-3462 CVE-2014-0487 CVE-2014-0488 CVE-2014-0489 CVE-2025-22870
RUSTSEC-2026-0258 RUSTSEC-2024-0336 RUSTSEC-2026-0098 RUSTSEC-2026-0104 RUSTSEC-2024-0421 RUSTSEC-2024-0447 CVE-2022-4122 CVE-2022-4123
CVE-2026-44517 CVE-2026-33748 moby#42108 CVE-2025-53945 CVE-2025-54059 CVE-2023-32698 moby#42884 CVE-2026-33747 CVE-2024-23651
CVE-2024-23652 CVE-2024-23653 RUSTSEC-2023-0018";

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the tables: advisories, input, what we do, and tests.
fn rows() -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(root().join("docs/ADVISORIES.md")).unwrap();
    let rows = text.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| advisory") && !line.starts_with("| ---"));
    rows.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().display().to_string();
            found.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// Says whether a source holds a test of this name.
fn holds(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_it = |line: &str| line.starts_with(&format!("fn {name}("));
    lines.iter().enumerate().any(|(at, line)| is_it(line) && lines[at.saturating_sub(3)..at].contains(&"#[test]"))
}

#[test]
fn every_test_that_is_named_exists() {
    let mut all = Vec::new();
    for folder in ["src", "tests"] {
        sources(&root().join(folder), &mut all);
    }
    let mut seen = 0;
    for row in rows() {
        assert_eq!(row.len(), 4, "{row:?}");
        let tests: Vec<&str> = row[3].split('`').skip(1).step_by(2).collect();
        assert!(!tests.is_empty() || row[2].contains("not yet: comes with"), "{row:?}");
        for test in tests {
            let (place, name) = test.rsplit_once("::").unwrap();
            let place = place.trim_end_matches("::tests").replace("::", "/");
            let fits = |path: &str| {
                let path = path.trim_end_matches(".rs").trim_end_matches("/mod").trim_end_matches("/main");
                path.ends_with(&format!("/{place}")) || path == place || path == format!("{place}/tests")
            };
            assert!(all.iter().any(|(path, source)| fits(path) && holds(source, name)), "`{test}` is no test");
            seen += 1;
        }
    }
    assert!(seen > 60, "{seen}");
}

#[test]
fn every_advisory_is_in_the_list_once() {
    let listed: Vec<String> = rows().iter().flat_map(|row| row[0].split(", ").map(str::to_owned).collect::<Vec<_>>()).collect();
    let missing: Vec<&str> = ADVISORIES.split_whitespace().filter(|advisory| !listed.iter().any(|cell| cell.contains(advisory))).collect();
    assert!(missing.is_empty(), "{missing:?}");
    let unique: BTreeSet<&String> = listed.iter().filter(|cell| !cell.starts_with("none")).collect();
    assert_eq!(unique.len(), listed.iter().filter(|cell| !cell.starts_with("none")).count(), "an advisory stands twice");
}

#[test]
fn libraries_are_above_the_fixes() {
    let lock = std::fs::read_to_string(root().join("Cargo.lock")).unwrap();
    let version = |text: &str| -> Vec<u64> { text.split(['.', '-', '+']).map_while(|part| part.parse().ok()).collect() };
    for (library, fixed) in [
        ("h2", "0.4.20"),
        ("rustls", "0.23.5"),
        ("rustls-webpki", "0.103.13"),
        ("idna", "1.0.0"),
        ("pgp", "0.14.2"),
        ("tar", "0.4.46"),
        ("hyper", "1.0.0"),
    ] {
        let lines: Vec<&str> = lock.lines().collect();
        let found = lines.windows(2).filter(|pair| pair[0] == format!("name = \"{library}\""));
        let versions: Vec<&str> = found.filter_map(|pair| pair[1].strip_prefix("version = \"")?.strip_suffix('"')).collect();
        assert!(!versions.is_empty(), "{library}");
        assert!(versions.iter().all(|found| version(found) >= version(fixed)), "{library}: {versions:?}, fixed in {fixed}");
    }
    for never in ["tokio-tar", "astral-tokio-tar", "ruzstd", "openssl-sys", "remove_dir_all"] {
        assert!(!lock.contains(&format!("name = \"{never}\"\n")), "{never}");
    }
}
