//! `hardened push`: an image that exists, copied byte for byte.

use std::sync::Arc;

use serde::Serialize;

use crate::oci::{Descriptor, DocumentFault, Index, Manifest, RawManifest, StoreError, StoreFault};
use crate::store::publish::gate::AcceptAll;
use crate::store::publish::{Destination, Sent, Transaction};
use crate::store::{Blobs, Location, Publication};

use super::building::BuiltUpload;
use super::destinations::{self, Published};
use super::source::{self, Opened, StoredBlob};
use super::watched::Watched;
use super::{Failure, Observer, Tools};

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pushed {
    /// The digest.
    pub digest: String,
    /// The digest reference at each registry, or the location.
    pub references: Vec<String>,
    /// What became of each blob at each destination.
    pub uploads: Vec<BuiltUpload>,
}

/// How many bytes all manifests of one image may have, for all platforms together.
const CHILDREN: u64 = 64 << 20;

/// Copies an image to other destinations, with the same digest.
///
/// # Errors
/// When it cannot be read or written. Every tag, archive and layout is then as it was, unless the error names those that have the image.
pub fn push(from: &Location, to: &[Location], tools: &Tools, observer: &dyn Observer) -> Result<Pushed, Failure> {
    let opened = source::open(from, tools)?;
    let publication = read(&opened)?;
    let digest = publication.digest();
    let open = |location| destinations::open(location, &Published::Copied(digest), tools);
    let destinations = to.iter().map(open).collect::<Result<Vec<Destination>, _>>()?;
    let transaction = Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Watched(observer) };
    let committed = transaction.publish(&publication)?;
    let named = |(destination, location): (&Destination, &Location)| match destination.image_name() {
        Some(name) => name.at(digest).to_string(),
        None => location.to_string(),
    };
    let references: Vec<String> = destinations.iter().zip(to).map(named).collect();
    let upload = |sent: &Sent| BuiltUpload {
        destination: references[sent.destination].clone(),
        digest: sent.descriptor.digest.to_string(),
        size: sent.descriptor.size,
        status: super::building::upload_status(sent.written),
    };
    let uploads = committed.sent.iter().map(upload).collect();
    Ok(Pushed { digest: digest.to_string(), references, uploads })
}

/// Reads all manifests of an image, and finds its blobs.
fn read(opened: &Opened) -> Result<Publication, Failure> {
    let broken = |fault: DocumentFault| {
        StoreError::new(StoreFault::Corrupt, format!("could not read the image at `{}`", opened.store.name())).caused_by(fault)
    };
    let mut children = Vec::new();
    if opened.root.media_type.is_index() {
        for child in &opened.root.parse::<Index>().map_err(broken)?.view().manifests {
            if child.media_type.is_index() {
                let message = format!("the image at `{}` holds an index inside of its index", opened.store.name());
                return Err(StoreError::new(StoreFault::Corrupt, message).into());
            }
            children.push(source::child(&*opened.store, child)?);
            if children.iter().map(|child| child.bytes.len() as u64).sum::<u64>() > CHILDREN {
                let message = format!("the manifests of the image at `{}` have more than {CHILDREN} bytes", opened.store.name());
                return Err(StoreError::new(StoreFault::Corrupt, message).into());
            }
        }
    }
    let manifests: Vec<&RawManifest> = if opened.root.media_type.is_index() { children.iter().collect() } else { vec![&opened.root] };
    let mut blobs = Blobs::new();
    for manifest in manifests {
        let manifest = manifest.parse::<Manifest>().map_err(broken)?;
        let view = manifest.view();
        for descriptor in view.layers.iter().chain([&view.config]) {
            blobs.entry(descriptor.digest).or_insert_with(|| (descriptor.clone(), blob(opened, descriptor)));
        }
    }
    Ok(Publication { children, ..Publication::single(opened.root.clone(), blobs) })
}

fn blob(opened: &Opened, descriptor: &Descriptor) -> Arc<StoredBlob> {
    Arc::new(StoredBlob { store: Arc::clone(&opened.store), descriptor: descriptor.clone(), origin: opened.origin.clone() })
}
