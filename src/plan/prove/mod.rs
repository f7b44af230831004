//! The proof that what the image starts finds everything that it is linked to, made before anything is written.
//!
//! What the entrypoint reaches, and files of packages, are proved: a library, symbol version or interpreter that is missing is a fault.
//! Other files of the app are looked at as well: what they miss is a warning, or information when they are for another platform.
//!
//! **Invariants.** The search is the loader's own (ld.so(8); `_dl_map_object` of glibc, `load_library` of musl), over the merged view.
//! What could not be read, or what loads libraries by name, is said to be unproved: it is never taken for proved.
//! Work and memory are bounded, whatever the files claim.

mod files;
mod finding;
mod loader;
mod others;
mod process;
mod search;
mod waive;

use std::collections::BTreeSet;

use crate::diagnostic::Span;
use crate::oci::Digest;
use crate::recipe::UnprovedEntry;
use crate::rootfs::{Changeset, FactKind, Head, ImagePath, Machine, Resolved};

pub(super) use files::Files;
pub use finding::{Finding, Level, Proof, Tally};
pub(super) use loader::Surroundings;

use super::{Fault, Plan};
use finding::Problem;
use loader::Loader;
use process::{Depth, Object, Process};

/// What is proved beside what the entrypoint reaches, and with whose help.
#[derive(Debug, Default)]
pub struct ProofRequest<'a> {
    /// Files of packages: each is proved as strictly as what the entrypoint reaches. Those that are no programs may be among them.
    pub package_files: Vec<ImagePath>,
    /// Knows which package has a library.
    pub who_has: Option<&'a dyn WhoHas>,
    /// What need not be proved, because somebody knows better.
    pub waivers: Vec<UnprovedEntry>,
    /// Remembers what was found of files that the entrypoint does not reach, so that they are not read for every build.
    pub memory: Option<&'a dyn ProofMemory>,
}

/// Knows packages by the libraries in them.
pub trait WhoHas: std::fmt::Debug {
    /// Returns the package that has a library of this name (`libssl.so.3`), or an interpreter of this path.
    fn package_with(&self, name: &str) -> Option<String>;
}

/// Remembers what was found, by a digest over everything that it depends on.
pub trait ProofMemory: std::fmt::Debug {
    /// Returns what was kept.
    fn recall(&self, key: &Digest) -> Option<Vec<u8>>;

    /// Keeps something. Where that fails it is found out again next time.
    fn keep(&self, key: &Digest, found: &[u8]);
}

/// A program that is started: the entrypoint itself, or an interpreter that it leads to.
pub(super) struct Started {
    /// The files that lead to it, the entrypoint first, the program last.
    pub(super) chain: Vec<ImagePath>,
    /// What it is.
    pub(super) head: Head,
}

/// Proves what can be proved of a plan. Faults are those of what is reached, and of packages.
pub(super) fn prove(
    plan: &Plan,
    files: &Files<'_>,
    started: &[Started],
    request: &ProofRequest<'_>,
    span: Option<&Span>,
    faults: &mut Vec<Fault>,
) -> Proof {
    let surroundings = Surroundings::of(&plan.config);
    let mut prover =
        Prover { plan, files, surroundings: &surroundings, problems: Vec::new(), proof: Proof::default(), seen: BTreeSet::new() };
    let main = prover.started(started);
    let loader = main.as_ref().map(|main| main.loader.clone()).or_else(|| Loader::of_platform(files, &plan.platform.architecture));
    prover.packages(&request.package_files, loader.as_ref());
    let changesets: Vec<&Changeset> = plan.layers.iter().map(|layer| &layer.changeset).collect();
    let others = others::Others { plan, files, surroundings: &surroundings, main: main.as_ref(), loader: loader.as_ref() };
    prover.proof.findings.extend(others.findings(&changesets, &prover.seen, request.memory));
    let Prover { problems, mut proof, .. } = prover;
    let unwaived = waive::apply(&request.waivers, problems, &mut proof);
    finding::faults(files, unwaived, request.who_has, span, faults);
    proof.findings.sort();
    proof.findings.dedup();
    proof
}

struct Prover<'a> {
    plan: &'a Plan,
    files: &'a Files<'a>,
    surroundings: &'a Surroundings,
    problems: Vec<Problem>,
    proof: Proof,
    /// The files that were proved, by their real paths.
    seen: BTreeSet<ImagePath>,
}

impl<'a> Prover<'a> {
    /// Proves the programs that are started, and returns what the last of them loads.
    fn started(&mut self, started: &[Started]) -> Option<Process<'a>> {
        let mut main = None;
        for Started { chain, head } in started {
            self.seen.extend(chain.iter().cloned());
            let Some(path) = chain.last() else { continue };
            self.proof.reached.extend(chain.iter().map(ToString::to_string));
            if let Some(process) = self.program(path, &chain[..chain.len() - 1], head) {
                self.proof.reached.extend(process.objects().iter().map(|object| object.real.to_string()));
                for object in process.objects() {
                    if finding::opens_by_name(object) {
                        self.proof.opening.push(object.real.to_string());
                    }
                }
                main = Some(process);
            }
        }
        for list in [&mut self.proof.reached, &mut self.proof.opening] {
            list.sort();
            list.dedup();
        }
        main
    }

    /// Proves a program and all that it loads; `None` when it is linked statically, or nobody knows how it is loaded.
    fn program(&mut self, path: &ImagePath, above: &[ImagePath], head: &Head) -> Option<Process<'a>> {
        let Head::Elf { interpreter, dynamic, .. } = head else { return None };
        if let Some(gap) = dynamic.as_ref().and_then(|dynamic| dynamic.gap) {
            self.unproved(path, gap.reason().to_owned());
        }
        let interpreter = interpreter.as_deref()?;
        let loader = match Loader::open(self.files, interpreter, &self.plan.platform.architecture) {
            Ok(loader) => loader,
            Err(reason) => {
                self.unproved(path, reason);
                return None;
            }
        };
        let object = Object::main(path.clone(), dynamic.clone().unwrap_or_default());
        let mut process = Process::new(self.files, loader, self.surroundings, above);
        let index = process.push(object);
        process.load(index, Depth::All, &mut self.problems);
        self.remember(&process);
        Some(process)
    }

    /// Notes what a process has loaded, and what of it is not known wholly.
    fn remember(&mut self, process: &Process<'_>) {
        for object in process.objects() {
            if let Some(gap) = object.dynamic.gap
                && !self.seen.contains(&object.real)
            {
                self.unproved(&object.real, gap.reason().to_owned());
            }
        }
        self.seen.extend(process.objects().iter().map(|object| object.real.clone()));
        self.proof.findings.extend(process.remarks().iter().cloned());
    }

    fn unproved(&mut self, path: &ImagePath, reason: String) {
        self.proof.findings.push(Finding { level: Level::Unproved, path: path.to_string(), needs: String::new(), reason });
    }

    /// Proves files of packages: programs with all that they load, libraries with what they ask for themselves.
    fn packages(&mut self, paths: &[ImagePath], loader: Option<&Loader>) {
        for path in paths {
            let Resolved::File(real, fact) = self.files.view.resolve(path) else { continue };
            if self.seen.contains(&real) || !matches!(fact.kind, FactKind::File { .. }) {
                continue;
            }
            match self.files.head(&real, &fact) {
                Ok(head @ Head::Elf { .. }) => self.package(&real, &head, loader),
                Ok(Head::Script { interpreter, .. }) if fact.mode & 0o111 != 0 && !self.files.has(interpreter.as_bytes()) => {
                    let reason = "is a script, and its interpreter is not in the image".to_owned();
                    let needs = interpreter.clone();
                    self.proof.findings.push(Finding { level: Level::Information, path: real.to_string(), needs, reason });
                }
                Ok(_) => {}
                Err(reason) => self.unproved(&real, reason),
            }
            self.seen.insert(real);
        }
        self.proof.proved = self.seen.len();
    }

    fn package(&mut self, path: &ImagePath, head: &Head, loader: Option<&Loader>) {
        let Head::Elf { machine, interpreter, dynamic } = head else { return };
        let wanted = &self.plan.platform.architecture;
        if !finding::is_for(machine, wanted) {
            let found = finding::machine_name(machine);
            let reason = format!("is for {found}, and the image for {}", self.plan.platform);
            // A package may hold code for the processor's other mode, or for no processor of an image at all.
            if found == "386" && wanted == "amd64" || matches!(machine, Machine::Number(_)) {
                self.proof.findings.push(Finding { level: Level::Information, path: path.to_string(), needs: String::new(), reason });
            } else {
                self.problems.push(Problem::of_file(path, &format!("`{path}` {reason}")));
            }
            return;
        }
        if interpreter.is_some() {
            if interpreter.as_deref().is_some_and(|name| !self.files.has(name.as_bytes())) {
                let name = interpreter.clone().unwrap_or_default();
                self.problems.push(Problem::interpreter(path, &name));
                return;
            }
            self.program(path, &[], head);
            return;
        }
        let Some(dynamic) = dynamic else { return };
        let loader = loader.cloned().unwrap_or_else(|| Loader::none(wanted));
        let mut process = Process::new(self.files, loader, self.surroundings, &[]);
        let index = process.push(Object::main(path.clone(), dynamic.clone()));
        let mut problems = Vec::new();
        process.load(index, Depth::One, &mut problems);
        for problem in problems {
            // A library may rely on another being loaded before it, which the program that loads both sees to.
            match problem.elsewhere(self.files) {
                Some(place) => {
                    let reason = format!("needs a library that is at `{place}`, where the loader looks only for others");
                    self.proof.findings.push(Finding { level: Level::Unproved, path: path.to_string(), needs: problem.needs, reason });
                }
                None => self.problems.push(problem),
            }
        }
        if let Some(gap) = dynamic.gap {
            self.unproved(path, gap.reason().to_owned());
        }
        self.proof.findings.extend(process.remarks().iter().cloned());
    }
}

#[cfg(test)]
mod tests;
