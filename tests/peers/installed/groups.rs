use std::collections::BTreeMap;

use serde::Deserialize;

/// Packages that are installed together.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) packages: Vec<String>,
    /// The image's entrypoint: a program of one of the packages.
    pub(super) entrypoint: String,
    /// What programs do, in this order: one may read what another has written.
    #[serde(rename = "job")]
    pub(super) jobs: Vec<Job>,
}

/// What a program does.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Job {
    /// The program and its arguments; they run in a folder with the files of `groups.toml`.
    pub(super) run: Vec<String>,
    /// A service that runs beside it, in the same container.
    #[serde(default)]
    pub(super) beside: Vec<String>,
    /// What it prints, in any order.
    #[serde(default)]
    pub(super) says: Vec<String>,
    /// The file that it makes.
    pub(super) makes: Option<String>,
    /// How it ends.
    #[serde(default)]
    pub(super) code: i32,
    #[serde(default)]
    pub(super) environment: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    files: BTreeMap<String, String>,
    #[serde(rename = "group")]
    groups: Vec<Group>,
}

fn table() -> Table {
    toml::from_str(include_str!("groups.toml")).unwrap()
}

/// Returns all groups.
pub(super) fn groups() -> Vec<Group> {
    table().groups
}

/// Returns the files that programs work on, by name.
pub(super) fn files() -> BTreeMap<String, String> {
    table().files
}
