use std::collections::BTreeSet;

use crate::rootfs::{FactKind, Head, ImagePath, Machine, Resolved};

use super::files::Files;
use super::load::Depth;
use super::loader::{Loader, ProcessSettings};
use super::object::Object;
use super::others::Others;
use super::problem::{self, Problem};
use super::process::Process;
use super::remark::{Level, Proof, Remark};
use super::start::{self, Started};
use super::{Fault, ProofRequest, waive};

/// Proves that what an image starts finds everything that it is linked to.
///
/// # Errors
/// When nothing is started, when it could not start, and for each library, symbol version or interpreter that is missed by what the
/// entrypoint reaches, or by a package.
pub fn prove(request: &ProofRequest<'_>) -> Result<Proof, Vec<Fault>> {
    let options = request.options;
    let files = &Files::new(request.rootfs, request.contents, request.owner);
    let settings = &ProcessSettings::of(request.config);
    let started = start::check(request, files, settings)?;
    let mut prover = Prover { request, files, settings, problems: Vec::new(), proof: Proof::default(), seen: BTreeSet::new() };
    let main = prover.started(&started);
    let loader = main.as_ref().map(|main| main.loader.clone()).or_else(|| Loader::of_platform(files, &request.platform.architecture));
    prover.packages(&options.package_files, loader.as_ref());
    let others = Others { request, files, settings, main: main.as_ref(), loader: loader.as_ref() };
    prover.proof.remarks.extend(others.remarks(&prover.seen));
    let Prover { problems, mut proof, .. } = prover;
    let unwaived = waive::apply(&options.waivers, problems, &mut proof);
    let faults = problem::faults(files, unwaived, options.packages, request.entrypoint_span);
    proof.remarks.sort();
    proof.remarks.dedup();
    if faults.is_empty() { Ok(proof) } else { Err(faults) }
}

struct Prover<'a> {
    request: &'a ProofRequest<'a>,
    files: &'a Files<'a>,
    settings: &'a ProcessSettings,
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
                    if object.opens_by_name() {
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
        let loader = match Loader::open(self.files, interpreter, &self.request.platform.architecture) {
            Ok(loader) => loader,
            Err(reason) => {
                self.unproved(path, reason);
                return None;
            }
        };
        let object = Object::main(path.clone(), dynamic.clone().unwrap_or_default());
        let mut process = Process::new(self.files, loader, self.settings, above);
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
        self.proof.remarks.extend(process.remarks().iter().cloned());
    }

    fn unproved(&mut self, path: &ImagePath, reason: String) {
        self.proof.remarks.push(Remark { level: Level::Unproved, path: path.to_string(), needs: String::new(), reason });
    }

    /// Proves files of packages: programs with all that they load, libraries with what they ask for themselves.
    fn packages(&mut self, paths: &[ImagePath], loader: Option<&Loader>) {
        for path in paths {
            let Resolved::File(real, fact) = self.files.rootfs.resolve(path) else { continue };
            if self.seen.contains(&real) || !matches!(fact.kind, FactKind::File { .. }) {
                continue;
            }
            match self.files.head(&real, &fact) {
                Ok(head @ Head::Elf { .. }) => self.package(&real, &head, loader),
                Ok(Head::Script { interpreter, .. }) if fact.mode & 0o111 != 0 && !self.files.has(interpreter.as_bytes()) => {
                    let reason = "is a script, and its interpreter is not in the image".to_owned();
                    let needs = interpreter.clone();
                    self.proof.remarks.push(Remark { level: Level::Information, path: real.to_string(), needs, reason });
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
        let wanted = &self.request.platform.architecture;
        if !machine.is_for(wanted) {
            let found = machine.name();
            let reason = format!("is for {found}, and the image for {}", self.request.platform);
            // A package may hold code for the processor's other mode, or for no processor of an image at all.
            if found == "386" && wanted == "amd64" || matches!(machine, Machine::Number(_)) {
                self.proof.remarks.push(Remark { level: Level::Information, path: path.to_string(), needs: String::new(), reason });
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
        let mut process = Process::new(self.files, loader, self.settings, &[]);
        let index = process.push(Object::main(path.clone(), dynamic.clone()));
        let mut problems = Vec::new();
        process.load(index, Depth::One, &mut problems);
        for problem in problems {
            // A library may rely on another being loaded before it, which the program that loads both sees to.
            match problem.elsewhere(self.files) {
                Some(other) => {
                    let reason = format!("needs a library that is at `{other}`, where the loader looks only for others");
                    self.proof.remarks.push(Remark { level: Level::Unproved, path: path.to_string(), needs: problem.needs, reason });
                }
                None => self.problems.push(problem),
            }
        }
        if let Some(gap) = dynamic.gap {
            self.unproved(path, gap.reason().to_owned());
        }
        self.proof.remarks.extend(process.remarks().iter().cloned());
    }
}
