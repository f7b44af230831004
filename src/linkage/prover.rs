use std::collections::BTreeSet;
use std::sync::Arc;

use crate::rootfs::{FactKind, Head, ImagePath, Machine, Resolved};

use super::files::Files;
use super::load::Depth;
use super::loader::{Loader, ProcessSettings};
use super::object::Object;
use super::others::Others;
use super::problem::{self, Problem, Spans};
use super::process::Process;
use super::remark::{Level, Proof, Remark};
use super::roots::Cause;
use super::start::{self, Started, Starts};
use super::{Fault, ProofRequest, folders, waive};

/// Proves that what an image starts finds everything that it is linked to.
///
/// # Errors
/// When nothing is started, when a command could not start, and for each library, symbol version or interpreter that is missed by what
/// they reach.
pub fn prove(request: &ProofRequest<'_>) -> Result<Proof, Vec<Fault>> {
    let options = request.options;
    let files = &Files::new(request.rootfs, request.contents, request.owner);
    let settings = &Arc::new(ProcessSettings::of(request.config));
    let Starts { started, programs, mut faults, remarks } = start::check(request, files, settings)?;
    faults.extend(folders::check(request));
    let proof = Proof { remarks, started: programs, ..Proof::default() };
    let mut prover = Prover { request, files, settings, problems: Vec::new(), unreached: Vec::new(), proof, seen: BTreeSet::new() };
    let main = prover.started(&started);
    let loader = main.as_ref().map(|main| main.loader.clone()).or_else(|| Loader::of_platform(files, &request.platform.architecture));
    prover.preload(&started, loader.as_ref());
    prover.packages(&options.package_files, loader.as_ref());
    let others = Others { request, files, settings, main: main.as_ref(), loader: loader.as_ref() };
    prover.proof.remarks.extend(others.remarks(&prover.seen));
    let Prover { problems, unreached, mut proof, .. } = prover;
    let [problems, unreached] = waive::apply(&options.waivers, [problems, unreached], &mut proof);
    let spans = Spans { entrypoint: request.entrypoint_span, preload: options.preload_span.as_ref() };
    faults.extend(problem::faults(files, problems, options.packages, spans));
    if !faults.is_empty() {
        return Err(faults);
    }
    proof.remarks.extend(unreached.into_iter().map(|problem| problem.remark(files, options.packages)));
    proof.remarks.sort();
    proof.remarks.dedup();
    for list in [&mut proof.reached, &mut proof.opening] {
        list.sort();
        list.dedup();
    }
    Ok(proof)
}

struct Prover<'a> {
    request: &'a ProofRequest<'a>,
    files: &'a Files<'a>,
    settings: &'a Arc<ProcessSettings>,
    problems: Vec<Problem>,
    /// What files of packages miss that nothing reaches.
    unreached: Vec<Problem>,
    proof: Proof,
    /// The files that were proved, by their real paths.
    seen: BTreeSet<ImagePath>,
}

impl<'a> Prover<'a> {
    /// Proves the programs that are started, and returns what the image's own has loaded.
    fn started(&mut self, started: &[Started]) -> Option<Process<'a>> {
        let mut main = None;
        for Started { cause, chain, head, settings } in started {
            self.seen.extend(chain.iter().cloned());
            let Some((path, above)) = chain.split_last() else { continue };
            self.proof.reached.extend(chain.iter().map(ToString::to_string));
            let mut problems = Vec::new();
            if let Some(process) = self.program(path, above, head, settings, &mut problems) {
                self.reached(&process);
                if *cause == Cause::Program {
                    main = Some(process);
                }
            }
            self.problems.extend(problems.into_iter().map(|problem| problem.caused_by(*cause)));
        }
        main
    }

    fn reached(&mut self, process: &Process<'_>) {
        self.proof.reached.extend(process.objects().iter().map(|object| object.real.to_string()));
        let opening = process.objects().iter().filter(|object| object.opens_by_name());
        self.proof.opening.extend(opening.map(|object| object.real.to_string()));
    }

    /// Proves the libraries of `LD_PRELOAD` where every program that is started is linked statically, so that none has loaded them.
    fn preload(&mut self, started: &[Started], loader: Option<&Loader>) {
        let is_static = |started: &Started| matches!(started.head, Head::Elf { interpreter: None, .. });
        let Some((Started { chain, settings, .. }, path)) = started.last().and_then(|last| Some((last, last.chain.last()?))) else {
            return;
        };
        if settings.preload.is_empty() || !started.iter().all(is_static) {
            return;
        }
        let loader = loader.cloned().unwrap_or_else(|| Loader::none(&self.request.platform.architecture));
        let mut process = Process::new(self.files, loader, Arc::clone(settings), &chain[..chain.len() - 1]);
        let main = process.push(Object::main(path.clone(), Arc::default()));
        let mut problems = Vec::new();
        process.preload(main, &mut problems);
        process.load(main, Depth::All, &mut problems);
        self.remember(&process);
        self.reached(&process);
        self.problems.append(&mut problems);
    }

    /// Proves a program and all that it loads; `None` when it is linked statically, or nobody knows how it is loaded.
    fn program(
        &mut self,
        path: &ImagePath,
        above: &[ImagePath],
        head: &Head,
        settings: &Arc<ProcessSettings>,
        problems: &mut Vec<Problem>,
    ) -> Option<Process<'a>> {
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
        let mut process = Process::new(self.files, loader, Arc::clone(settings), above);
        let index = process.push(object);
        process.preload(index, problems);
        process.load(index, Depth::All, problems);
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
        self.proof.remarks.push(Remark::new(Level::Unproved, path, "", reason));
    }

    /// Looks at files of packages that nothing reaches: programs with all that they load, libraries with what they ask for themselves.
    fn packages(&mut self, paths: &[ImagePath], loader: Option<&Loader>) {
        for path in paths {
            let Resolved::File(real, fact) = self.files.rootfs.resolve(path) else { continue };
            if self.seen.contains(&real) || !matches!(fact.kind, FactKind::File { .. }) {
                continue;
            }
            match self.files.head(&real, &fact) {
                Ok(head @ Head::Elf { .. }) => self.package(&real, &head, loader),
                Ok(Head::Script { interpreter, .. }) if fact.mode & 0o111 != 0 && !self.files.has(interpreter.as_bytes()) => {
                    let reason = "is an interpreter that is not in the image";
                    self.proof.remarks.push(Remark::new(Level::Information, &real, &interpreter, reason));
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
            let reason = format!("is for {found}, and the image is for {}", self.request.platform);
            // A package may hold code for the processor's other mode, or for no processor of an image at all.
            if found == "386" && wanted == "amd64" || matches!(machine, Machine::Number(_)) {
                self.proof.remarks.push(Remark::new(Level::Information, path, "", reason));
            } else {
                self.unreached.push(Problem::of_file(path, &reason));
            }
            return;
        }
        let without_preload = || Arc::new(ProcessSettings { preload: Vec::new(), ..ProcessSettings::clone(self.settings) });
        let mut problems = Vec::new();
        if let Some(name) = interpreter {
            if self.files.has(name.as_bytes()) {
                let settings = without_preload();
                self.program(path, &[], head, &settings, &mut problems);
                self.unreached.append(&mut problems);
            } else {
                self.unreached.push(Problem::interpreter(path, name));
            }
            return;
        }
        let Some(dynamic) = dynamic else { return };
        let loader = loader.cloned().unwrap_or_else(|| Loader::none(wanted));
        let mut process = Process::new(self.files, loader, without_preload(), &[]);
        let index = process.push(Object::main(path.clone(), dynamic.clone()));
        process.load(index, Depth::One, &mut problems);
        for problem in problems {
            // A library may rely on another being loaded before it, which the program that loads both sees to.
            match problem.elsewhere(self.files) {
                Some(other) => {
                    let reason =
                        format!("needs a library that is at `{other}`, where the loader searches only for libraries that other files need");
                    self.proof.remarks.push(Remark::new(Level::Unproved, path, &problem.needs, reason));
                }
                None => self.unreached.push(problem),
            }
        }
        if let Some(gap) = dynamic.gap {
            self.unproved(path, gap.reason().to_owned());
        }
        self.proof.remarks.extend(process.remarks().iter().cloned());
    }
}
