use std::collections::BTreeMap;

use globset::GlobBuilder;

use crate::rootfs::{FactKind, Head, ImagePath, Resolved};

use super::files::{Files, absolute};
use super::loader::ProcessSettings;
use super::lookup::{Lookup, Seeker, look_up};
use super::shell::{Command, Script, name_of, read};

/// How many wrappers may start one another.
const DEPTH: usize = 4;

/// Wrappers of Debian whose program cannot be read from them: their names, and a pattern of the program's path in which `{name}` stands for
/// the name by which the wrapper is started.
const KNOWN: &[(&[&str], &str)] = &[
    // apache2
    (&["apache2ctl", "apachectl"], "/usr/sbin/apache2"),
    // chromium
    (&["chromium"], "/usr/lib/chromium/chromium"),
    // erlang-base
    (&["erl"], "/usr/lib/erlang/erts-*/bin/erlexec"),
    // libreoffice-common: it starts `oosplash`, which starts this.
    (&["soffice", "libreoffice"], "/usr/lib/libreoffice/program/soffice.bin"),
    // postgresql-client-common: `psql`, `pg_dump` and others are links to one Perl program.
    (&["pg_wrapper"], "/usr/lib/postgresql/*/bin/{name}"),
];

/// What a wrapper starts in the end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wrapper {
    /// The program: an ELF file, or a script whose interpreter is in the image.
    pub(super) program: ImagePath,
    /// The arguments that the wrapper passes to it.
    pub(super) arguments: Vec<String>,
    /// Says whether these are all.
    pub(super) is_whole: bool,
    /// The environment variables that the wrapper sets for it, where all of them are known.
    pub(super) variables: Vec<(String, String)>,
}

/// Returns the program that a script starts in the end, if that can be known: by a table, or because it is a shell script that names it.
///
/// `name` is the one by which the script is started.
pub(super) fn wrapper(files: &Files<'_>, script: &ImagePath, name: &str, settings: &ProcessSettings) -> Option<Wrapper> {
    let (mut script, mut name) = (script.clone(), name_of(name).to_owned());
    let (mut variables, mut arguments, mut is_whole) = (BTreeMap::<String, String>::new(), Vec::new(), true);
    for _ in 0..DEPTH {
        let Script { commands, exported } = shell_script(files, &script, &name).unwrap_or_default();
        variables.extend(exported);
        if let Some(program) = known(files, &script, &name) {
            return Some(Wrapper { program, arguments, is_whole, variables: variables.into_iter().collect() });
        }
        let found = |command: Command| found(files, &command.words[0], settings).map(|program| (program, command));
        let (program, command) = commands.into_iter().rev().find_map(found)?;
        let (started_as, own) = command.words.split_first()?;
        arguments = [own, &arguments].concat();
        is_whole &= command.is_whole;
        if !is_for_missing_interpreter(files, &program) {
            return Some(Wrapper { program, arguments, is_whole, variables: variables.into_iter().collect() });
        }
        name_of(started_as).clone_into(&mut name);
        script = program;
    }
    None
}

/// Returns the program that a shell script starts in the end, whether the image has it or not.
pub(super) fn last_program(files: &Files<'_>, script: &ImagePath, name: &str) -> Option<String> {
    let last = shell_script(files, script, name_of(name))?.commands.pop()?;
    last.words.into_iter().next()
}

/// Reads a script that is started by this name; `None` where it is none for a shell.
fn shell_script(files: &Files<'_>, script: &ImagePath, name: &str) -> Option<Script> {
    let text = files.text(script).filter(|_| is_for_shell(files, script))?;
    let folder = String::from_utf8_lossy(&absolute(&script.parent().unwrap_or_default())).into_owned();
    Some(read(&text, &folder, name))
}

fn head(files: &Files<'_>, path: &ImagePath) -> Option<Head> {
    files.rootfs.entry(path).and_then(|fact| files.head(path, &fact).ok())
}

fn is_for_shell(files: &Files<'_>, path: &ImagePath) -> bool {
    let Some(Head::Script { interpreter, .. }) = head(files, path) else { return false };
    matches!(name_of(&interpreter), "sh" | "bash" | "dash" | "ash" | "ksh")
}

fn is_for_missing_interpreter(files: &Files<'_>, path: &ImagePath) -> bool {
    matches!(head(files, path), Some(Head::Script { interpreter, .. }) if !files.has(interpreter.as_bytes()))
}

/// Returns the file of a program that a script names.
fn found(files: &Files<'_>, program: &str, settings: &ProcessSettings) -> Option<ImagePath> {
    let path = if program.contains('/') {
        let Resolved::File(path, fact) = files.rootfs.follow(program.as_bytes()) else { return None };
        matches!(fact.kind, FactKind::File { .. }).then_some(path)?
    } else {
        let Lookup::Found { path, .. } = look_up(files, settings, program, Seeker::Process) else { return None };
        path
    };
    matches!(head(files, &path), Some(Head::Elf { .. } | Head::Script { .. })).then_some(path)
}

fn known(files: &Files<'_>, script: &ImagePath, name: &str) -> Option<ImagePath> {
    let real = String::from_utf8_lossy(script.name());
    let (_, pattern) = KNOWN.iter().find(|(names, _)| names.iter().any(|known| *known == name || *known == real))?;
    let pattern = pattern.replace("{name}", &globset::escape(name));
    let pattern = GlobBuilder::new(&pattern).literal_separator(true).build().ok()?.compile_matcher();
    let is_program = |path: &&ImagePath| pattern.is_match(path.to_string()) && matches!(head(files, path), Some(Head::Elf { .. }));
    // Of several versions the newest, by their names.
    files.rootfs.paths().filter(is_program).max().cloned()
}
