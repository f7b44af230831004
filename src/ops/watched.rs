use std::sync::Arc;

use crate::oci::{Descriptor, Digest, Progress, Written};
use crate::store::publish::{Transfer, Watch};

use super::{Observer, Task, TaskKind};

/// Tells an observer how a publication goes.
pub(super) struct Watched<'a>(pub(super) &'a dyn Observer);

impl Watch for Watched<'_> {
    fn begin(&self, destination: &str, descriptor: &Descriptor) -> Box<dyn Transfer> {
        let name = format!("{} to {destination}", descriptor.digest.short());
        Box::new(Sending { task: self.0.begin(TaskKind::Upload, &name, Some(descriptor.size)) })
    }

    fn write(&self, destination: &str) -> Box<dyn FnOnce(&str)> {
        let task = self.0.begin(TaskKind::Write, destination, None);
        Box::new(move |said| task.finish(said))
    }

    fn complete(&self, destination: &str) {
        self.0.detail(&format!("{destination} has all of it"));
    }

    fn committed(&self, destination: &str, digest: &Digest) {
        self.0.detail(&format!("{destination} now has {digest}"));
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
