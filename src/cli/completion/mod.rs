//! Completion in a shell: scripts that ask the program itself what may come next.
//!
//! A script runs `hardened` with the variable [`VARIABLE`] and the words that were typed, and shows the lines that it prints. So values are
//! those of the moment: layouts and archives in the folder, their tags, and the packages of the lock.

mod bash;
pub(super) mod values;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Command, CommandFactory};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Shells, Zsh};

use self::bash::Bash;
use super::arguments::Arguments;
use crate::diagnostic::ExternalError;
use crate::host::Environment;
use crate::ops::Failure;

/// The variable that holds the name of the shell that asks.
const VARIABLE: &str = "HARDENED_COMPLETE";

/// What is completed, and what the scripts run.
const PROGRAM: &str = "hardened";

const SHELLS: Shells<'static> = Shells(&[&Bash, &Elvish, &Fish, &Powershell, &Zsh]);

/// Answers a shell that asks what may come next; nothing when none does.
pub(super) fn answer(words: &[OsString], environment: &Environment) -> Option<ExitCode> {
    environment.os(VARIABLE)?;
    // Without the program's own name there is nothing to complete.
    words.first()?;
    let folder = std::env::current_dir().ok();
    let complete = CompleteEnv::with_factory(command).var(VARIABLE).bin(PROGRAM).shells(SHELLS);
    match complete.try_complete(words.iter().cloned(), folder.as_deref()) {
        Ok(true) => Some(ExitCode::SUCCESS),
        Ok(false) => None,
        // A shell shows nothing then, and a message would stand in the line that is typed.
        Err(_) => Some(ExitCode::from(3)),
    }
}

/// Returns the command line, with verbs as the values of verbs that take one.
fn command() -> Command {
    let with_verbs = |verb: Command| verb.mut_arg("verb", |argument| argument.add(ArgValueCandidates::new(verbs)));
    Arguments::command().mut_subcommand("man", with_verbs).mut_subcommand("help", with_verbs)
}

/// Returns the verbs that have help and a page of the manual.
fn verbs() -> Vec<CompletionCandidate> {
    let candidate = |verb: &Command| CompletionCandidate::new(verb.get_name()).help(verb.get_about().cloned());
    Arguments::command().get_subcommands().map(candidate).collect()
}

/// Returns the script of a shell.
pub(super) fn script(shell: clap_complete::Shell) -> Result<String, Failure> {
    let failed = |error| ExternalError::new("could not write the completion script").caused_by(error);
    let name = shell.to_string();
    let completer: &dyn EnvCompleter = SHELLS.completer(&name).ok_or_else(|| Failure::wrong(format!("no script is known for `{name}`")))?;
    let mut script = Vec::new();
    completer.write_registration(VARIABLE, PROGRAM, PROGRAM, PROGRAM, &mut script).map_err(failed)?;
    Ok(String::from_utf8_lossy(&script).into_owned())
}
