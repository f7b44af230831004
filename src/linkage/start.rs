use crate::diagnostic::Diagnostic;
use crate::oci::Platform;
use crate::rootfs::{Fact, FactKind, Head, ImagePath, Machine, Owner, Resolved};

use super::files::Files;
use super::loader::ProcessSettings;
use super::lookup::{Lookup, Seeker, look_up};
use super::script::{EnvLine, env_line};
use super::{Fault, ProofRequest};

/// How many interpreters may follow one another, as in Linux.
const INTERPRETERS: usize = 4;

/// Checks that the image could start: the program exists, the user may execute it, and it is for the platform,
/// and so on for the interpreter that its `#!` line or its ELF header names. Returns the programs that are started.
///
/// # Errors
/// When nothing is started, or it could not start.
pub(super) fn check(request: &ProofRequest<'_>, files: &Files<'_>, settings: &ProcessSettings) -> Result<Vec<Started>, Vec<Fault>> {
    let span = request.entrypoint_span;
    let Some(program) = request.config.arguments().first().copied() else {
        let diagnostic = Diagnostic::error("the image has nothing to start")
            .at(span, "no entrypoint")
            .hint("write `entrypoint = [\"/path/of/the/program\"]` in `[process]`");
        return Err(vec![Fault::NothingToStart(diagnostic)]);
    };
    let mut checker = Checker { platform: request.platform, files, settings, started: Vec::new() };
    if let Err(Refusal { message, hint }) = checker.program(program) {
        let mut diagnostic = Diagnostic::error(message).at(span, "could not start");
        diagnostic.hints.extend(hint);
        return Err(vec![Fault::Start(diagnostic)]);
    }
    Ok(checker.started)
}

/// A program that is started: the entrypoint itself, or an interpreter that it leads to.
pub(super) struct Started {
    /// The files that lead to it, the entrypoint first, the program last.
    pub(super) chain: Vec<ImagePath>,
    /// What it is.
    pub(super) head: Head,
}

struct Refusal {
    message: String,
    hint: Option<String>,
}

fn refuse<T>(message: String, hint: Option<String>) -> Result<T, Refusal> {
    Err(Refusal { message, hint })
}

struct Checker<'a> {
    platform: &'a Platform,
    files: &'a Files<'a>,
    settings: &'a ProcessSettings,
    started: Vec<Started>,
}

impl Checker<'_> {
    fn program(&mut self, program: &str) -> Result<(), Refusal> {
        let what = format!("the entrypoint `{}`", program.escape_debug());
        let path = if program.contains('/') {
            self.absolute(program, &what)?
        } else {
            self.on_path(program, &what, Seeker::Runtime, self.settings)?
        };
        self.executable(&path, &format!("the entrypoint `{program}`"), &[])
    }

    fn absolute(&self, program: &str, what: &str) -> Result<ImagePath, Refusal> {
        let directory = &self.settings.directory;
        let whole = if program.starts_with('/') { program.to_owned() } else { format!("{directory}/{program}") };
        let whole: Vec<&str> = whole.split('/').filter(|part| *part != ".").collect();
        ImagePath::new(whole.join("/").as_bytes()).or_else(|fault| refuse(format!("{what} is no path in the image: {fault}"), None))
    }

    fn on_path(&self, program: &str, what: &str, seeker: Seeker, settings: &ProcessSettings) -> Result<ImagePath, Refusal> {
        let path = settings.path.escape_debug();
        let absolute = || Some("name the program by its absolute path, or check that its file is added".to_owned());
        match look_up(self.files, settings, program, seeker) {
            Lookup::Found(path) => Ok(path),
            Lookup::Relative(found) => {
                let hint = format!("name the program by its absolute path, `{found}`, or write only absolute folders into PATH");
                refuse(
                    format!("{what} is found at `{found}` by a folder of PATH, `{path}`, that is not absolute: runc refuses it"),
                    Some(hint),
                )
            }
            Lookup::Nothing(skipped) if skipped.is_empty() => refuse(format!("{what} is in no folder of PATH, `{path}`"), absolute()),
            Lookup::Nothing(skipped) => {
                let Owner { uid, gid } = self.files.owner;
                let message = format!(
                    "{what} is nothing that the user {uid}:{gid} may execute in any folder of PATH, `{path}`: {}",
                    skipped.join(", ")
                );
                refuse(message, absolute())
            }
        }
    }

    /// Checks a file that is to be executed; `what` names it and why it matters, `above` the files that lead to it.
    fn executable(&mut self, path: &ImagePath, what: &str, above: &[ImagePath]) -> Result<(), Refusal> {
        let (path, fact) = self.file(path, what).map_err(|mut refusal| {
            if !above.is_empty() && refusal.hint.is_some() {
                refusal.hint = Some(format!("choose a base that has `{path}`, or add it with a `[[files]]` entry"));
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
        let chain = [above, std::slice::from_ref(&path)].concat();
        match &head {
            Head::Elf { machine, interpreter, .. } => {
                self.elf(&path, what, machine, interpreter.as_deref())?;
                self.started.push(Started { chain, head });
                Ok(())
            }
            Head::Script { .. } if above.len() >= INTERPRETERS => {
                refuse(format!("{what} leads through more than {INTERPRETERS} interpreters"), None)
            }
            Head::Script { interpreter, argument } => self.script(&path, what, interpreter, argument.as_deref(), &chain),
            Head::Other | Head::Unread | Head::LoaderCache(_) => {
                let hint = "an entrypoint is an ELF program, or a script whose first line is `#!` and an interpreter that is in the image";
                refuse(format!("{what} is no program: `{path}` is neither ELF nor begins with `#!`"), Some(hint.to_owned()))
            }
        }
    }

    fn script(
        &mut self,
        path: &ImagePath,
        what: &str,
        interpreter: &str,
        argument: Option<&str>,
        chain: &[ImagePath],
    ) -> Result<(), Refusal> {
        if interpreter.ends_with('\r') {
            let hint = "save the script with line ends of Unix".to_owned();
            return refuse(
                format!(
                    "{what}: the first line of `{path}` ends with a carriage return, which is taken for a part of the interpreter's name"
                ),
                Some(hint),
            );
        }
        let escaped = interpreter.escape_debug();
        let next = ImagePath::absolute(interpreter)
            .or_else(|_| refuse(format!("{what}: `{path}` begins with `#!` and `{escaped}`, which is no absolute path"), None))?;
        self.executable(&next, &format!("{what} needs the interpreter `{escaped}`, which"), chain)?;
        if next.name() != b"env" {
            return Ok(());
        }
        match env_line(argument) {
            EnvLine::Wrong(reason) => {
                let hint = "write `#!/usr/bin/env -S` and the program with its arguments, or name the program by its path".to_owned();
                refuse(format!("{what}: the first line of `{path}` {reason}"), Some(hint))
            }
            EnvLine::Starts { name, path } => {
                let what = format!("{what} is started by `env` with the program `{}`, which", name.escape_debug());
                let path = path.unwrap_or_else(|| self.settings.path.clone());
                let settings = ProcessSettings { path, ..self.settings.clone() };
                let program =
                    if name.contains('/') { self.absolute(&name, &what)? } else { self.on_path(&name, &what, Seeker::Process, &settings)? };
                self.executable(&program, &what, chain)
            }
        }
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
            return refuse(format!("{what}: `{path}` is a program for {found}, and the image is for {}", self.platform), Some(hint));
        }
        let Some(interpreter) = interpreter else { return Ok(()) };
        let hint = Some("link the program statically, or choose a base that holds its C library".to_owned());
        let missing = |reason: &str| {
            let message = format!("{what} is linked dynamically: `{path}` needs `{}`, which {reason}", interpreter.escape_debug());
            refuse(message, hint.clone())
        };
        let Ok(loader) = ImagePath::absolute(interpreter) else { return missing("is no absolute path") };
        match self.files.rootfs.resolve(&loader) {
            Resolved::File(_, Fact { kind: FactKind::File { .. }, .. }) => Ok(()),
            _ => missing("is not in the image"),
        }
    }

    fn file(&self, path: &ImagePath, what: &str) -> Result<(ImagePath, Fact), Refusal> {
        let hint = Some("check `to` of the `[[files]]` entry that adds it".to_owned());
        match self.files.rootfs.resolve(path) {
            Resolved::File(real, fact @ Fact { kind: FactKind::File { .. }, .. }) => Ok((real, fact)),
            Resolved::File(real, _) => refuse(format!("{what} is no file: `{real}`"), hint),
            Resolved::Missing(real) if real == *path => refuse(format!("{what} is not in the image"), hint),
            Resolved::Missing(real) => refuse(format!("{what} is not in the image: it leads to `{real}`"), hint),
            Resolved::Loop => refuse(format!("{what} leads through a loop of links"), None),
        }
    }

    /// Checks that the user may pass through every folder above.
    fn reachable(&self, path: &ImagePath, what: &str) -> Result<(), Refusal> {
        for folder in path.parents() {
            if let Some(fact) = self.files.rootfs.entry(&folder).filter(|fact| !fact.allows(self.files.owner, 0o1)) {
                let hint = Some("write `dir-mode = \"0755\"` in its `[[files]]` entry".to_owned());
                let message = format!(
                    "{what} is out of reach of the user {}: the folder `{folder}` has the mode {:04o}",
                    self.files.owner.uid, fact.mode
                );
                return refuse(message, hint);
            }
        }
        Ok(())
    }
}
