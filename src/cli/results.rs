use std::path::PathBuf;

use clap::ValueEnum;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::Serialize;

use super::screen::FailureReport;
use crate::host::cache::{CacheCheck, CacheStatistics, Pruned};
use crate::ops::building::{Built, Explained};
use crate::ops::carry::Carried;
use crate::ops::explain::PackageExplained;
use crate::ops::files::ImageFiles;
use crate::ops::inspect::Inspected;
use crate::ops::lock::Locked;
use crate::ops::push::Pushed;
use crate::ops::vendor::Vendored;

/// A result that `--format json` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ResultKind {
    /// What `build` built, also in `--metadata-file`
    Build,
    /// What `build --dry-run` would build
    BuildDryRun,
    /// What `lock` pinned
    Lock,
    /// What `explain package` says
    Explain,
    /// What `vendor` copied
    Vendor,
    /// What `push` copied
    Push,
    /// What `inspect` shows
    Inspect,
    /// What `ls` lists
    Ls,
    /// What `init` wrote
    Init,
    /// Where `login` keeps credentials
    Login,
    /// Where `logout` removed credentials
    Logout,
    /// The cache as `cache show` shows it
    CacheShow,
    /// What `cache check` found
    CacheCheck,
    /// What `cache export` wrote
    CacheExport,
    /// What `cache import` took
    CacheImport,
    /// What `cache prune` removed
    CachePrune,
    /// Why any verb failed
    Error,
}

/// The recipe that `init` wrote.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct InitResult {
    /// The recipe's path.
    pub(super) path: PathBuf,
    /// The path of the recipe's JSON Schema, unless there was one.
    pub(super) schema: Option<PathBuf>,
    /// The template's name.
    pub(super) template: &'static str,
    /// What is said about the recipe.
    pub(super) notes: Vec<String>,
    /// The commands that come next.
    pub(super) next: Vec<String>,
}

/// Where credentials are kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LoginResult {
    /// The registry's host.
    pub(super) host: String,
    /// The file, or the credential helper.
    pub(super) kept: String,
}

/// What `logout` removed.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct LogoutResult {
    /// The registry's host.
    pub(super) host: String,
    /// The files and credential helpers that credentials were removed from.
    pub(super) removed: Vec<String>,
    /// What still gives credentials for the host.
    pub(super) left: Vec<String>,
}

/// The cache.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct CacheResult {
    /// Its folder.
    pub(super) folder: String,
    /// How large it is.
    #[serde(flatten)]
    pub(super) statistics: CacheStatistics,
}

/// Returns the JSON Schema of a result, as JSON text (draft 2020-12).
pub(super) fn schema_text(kind: ResultKind) -> String {
    let schema = match kind {
        ResultKind::Build => of::<Built>(),
        ResultKind::BuildDryRun => of::<Vec<Explained>>(),
        ResultKind::Lock => of::<Locked>(),
        ResultKind::Explain => of::<PackageExplained>(),
        ResultKind::Vendor => of::<Vendored>(),
        ResultKind::Push => of::<Pushed>(),
        ResultKind::Inspect => of::<Inspected>(),
        ResultKind::Ls => of::<ImageFiles>(),
        ResultKind::Init => of::<InitResult>(),
        ResultKind::Login => of::<LoginResult>(),
        ResultKind::Logout => of::<LogoutResult>(),
        ResultKind::CacheShow => of::<CacheResult>(),
        ResultKind::CacheCheck => of::<CacheCheck>(),
        ResultKind::CacheExport | ResultKind::CacheImport => of::<Carried>(),
        ResultKind::CachePrune => of::<Pruned>(),
        ResultKind::Error => of::<FailureReport>(),
    };
    format!("{:#}\n", schema.to_value())
}

/// Describes a type as it is written: what may be left out is not required.
fn of<T: JsonSchema>() -> schemars::Schema {
    SchemaSettings::draft2020_12().for_serialize().into_generator().into_root_schema_for::<T>()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::arguments::Arguments;

    /// Verbs that write a page or a file and no JSON.
    const WITHOUT: &[&str] = &["cat", "schema", "completions", "man", "help"];

    #[test]
    fn every_verb_has_a_schema_of_its_result() {
        let kinds: Vec<String> =
            ResultKind::value_variants().iter().filter_map(|kind| Some(kind.to_possible_value()?.get_name().to_owned())).collect();
        let command = Arguments::command();
        for verb in command.get_subcommands().filter(|verb| !WITHOUT.contains(&verb.get_name())) {
            let below: Vec<String> = verb.get_subcommands().map(|below| format!("{}-{}", verb.get_name(), below.get_name())).collect();
            let named = |name: &String| kinds.contains(name);
            assert!(
                named(&verb.get_name().to_owned()) || !below.is_empty() && below.iter().all(named),
                "`{}` has no schema",
                verb.get_name()
            );
        }
        for kind in ResultKind::value_variants() {
            let schema: serde_json::Value = serde_json::from_str(&schema_text(*kind)).unwrap();
            assert!(schema["title"].is_string() && schema["type"].is_string(), "{kind:?}: {schema}");
        }
    }
}
