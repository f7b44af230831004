//! `hardened push`: an image that exists, copied byte for byte.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::oci::{
    BlobSource, Descriptor, Digest, DocumentFault, ImageName, Index, Manifest, RawManifest, Store, StoreError, StoreFault, Tag,
};
use crate::store::layout::Layout;
use crate::store::publish::{self, Place, Sent, upload};
use crate::store::{Location, archive};

use super::building::BuiltUpload;
use super::source::{self, Opened, StoredBlob};
use super::watched::Watched;
use super::{Failure, Observer, Tools};

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Pushed {
    /// The digest.
    pub digest: String,
    /// The digest reference at each registry, or the place.
    pub references: Vec<String>,
    /// What became of each blob at each place.
    pub uploads: Vec<BuiltUpload>,
}

/// How many bytes all manifests of one image may have, for all platforms together.
const CHILDREN: u64 = 64 << 20;

struct Target {
    store: Box<dyn Store>,
    name: Option<ImageName>,
    tags: Vec<Tag>,
    shown: String,
}

/// Copies an image to other places, with the same digest.
///
/// # Errors
/// When it cannot be read or written. No tag has moved then.
pub fn push(from: &Location, to: &[Location], tools: &Tools, observer: &dyn Observer) -> Result<Pushed, Failure> {
    let opened = source::open(from, tools)?;
    let digest = opened.root.descriptor().digest;
    let (children, blobs) = walk(&opened)?;
    let archives: Vec<&Location> = to.iter().filter(|place| matches!(place, Location::Archive(..))).collect();
    let targets = to
        .iter()
        .filter(|place| !matches!(place, Location::Archive(..)))
        .map(|place| target(place, &opened, tools))
        .collect::<Result<Vec<_>, _>>()?;
    let places: Vec<Place<'_>> = targets.iter().map(|target| Place { store: &*target.store, name: target.name.as_ref() }).collect();
    let asked: Vec<_> = targets.iter().map(|target| (&*target.store, &*target.tags)).collect();
    let whole = publish::whole(&asked, &opened.root);
    let ((), sent) = upload(&places, &Watched(observer), |queue| {
        (0..whole.len()).filter(|number| whole[*number]).for_each(|number| queue.leave_out(number));
        for descriptor in &blobs {
            queue.submit(descriptor, &blob(&opened, descriptor));
        }
        Ok::<(), Failure>(())
    })?;
    for (target, _) in targets.iter().zip(&whole).filter(|(_, whole)| !**whole) {
        publish::name(&*target.store, &children, &opened.root, &target.tags)?;
    }
    for place in &archives {
        write_archive(place, &opened, &children, &blobs)?;
    }
    let shown = |sent: &Sent| BuiltUpload {
        place: targets[sent.place].shown.clone(),
        digest: sent.descriptor.digest.to_string(),
        size: sent.descriptor.size,
        written: super::building::written(sent.written),
    };
    let mut references: Vec<String> = targets.iter().map(|target| target.shown.clone()).collect();
    references.extend(archives.iter().map(ToString::to_string));
    Ok(Pushed { digest: digest.to_string(), references, uploads: sent.iter().map(shown).collect() })
}

fn target(place: &Location, opened: &Opened, tools: &Tools) -> Result<Target, Failure> {
    match place {
        Location::Registry(reference) => {
            let digest = opened.root.descriptor().digest;
            if reference.digest.is_some_and(|wanted| wanted != digest) {
                return Err(Failure::wrong(format!("`{reference}` names another digest than the image has, {digest}")));
            }
            let tags = reference.tag_or_latest().into_iter().collect();
            let store = Box::new(tools.registry.repository(&reference.name));
            Ok(Target { store, name: Some(reference.name.clone()), tags, shown: reference.name.at(digest).to_string() })
        }
        Location::Layout(folder, tag) => {
            let tags = vec![tag.clone().unwrap_or_else(Tag::latest)];
            Ok(Target { store: Box::new(Layout::create(folder)?), name: None, tags, shown: place.to_string() })
        }
        other => {
            Err(Failure::wrong(format!("`{other}` is no place to push to")).hint("a registry reference, `oci:DIR` or `oci-archive:FILE`"))
        }
    }
}

/// Lists the manifests below the root, and all blobs; nothing is sent twice.
fn walk(opened: &Opened) -> Result<(Vec<RawManifest>, Vec<Descriptor>), Failure> {
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
    let mut blobs: Vec<Descriptor> = Vec::new();
    let mut known: BTreeSet<Digest> = BTreeSet::new();
    for manifest in manifests {
        let manifest = manifest.parse::<Manifest>().map_err(broken)?;
        let view = manifest.view();
        for descriptor in view.layers.iter().chain([&view.config]) {
            if known.insert(descriptor.digest) {
                blobs.push(descriptor.clone());
            }
        }
    }
    Ok((children, blobs))
}

fn blob(opened: &Opened, descriptor: &Descriptor) -> Arc<dyn BlobSource> {
    Arc::new(StoredBlob { store: Arc::clone(&opened.store), descriptor: descriptor.clone(), origin: opened.origin.clone() })
}

fn write_archive(place: &Location, opened: &Opened, children: &[RawManifest], blobs: &[Descriptor]) -> Result<(), Failure> {
    let Location::Archive(file, tag) = place else { return Ok(()) };
    let contents = archive::Contents {
        blobs: blobs.iter().map(|descriptor| (descriptor.digest, (descriptor.clone(), blob(opened, descriptor)))).collect(),
        children: children.to_vec(),
        root: opened.root.clone(),
        tags: vec![tag.clone().unwrap_or_else(Tag::latest)],
    };
    let failed = |error| StoreError::new(StoreFault::Disk, format!("could not write `{place}`")).caused_by(error);
    Ok(crate::host::write_with(file, |out| archive::write(&contents, out)).map_err(failed)?)
}
