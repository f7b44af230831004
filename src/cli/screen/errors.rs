use std::error::Error;

use anstyle::{AnsiColor, Style};

use super::Screen;
use crate::ops::Failure;

/// Returns the exit code of a failure.
pub(in crate::cli) fn exit_code(failure: &Failure) -> u8 {
    match failure {
        Failure::No(_) => 1,
        Failure::Wrong(_) => 2,
        Failure::World(_) => 3,
    }
}

impl Screen {
    /// Renders a failure: what, where, why, and the next step.
    pub(in crate::cli) fn failure(self, failure: &Failure) -> String {
        match failure {
            Failure::Wrong(diagnostics) | Failure::No(diagnostics) => self.diagnostics(diagnostics),
            Failure::World(error) => {
                let red = AnsiColor::Red.on_default().bold();
                let mut text = format!("{} {}\n", self.styled(red, "error:"), error.message);
                let mut cause: Option<&dyn Error> = error.source.as_deref().map(|source| source as &dyn Error);
                let mut last = error.message.clone();
                while let Some(one) = cause {
                    let message = printable(&one.to_string());
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

fn format_line(screen: Screen, word: &str, message: &str) -> String {
    format!("{} {message}\n", screen.styled(Style::new().bold(), word))
}

/// Escapes what could speak to the terminal; a line break inside a message stays one.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|character| {
            if character.is_control() && character != '\n' { character.escape_default().collect::<Vec<_>>() } else { vec![character] }
        })
        .collect()
}
