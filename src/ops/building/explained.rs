use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;
use serde_json::json;

use super::outcome::skip;
use super::{BuiltSkip, Decided};
use crate::linkage::{Level, Proof};
use crate::lint::{self, Finding};

/// What a build would do for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Explained {
    /// The platform.
    pub platform: String,
    /// The layers that come from the base, bottom first.
    pub base_layers: Vec<ExplainedBase>,
    /// The layers that are made, bottom first.
    pub layers: Vec<ExplainedLayer>,
    /// Who the process runs as, in numbers.
    pub user: String,
    /// The program, when the recipe names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Its further arguments, when the recipe names some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// The environment variables of the recipe.
    pub env: BTreeMap<String, String>,
    /// The labels.
    pub labels: BTreeMap<String, String>,
    /// Files that are left out, and why.
    pub skipped: Vec<BuiltSkip>,
    /// What was proved, and what was not.
    pub proof: Proof,
    /// What rules say of the image.
    pub findings: Vec<Finding>,
}

/// A layer of the base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ExplainedBase {
    /// The digest of the blob.
    pub digest: String,
    /// The bytes of the blob.
    pub size: u64,
}

/// A layer that is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ExplainedLayer {
    /// What it holds.
    pub name: String,
    /// How many files, folders and links.
    pub entries: usize,
    /// The bytes of its files.
    pub size: u64,
    /// `gzip` or `zstd`.
    pub compression: &'static str,
    /// How hard it is compressed.
    pub level: i64,
}

impl Explained {
    /// The settings are the recipe's: what the image takes from its base is not told again.
    pub(super) fn new(decided: &Decided) -> Self {
        let Decided { plan, settings, gathered, findings } = decided;
        let base = plan.base.layers.iter().map(|layer| &layer.descriptor);
        Self {
            platform: plan.platform.to_string(),
            base_layers: base.map(|layer| ExplainedBase { digest: layer.digest.to_string(), size: layer.size }).collect(),
            layers: plan
                .layers
                .iter()
                .map(|layer| ExplainedLayer {
                    name: layer.name.clone(),
                    entries: layer.changeset.entries().len(),
                    size: layer.changeset.content_size(),
                    compression: layer.compressor.name(),
                    level: layer.compressor.level().into(),
                })
                .collect(),
            user: settings.user.clone(),
            entrypoint: settings.entrypoint.clone(),
            command: settings.command.clone(),
            env: settings.environment.clone(),
            labels: settings.labels.clone(),
            skipped: gathered.skipped.iter().map(skip).collect(),
            proof: plan.proof.clone(),
            findings: findings.clone(),
        }
    }
}

impl fmt::Display for Explained {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "platform {}", self.platform)?;
        for ExplainedBase { digest, size } in &self.base_layers {
            writeln!(out, "  base layer {digest} ({size} bytes)")?;
        }
        for ExplainedLayer { name, entries, size, compression, level } in &self.layers {
            writeln!(out, "  layer {name} ({entries} entries, {size} bytes, {compression} level {level})")?;
        }
        writeln!(out, "  user {}", self.user)?;
        for (name, words) in [("entrypoint", &self.entrypoint), ("command", &self.command)] {
            if let Some(words) = words {
                writeln!(out, "  {name} {}", json!(words))?;
            }
        }
        for (name, value) in &self.env {
            writeln!(out, "  env {name}={}", value.escape_debug())?;
        }
        for (name, value) in &self.labels {
            writeln!(out, "  label {}={}", name.escape_debug(), value.escape_debug())?;
        }
        for BuiltSkip { path, why } in &self.skipped {
            writeln!(out, "  left out {path} ({why})")?;
        }
        for path in &self.proof.reached {
            writeln!(out, "  proved {path}")?;
        }
        for path in &self.proof.opening {
            writeln!(out, "  not proved: libraries that {path} opens by name")?;
        }
        for (level, word) in [(Level::Warning, "warning"), (Level::Unproved, "not proved"), (Level::Waived, "waived")] {
            for tally in self.proof.tallies(level) {
                let package = tally.package.map(|package| format!(" (the package `{package}` has it)")).unwrap_or_default();
                writeln!(out, "  {word}: {tally}{package}")?;
            }
        }
        for finding in &self.findings {
            let word = if finding.level == lint::Level::Warning { "warning" } else { "note" };
            writeln!(out, "  {word}: {}", finding.line())?;
        }
        Ok(())
    }
}
