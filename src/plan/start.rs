use crate::diagnostic::{Diagnostic, Span};
use crate::rootfs::{EntryKind, Fact, FactKind, Head, ImagePath, Machine, OpenContent, OpenFile, Owner, Resolved, Rootfs};

use super::accounts::may;
use super::{Fault, Plan, UserRequest};

/// How many interpreters may follow one another, as in Linux.
const INTERPRETERS: usize = 4;
/// Where programs are sought when the image sets no `PATH`: what runc and crun set.
const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Checks that the image could start: the program exists, the user may execute it, and it is for the platform,
/// and so on for the interpreter that its `#!` line or its ELF header names.
pub(super) fn check(
    plan: &Plan,
    view: &Rootfs<'_>,
    user: &UserRequest,
    contents: &dyn OpenContent,
    span: Option<&Span>,
    faults: &mut Vec<Fault>,
) {
    let Some(program) = program(plan) else {
        let diagnostic = Diagnostic::error("the image has nothing to start")
            .at(span, "no entrypoint")
            .hint("write `entrypoint = [\"/path/of/the/program\"]` in `[process]`");
        faults.push(Fault::Recipe(diagnostic));
        return;
    };
    let checker = Checker { plan, view, owner: Owner { uid: user.uid, gid: user.gid }, contents };
    if let Err(Refusal { message, hint }) = checker.program(&program) {
        let mut diagnostic = Diagnostic::error(message).at(span, "could not start");
        diagnostic.hints.extend(hint);
        faults.push(Fault::Start(diagnostic));
    }
}

/// Returns what a runtime would execute: the first word of entrypoint and command.
fn program(plan: &Plan) -> Option<String> {
    let (settings, base) = (&plan.settings, &plan.base.config);
    let entrypoint = settings.entrypoint.clone().unwrap_or_else(|| base.texts("Entrypoint"));
    let inherited = if settings.entrypoint.is_some() { Vec::new() } else { base.texts("Cmd") };
    let command = settings.command.clone().unwrap_or(inherited);
    entrypoint.into_iter().chain(command).next()
}

struct Refusal {
    message: String,
    hint: Option<String>,
}

fn refuse<T>(message: String, hint: Option<String>) -> Result<T, Refusal> {
    Err(Refusal { message, hint })
}

struct Checker<'a> {
    plan: &'a Plan,
    view: &'a Rootfs<'a>,
    owner: Owner,
    contents: &'a dyn OpenContent,
}

impl Checker<'_> {
    fn program(&self, program: &str) -> Result<(), Refusal> {
        let path = if program.contains('/') { self.absolute(program)? } else { self.on_path(program)? };
        self.executable(&path, &format!("the entrypoint `{program}`"), 0)
    }

    fn absolute(&self, program: &str) -> Result<ImagePath, Refusal> {
        let directory = self.plan.settings.working_directory.clone();
        let inherited = || self.plan.base.config.setting("WorkingDir").and_then(|value| value.as_str()).map(str::to_owned);
        let directory = directory.or_else(inherited).unwrap_or_default();
        let whole = if program.starts_with('/') { program.to_owned() } else { format!("{directory}/{program}") };
        let whole: Vec<&str> = whole.split('/').filter(|part| *part != ".").collect();
        ImagePath::new(whole.join("/").as_bytes())
            .or_else(|fault| refuse(format!("the entrypoint `{}` is no path in the image: {fault}", program.escape_debug()), None))
    }

    fn on_path(&self, program: &str) -> Result<ImagePath, Refusal> {
        let of_base = self.plan.base.config.texts("Env").into_iter().find_map(|line| line.strip_prefix("PATH=").map(str::to_owned));
        let path = self.plan.settings.environment.get("PATH").cloned().or(of_base).unwrap_or_else(|| USUAL_PATH.to_owned());
        let candidates = path.split(':').filter_map(|folder| ImagePath::new(format!("{folder}/{program}").as_bytes()).ok());
        let mut found = candidates.filter(|path| matches!(self.view.resolve(path), Resolved::File(..)));
        found.next().map_or_else(
            || {
                let hint = "name the program by its absolute path, or check that its file is added".to_owned();
                refuse(format!("the entrypoint `{}` is in no folder of PATH, `{path}`", program.escape_debug()), Some(hint))
            },
            Ok,
        )
    }

    /// Checks a file that is to be executed; `what` names it and why it matters.
    fn executable(&self, path: &ImagePath, what: &str, depth: usize) -> Result<(), Refusal> {
        let (path, fact) = self.file(path, what).map_err(|mut refusal| {
            if depth > 0 && refusal.hint.is_some() {
                refusal.hint = Some(format!("choose a base that has `{path}`, or add it with a `[[files]]` entry"));
            }
            refusal
        })?;
        self.reachable(&path, what)?;
        let head = self.head(&path, &fact)?;
        let needed = if matches!(head, Head::Script { .. }) { 0o5 } else { 0o1 };
        if !may(&fact, self.owner, needed) {
            let message = format!(
                "{what} may not be executed by the user {}:{}: `{path}` has the mode {:04o} and belongs to {}:{}",
                self.owner.uid, self.owner.gid, fact.mode, fact.uid, fact.gid
            );
            return refuse(message, Some("make the file executable, or write `mode = \"0755\"` in its `[[files]]` entry".to_owned()));
        }
        match head {
            Head::Elf { machine, interpreter, .. } => self.elf(&path, what, &machine, interpreter.as_deref()),
            Head::Script { interpreter, .. } if depth < INTERPRETERS => {
                let next = ImagePath::absolute(&interpreter).or_else(|_| {
                    refuse(
                        format!("{what}: `{path}` begins with `#!` and `{}`, which is no absolute path", interpreter.escape_debug()),
                        None,
                    )
                })?;
                self.executable(&next, &format!("{what} needs the interpreter `{}`, which", interpreter.escape_debug()), depth + 1)
            }
            Head::Script { .. } => refuse(format!("{what} leads through more than {INTERPRETERS} interpreters"), None),
            Head::Other | Head::Unread | Head::LoaderCache(_) => {
                let hint = "an entrypoint is an ELF program, or a script whose first line is `#!` and an interpreter that is in the image";
                refuse(format!("{what} is no program: `{path}` is neither ELF nor begins with `#!`"), Some(hint.to_owned()))
            }
        }
    }

    fn elf(&self, path: &ImagePath, what: &str, machine: &Machine, interpreter: Option<&str>) -> Result<(), Refusal> {
        let wanted = &self.plan.platform.architecture;
        let found = match machine {
            Machine::Architecture(name) if name == wanted => None,
            Machine::Architecture(name) => Some(name.clone()),
            Machine::Number(number) => Some(format!("machine {number}")),
        };
        if let Some(found) = found {
            let hint = format!("build the program for {wanted}; `{{platform.arch}}` in `from` chooses a file by platform");
            return refuse(format!("{what}: `{path}` is a program for {found}, and the image is for {}", self.plan.platform), Some(hint));
        }
        let Some(interpreter) = interpreter else { return Ok(()) };
        let hint = Some("link the program statically, or choose a base that holds its C library".to_owned());
        let missing = |reason: &str| {
            let message = format!("{what} is linked dynamically: `{path}` needs `{}`, which {reason}", interpreter.escape_debug());
            refuse(message, hint.clone())
        };
        let Ok(loader) = ImagePath::absolute(interpreter) else { return missing("is no absolute path") };
        match self.view.resolve(&loader) {
            Resolved::File(_, Fact { kind: FactKind::File { .. }, .. }) => Ok(()),
            _ => missing("is not in the image"),
        }
    }

    fn file(&self, path: &ImagePath, what: &str) -> Result<(ImagePath, Fact), Refusal> {
        let hint = Some("check `to` of the `[[files]]` entry that adds it".to_owned());
        match self.view.resolve(path) {
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
            if let Some(fact) = self.view.entry(&folder).filter(|fact| !may(fact, self.owner, 0o1)) {
                let hint = Some("write `dir-mode = \"0755\"` in its `[[files]]` entry".to_owned());
                let message =
                    format!("{what} is out of reach of the user {}: the folder `{folder}` has the mode {:04o}", self.owner.uid, fact.mode);
                return refuse(message, hint);
            }
        }
        Ok(())
    }

    fn head(&self, path: &ImagePath, fact: &Fact) -> Result<Head, Refusal> {
        let FactKind::File { head, .. } = &fact.kind else { return Ok(Head::Other) };
        if *head != Head::Unread {
            return Ok(head.clone());
        }
        let Some((path, entry)) = self.view.own_entry(path) else { return Ok(Head::Other) };
        let EntryKind::File(content) = &entry.kind else { return Ok(Head::Other) };
        let file = OpenFile { content, path: &path, contents: self.contents };
        Head::read(&file, content.size()).or_else(|fault| refuse(format!("could not read the file for `{path}`: {fault}"), None))
    }
}
