//! `hardened push`: an image that exists, copied byte for byte.

use serde::Serialize;

use crate::store::Location;
use crate::store::publish::gate::AcceptAll;
use crate::store::publish::{Destination, Sent, Transaction};

use super::building::BuiltUpload;
use super::destinations::{self, Published};
use super::opened;
use super::watched::Watched;
use super::{Failure, Run, TaskKind};

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Pushed {
    /// The digest.
    pub digest: String,
    /// The digest reference at each registry, or the location with the digest: `oci:image@sha256:…`.
    pub references: Vec<String>,
    /// What became of each blob at each destination.
    pub uploads: Vec<BuiltUpload>,
}

/// Copies an image to other destinations, with the same digest.
///
/// # Errors
/// When it cannot be read or written. Every tag, archive and layout is then as it was, unless the error names those that have the image.
pub fn push(from: &Location, to: &[Location], run: Run<'_>) -> Result<Pushed, Failure> {
    let opened = opened::open(from, run)?;
    let task = run.observer.begin(TaskKind::LookUp, &format!("all of {from}"), None);
    let publication = opened.publication()?;
    task.finish("");
    let digest = publication.digest();
    let open = |location| destinations::open(location, &Published::Copied(digest), run.tools);
    let destinations = to.iter().map(open).collect::<Result<Vec<Destination>, _>>()?;
    let transaction = Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Watched::new(run.observer) };
    let committed = transaction.publish(&publication)?;
    let named = |(destination, location): (&Destination, &Location)| match destination.image_name() {
        Some(name) => name.at(digest).to_string(),
        None => location.to_string(),
    };
    let written: Vec<String> = destinations.iter().zip(to).map(named).collect();
    let references = written.iter().zip(to).map(|(name, location)| location.at(digest).unwrap_or_else(|| name.clone())).collect();
    let upload = |sent: &Sent| BuiltUpload {
        destination: written[sent.destination].clone(),
        digest: sent.descriptor.digest.to_string(),
        size: sent.descriptor.size,
        status: super::building::upload_status(sent.written),
    };
    let uploads = committed.sent.iter().map(upload).collect();
    Ok(Pushed { digest: digest.to_string(), references, uploads })
}
