use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

/// Every flavour: its name and its file. One file each in `flavours/`, and a line here.
const FLAVOURS: &[(&str, &str)] = &[
    ("base", include_str!("flavours/base.toml")),
    ("cc", include_str!("flavours/cc.toml")),
    ("java", include_str!("flavours/java.toml")),
    ("nginx", include_str!("flavours/nginx.toml")),
    ("nodejs", include_str!("flavours/nodejs.toml")),
    ("postgresql-client", include_str!("flavours/postgresql-client.toml")),
    ("python3", include_str!("flavours/python3.toml")),
    ("static", include_str!("flavours/static.toml")),
];

/// The suites that flavours are made for, the default first.
pub const SUITES: &[&str] = &["trixie", "bookworm"];

/// A ready-made choice of Debian packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flavour {
    /// What it is for, as a fragment.
    pub summary: String,
    /// The packages that are asked for; what they depend on comes along.
    pub packages: BTreeSet<String>,
    /// Packages that are left out although others depend on them.
    pub exclude: BTreeSet<String>,
    /// The program that is started when nothing else is said, with its arguments; empty where there is none.
    pub entrypoint: Vec<String>,
    /// Variables that its programs are best started with.
    pub environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FlavourKeys {
    summary: String,
    includes: Vec<String>,
    #[serde(default)]
    entrypoint: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    trixie: SuiteKeys,
    bookworm: SuiteKeys,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SuiteKeys {
    packages: BTreeSet<String>,
    #[serde(default)]
    exclude: BTreeSet<String>,
}

/// Returns the names of all flavours.
pub fn flavours() -> impl Iterator<Item = &'static str> {
    FLAVOURS.iter().map(|(name, _)| *name)
}

/// Returns a flavour for a suite; `None` when there is no such flavour, or none for the suite.
pub fn flavour(name: &str, suite: &str) -> Option<Flavour> {
    let (_, text) = FLAVOURS.iter().find(|(known, _)| *known == name)?;
    // A file that does not parse is found by the test that reads all of them.
    let keys: FlavourKeys = toml::from_str(text).ok()?;
    let own = match suite {
        "trixie" => keys.trixie,
        "bookworm" => keys.bookworm,
        _ => return None,
    };
    let (packages, exclude) = (own.packages, own.exclude);
    let (summary, entrypoint, environment) = (keys.summary, keys.entrypoint, keys.environment);
    let mut flavour = Flavour { summary, packages, exclude, entrypoint, environment };
    for included in &keys.includes {
        let included = self::flavour(included, suite)?;
        flavour.packages.extend(included.packages);
        for (name, value) in included.environment {
            flavour.environment.entry(name).or_insert(value);
        }
    }
    Some(flavour)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flavour_is_there_for_every_suite() {
        for name in flavours() {
            for suite in SUITES {
                let flavour = flavour(name, suite).unwrap_or_else(|| panic!("{name} for {suite}"));
                assert!(flavour.packages.contains("base-files"), "{name} for {suite}");
                assert!(!flavour.summary.is_empty());
            }
        }
        assert_eq!(flavour("cc", "trixie").unwrap().packages.len(), 10);
        assert!(flavour("cc", "sid").is_none() && flavour("perl", "trixie").is_none());
    }

    #[test]
    fn every_file_is_listed() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/debian/flavours");
        let mut files: Vec<String> =
            std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect();
        files.sort();
        assert!(files.iter().map(String::as_str).eq(flavours()), "{files:?}");
    }
}
