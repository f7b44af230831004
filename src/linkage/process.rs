use std::cell::Cell;
use std::sync::Arc;

use crate::rootfs::ImagePath;

use super::files::Files;
use super::loader::{Loader, ProcessSettings};
use super::object::Object;
use super::remark::Remark;

/// The most files that are looked for in one process.
const LOOKS: u32 = 200_000;

/// What a loader would put into one process.
#[derive(Clone)]
pub(super) struct Process<'a> {
    pub(super) files: &'a Files<'a>,
    pub(super) loader: Loader,
    pub(super) settings: Arc<ProcessSettings>,
    /// The files that led to the program.
    pub(super) chain: Vec<ImagePath>,
    pub(super) objects: Vec<Object>,
    main: Option<usize>,
    looks: Cell<u32>,
    pub(super) remarks: Vec<Remark>,
}

impl<'a> Process<'a> {
    /// Returns a process with nothing in it but the loader.
    pub(super) fn new(files: &'a Files<'a>, loader: Loader, settings: Arc<ProcessSettings>, chain: &[ImagePath]) -> Self {
        let objects = loader.itself.iter().map(|(real, dynamic)| Object::main(real.clone(), Arc::clone(dynamic))).collect();
        Self { files, loader, settings, chain: chain.to_vec(), objects, main: None, looks: Cell::new(0), remarks: Vec::new() }
    }

    pub(super) fn objects(&self) -> &[Object] {
        &self.objects
    }

    /// Returns what is odd, and no fault.
    pub(super) fn remarks(&self) -> &[Remark] {
        &self.remarks
    }

    /// Forgets what was odd so far, and how much was looked for.
    pub(super) fn forget(&mut self) {
        self.remarks.clear();
        self.looks.set(0);
    }

    /// Returns which object is the program.
    pub(super) fn main(&self) -> Option<usize> {
        self.main
    }

    /// Adds an object; the first is the program.
    pub(super) fn push(&mut self, object: Object) -> usize {
        self.main = self.main.or(Some(self.objects.len()));
        self.objects.push(object);
        self.objects.len() - 1
    }

    /// Counts a look at a file; there is an end to it.
    pub(super) fn may_look(&self) -> bool {
        self.looks.set(self.looks.get() + 1);
        self.looks.get() < LOOKS
    }
}
