use std::collections::BTreeMap;

use globset::GlobBuilder;

use crate::rootfs::{FactKind, Head, ImagePath, Resolved};

use super::files::Files;
use super::loader::{ProcessSettings, folder_of};
use super::lookup::{Lookup, Seeker, look_up};
use super::shell::{Script, read};

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
    /// The environment variables that the wrapper sets for it, where all of them are known.
    pub(super) variables: Vec<(String, String)>,
}

/// Returns the program that a script starts in the end, if that can be known: by a table, or because it is a shell script that names it.
///
/// `name` is the one by which the script is started.
pub(super) fn wrapper(files: &Files<'_>, script: &ImagePath, name: &str, settings: &ProcessSettings) -> Option<Wrapper> {
    let (mut script, mut name) = (script.clone(), base_name(name).to_owned());
    let mut variables: BTreeMap<String, String> = BTreeMap::new();
    for _ in 0..DEPTH {
        let text = files.text(&script).filter(|_| is_for_shell(files, &script));
        let Script { programs, exported } =
            text.map(|text| read(&text, &String::from_utf8_lossy(folder_of(script.to_string().as_bytes())), &name)).unwrap_or_default();
        variables.extend(exported);
        if let Some(program) = known(files, &script, &name) {
            return Some(Wrapper { program, variables: variables.into_iter().collect() });
        }
        let (program, started_as) = programs.iter().rev().find_map(|program| found(files, program, settings))?;
        if !is_for_missing_interpreter(files, &program) {
            return Some(Wrapper { program, variables: variables.into_iter().collect() });
        }
        (script, name) = (program, started_as);
    }
    None
}

fn base_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn head(files: &Files<'_>, path: &ImagePath) -> Option<Head> {
    files.rootfs.entry(path).and_then(|fact| files.head(path, &fact).ok())
}

fn is_for_shell(files: &Files<'_>, path: &ImagePath) -> bool {
    let Some(Head::Script { interpreter, .. }) = head(files, path) else { return false };
    matches!(base_name(&interpreter), "sh" | "bash" | "dash" | "ash" | "ksh")
}

fn is_for_missing_interpreter(files: &Files<'_>, path: &ImagePath) -> bool {
    matches!(head(files, path), Some(Head::Script { interpreter, .. }) if !files.has(interpreter.as_bytes()))
}

/// Returns the file of a program that a script names, and the name by which it starts it.
fn found(files: &Files<'_>, program: &str, settings: &ProcessSettings) -> Option<(ImagePath, String)> {
    let path = if program.contains('/') {
        let Resolved::File(path, fact) = files.rootfs.follow(program.as_bytes()) else { return None };
        matches!(fact.kind, FactKind::File { .. }).then_some(path)?
    } else {
        let Lookup::Found { path, .. } = look_up(files, settings, program, Seeker::Process) else { return None };
        path
    };
    matches!(head(files, &path), Some(Head::Elf { .. } | Head::Script { .. })).then(|| (path, base_name(program).to_owned()))
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
