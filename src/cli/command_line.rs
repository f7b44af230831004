use std::ffi::{OsStr, OsString};

use clap::builder::Resettable;
use clap::error::ContextKind;
use clap::{Command, CommandFactory, Parser};

use super::arguments::{Arguments, Format, Verb};
use crate::ops::Failure;

/// Reads the words of a command line, the program's own name first.
///
/// # Errors
/// When they are no command, or ask for help or the version, which clap takes for an error too.
pub(super) fn parse(words: &[OsString]) -> Result<Arguments, clap::Error> {
    match Arguments::try_parse_from(words) {
        Ok(Arguments { verb: Verb::Help(help), .. }) => {
            let verbs = help.verb.iter().map(OsString::from).filter(|word| !word.to_string_lossy().starts_with('-'));
            let words = [OsString::from("hardened")].into_iter().chain(verbs).chain([OsString::from("--help")]);
            Arguments::try_parse_from(words)
        }
        Ok(arguments) => Ok(arguments),
        Err(error) if error.use_stderr() => Err(with_typed_usage(error, words)),
        Err(error) => Err(error),
    }
}

/// Returns the error with a usage line that shows what was typed alone: clap shows options that an environment variable set as well.
fn with_typed_usage(mut error: clap::Error, words: &[OsString]) -> clap::Error {
    match without_environment(Arguments::command()).try_get_matches_from(words) {
        Err(other) if other.kind() == error.kind() => other,
        // The mistake is in a variable, and no usage line of the command helps.
        _ => {
            error.remove(ContextKind::Usage);
            error
        }
    }
}

fn without_environment(command: Command) -> Command {
    command.mut_args(|argument| argument.env(Resettable::Reset)).mut_subcommands(without_environment)
}

/// Returns the format of results that is asked for, also where the command line cannot be read.
pub(super) fn format(words: &[OsString]) -> Format {
    let mut words = words.iter().skip(1).take_while(|word| *word != "--");
    while let Some(word) = words.next() {
        if word == "--format=json" || word == "--format" && words.next().is_some_and(|value| value == "json") {
            return Format::Json;
        }
    }
    Format::Text
}

/// Returns the verbs among words without the program's own name: `cache`, and `prune` below it.
pub(super) fn verbs<'a>(words: impl IntoIterator<Item = &'a OsStr>) -> Vec<&'a str> {
    let mut words = words.into_iter().map(|word| word.to_str().unwrap_or_default());
    let program = Arguments::command();
    let takes_value = |option: &str| {
        let of_name = |argument: &&clap::Arg| argument.get_long() == Some(option);
        program.get_arguments().find(of_name).is_some_and(|argument| argument.get_action().takes_values())
    };
    let (mut command, mut verbs) = (&program, Vec::new());
    while let Some(word) = words.next() {
        if let Some(option) = word.strip_prefix("--") {
            if takes_value(option) {
                words.next();
            }
        } else if let Some(verb) = command.find_subcommand(word) {
            verbs.push(word);
            command = verb;
        } else if !word.starts_with('-') {
            break;
        }
    }
    verbs
}

/// Returns a mistaken command line as a failure, for programs that read it.
pub(super) fn failure(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let first = text.split("\n\n").next().unwrap_or_default();
    let message = first.trim_start_matches("error: ").lines().map(str::trim).collect::<Vec<_>>().join(" ");
    let tips = text.lines().filter_map(|line| line.trim_start().strip_prefix("tip: ")).map(str::to_owned);
    let usage = text.lines().filter_map(|line| line.strip_prefix("Usage: ")).map(|usage| format!("usage: {usage}"));
    tips.chain(usage).fold(Failure::wrong(message), Failure::hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<OsString> {
        text.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_format_and_the_verbs_of_a_mistaken_line_are_known() {
        for (text, expected) in [
            ("hardened build --format json --nosuch", Format::Json),
            ("hardened --format=json nosuch", Format::Json),
            ("hardened --format text nosuch", Format::Text),
            ("hardened cat oci:x -- --format=json", Format::Text),
        ] {
            assert_eq!(format(&words(text)), expected, "{text}");
        }
        let of = |text: &str| {
            let words = words(text);
            verbs(words.iter().map(OsString::as_os_str)).join(" ")
        };
        assert_eq!(of("cache clean"), "cache");
        assert_eq!(of("-q --color never --offline cache prune --keep 5"), "cache prune");
        assert_eq!((of("build push"), of("run build")), ("build".to_owned(), String::new()));
    }

    #[test]
    fn help_is_what_the_option_prints() {
        for (verb, option) in [("help build", "build --help"), ("help cache prune", "cache prune --help"), ("help", "--help")] {
            let help = |text: &str| parse(&words(&format!("hardened {text}"))).unwrap_err();
            assert_eq!(help(verb).render().to_string(), help(option).render().to_string());
            assert!(!help(verb).use_stderr());
        }
        assert!(parse(&words("hardened help nosuch")).unwrap_err().use_stderr());
        assert!(!parse(&words("hardened help -- --nosuch")).unwrap_err().use_stderr());
    }

    #[test]
    fn a_mistaken_line_is_a_failure_with_its_tips() {
        let Failure::Wrong(diagnostics) = failure(&parse(&words("hardened build --offlin")).unwrap_err()) else { unreachable!() };
        assert_eq!(diagnostics[0].message, "unexpected argument '--offlin' found");
        assert!(diagnostics[0].hints.iter().any(|hint| hint.contains("--offline")), "{:?}", diagnostics[0].hints);
        let Failure::Wrong(diagnostics) = failure(&parse(&words("hardened push")).unwrap_err()) else { unreachable!() };
        assert!(diagnostics[0].message.contains("<IMAGE>"), "{}", diagnostics[0].message);
    }
}
