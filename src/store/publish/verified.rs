use super::destination::{Kind, NamedStore};
use super::lanes::each;
use super::staged::{Staged, at_all_stores};
use super::{Committed, PublishFault, Sent, Transaction, Work, commit};
use crate::oci::{Descriptor, RawManifest, Selector, StoreError, StoreFault, Written};

/// All destinations were verified to hold the whole publication.
pub struct Verified<'a> {
    pub(super) staged: Staged<'a>,
}

/// One check of a store.
enum Question<'a> {
    Manifest(&'a RawManifest),
    Blob(&'a Descriptor),
}

impl<'a> Verified<'a> {
    pub(super) fn of(staged: Staged<'a>) -> Result<Self, PublishFault> {
        let (staging, publication) = (&staged.staging, staged.publication);
        let Transaction { destinations, watch, .. } = staging.transaction;
        at_all_stores(staging, |number, named| {
            let work = watch.work(Work::Verify, &destinations[number], None);
            let arrived = |sent: &&Sent| sent.destination == number && sent.written != Written::Present;
            let blobs = staging.sent.iter().filter(arrived).map(|sent| Question::Blob(&sent.descriptor));
            let questions: Vec<_> = publication.manifests().map(Question::Manifest).chain(blobs).collect();
            each(&questions, |question| ask(named, question))?;
            work.done("");
            Ok(())
        })?;
        for (number, file) in &staged.archives {
            if let Kind::Archive(archive) = &destinations[*number].0 {
                let work = watch.work(Work::Verify, &destinations[*number], None);
                archive.verify(file.path(), publication)?;
                work.done("");
            }
        }
        Ok(Self { staged })
    }

    /// Asks the last gate, and then lets the engines load the image, gives archives their names, and moves every tag, one by one.
    ///
    /// # Errors
    /// When the gate refuses it: no name has changed then. When a step fails: the steps before it stay, and the error names what has
    /// the image now and what does not. Publishing again does the rest.
    pub fn commit(self) -> Result<Committed, PublishFault> {
        self.staged.staging.transaction.gates.commit(self.staged.publication)?;
        commit::run(self.staged)
    }
}

fn ask(named: &NamedStore, question: &Question<'_>) -> Result<(), StoreError> {
    let unlike = |message| Err(StoreError::new(StoreFault::Corrupt, message).hint("run the command again: missing content is sent again"));
    match question {
        Question::Manifest(manifest) => {
            let digest = manifest.descriptor().digest;
            let found = named.store.read_manifest(&Selector::Digest(digest))?;
            if found.bytes == manifest.bytes {
                return Ok(());
            }
            unlike(format!("`{}` accepted the manifest {digest}, but returns other bytes for it", named.store.name()))
        }
        Question::Blob(descriptor) => {
            if named.store.has_blob(descriptor)? {
                return Ok(());
            }
            let (name, size) = (named.store.name(), descriptor.size);
            unlike(format!("`{name}` accepted the blob {} of {size} bytes, and does not have it", descriptor.digest))
        }
    }
}
