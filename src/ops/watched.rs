use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::oci::{Descriptor, Digest, Progress, Written};
use crate::store::publish::{Destination, Transfer, Watch, Work, Working};

use super::{Observer, Task, TaskKind};

/// Tells an observer how a publication goes: all blobs of a destination are parts of one step.
pub(super) struct Watched<'a> {
    observer: &'a dyn Observer,
    destinations: Mutex<BTreeMap<String, Arc<dyn Task>>>,
}

impl<'a> Watched<'a> {
    pub(super) fn new(observer: &'a dyn Observer) -> Self {
        Self { observer, destinations: Mutex::default() }
    }

    fn task(&self, destination: &Destination) -> Arc<dyn Task> {
        let name = destination.name();
        let mut tasks = self.destinations.lock().unwrap_or_else(PoisonError::into_inner);
        let begin = || match destination.image_name() {
            Some(_) => self.observer.begin(TaskKind::Upload, &format!("to {name}"), Some(0)),
            None => self.observer.begin(TaskKind::Write, &name, Some(0)),
        };
        Arc::clone(tasks.entry(name.clone()).or_insert_with(begin))
    }
}

impl Watch for Watched<'_> {
    fn expect(&self, destination: &Destination, descriptor: &Descriptor) {
        self.task(destination).expect(descriptor.size);
    }

    fn begin(&self, destination: &Destination, descriptor: &Descriptor) -> Box<dyn Transfer> {
        Box::new(Sending { task: self.task(destination).part(&descriptor.digest.short(), Some(descriptor.size)) })
    }

    fn work(&self, work: Work, destination: &Destination, size: Option<u64>) -> Box<dyn Working> {
        let name = destination.name();
        let (kind, name) = match work {
            Work::LookUp => (TaskKind::LookUp, format!("the image in {name}")),
            Work::Write => (TaskKind::Write, name),
            Work::SendManifests if destination.image_name().is_some() => (TaskKind::Upload, format!("the manifests to {name}")),
            Work::SendManifests => (TaskKind::Write, format!("the manifests to {name}")),
            Work::Verify => (TaskKind::Verify, name),
            Work::Tag => (TaskKind::Tag, format!("the image in {name}")),
        };
        Box::new(Sending { task: self.observer.begin(kind, &name, size) })
    }

    fn complete(&self, destination: &str) {
        self.observer.detail(&format!("{destination} has all of it"));
    }

    fn committed(&self, destination: &str, digest: &Digest) {
        self.observer.detail(&format!("{destination} now has {digest}"));
    }
}

struct Sending {
    task: Arc<dyn Task>,
}

impl Progress for Sending {
    fn advance(&self, bytes: u64) {
        self.task.advance(bytes);
    }

    fn restart(&self) {
        self.task.restart();
    }
}

impl Transfer for Sending {
    fn arrived(&self, written: Written) {
        self.task.finish(match written {
            Written::Present => "there already",
            Written::Mounted => "mounted",
            Written::Uploaded => "",
        });
    }
}

impl Working for Sending {
    fn done(&self, said: &str) {
        self.task.finish(said);
    }
}
