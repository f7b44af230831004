use std::sync::Arc;

use crate::rootfs::ImagePath;

use super::loader::Libc;
use super::problem::Problem;
use super::process::Process;
use super::remark::{Level, Remark};
use super::search::Search;

/// The most libraries of one process.
const OBJECTS: usize = 4096;
/// The most problems that are kept of one process.
const PROBLEMS: usize = 64;
/// The names that musl's loader takes for itself, behind `lib`.
const MUSL_OWN: &[&str] = &["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."];

/// How far libraries are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// To the end.
    All,
    /// To those that are asked for by name.
    One,
}

impl Process<'_> {
    /// Loads what an object asks for, level by level, as loaders do; then compares versions.
    pub(super) fn load(&mut self, first: usize, depth: Depth, problems: &mut Vec<Problem>) {
        let mut next = first;
        while next < self.objects.len() && problems.len() < PROBLEMS {
            let dynamic = Arc::clone(&self.objects[next].dynamic);
            for name in &dynamic.needed {
                if !self.ask(next, name, problems) {
                    return;
                }
            }
            next += 1;
            if depth == Depth::One {
                break;
            }
        }
        // musl compares no versions.
        if self.loader.libc == Libc::Glibc {
            let last = if depth == Depth::One { first + 1 } else { self.objects.len() };
            (first..last).for_each(|object| self.compare(object, problems));
        }
    }

    /// Loads the libraries of `LD_PRELOAD`, which are looked for as if the program asked for them, and come first behind it.
    pub(super) fn preload(&mut self, main: usize, problems: &mut Vec<Problem>) {
        let settings = Arc::clone(&self.settings);
        for name in &settings.preload {
            match self.search(main, name) {
                Search::Found(object) if self.objects.iter().any(|known| known.real == object.real) => {}
                Search::Found(object) => self.objects.push(object),
                Search::Missing(reasons) => {
                    problems.push(Problem::preload(&self.objects[main].real, name, &reasons, &self.loader.architecture));
                }
                Search::TooMany => return,
            }
        }
    }

    /// Loads one library; says whether it makes sense to go on.
    fn ask(&mut self, asking: usize, name: &str, problems: &mut Vec<Problem>) -> bool {
        let is_own = || name.strip_prefix("lib").is_some_and(|rest| MUSL_OWN.iter().any(|own| rest.starts_with(own)));
        if self.loader.libc == Libc::Musl && self.loader.itself.is_some() && is_own() {
            return true;
        }
        if self.objects.iter().any(|object| object.is_called(name)) {
            return true;
        }
        let given_up = match self.search(asking, name) {
            Search::Found(object) => {
                if let Some(known) = self.objects.iter_mut().find(|known| known.real == object.real) {
                    known.names.push(name.into());
                } else {
                    self.objects.push(object);
                }
                self.objects.len() >= OBJECTS
            }
            Search::Missing(reasons) => {
                problems.push(Problem::library(
                    &self.objects[asking].real,
                    self.chain_to(asking),
                    name,
                    &reasons,
                    &self.loader.architecture,
                ));
                false
            }
            Search::TooMany => true,
        };
        if given_up {
            let reason = "needs more libraries, in more folders, than hardened searches";
            self.remarks.push(Remark::new(Level::Unproved, &self.objects[asking].real, name, reason));
        }
        !given_up
    }

    /// Compares the versions that an object asks for with those that the libraries define.
    fn compare(&mut self, object: usize, problems: &mut Vec<Problem>) {
        let dynamic = Arc::clone(&self.objects[object].dynamic);
        for needed in &dynamic.versions {
            let Some(library) = self.objects.iter().find(|object| object.is_called(&needed.library)) else { continue };
            let defines = &library.dynamic.defines;
            let missing = needed.versions.iter().filter(|version| !defines.contains(version));
            let (path, found) = (self.objects[object].real.clone(), library.real.clone());
            if library.dynamic.gap.is_some() {
                continue;
            }
            if defines.is_empty() {
                // glibc says so on standard error, and goes on.
                let reason = format!("needs versions of it, and `{found}` defines none");
                self.remarks.push(Remark::new(Level::Unproved, &path, &needed.library, reason));
                continue;
            }
            for version in missing {
                if problems.len() < PROBLEMS {
                    problems.push(Problem::version(&path, self.chain_to(object), &needed.library, version, &found, defines));
                }
            }
        }
    }

    /// Returns the files that led to an object, itself included.
    fn chain_to(&self, object: usize) -> Vec<ImagePath> {
        let mut chain: Vec<ImagePath> = Vec::new();
        let mut next = Some(object);
        while let Some(object) = next {
            chain.push(self.objects[object].real.clone());
            next = self.objects[object].parent;
        }
        chain.extend(self.chain.iter().rev().cloned());
        chain.reverse();
        chain
    }
}
