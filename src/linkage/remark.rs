use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::StartedProgram;
use crate::rootfs::ImagePath;

/// How many files are named in a line.
const NAMED: usize = 3;

/// What was proved of an image, and what was not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Proof {
    /// The files that are reached by what the image starts: scripts, interpreters, programs and libraries, sorted.
    pub reached: Vec<String>,
    /// What the image's entrypoint or command executes, in this order.
    #[serde(skip)]
    pub started: Vec<StartedProgram>,
    /// How many files were proved, those of packages included.
    pub proved: usize,
    /// Those of the reached files that load libraries by name, which is not proved.
    pub opening: Vec<String>,
    /// What else there is to say, sorted.
    #[serde(rename = "findings")]
    pub remarks: Vec<Remark>,
    /// Waivers that waive nothing: path and what is needed.
    pub idle_waivers: Vec<String>,
}

/// Something about one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Remark {
    /// How much it matters.
    pub level: Level,
    /// What the file needs: a library, a version or an interpreter; empty when it is about the file itself.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub needs: String,
    /// What is the matter with that, or with the file: "is not in the image".
    pub reason: String,
    /// The file.
    pub path: String,
    /// The package that has what is needed, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
}

impl Remark {
    pub(super) fn new(level: Level, path: &ImagePath, needs: &str, reason: impl Into<String>) -> Self {
        Self { level, needs: needs.to_owned(), reason: reason.into(), path: path.to_string(), package: None }
    }
}

/// How much a remark matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "RemarkLevel")]
pub enum Level {
    /// It will fail when it is loaded or started.
    Warning,
    /// It could not be found out whether it fails.
    Unproved,
    /// It is waived in the recipe.
    Waived,
    /// It is for another platform, or for nothing in this image.
    Information,
}

/// Remarks that say the same of several files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally<'a> {
    /// What they need.
    pub needs: &'a str,
    /// What is the matter.
    pub reason: &'a str,
    /// The files.
    pub paths: Vec<&'a str>,
    /// The package that has what they need, where one is known.
    pub package: Option<&'a str>,
}

impl Proof {
    /// Returns the remarks of a level, those together that say the same.
    pub fn tallies(&self, level: Level) -> Vec<Tally<'_>> {
        let mut groups: BTreeMap<(&str, &str, Option<&str>), Vec<&str>> = BTreeMap::new();
        for remark in self.remarks.iter().filter(|remark| remark.level == level) {
            groups.entry((&remark.needs, &remark.reason, remark.package.as_deref())).or_default().push(&remark.path);
        }
        let tally = |((needs, reason, package), paths)| Tally { needs, reason, paths, package };
        let mut tallies: Vec<_> = groups.into_iter().map(tally).collect();
        tallies.sort_by_key(|tally| std::cmp::Reverse(tally.paths.len()));
        tallies
    }
}

/// One line: `libssl.so.3` is not in the image; needed by `/app/a.node`, `/app/b.node` and 3 more.
impl std::fmt::Display for Tally<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut files: Vec<String> = self.paths.iter().take(NAMED).map(|path| format!("`{path}`")).collect();
        let more = self.paths.len() - files.len();
        let last = if more > 0 { Some(format!("{more} more")) } else { files.pop() };
        let files = match last {
            Some(last) if files.is_empty() => last,
            last => format!("{} and {}", files.join(", "), last.unwrap_or_default()),
        };
        match (self.needs, self.paths.len()) {
            ("", 1) => write!(formatter, "{files} {}", self.reason),
            ("", count) => write!(formatter, "each of {count} files {}: {files}", self.reason),
            (needs, _) => write!(formatter, "`{}` {}; needed by {files}", needs.escape_debug(), self.reason),
        }
    }
}
