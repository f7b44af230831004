use clap::CommandFactory;

use crate::cli::arguments::{Arguments, Completions};
use crate::diagnostic::ExternalError;
use crate::ops::Failure;

/// Writes the completion script of a shell.
pub(in crate::cli) fn completions(arguments: &Completions) -> String {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "hardened", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// Returns the verbs below a command with the names of their pages, `hardened-cache-prune`; the first is last.
fn below(name: &str, command: &clap::Command) -> Vec<(String, clap::Command)> {
    let pages = command.get_subcommands().map(|verb| (format!("{name}-{}", verb.get_name()), verb.clone()));
    let mut pages: Vec<_> = pages.collect();
    pages.reverse();
    pages
}

/// Writes the manual: one page for the program and one for each verb, one after the other.
pub(in crate::cli) fn manual() -> Result<String, Failure> {
    let mut page = Vec::new();
    let mut command = Arguments::command();
    command.build();
    let failed = |error| ExternalError::new("could not write the manual").caused_by(error);
    clap_mangen::Man::new(command.clone()).render(&mut page).map_err(failed)?;
    let mut left: Vec<(String, clap::Command)> = below("hardened", &command);
    while let Some((name, verb)) = left.pop() {
        left.extend(below(&name, &verb));
        clap_mangen::Man::new(verb.name(name)).render(&mut page).map_err(failed)?;
    }
    Ok(String::from_utf8_lossy(&page).into_owned())
}
