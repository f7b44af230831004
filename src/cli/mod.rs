//! The command line: arguments, settings, the terminal, exit codes.
//!
//! **Invariants.** Only this room knows clap and the terminal. Arguments become requests here, and outcomes become text; nothing is decided.
//!
//! **To add a verb**: its arguments in `arguments`, its file in `verbs`, and a line in [`run`].

mod arguments;
mod invocation;
mod location;
pub mod screen;
mod settings_file;
mod signals;
mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::Parser;

use self::arguments::{Arguments, Color, Verb};
use self::invocation::Invocation;
use self::screen::{Bars, Screen, Volume, exit_code};
use crate::host::Environment;
use crate::ops::Failure;

/// Runs the program with its arguments, and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> ExitCode {
    signals::watch();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and versions are answers; anything else is a mistake in the arguments.
            let code = if error.use_stderr() { 2 } else { 0 };
            // What it repeats of the arguments may come from anywhere.
            let text = error.render().to_string();
            if screen::is_plain(&text) {
                return if error.print().is_err() && code == 0 { ExitCode::from(3) } else { ExitCode::from(code) };
            }
            Screen::new(Volume::Usual, ColorChoice::Never).say(text.trim_end());
            return ExitCode::from(code);
        }
    };
    let global = &arguments.global;
    let volume = match (global.quiet, global.verbose) {
        (true, _) => Volume::Quiet,
        (_, true) => Volume::Verbose,
        _ => Volume::Usual,
    };
    let color = match global.color {
        Color::Auto => ColorChoice::Auto,
        Color::Always => ColorChoice::Always,
        Color::Never => ColorChoice::Never,
    };
    let screen = Screen::new(volume, color);
    match answer(arguments, environment, screen) {
        Ok(text) => match screen.result(&text) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                screen.alarm(&format!("error: could not write to standard output: {error}"));
                ExitCode::from(3)
            }
            _ => ExitCode::SUCCESS,
        },
        Err(failure) => {
            screen.alarm(screen.failure(&failure).trim_end());
            ExitCode::from(exit_code(&failure))
        }
    }
}

fn answer(arguments: Arguments, environment: Environment, screen: Screen) -> Result<String, Failure> {
    let invocation = Invocation::new(arguments.global, environment, screen, Bars::new(screen));
    match arguments.verb {
        Verb::Init(arguments) => verbs::init::run(&arguments, &invocation),
        Verb::Lock(arguments) => verbs::lock::run(&arguments, &invocation),
        Verb::Build(arguments) => verbs::build::run(&arguments, &invocation),
        Verb::Explain(arguments) => verbs::explain::run(&arguments, &invocation),
        Verb::Vendor(arguments) => verbs::vendor::run(&arguments, &invocation),
        Verb::Push(arguments) => verbs::push::run(&arguments, &invocation),
        Verb::Inspect(arguments) => verbs::inspect::run(&arguments, &invocation),
        Verb::Ls(arguments) => verbs::files::ls(&arguments, &invocation),
        Verb::Cat(arguments) => verbs::files::cat(&arguments, &invocation),
        Verb::Login(arguments) => verbs::login::run(&arguments, &invocation),
        Verb::Cache(arguments) => verbs::cache::run(&arguments, &invocation),
        Verb::Schema(schema) if schema.markdown => Ok(crate::recipe::reference()),
        Verb::Schema(_) => Ok(crate::recipe::json_schema_text()),
        Verb::Completions(arguments) => Ok(verbs::pages::completions(&arguments)),
        Verb::Man(_) => verbs::pages::manual(),
    }
}
