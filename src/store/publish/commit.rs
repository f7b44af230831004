use super::archive_file::ArchiveFile;
use super::destination::{Engine, Kind};
use super::staged::Staged;
use super::{PublishFault, Sent};
use crate::host::Unfinished;
use crate::oci::{Digest, Store, StoreError, Tag};
use crate::store::docker_archive;
use crate::store::publication::Publication;

/// Every engine, archive and tag has the image.
#[derive(Debug)]
pub struct Committed {
    /// What was done with each blob at each store, by destination and digest.
    pub sent: Vec<Sent>,
}

/// One change that others can see.
enum Step<'a> {
    Load(&'a Engine),
    Rename(&'a ArchiveFile, Unfinished),
    Move(&'a dyn Store, &'a Tag),
}

impl Step<'_> {
    /// Returns the name that the step gives to the image.
    fn name(&self) -> String {
        match self {
            Self::Load(engine) => engine.api.name(),
            Self::Rename(file, _) => format!("`{}`", file.name()),
            Self::Move(store, tag) => format!("`{}:{tag}`", store.name()),
        }
    }
}

/// Takes all steps: engines first, as what they loaded cannot be checked before, then archives, then tags.
pub(super) fn run(staged: Staged<'_>) -> Result<Committed, PublishFault> {
    let Staged { staging, publication, archives } = staged;
    let transaction = staging.transaction;
    let open = || transaction.destinations.iter().zip(&staging.complete).filter(|(_, complete)| !**complete).map(|(open, _)| open);
    let mut steps = Vec::new();
    for destination in open() {
        if let Kind::Engine(engine) = &destination.0 {
            steps.push(Step::Load(engine));
        }
    }
    for (number, unfinished) in archives {
        if let Kind::Archive(file) = &transaction.destinations[number].0 {
            steps.push(Step::Rename(file, unfinished));
        }
    }
    for named in open().filter_map(|destination| destination.store()) {
        steps.extend(named.tags.iter().map(|tag| Step::Move(&*named.store, tag)));
    }
    let names: Vec<String> = steps.iter().map(Step::name).collect();
    for (number, step) in steps.into_iter().enumerate() {
        let taken = match step {
            Step::Load(engine) => load(engine, publication, transaction.watch.write("docker-daemon:")),
            Step::Rename(file, unfinished) => file.rename(unfinished),
            Step::Move(store, tag) => store.write_manifest(&publication.root, Some(tag)),
        };
        taken.map_err(|error| partial(error, &names, number, &publication.digest()))?;
    }
    for destination in open().filter(|destination| destination.store().is_some()) {
        transaction.watch.committed(&destination.name(), &publication.digest());
    }
    Ok(Committed { sent: staging.sent })
}

fn load(engine: &Engine, publication: &Publication, done: Box<dyn FnOnce(&str)>) -> Result<(), StoreError> {
    let answer = engine.api.load(|out| docker_archive::write_image(publication, &engine.names, out))?;
    done(answer.trim());
    Ok(())
}

/// Describes the state after a step that failed: `names` are those of all steps, and `number` is the one that failed.
fn partial(error: StoreError, names: &[String], number: usize, digest: &Digest) -> StoreError {
    let (changed, others) = names.split_at(number);
    let [failed, unchanged @ ..] = others else { return error };
    if changed.is_empty() {
        return error;
    }
    let have = if changed.len() == 1 { "has" } else { "have" };
    let mut message = format!("the image was published in part: {} {have} {digest} now; {failed} failed", changed.join(", "));
    if !unchanged.is_empty() {
        message.extend([", and nothing changed at ", &unchanged.join(", ")]);
    }
    let (fault, hints) = (error.fault, error.hints.clone());
    let failure = StoreError::new(fault, message).caused_by(error).hint("run the same command again: it does the rest");
    hints.into_iter().fold(failure, StoreError::hint)
}
