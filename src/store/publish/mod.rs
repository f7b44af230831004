//! Publishing one image to several destinations at once, as one transaction.
//!
//! Each phase is a type, and only the phase before makes it:
//! 1. [`Staging`]: blobs are sent while layers are made, then archives are written into unfinished files ([`staging`]).
//! 2. [`Staged`]: manifests and indexes are stored by digest, no tag names them, and referrers are attached ([`staged`]).
//! 3. [`Verified`]: what every destination holds was read back ([`verified`]).
//! 4. [`Committed`]: engines have loaded the image, archives have their names, tags are moved ([`commit`]).
//!
//! [`gate`] holds what is asked before a layer is sent, before the manifests are, and before the commit.
//!
//! **Invariants.** Until the commit no tag of an image, no archive and no name in a layout changes anywhere; only lists of referrers
//! do, under a fallback tag or in `index.json`. A destination that had the whole
//! publication, tags included, gets no request after the one that found this out.

mod archive_file;
mod commit;
mod destination;
mod fault;
pub mod gate;
mod lanes;
mod staged;
mod staging;
mod verified;

pub use commit::Committed;
pub use destination::Destination;
pub use fault::PublishFault;
pub use staged::Staged;
pub use staging::{Queue, Sent, Staging};
pub use verified::Verified;

use self::gate::Gates;
use super::publication::Publication;
use crate::oci::{Descriptor, Digest, Progress, Written};

/// Is told of the progress of a publication.
pub trait Watch: Sync {
    /// A blob will be sent to a destination, once those before it are.
    fn expect(&self, destination: &Destination, descriptor: &Descriptor);

    /// A blob is on its way to a destination.
    fn begin(&self, destination: &Destination, descriptor: &Descriptor) -> Box<dyn Transfer>;

    /// Something else is done at a destination; `size` is its bytes, where they are known.
    fn work(&self, work: Work, destination: &Destination, size: Option<u64>) -> Box<dyn Working>;

    /// A destination has the whole publication already.
    fn complete(&self, destination: &str);

    /// All tags of a destination name this digest.
    fn committed(&self, destination: &str, digest: &Digest);
}

/// What is done at a destination, besides sending blobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// It is asked whether it has the image.
    LookUp,
    /// An archive is written, or an engine given the image.
    Write,
    /// It is sent the manifests and indexes.
    SendManifests,
    /// What it has is read back.
    Verify,
    /// The image gets its tags.
    Tag,
}

/// Is told of the progress of something that is done at a destination.
pub trait Working: Progress {
    /// It is done, with what there is to say about that.
    fn done(&self, said: &str);
}

/// Is told of the progress of one transfer.
pub trait Transfer: Progress {
    /// The blob has arrived.
    fn arrived(&self, written: Written);
}

/// One publication: its destinations, its gates, and its observer.
#[derive(Clone, Copy)]
pub struct Transaction<'a> {
    /// Where the image goes.
    pub destinations: &'a [Destination],
    /// The gates that may refuse it.
    pub gates: &'a dyn Gates,
    /// Is told of its progress.
    pub watch: &'a dyn Watch,
}

impl Transaction<'_> {
    /// Publishes what exists already, through all phases.
    ///
    /// # Errors
    /// When a gate refuses it or a destination fails. Before the commit no name has changed then; a failure of the commit says which
    /// names have.
    pub fn publish(self, publication: &Publication) -> Result<Committed, PublishFault> {
        let ((), staging) = self.stage_blobs(|queue| {
            queue.skip_complete(publication);
            publication.blobs.values().for_each(|(descriptor, source)| queue.submit(descriptor, source));
            Ok::<(), PublishFault>(())
        })?;
        staging.stage(publication)?.verify()?.commit()
    }
}
