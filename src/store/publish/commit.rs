use super::archive_file::{ArchiveFile, Counted};
use super::destination::{Destination, Engine, Kind, NamedStore};
use super::staged::Staged;
use super::{PublishFault, Sent, Work, Working};
use crate::host::Unfinished;
use crate::oci::{Digest, RawManifest, Selector, StoreError, StoreFault, Tag};
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
    Load(&'a Engine, &'a Destination),
    Rename(&'a ArchiveFile, Unfinished),
    Move(&'a NamedStore, &'a Tag, &'a Destination),
}

impl Step<'_> {
    /// Returns the name that the step gives to the image.
    fn name(&self) -> String {
        match self {
            Self::Load(engine, _) => engine.api.name(),
            Self::Rename(file, _) => format!("`{}`", file.name()),
            Self::Move(named, tag, _) => format!("`{}:{tag}`", named.store.name()),
        }
    }
}

/// What a step that failed has done all the same: a file has its name when the flush of its folder fails, and a tag may have moved
/// when the registry's answer is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    /// The name is as it was.
    None,
    /// The name is the image's.
    Named,
}

impl Effect {
    fn of(named: bool) -> Self {
        if named { Self::Named } else { Self::None }
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
            steps.push(Step::Load(engine, destination));
        }
    }
    for (number, unfinished) in archives {
        if let Kind::Archive(file) = &transaction.destinations[number].0 {
            steps.push(Step::Rename(file, unfinished));
        }
    }
    for destination in open() {
        let Some(named) = destination.store() else { continue };
        steps.extend(named.tags.iter().map(|tag| Step::Move(named, tag, destination)));
    }
    let names: Vec<String> = steps.iter().map(Step::name).collect();
    for (number, step) in steps.into_iter().enumerate() {
        let (taken, effect) = match step {
            Step::Load(engine, destination) => {
                (load(engine, publication, &*transaction.watch.work(Work::Write, destination, None)), Effect::None)
            }
            Step::Rename(file, unfinished) => {
                let taken = file.rename(unfinished);
                let effect = Effect::of(taken.is_err() && file.verify(&file.path, publication).is_ok());
                (taken, effect)
            }
            Step::Move(to, tag, destination) => {
                let work = transaction.watch.work(Work::Tag, destination, None);
                let taken = to.store.write_manifest(&publication.root, Some(tag));
                let effect = Effect::of(taken.is_err() && is_tagged(to, tag, &publication.root));
                work.done("");
                (taken, effect)
            }
        };
        taken.map_err(|error| partial(error, &names, number, effect, &publication.digest()))?;
    }
    for destination in open().filter(|destination| destination.store().is_some()) {
        transaction.watch.committed(&destination.name(), &publication.digest());
    }
    Ok(Committed { sent: staging.sent })
}

/// Says whether a tag names the image. A registry is asked once.
fn is_tagged(named: &NamedStore, tag: &Tag, root: &RawManifest) -> bool {
    let reads = || named.store.read_manifest(&Selector::Tag(tag.clone())).is_ok_and(|found| found.bytes == root.bytes);
    if named.image.is_some() { named.store.is_named(root, std::slice::from_ref(tag)) } else { reads() }
}

fn load(engine: &Engine, publication: &Publication, work: &dyn Working) -> Result<(), StoreError> {
    let failed = |error| StoreError { fault: StoreFault::Unreachable, error };
    let answer = engine
        .api
        .load(|out| docker_archive::write_image(publication, &engine.names, &mut Counted { out, progress: work }))
        .map_err(failed)?;
    work.done(answer.trim());
    Ok(())
}

/// Describes the state after a step that failed: `names` are those of all steps, and `number` is the one that failed.
fn partial(error: StoreError, names: &[String], number: usize, effect: Effect, digest: &Digest) -> StoreError {
    let (changed, unchanged) = (&names[..number + usize::from(effect == Effect::Named)], &names[number + 1..]);
    if changed.is_empty() {
        return error;
    }
    let have = if changed.len() == 1 { "has" } else { "have" };
    let failed = if effect == Effect::Named { "the last of them could not be confirmed" } else { &format!("{} failed", names[number]) };
    let mut message = format!("the image was published only partly: {} {have} {digest} now; {failed}", changed.join(", "));
    if !unchanged.is_empty() {
        message.extend([", and nothing changed at ", &unchanged.join(", ")]);
    }
    let (fault, hints) = (error.fault, error.error.hints.clone());
    let failure = StoreError::new(fault, message).caused_by(error).hint("run the same command again to finish");
    hints.into_iter().fold(failure, StoreError::hint)
}
