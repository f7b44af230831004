use std::panic::resume_unwind;
use std::thread;

use super::destination::NamedStore;
use super::lanes::each;
use super::staging::Staging;
use super::{PublishFault, Transaction, Verified, Work};
use crate::host::Unfinished;
use crate::oci::{RawManifest, StoreError};
use crate::store::publication::Publication;

/// All destinations hold the whole publication, and nothing names it.
pub struct Staged<'a> {
    pub(super) staging: Staging<'a>,
    pub(super) publication: &'a Publication,
    /// The archives under their temporary names, with the positions of their destinations.
    pub(super) archives: Vec<(usize, Unfinished)>,
}

impl<'a> Staged<'a> {
    /// Stores the manifests and indexes by digest, and attaches the referrers, at all stores at once.
    pub(super) fn store(
        staging: Staging<'a>,
        archives: Vec<(usize, Unfinished)>,
        publication: &'a Publication,
    ) -> Result<Self, PublishFault> {
        let Transaction { destinations, watch, .. } = staging.transaction;
        at_all_stores(&staging, |number, named| {
            let work = watch.work(Work::SendManifests, &destinations[number], None);
            let write = |manifest: &RawManifest| named.store.write_manifest(manifest, None);
            // A registry takes an index only once it has what the index names. Indexes inside of others are few, and come in this order.
            let (indexes, manifests): (Vec<&RawManifest>, Vec<&RawManifest>) =
                publication.children.iter().partition(|child| child.media_type.is_index());
            each(&manifests, |manifest| write(manifest))?;
            indexes.into_iter().chain([&publication.root]).try_for_each(write)?;
            // All at once: a registry without the referrers API lists them with one request.
            if !publication.referrers.is_empty() {
                named.store.attach(&publication.referrers)?;
            }
            work.done("");
            Ok(())
        })?;
        Ok(Self { staging, publication, archives })
    }

    /// Asks every destination for what it was sent: manifests and indexes are read back and compared, blobs are asked for with their
    /// size, and archives are read. A blob that the destination said it had in this run is not asked for again, and no layer is
    /// downloaded.
    ///
    /// # Errors
    /// When a destination fails, or does not have what it took. No name has changed then.
    pub fn verify(self) -> Result<Verified<'a>, PublishFault> {
        Verified::of(self)
    }
}

/// Does a step at all stores at once that did not have the whole publication.
///
/// # Errors
/// The failure of the first store in the list that has one.
pub(super) fn at_all_stores(
    staging: &Staging<'_>,
    step: impl Fn(usize, &NamedStore) -> Result<(), StoreError> + Sync,
) -> Result<(), StoreError> {
    let destinations = staging.transaction.destinations.iter().enumerate();
    let open = destinations.filter(|(number, _)| !staging.complete[*number]);
    thread::scope(|scope| {
        let step = &step;
        let running: Vec<_> =
            open.filter_map(|(number, destination)| destination.store().map(|named| scope.spawn(move || step(number, named)))).collect();
        // All are waited for, so that none goes on writing after the failure was reported.
        let outcomes: Vec<_> = running.into_iter().map(|running| running.join().unwrap_or_else(|panic| resume_unwind(panic))).collect();
        outcomes.into_iter().collect()
    })
}
