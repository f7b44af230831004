use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::{BuildRequest, Job, PlatformImage, Work};
use crate::host::project::{Skipped, Why};
use crate::linkage::Proof;
use crate::lint::Finding;
use crate::oci::{self, Descriptor};
use crate::ops::debian::DebianOutcome;
use crate::recipe::Healthcheck;
use crate::store::Location;
use crate::store::publish::{Destination, Sent};

/// What was built.
#[derive(Debug, Clone, PartialEq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Built {
    /// The digest of the manifest, or of the index over several.
    pub digest: String,
    /// The media type of what the digest is of.
    pub media_type: String,
    /// What text output is: the first reference that was pushed, else the first output with the digest behind it (`oci:image@sha256:…`; for
    /// `docker-archive:` and `docker-daemon:` that of the config, the image ID there), else the digest.
    pub result: String,
    /// The digest reference of the first name that was pushed: `registry.example.no/shop/api@sha256:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The digest reference of each name that was pushed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<String>,
    /// The lock.
    pub lock: BuiltLock,
    /// Every name and tag.
    pub tags: Vec<String>,
    /// The images.
    pub platforms: Vec<BuiltPlatform>,
    /// What the base of Debian packages is made of, for each platform.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub debian: Vec<DebianOutcome>,
    /// The values of placeholders that were used.
    pub inputs: BTreeMap<String, String>,
    /// Files that were left out, and why; at most 100 for each reason.
    pub skipped: Vec<BuiltSkip>,
    /// How many files were left out in all.
    pub skipped_count: usize,
    /// What became of each blob at each destination.
    pub uploads: Vec<BuiltUpload>,
    /// How long it took.
    pub seconds: Times,
}

/// What became of the lock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltLock {
    /// Its file.
    pub path: String,
    /// Whether this build wrote it.
    pub written: bool,
}

/// The image of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltPlatform {
    /// The platform.
    pub platform: String,
    /// The digest of its manifest.
    pub digest: String,
    /// The digest of its config.
    pub config: String,
    /// The bytes of all its layers, as they are stored.
    pub size: u64,
    /// The layers, bottom first.
    pub layers: Vec<BuiltLayer>,
    /// What was proved of it, and what was not.
    pub proof: Proof,
    /// What rules say of it.
    pub findings: Vec<Finding>,
}

/// One layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltLayer {
    /// What it holds.
    pub name: String,
    /// The digest of the blob.
    pub digest: String,
    /// The digest of the tar inside.
    pub diff_id: String,
    /// The bytes of the blob.
    pub size: u64,
    /// The bytes of the tar inside, for layers that we made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tar_size: Option<u64>,
}

/// Why a file was left out that hardened itself writes.
pub const OUTPUT: &str = "output";

/// A file that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltSkip {
    /// The file.
    pub path: String,
    /// Why: `denied: RULE`, `excluded: PATTERN`, or `output` for what hardened itself writes.
    pub why: String,
}

/// What became of a blob at a destination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct BuiltUpload {
    /// The destination.
    pub destination: String,
    /// The blob.
    pub digest: String,
    /// Its size in bytes.
    pub size: u64,
    /// `present`, `mounted` or `uploaded`.
    pub status: &'static str,
}

/// Seconds that a build took.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Times {
    /// Until the base was known.
    pub base: f64,
    /// Until all layers were made, and had arrived where they go.
    pub layers: f64,
    /// In all.
    pub total: f64,
}

/// Where a build went.
pub(super) struct Delivered<'a> {
    pub(super) request: &'a BuildRequest,
    pub(super) destinations: &'a [Destination],
    pub(super) sent: &'a [Sent],
}

impl Delivered<'_> {
    /// Returns the first output with the digest that it is found by: that of the config where nothing else of the image is kept.
    fn first_output(&self, root: &Descriptor, work: &Work) -> Option<String> {
        let output = self.request.outputs.first()?;
        let config = || work.platforms.first().map(|platform| platform.image.config().digest());
        match output {
            Location::DockerArchive(..) | Location::DockerDaemon => output.at(config()?),
            Location::Layout(..) | Location::Archive(..) | Location::Registry(_) => output.at(root.digest),
        }
    }
}

impl Job {
    pub(super) fn outcome(&self, work: &Work, root: &Descriptor, delivered: &Delivered<'_>, seconds: Times) -> Built {
        let recipe = &self.open.recipe;
        let Delivered { destinations, sent, .. } = delivered;
        let pushed = destinations.iter().filter_map(Destination::image_name);
        let references: Vec<String> = pushed.map(|name| name.at(root.digest).to_string()).collect();
        let result = references.first().cloned().or_else(|| delivered.first_output(root, work));
        let upload = |sent: &Sent| BuiltUpload {
            destination: destinations[sent.destination].name(),
            digest: sent.descriptor.digest.to_string(),
            size: sent.descriptor.size,
            status: upload_status(sent.written),
        };
        Built {
            digest: root.digest.to_string(),
            media_type: root.media_type.to_string(),
            result: result.unwrap_or_else(|| root.digest.to_string()),
            reference: references.first().cloned(),
            references,
            lock: BuiltLock { path: self.lock.path.display().to_string(), written: self.lock.changed },
            tags: recipe.references.iter().map(|reference| reference.value.to_string()).collect(),
            platforms: work.platforms.iter().map(|platform| built_platform(work, platform)).collect(),
            debian: self.base.platforms.iter().filter_map(|base| base.debian()).map(|debian| debian.outcome.clone()).collect(),
            inputs: recipe.inputs.clone(),
            skipped: work.skipped.skipped.iter().map(skip).collect(),
            skipped_count: work.skipped.skipped_count,
            uploads: sent.iter().map(upload).collect(),
            seconds,
        }
    }
}

pub(in crate::ops) fn upload_status(written: oci::Written) -> &'static str {
    match written {
        oci::Written::Present => "present",
        oci::Written::Mounted => "mounted",
        oci::Written::Uploaded => "uploaded",
    }
}

fn built_platform(work: &Work, platform: &PlatformImage) -> BuiltPlatform {
    let PlatformImage { image, names, proof, findings } = platform;
    let of_base = image.layers().len() - names.len();
    let name = |index: usize| index.checked_sub(of_base).and_then(|own| names.get(own)).cloned().unwrap_or_else(|| "base".to_owned());
    let layer = |(index, layer): (usize, &oci::ImageLayer)| BuiltLayer {
        name: name(index),
        digest: layer.descriptor.digest.to_string(),
        diff_id: layer.diff_id.to_string(),
        size: layer.descriptor.size,
        tar_size: work.tar_sizes.get(&layer.descriptor.digest).copied(),
    };
    BuiltPlatform {
        platform: image.config().view().platform().to_string(),
        digest: image.digest().to_string(),
        config: image.config().digest().to_string(),
        size: image.layers().iter().fold(0, |size, layer| size.saturating_add(layer.descriptor.size)),
        layers: image.layers().iter().enumerate().map(layer).collect(),
        proof: proof.clone(),
        findings: findings.clone(),
    }
}

pub(super) fn skip(skipped: &Skipped) -> BuiltSkip {
    let why = match &skipped.why {
        Why::Denied(rule) => format!("denied: {rule}"),
        Why::Excluded(pattern) => format!("excluded: {pattern}"),
        Why::Output => OUTPUT.to_owned(),
    };
    BuiltSkip { path: skipped.path.to_string(), why }
}

/// Returns a check as Docker's engine reads it.
pub(super) fn healthcheck(check: &Healthcheck) -> oci::Healthcheck {
    let nanoseconds = |time: Option<Duration>| time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    oci::Healthcheck {
        test: std::iter::once("CMD").chain(check.command.iter().map(String::as_str)).map(str::to_owned).collect(),
        interval: nanoseconds(check.interval),
        timeout: nanoseconds(check.timeout),
        start_period: nanoseconds(check.start_period),
        start_interval: nanoseconds(check.start_interval),
        retries: check.retries,
    }
}
