//! The command line: arguments, settings, the terminal, exit codes.
//!
//! **Invariants.** Only this room knows clap and the terminal. Arguments become requests here, and outcomes become text; nothing is decided.
//!
//! **To add a verb**: its arguments in `arguments`, its file in `verbs`, a line in [`run`], and the schema of its result in `results`.

mod arguments;
mod command_line;
mod completion;
mod invocation;
mod location;
mod other_tools;
mod results;
pub mod screen;
mod settings_file;
mod signals;
mod verbs;

use std::ffi::OsString;
use std::process::ExitCode;

use anstream::ColorChoice;
use serde_json::{Map, Value};

use self::arguments::{Arguments, Color, Format, Verb};
use self::invocation::{Invocation, json};
use self::screen::{FailureReport, Reporter, Screen, Volume, exit_code};
use crate::host::Environment;
use crate::ops::Failure;

/// Runs the program with its arguments, and returns its exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>, environment: Environment) -> ExitCode {
    let words: Vec<OsString> = arguments.into_iter().collect();
    if let Some(code) = completion::answer(&words, &environment) {
        return code;
    }
    let terminal = environment.text("TERM");
    let Arguments { global, verb } = match command_line::parse(&words) {
        Ok(arguments) => arguments,
        Err(error) => return unread(&error, &words, terminal),
    };
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
    let screen = Screen::new(volume, color, terminal);
    signals::watch(&screen);
    let format = global.format;
    let invocation = Invocation::new(global, environment, screen.clone(), Reporter::new(screen.clone()));
    let answered = answer(&verb, &invocation);
    let found = invocation.take_found();
    // What is drawn is erased before the result is written.
    drop(invocation);
    if let Err(failure) = &answered {
        report(failure, found, format, &screen);
    }
    ended(&screen, answered.and_then(|text| screen.result(&text)))
}

/// Returns the exit code, and tells a failure.
fn ended(screen: &Screen, outcome: Result<(), Failure>) -> ExitCode {
    let Err(failure) = outcome else { return ExitCode::SUCCESS };
    screen.alarm(screen.failure(&failure).trim_end());
    ExitCode::from(exit_code(&failure))
}

/// Tells what is wrong with a command line that cannot be read, or prints the help or the version that it asks for.
fn unread(error: &clap::Error, words: &[OsString], terminal: Option<&str>) -> ExitCode {
    let screen = Screen::new(Volume::Usual, ColorChoice::Never, terminal);
    let (text, colored) = (error.render().to_string(), error.render().ansi().to_string());
    // What it repeats of the arguments may come from anywhere.
    let is_plain = screen::is_plain(&text);
    if !error.use_stderr() {
        // Help and versions are answers; anything else is a mistake in the arguments.
        let is_colored = is_plain && anstream::AutoStream::choice(&std::io::stdout()) != ColorChoice::Never;
        return ended(&screen, if is_colored { screen.rendered_result(&colored) } else { screen.result(&text) });
    }
    let of_other_tools = other_tools::answer(error, &command_line::verbs(words.iter().skip(1).map(OsString::as_os_str)));
    let failure = || command_line::failure(error);
    report(of_other_tools.as_ref().unwrap_or(&failure()), Map::new(), command_line::format(words), &screen);
    if let Some(failure) = of_other_tools {
        return ended(&Screen::new(Volume::Usual, ColorChoice::Auto, terminal), Err(failure));
    }
    if is_plain {
        // Where standard error cannot be written, that cannot be reported either.
        let _ = error.print();
    } else {
        screen.say(text.trim_end());
    }
    ExitCode::from(2)
}

/// Writes a failure to standard output, where results go too, for programs that asked for JSON.
fn report(failure: &Failure, found: Map<String, Value>, format: Format, screen: &Screen) {
    if format == Format::Json
        && let Ok(text) = json(&FailureReport::new(failure, found))
    {
        // The exit code tells of the failure where this cannot be written.
        let _ = screen.result(&text);
    }
}

fn answer(verb: &Verb, invocation: &Invocation) -> Result<String, Failure> {
    match verb {
        Verb::Init(arguments) => verbs::init::run(arguments, invocation),
        Verb::Lock(arguments) => verbs::lock::run(arguments, invocation),
        Verb::Build(arguments) => verbs::build::run(arguments, invocation),
        Verb::Explain(arguments) => verbs::explain::run(arguments, invocation),
        Verb::Vendor(arguments) => verbs::vendor::run(arguments, invocation),
        Verb::Push(arguments) => verbs::push::run(arguments, invocation),
        Verb::Inspect(arguments) => verbs::inspect::run(arguments, invocation),
        Verb::Ls(arguments) => verbs::files::ls(arguments, invocation),
        Verb::Cat(arguments) => verbs::files::cat(arguments, invocation),
        Verb::Login(arguments) => verbs::login::run(arguments, invocation),
        Verb::Logout(arguments) => verbs::login::logout(arguments, invocation),
        Verb::Cache(arguments) => verbs::cache::run(arguments, invocation),
        Verb::Schema(arguments) => Ok(verbs::pages::schema(arguments)),
        Verb::Completions(arguments) => completion::script(arguments.shell),
        Verb::Man(arguments) => verbs::pages::manual(arguments),
        // It is answered where the command line is read.
        Verb::Help(_) => Ok(String::new()),
    }
}
