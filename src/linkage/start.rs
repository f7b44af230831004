use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span, control_in_text, snippet};
use crate::oci::Platform;
use crate::rootfs::{Fact, FactKind, Head, ImagePath, Machine, Owner, Resolved};

use super::files::Files;
use super::launch::{Launch, Launcher, env_line};
use super::loader::ProcessSettings;
use super::lookup::{Lookup, Seeker, look_up};
use super::remark::{Level, Remark};
use super::roots::{Cause, Root, roots};
use super::virtual_environment::VirtualEnvironment;
use super::wrapper::{Wrapper, last_program, wrapper};
use super::{Fault, FindPackage, ProofRequest, StartedProgram};

/// How many interpreters may follow one another, as in Linux.
const INTERPRETERS: usize = 4;
/// How many programs may start one another; more is a loop.
const PROGRAMS: usize = 16;

/// What is started in an image, and what keeps the rest from it.
#[derive(Default)]
pub(super) struct Starts {
    /// The programs that are started.
    pub(super) started: Vec<Started>,
    /// What the image's own command executes, in this order.
    pub(super) programs: Vec<StartedProgram>,
    /// Why a command could not start.
    pub(super) faults: Vec<Fault>,
    /// What is not known of a command.
    pub(super) remarks: Vec<Remark>,
}

/// A program that is started: one of a command, or an interpreter that it leads to.
pub(super) struct Started {
    pub(super) cause: Cause,
    /// The files that lead to it, that of the command first, the program last.
    pub(super) chain: Vec<ImagePath>,
    /// What it is.
    pub(super) head: Head,
    /// What is set for it.
    pub(super) settings: Arc<ProcessSettings>,
}

/// Checks that the commands of an image could start: the program exists, the user may execute it, and it is for the platform,
/// and so on for the interpreter that its `#!` line or its ELF header names, and for the program that a launcher starts.
///
/// # Errors
/// When the image has nothing to start.
pub(super) fn check(request: &ProofRequest<'_>, files: &Files<'_>, settings: &ProcessSettings) -> Result<Starts, Vec<Fault>> {
    let span = request.entrypoint_span;
    if request.config.arguments().is_empty() {
        let diagnostic = Diagnostic::error("the image has nothing to start")
            .at(span, "no entrypoint")
            .hint("write `entrypoint = [\"/path/of/the/program\"]` in `[process]`");
        return Err(vec![Fault::NothingToStart(diagnostic)]);
    }
    let mut starts = Starts::default();
    for Root { cause, subject, words } in roots(request.config) {
        if words.iter().any(|word| control_in_text(word).is_some()) {
            let hint = "write `entrypoint` and `command` in `[process]`: the base has no other that can be taken".to_owned();
            let message = format!("{subject} or an argument of it holds control characters");
            starts.faults.push(Fault::Start(refused(cause, message, vec![hint], span)));
            continue;
        }
        let settings = settings.clone();
        let (platform, packages) = (request.platform, request.options.packages);
        let mut checker = Checker { platform, packages, files, settings, cause, name: String::new(), programs: 0, starts: &mut starts };
        if let Err(Refusal { message, hints }) = checker.run(&words, &subject, &[], Seeker::Runtime) {
            starts.faults.push(Fault::Start(refused(cause, message, hints, span)));
        }
    }
    Ok(starts)
}

fn refused(cause: Cause, message: String, hints: Vec<String>, span: Option<&Span>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(message);
    if cause == Cause::Program {
        diagnostic = diagnostic.at(span, "could not start");
    }
    diagnostic.hints.extend(hints);
    if cause == Cause::HealthCheck {
        let hint = "name a program of the image in `process.healthcheck`, or leave `healthcheck` out of `base.inherit`";
        diagnostic.hints.push(hint.to_owned());
    }
    diagnostic
}

struct Refusal {
    message: String,
    hints: Vec<String>,
}

fn refuse<T>(message: String, hint: Option<String>) -> Result<T, Refusal> {
    Err(Refusal { message, hints: hint.into_iter().collect() })
}

/// Follows one command.
struct Checker<'a> {
    platform: &'a Platform,
    packages: Option<&'a dyn FindPackage>,
    files: &'a Files<'a>,
    /// What is set for the program that is looked at.
    settings: ProcessSettings,
    cause: Cause,
    /// The name by which that program is started.
    name: String,
    /// How many programs were started so far.
    programs: usize,
    starts: &'a mut Starts,
}

impl Checker<'_> {
    /// Checks a program with its arguments; `what` names it in messages, `above` are the files that lead to it.
    fn run(&mut self, words: &[String], what: &str, above: &[ImagePath], seeker: Seeker) -> Result<(), Refusal> {
        let Some((program, arguments)) = words.split_first() else { return Ok(()) };
        self.programs += 1;
        if self.programs > PROGRAMS {
            return refuse(format!("{what} is started by a chain of more than {PROGRAMS} programs"), None);
        }
        let path = if program.contains('/') { self.absolute(program, what)? } else { self.on_path(program, what, seeker)? };
        program.clone_into(&mut self.name);
        let real = self.executable(&path, arguments, what, above, 0)?;
        let Some(launcher) = Launcher::of(program, real.name()) else { return Ok(()) };
        let launch = launcher.launch(arguments);
        if let Launch::Wrong(reason) = launch {
            return refuse(format!("{what} {reason}"), Some("name the program after the options".to_owned()));
        }
        self.launched(launch, &real, &[], &[above, std::slice::from_ref(&real)].concat(), |name| format!("{what} starts `{name}`, which"))
    }

    /// Checks what a launcher starts. `file` is what starts it and `given` its further arguments; `what` says for the program's name how
    /// messages begin.
    fn launched(
        &mut self,
        launch: Launch,
        file: &ImagePath,
        given: &[String],
        above: &[ImagePath],
        what: impl Fn(&str) -> String,
    ) -> Result<(), Refusal> {
        match launch {
            Launch::Nothing | Launch::Wrong(_) => Ok(()),
            Launch::Unknown(reason) => {
                self.starts.remarks.push(Remark::new(Level::Unproved, file, "", reason));
                Ok(())
            }
            Launch::Program { words, changes } => {
                self.settings = self.settings.clone().changed(&changes);
                let name = words.first().map(|name| name.escape_debug().to_string()).unwrap_or_default();
                self.run(&[&words, given].concat(), &what(&name), above, Seeker::Process)
            }
        }
    }

    fn absolute(&self, program: &str, what: &str) -> Result<ImagePath, Refusal> {
        let directory = &self.settings.directory;
        let whole = if program.starts_with('/') { program.to_owned() } else { format!("{directory}/{program}") };
        let whole: Vec<&str> = whole.split('/').filter(|part| *part != ".").collect();
        ImagePath::new(whole.join("/").as_bytes())
            .or_else(|fault| refuse(format!("{what} is not a valid path in the image: {fault}"), None))
    }

    fn on_path(&mut self, program: &str, what: &str, seeker: Seeker) -> Result<ImagePath, Refusal> {
        let path = self.settings.path.escape_debug().to_string();
        let absolute = || Some("name the program by its absolute path, or check that its file is added".to_owned());
        match look_up(self.files, &self.settings, program, seeker) {
            Lookup::Found { path, named, before } => {
                self.starts.remarks.extend(before.map(|before| {
                    let reason = format!(
                        "is before `{path}` in PATH and the user may not execute it: runc built with Go before 1.20 selects it, and fails"
                    );
                    Remark::new(Level::Warning, &before, "", reason)
                }));
                Ok(named)
            }
            Lookup::Relative(found) => {
                let hint = format!("name the program by its absolute path, `{found}`, or write only absolute folders into PATH");
                refuse(
                    format!("{what} is found at `{found}` in a folder of PATH, `{path}`, that is not absolute: runc refuses it"),
                    Some(hint),
                )
            }
            Lookup::Nothing(skipped) if skipped.is_empty() => refuse(format!("{what} is in no folder of PATH, `{path}`"), absolute()),
            Lookup::Nothing(skipped) => {
                let Owner { uid, gid } = self.files.owner;
                let reasons = skipped.join(", ");
                let message = format!("{what} is found in PATH, `{path}`, only where the user {uid}:{gid} may not execute it: {reasons}");
                let hint = "make the file executable, or write `mode = \"0755\"` in its `[[files]]` entry";
                refuse(message, Some(hint.to_owned()))
            }
        }
    }

    /// Checks a file that is to be executed with these arguments, behind so many interpreters, and returns its path without links; `what`
    /// names it and why it matters, `above` the files that lead to it.
    fn executable(
        &mut self,
        named: &ImagePath,
        arguments: &[String],
        what: &str,
        above: &[ImagePath],
        interpreters: usize,
    ) -> Result<ImagePath, Refusal> {
        let (path, fact) = self.file(named, what).map_err(|mut refusal| {
            let environment = above.last().or(Some(named)).and_then(|file| VirtualEnvironment::of(self.files.rootfs, file));
            if let Some(environment) = environment.filter(|_| named.name().starts_with(b"python")) {
                refusal.hints = environment.hints();
            } else if !above.is_empty() && !refusal.hints.is_empty() {
                refusal.hints = vec![format!("choose a base that has `{named}`, or add it with a `[[files]]` entry")];
            }
            refusal
        })?;
        self.reachable(&path, what)?;
        let head = self.files.head(&path, &fact).or_else(|reason| refuse(reason, None))?;
        let needed = if matches!(head, Head::Script { .. }) { 0o5 } else { 0o1 };
        let owner = self.files.owner;
        if !fact.allows(owner, needed) {
            let message = format!(
                "{what} may not be executed by the user {}:{}: `{path}` has the mode {:04o} and belongs to {}:{}",
                owner.uid, owner.gid, fact.mode, fact.uid, fact.gid
            );
            return refuse(message, Some("make the file executable, or write `mode = \"0755\"` in its `[[files]]` entry".to_owned()));
        }
        self.executes(named, &path, arguments);
        let chain = [above, std::slice::from_ref(&path)].concat();
        match &head {
            Head::Elf { machine, interpreter, .. } => {
                self.elf(&path, what, machine, interpreter.as_deref())?;
                let settings = Arc::new(self.settings.clone());
                self.starts.started.push(Started { cause: self.cause, chain, head, settings });
            }
            Head::Script { .. } if interpreters >= INTERPRETERS => {
                return refuse(format!("{what} leads through more than {INTERPRETERS} interpreters"), None);
            }
            Head::Script { interpreter, argument } => {
                let script = Script { path: &path, named, arguments, interpreter, argument: argument.as_deref() };
                self.script(&script, what, &chain, interpreters)?;
            }
            Head::Other | Head::Unread | Head::LoaderCache(_) => {
                let hint = "an entrypoint is an ELF program, or a script whose first line is `#!` and an interpreter that is in the image";
                return refuse(
                    format!("{what} is not a program: `{path}` is neither an ELF file nor a script that begins with `#!`"),
                    Some(hint.to_owned()),
                );
            }
        }
        Ok(path)
    }

    fn executes(&mut self, named: &ImagePath, real: &ImagePath, arguments: &[String]) {
        if self.cause == Cause::Program {
            let (named, real, arguments, directory) = (named.clone(), real.clone(), arguments.to_vec(), self.settings.directory.clone());
            self.starts.programs.push(StartedProgram { named, real, arguments, directory });
        }
    }

    fn script(&mut self, script: &Script<'_>, what: &str, chain: &[ImagePath], interpreters: usize) -> Result<(), Refusal> {
        let Script { path, interpreter, argument, .. } = script;
        if interpreter.ends_with('\r') {
            let hint = "save the script with Unix line endings".to_owned();
            return refuse(
                format!(
                    "{what}: the first line of `{path}` ends with a carriage return, which is taken for a part of the interpreter's name"
                ),
                Some(hint),
            );
        }
        let escaped = interpreter.escape_debug();
        let next = ImagePath::absolute(interpreter)
            .or_else(|_| refuse(format!("{what}: `{path}` begins with `#!` and `{escaped}`, which is not an absolute path"), None))?;
        let needs = format!("{what} needs the interpreter `{escaped}`, which");
        let given = script.arguments_of_interpreter();
        let started = self.executable(&next, &given, &needs, chain, interpreters + 1);
        let is_missing = !self.files.has(interpreter.as_bytes());
        started.map_err(|refusal| if is_missing { self.behind(script, refusal) } else { refusal })?;
        if next.name() != b"env" {
            return Ok(());
        }
        let launch = env_line(*argument);
        if let Launch::Wrong(reason) = launch {
            let hint = "write `#!/usr/bin/env -S` and the program with its arguments, or name the program by its path".to_owned();
            return refuse(format!("{what}: the first line of `{path}` {reason}"), Some(hint));
        }
        let given = &given[usize::from(argument.is_some())..];
        self.launched(launch, path, given, chain, |name| format!("{what} is started by `env` with the program `{name}`, which"))
    }

    /// Adds to the refusal of a script without an interpreter which program it would start, and the package that has the interpreter.
    fn behind(&self, script: &Script<'_>, mut refusal: Refusal) -> Refusal {
        let Script { path: script, interpreter, .. } = script;
        let found = wrapper(self.files, script, &self.name, &self.settings);
        let first = match found {
            Some(Wrapper { program, arguments, is_whole, variables }) => {
                refusal.message = format!("{}; `{script}` is a wrapper that starts `{program}`", refusal.message);
                let words: Vec<String> =
                    [&[program.to_string()], &arguments[..]].concat().iter().map(|word| snippet::exact(word)).collect();
                let set: Vec<(&str, String)> = variables.iter().map(|(name, value)| (name.as_str(), snippet::exact(value))).collect();
                let env =
                    if set.is_empty() { String::new() } else { format!(", and `env = {}` as the wrapper sets them", snippet::table(set)) };
                let more = if is_whole { "" } else { ", with the other arguments that the wrapper passes to it" };
                Some(format!("write `{}` in place of `{}`{more}{env}", words.join(", "), snippet::exact(&self.name)))
            }
            None => last_program(self.files, script, &self.name).map(|program| {
                let program = program.escape_debug();
                refusal.message = format!("{}; `{script}` would start `{program}`", refusal.message);
                format!("name the program `{program}` in place of the script, once it is in the image")
            }),
        };
        if let Some(package) = self.packages.and_then(|packages| packages.package_with(interpreter)) {
            let or = if first.is_some() { "or " } else { "" };
            let name = interpreter.escape_debug();
            refusal.hints = vec![format!("{or}add `{name}` by its package: `packages = [\"{package}\"]` in `base.debian`")];
        }
        refusal.hints.splice(0..0, first);
        refusal
    }

    fn elf(&self, path: &ImagePath, what: &str, machine: &Machine, interpreter: Option<&str>) -> Result<(), Refusal> {
        let wanted = &self.platform.architecture;
        let found = match machine {
            Machine::Architecture(name) if name == wanted => None,
            Machine::Architecture(name) => Some(name.clone()),
            Machine::Number(number) => Some(format!("machine {number}")),
        };
        if let Some(found) = found {
            let hint = format!("build the program for {wanted}; `{{platform.arch}}` in `from` chooses a file by platform");
            return refuse(format!("{what} is a program for {found}, and the image is for {}: `{path}`", self.platform), Some(hint));
        }
        let Some(interpreter) = interpreter else { return Ok(()) };
        let hint = Some("link the program statically, or choose a base that holds its C library".to_owned());
        let missing = |reason: &str| {
            let message = format!("{what} is linked dynamically: `{path}` needs `{}`, which {reason}", interpreter.escape_debug());
            refuse(message, hint.clone())
        };
        let Ok(loader) = ImagePath::absolute(interpreter) else { return missing("is not an absolute path") };
        match self.files.rootfs.resolve(&loader) {
            Resolved::File(_, Fact { kind: FactKind::File { .. }, .. }) => Ok(()),
            _ => missing("is not in the image"),
        }
    }

    fn file(&self, path: &ImagePath, what: &str) -> Result<(ImagePath, Fact), Refusal> {
        let hint = Some("check `to` of the `[[files]]` entry that adds it".to_owned());
        match self.files.rootfs.resolve(path) {
            Resolved::File(real, fact @ Fact { kind: FactKind::File { .. }, .. }) => Ok((real, fact)),
            Resolved::File(real, _) => refuse(format!("{what} is not a file: `{real}`"), hint),
            Resolved::Missing(real) if real == *path => refuse(format!("{what} is not in the image"), hint),
            Resolved::Missing(real) => refuse(format!("{what} is not in the image: it leads to `{real}`"), hint),
            Resolved::Loop => refuse(format!("{what} is part of a loop of symbolic links"), None),
        }
    }

    /// Checks that the user may pass through every folder above.
    fn reachable(&self, path: &ImagePath, what: &str) -> Result<(), Refusal> {
        for folder in path.parents() {
            if let Some(fact) = self.files.rootfs.entry(&folder).filter(|fact| !fact.allows(self.files.owner, 0o1)) {
                let hint = Some("write `dir-mode = \"0755\"` in its `[[files]]` entry".to_owned());
                let message = format!(
                    "{what} cannot be reached by the user {}: the folder `{folder}` has the mode {:04o}",
                    self.files.owner.uid, fact.mode
                );
                return refuse(message, hint);
            }
        }
        Ok(())
    }
}

/// A file that begins with `#!`.
struct Script<'a> {
    path: &'a ImagePath,
    /// Its path as it is executed.
    named: &'a ImagePath,
    /// What it is given.
    arguments: &'a [String],
    interpreter: &'a str,
    argument: Option<&'a str>,
}

impl Script<'_> {
    /// Returns what the kernel hands to the interpreter: the rest of the first line as one argument, the script, and its arguments.
    fn arguments_of_interpreter(&self) -> Vec<String> {
        let first = self.argument.map(str::to_owned);
        first.into_iter().chain([self.named.to_string()]).chain(self.arguments.iter().cloned()).collect()
    }
}
