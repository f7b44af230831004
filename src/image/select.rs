use super::{Documents, Image, ImageFault};
use crate::oci::{Descriptor, Index, Manifest, Platform};

/// How many documents are read to find the images of an index, below it.
const DOCUMENTS: usize = 256;
/// How deep an index may lie inside of others.
const DEPTH: usize = 8;

/// An image that an index leads to, and its platform: as the entry names it, or else as its config does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The image's manifest.
    pub descriptor: Descriptor,
    /// The platform.
    pub platform: Platform,
}

/// Returns the image of an index for a platform, or else the one that promises least below it (containerd's `platforms.Only`): what was made for
/// `amd64` runs on `amd64/v2`. The candidate's platform says which it is.
///
/// # Errors
/// When there is none, listing those that are there; when there are two; and when a document cannot be read.
pub fn select<D: Documents>(index: &Index, wanted: &Platform, documents: &D) -> Result<Candidate, D::Fault> {
    let found = candidates(index, Some(wanted), documents)?;
    let mut fitting: Vec<(usize, &Candidate)> =
        found.iter().filter_map(|candidate| Some((candidate.platform.distance_below(wanted)?, candidate))).collect();
    fitting.sort_by_key(|(distance, _)| *distance);
    let [(nearest, first), others @ ..] = fitting.as_slice() else {
        let found = found.into_iter().map(|candidate| candidate.platform).collect();
        return Err(ImageFault::Platform { wanted: wanted.clone().into(), found }.into());
    };
    let is_other = |(distance, other): &(usize, &Candidate)| distance == nearest && other.descriptor.digest != first.descriptor.digest;
    if others.iter().any(is_other) {
        return Err(ImageFault::Twice(first.platform.clone().into()).into());
    }
    Ok((*first).clone())
}

/// Returns the images that an index leads to, those of indexes inside of it as well, without attestations and other artifacts.
///
/// Entries that name a platform go first: where one is exactly what is wanted, nothing else is read, as in containerd's `images.Manifest`.
///
/// # Errors
/// When a document cannot be read, or there are too many of them.
pub fn candidates<D: Documents>(index: &Index, wanted: Option<&Platform>, documents: &D) -> Result<Vec<Candidate>, D::Fault> {
    let mut walk = Walk { wanted, documents, read: 0, found: Vec::new() };
    walk.index(index, 0)?;
    Ok(walk.found)
}

struct Walk<'a, D> {
    wanted: Option<&'a Platform>,
    documents: &'a D,
    read: usize,
    found: Vec<Candidate>,
}

impl<D: Documents> Walk<'_, D> {
    fn index(&mut self, index: &Index, depth: usize) -> Result<(), D::Fault> {
        let stated = index.images().map(|child| Candidate { descriptor: child.descriptor.clone(), platform: child.platform.clone() });
        self.found.extend(stated);
        if self.wanted.is_some_and(|wanted| self.found.iter().any(|candidate| candidate.platform.is(wanted))) {
            return Ok(());
        }
        for entry in &index.manifests {
            if entry.is_called_artifact() {
                continue;
            }
            if entry.media_type.is_index() {
                let may_hold = |platform: &Platform| self.wanted.is_none_or(|wanted| platform.distance_below(wanted).is_some());
                if entry.platform.as_ref().is_none_or(may_hold) {
                    self.nested(entry, depth + 1)?;
                }
            } else if entry.media_type.is_manifest() && entry.platform.is_none() {
                self.unstated(entry)?;
            }
        }
        Ok(())
    }

    fn nested(&mut self, entry: &Descriptor, depth: usize) -> Result<(), D::Fault> {
        self.count()?;
        if depth > DEPTH {
            return Err(ImageFault::Nested.into());
        }
        let index = self.documents.manifest(entry)?.parse::<Index>().map_err(ImageFault::from)?;
        self.index(index.view(), depth)
    }

    /// Adds a manifest whose entry names no platform, if it is an image's.
    fn unstated(&mut self, entry: &Descriptor) -> Result<(), D::Fault> {
        self.count()?;
        let raw = self.documents.manifest(entry)?;
        let manifest = raw.parse::<Manifest>().map_err(ImageFault::from)?;
        if !manifest.view().is_image() {
            return Ok(());
        }
        let platform = Image::read(&raw, self.documents)?.config().view().platform().clone();
        if platform.os != "unknown" {
            self.found.push(Candidate { descriptor: entry.clone(), platform });
        }
        Ok(())
    }

    fn count(&mut self) -> Result<(), D::Fault> {
        self.read += 1;
        if self.read > DOCUMENTS { Err(ImageFault::Nested.into()) } else { Ok(()) }
    }
}
