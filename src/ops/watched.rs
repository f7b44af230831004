use std::sync::Arc;

use crate::oci::{Descriptor, Progress, Store, Written};
use crate::store::publish::{Transfer, Watch};

use super::{Observer, Task, TaskKind};

/// Shows uploads to an observer.
pub(super) struct Watched<'a>(pub(super) &'a dyn Observer);

impl Watch for Watched<'_> {
    fn begin(&self, place: &dyn Store, descriptor: &Descriptor) -> Box<dyn Transfer> {
        let name = format!("{} to {}", descriptor.digest.short(), place.name());
        Box::new(Sending { task: self.0.begin(TaskKind::Upload, &name, Some(descriptor.size)) })
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
