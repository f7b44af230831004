use std::error::Error;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use anstyle::{AnsiColor, Style};

use super::passwords::hidden;
use super::{Screen, printable};
use crate::diagnostic::{Diagnostic, ExternalError, Selection, Span};
use crate::ops::Failure;

/// A failed run, as `--format json` writes it.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::cli) struct FailureReport {
    /// The first error.
    error: ReportedError,
    /// The errors, the first among them, at most 50.
    errors: Vec<ReportedError>,
    /// How many further errors there are.
    more: usize,
    /// The exit code of the program.
    exit_code: u8,
    /// The result of a verb that fails because of it: the fields of its own schema.
    #[serde(flatten)]
    found: Map<String, Value>,
}

/// One error.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct ReportedError {
    /// Who can do something about it.
    kind: ErrorKind,
    /// What is wrong: the thing and the step.
    message: String,
    /// Where it is in what the user wrote.
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<ReportedLocation>,
    /// Another location that belongs to it: the first of two entries for one path.
    #[serde(skip_serializing_if = "Option::is_none")]
    related: Option<ReportedLocation>,
    /// What to write instead, or the next command.
    hints: Vec<String>,
    /// What caused it, the nearest cause first.
    causes: Vec<String>,
}

/// What kind of error it is.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ErrorKind {
    /// A check failed: an image that could not start, a damaged cache. The exit code is 1.
    Check,
    /// Options, the recipe or the lock are wrong. The exit code is 2.
    Usage,
    /// The network, a disk or a registry failed. The exit code is 3.
    Environment,
}

/// A location in a text.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct ReportedLocation {
    /// The file as it was named, or the option: `--set process.workdir=/srv`.
    file: String,
    /// The line, counted from 1.
    line: usize,
    /// The column in characters, counted from 1.
    column: usize,
    /// What is the matter with the text there.
    label: String,
}

impl FailureReport {
    /// Returns what is written for a failure, and for what the verb found before it.
    pub(in crate::cli) fn new(failure: &Failure, found: Map<String, Value>) -> Self {
        let kind = match failure {
            Failure::No(_) => ErrorKind::Check,
            Failure::Wrong(_) => ErrorKind::Usage,
            Failure::External(_) => ErrorKind::Environment,
        };
        let (errors, more): (Vec<_>, usize) = match failure {
            Failure::Wrong(diagnostics) | Failure::No(diagnostics) => {
                let Selection { diagnostics, more } = Selection::of(diagnostics);
                (diagnostics.into_iter().map(|diagnostic| ReportedError::of_diagnostic(kind, diagnostic)).collect(), more)
            }
            Failure::External(error) => (vec![ReportedError::of_external(kind, error)], 0),
        };
        let first = errors.first().cloned().unwrap_or_else(|| ReportedError::new(kind, "no reason is known"));
        Self { error: first, errors, more, exit_code: exit_code(failure), found }
    }
}

impl ReportedError {
    fn new(kind: ErrorKind, message: &str) -> Self {
        Self { kind, message: hidden(message), location: None, related: None, hints: Vec::new(), causes: Vec::new() }
    }

    fn of_diagnostic(kind: ErrorKind, diagnostic: &Diagnostic) -> Self {
        let located = |(span, label): &(Span, String)| {
            let (line, column) = span.line_and_column();
            ReportedLocation { file: hidden(&span.source.name), line, column, label: hidden(label) }
        };
        Self {
            location: diagnostic.location.as_ref().map(located),
            related: diagnostic.also.as_ref().map(located),
            hints: diagnostic.hints.iter().map(|hint| hidden(hint)).collect(),
            ..Self::new(kind, &diagnostic.message)
        }
    }

    fn of_external(kind: ErrorKind, error: &ExternalError) -> Self {
        Self {
            hints: error.hints.iter().map(|hint| hidden(hint)).collect(),
            causes: causes(error).iter().map(|cause| hidden(cause)).collect(),
            ..Self::new(kind, &error.message)
        }
    }
}

/// Returns the messages of all causes, the nearest first. Libraries often repeat the message of what they wrap, which is left out.
fn causes(error: &ExternalError) -> Vec<String> {
    let mut messages = Vec::new();
    let mut cause: Option<&dyn Error> = error.source.as_deref().map(|source| source as &dyn Error);
    let mut last = error.message.clone();
    while let Some(one) = cause {
        let message = one.to_string();
        if message != last {
            messages.push(message.clone());
        }
        last = message;
        cause = one.source();
    }
    messages
}

/// Returns the exit code of a failure.
pub(in crate::cli) fn exit_code(failure: &Failure) -> u8 {
    match failure {
        Failure::No(_) => 1,
        Failure::Wrong(_) => 2,
        Failure::External(_) => 3,
    }
}

impl Screen {
    /// Renders a failure: what, where, why, and the next step.
    pub(in crate::cli) fn failure(&self, failure: &Failure) -> String {
        match failure {
            Failure::Wrong(diagnostics) | Failure::No(diagnostics) => self.diagnostics(diagnostics),
            Failure::External(error) => {
                let red = AnsiColor::Red.on_default().bold();
                let mut text = format!("{} {}\n", self.styled(red, "error:"), indented(&error.message));
                for cause in causes(error) {
                    text.push_str(&format_line(self, "caused by:", &cause));
                }
                for hint in &error.hints {
                    text.push_str(&format_line(self, "hint:", hint));
                }
                text
            }
        }
    }
}

fn format_line(screen: &Screen, word: &str, message: &str) -> String {
    format!("{} {}\n", screen.styled(Style::new().bold(), word), indented(message))
}

/// Escapes a message that may hold foreign text. Its further lines are indented, so that none can be mistaken for a message of this program.
fn indented(text: &str) -> String {
    printable(&hidden(text)).replace('\n', "\n  ")
}
