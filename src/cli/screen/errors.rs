use std::error::Error;

use anstyle::{AnsiColor, Style};

use super::passwords::hidden;
use super::{Screen, printable};
use crate::ops::Failure;

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
                let mut cause: Option<&dyn Error> = error.source.as_deref().map(|source| source as &dyn Error);
                let mut last = error.message.clone();
                while let Some(one) = cause {
                    let message = one.to_string();
                    // Libraries often repeat the message of what they wrap.
                    if message != last {
                        text.push_str(&format_line(self, "caused by:", &message));
                    }
                    last = message;
                    cause = one.source();
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
