use std::fmt;
use std::str::FromStr;

use serde::Deserialize;

use crate::rootfs::{Letters, name_fits};

/// Package names, by one name or with `*` for any run of characters: `perl*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pattern(Box<str>);

impl Pattern {
    /// Says whether a name is one of these.
    pub fn matches(&self, name: &str) -> bool {
        fits(&self.0, name)
    }
}

/// Says whether a name fits a pattern, in which `*` stands for any text and `?` for one byte.
pub fn fits(pattern: &str, name: &str) -> bool {
    name_fits(pattern.as_bytes(), name.as_bytes(), Letters::Exact)
}

impl FromStr for Pattern {
    type Err = ExclusionFault;

    fn from_str(text: &str) -> Result<Self, ExclusionFault> {
        let is_known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.*".contains(&byte);
        let is_pattern = (1..=128).contains(&text.len()) && text.bytes().all(is_known) && text.bytes().any(|byte| byte != b'*');
        if is_pattern { Ok(Self(text.into())) } else { Err(ExclusionFault::Pattern(text.chars().take(60).collect())) }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// Packages that a distroless image does without, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExclusionRule {
    /// What the rule is called.
    pub name: String,
    /// Why an image does without them: a lower-case fragment.
    pub reason: String,
    /// The packages, and names that packages provide.
    pub packages: Vec<Pattern>,
    /// Whether the packages are parts of one thing, so that naming one of them lifts the rule.
    pub is_whole: bool,
}

impl ExclusionRule {
    /// Says whether a package is one of these.
    pub fn names(&self, package: &str) -> bool {
        self.packages.iter().any(|pattern| pattern.matches(package))
    }
}

/// A package that comes in with others although a rule excludes it and no relation asks for it, since they need a part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartRule {
    /// The package.
    pub name: String,
    /// The packages that need a part of it.
    pub of: Vec<Pattern>,
}

/// Why exclusions can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExclusionFault {
    /// It is no name and no pattern of names.
    #[error("`{0}` is neither a package name nor a pattern with `*`")]
    Pattern(String),
    /// The table inside the program can't be read, which a test rules out.
    #[error("the table of exclusions can't be read: {0}")]
    Table(String),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    rule: Vec<Row>,
    part: Vec<PartRow>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PartRow {
    name: String,
    of: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    name: String,
    reason: String,
    packages: Vec<String>,
    #[serde(default)]
    whole: bool,
}

/// Returns the rules inside the program, in the table's order.
pub fn built_in_exclusions() -> Result<Vec<ExclusionRule>, ExclusionFault> {
    let rule = |row: Row| {
        let packages = patterns(&row.packages)?;
        Ok(ExclusionRule { name: row.name, reason: row.reason, packages, is_whole: row.whole })
    };
    table()?.rule.into_iter().map(rule).collect()
}

/// Returns the packages that come in since others need parts of them.
pub fn built_in_parts() -> Result<Vec<PartRule>, ExclusionFault> {
    table()?.part.into_iter().map(|row| Ok(PartRule { of: patterns(&row.of)?, name: row.name })).collect()
}

fn table() -> Result<Table, ExclusionFault> {
    toml::from_str(include_str!("exclude.toml")).map_err(|error| ExclusionFault::Table(error.to_string()))
}

fn patterns(texts: &[String]) -> Result<Vec<Pattern>, ExclusionFault> {
    texts.iter().map(|text| text.parse()).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn patterns_match_names() {
        for (pattern, name, expected) in [
            ("perl", "perl", true),
            ("perl", "perl-base", false),
            ("perl*", "perl", true),
            ("perl*", "perl-modules-5.36", true),
            ("perl*", "libperl5.36", false),
            ("*-dev", "libc6-dev", true),
            ("*-dev", "libc6-dev-bin", false),
            ("lib*-perl", "libdbi-perl", true),
            ("lib*-perl", "lib-perl-perl", true),
            ("lib*-perl", "libperl", false),
            ("a*b*c", "abbc", true),
            ("a*b*c", "acb", false),
        ] {
            assert_eq!(pattern.parse::<Pattern>().unwrap().matches(name), expected, "{pattern} {name}");
        }
        for bad in ["", "*", "**", "Perl", "a b", "a/b", "a?"] {
            assert!(bad.parse::<Pattern>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_rule_of_the_table_says_why() {
        let rules = built_in_exclusions().unwrap();
        let names: BTreeSet<&str> = rules.iter().map(|rule| rule.name.as_str()).collect();
        assert_eq!(names.len(), rules.len());
        let mut seen = BTreeSet::new();
        for rule in &rules {
            assert!(!rule.packages.is_empty() && rule.reason.len() > 20, "{rule:?}");
            assert!(rule.reason.starts_with(char::is_lowercase) && !rule.reason.ends_with('.'), "{}", rule.reason);
            for pattern in &rule.packages {
                assert!(seen.insert(pattern), "{pattern} is there twice");
            }
        }
        let excluded = |name: &str| rules.iter().any(|rule| rule.packages.iter().any(|pattern| pattern.matches(name)));
        for name in [
            "dpkg",
            "bash",
            "perl-base",
            "debconf",
            "debconf-2.0",
            "cdebconf",
            "awk",
            "mawk",
            "systemd",
            "adduser",
            "apt",
            "openssl",
            "libc-bin",
        ] {
            assert!(excluded(name), "{name}");
        }
        for name in [
            "libc6",
            "libssl3",
            "libssl3t64",
            "tzdata",
            "ca-certificates",
            "base-files",
            "libsystemd0",
            "python3-minimal",
            "fontconfig-config",
            "libperl5.36",
        ] {
            assert!(!excluded(name), "{name}");
        }
    }

    #[test]
    fn patterns_fit_whole_names() {
        for (pattern, name, expected) in [
            ("libc6", "libc6", true),
            ("libc6", "libc6-dev", false),
            ("python3.*-minimal", "python3.13-minimal", true),
            ("python3.*-minimal", "python3-minimal", false),
            ("postgresql-client-1?", "postgresql-client-17", true),
            ("postgresql-client-1?", "postgresql-client-common", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
