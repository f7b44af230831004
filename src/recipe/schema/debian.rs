use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::debian::{SUITES, flavours};

/// A base assembled from signed Debian packages: no shell, no package manager, and no package's script is run.
///
/// Each package is pinned in `hardened.lock` by digest. Dependencies of packages are added, except packages that an image does not need; `hardened explain package NAME` says why.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::recipe) struct DebianKeys {
    /// The suite: `trixie` if it is not set, or `bookworm`; with their updates and security updates. If `archives` is set, Debian's own archive is used only if `suite` is set.
    #[schemars(example = &"trixie", schema_with = "suite", extend("default" = SUITES.first()))]
    pub(in crate::recipe) suite: Option<String>,
    /// A ready-made choice of packages: `static`, `base`, `cc`, `python3`, `nodejs`, `java`, `nginx` or `postgresql-client`.
    #[schemars(example = &"python3", schema_with = "flavour")]
    pub(in crate::recipe) flavour: Option<String>,
    /// Packages in addition to those of the flavour, optionally with an exact version.
    #[schemars(example = ["libpq5", "tzdata-legacy=2026b-0+deb13u1"])]
    pub(in crate::recipe) packages: Option<Vec<String>>,
    /// Packages that are left out although others depend on them; `*` stands for any text. If a library that is needed at run time is excluded, the build reports it.
    #[schemars(example = ["fonts-*"])]
    pub(in crate::recipe) exclude: Option<Vec<String>>,
    /// Packages that are kept although the built-in rules leave them out.
    #[schemars(example = ["openssl"])]
    pub(in crate::recipe) keep: Option<Vec<String>>,
    /// Leaves out more of the packages than their documentation: locales, character sets, tests, headers and the like.
    #[schemars(example = true, extend("default" = false))]
    pub(in crate::recipe) slim: Option<bool>,
    /// Files with further CA certificates, PEM, relative to the recipe. Every program of the image trusts them.
    #[schemars(example = ["corp.pem"])]
    pub(in crate::recipe) certificates: Option<Vec<String>>,
    /// Files with further public keys that may sign Debian's own suites, relative to the recipe: for a mirror that itself signs what it
    /// has. The keys of Debian are built into hardened.
    #[schemars(example = ["mirror.asc"])]
    pub(in crate::recipe) keys: Option<Vec<String>>,
    /// Further archives of packages, such as one of your own.
    #[schemars(example = serde_json::json!([{"url": "https://deb.example.no/apt", "suite": "stable", "keys": ["apt.asc"]}]))]
    pub(in crate::recipe) archives: Option<Vec<ArchiveKeys>>,
    /// The largest number of layers for the packages; 10 if it is not set.
    #[schemars(example = 10, range(min = 2, max = 100), extend("default" = 10))]
    pub(in crate::recipe) layers: Option<i64>,
}

/// An archive of Debian packages.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("required" = ["url", "suite", "keys"]))]
pub(in crate::recipe) struct ArchiveKeys {
    /// The URL of the folder that contains `dists`.
    #[schemars(example = &"https://deb.example.no/apt")]
    pub(in crate::recipe) url: Option<String>,
    /// The suite, with the name that is in its `InRelease` file.
    #[schemars(example = &"stable")]
    pub(in crate::recipe) suite: Option<String>,
    /// The components; `main` if none is set.
    #[schemars(example = ["main"], extend("default" = ["main"]))]
    pub(in crate::recipe) components: Option<Vec<String>>,
    /// Files with the public keys that sign it, relative to the recipe.
    #[schemars(example = ["apt.asc"])]
    pub(in crate::recipe) keys: Option<Vec<String>>,
}

fn suite(_: &mut SchemaGenerator) -> Schema {
    one_of(SUITES.iter().copied())
}

fn flavour(_: &mut SchemaGenerator) -> Schema {
    one_of(flavours())
}

/// Returns the schema of a string that is one of some words, or has a placeholder. The placeholder is first: which words there are is said by `check`.
fn one_of(words: impl Iterator<Item = &'static str>) -> Schema {
    json_schema!({"anyOf": [{"type": "string", "pattern": r"\{"}, {"enum": words.collect::<Vec<_>>()}]})
}
