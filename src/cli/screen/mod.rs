//! Output: messages, progress and faults on standard error, and the result on standard output.
//!
//! **Invariants.** Nothing else writes to the terminal. Text from files and registries is escaped before it comes here.

mod diagnostics;
mod errors;
mod passwords;
mod progress;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Write};

use anstream::ColorChoice;

use crate::diagnostic::{Diagnostic, is_hostile};

pub use diagnostics::{Colors, render};

pub(super) use errors::{FailureReport, exit_code};
pub(super) use progress::Bars;

/// The output: how verbose it is, and whether it has colours.
#[derive(Debug, Clone, Copy)]
pub(super) struct Screen {
    volume: Volume,
    color: ColorChoice,
}

/// How verbose the output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Volume {
    /// Only what is wrong.
    Quiet,
    /// What happens.
    Usual,
    /// How it happens.
    Verbose,
}

impl Screen {
    pub(super) fn new(volume: Volume, color: ColorChoice) -> Self {
        // `Auto` follows NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb, and whether there is a terminal.
        let color = if color == ColorChoice::Auto { anstream::AutoStream::choice(&io::stderr()) } else { color };
        Self { volume, color }
    }

    pub(super) fn is_verbose(self) -> bool {
        self.volume == Volume::Verbose
    }

    fn draws_bars(self) -> bool {
        self.volume != Volume::Quiet && io::stderr().is_terminal()
    }

    /// Writes a line about what happens.
    pub(super) fn say(self, text: &str) {
        self.draw(&printable(&passwords::hidden(text)));
    }

    /// Writes text that was rendered here: it is escaped already, and may have colours.
    fn draw(self, text: &str) {
        if self.volume != Volume::Quiet {
            self.alarm(text);
        }
    }

    /// Writes text that was rendered here, with `--quiet` too.
    #[expect(clippy::unused_self, reason = "only who holds the screen may write to it")]
    pub(super) fn alarm(self, text: &str) {
        // Where standard error cannot be written, that cannot be reported either.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Writes the result.
    ///
    /// # Errors
    /// When standard output is closed or full.
    #[expect(clippy::unused_self, reason = "only who holds the screen may write to it")]
    pub(super) fn result(self, text: &str) -> io::Result<()> {
        let text = printable(text);
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        if !text.is_empty() && !text.ends_with('\n') {
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Renders diagnostics.
    pub(super) fn diagnostics(self, diagnostics: &[Diagnostic]) -> String {
        let colors = if self.color == ColorChoice::Never { Colors::Never } else { Colors::Always };
        render(diagnostics, colors, usize::from(width()))
    }

    /// Puts a style around a word, when there are colours.
    pub(super) fn styled(self, style: anstyle::Style, text: &str) -> String {
        if self.color == ColorChoice::Never { text.to_owned() } else { format!("{style}{text}{style:#}") }
    }
}

/// Escapes control characters and those that change the direction of writing; line breaks and tabs stay.
///
/// Messages have their foreign text escaped already, line breaks included. This is a second check.
fn printable(text: &str) -> Cow<'_, str> {
    let hostile = |character: char| is_hostile(character) && !matches!(character, '\n' | '\t');
    if !text.contains(hostile) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if hostile(character) {
            escaped.extend(character.escape_default());
        } else {
            escaped.push(character);
        }
    }
    Cow::Owned(escaped)
}

/// Says whether a text may be written as it is: there is nothing to escape in it, and nothing that looks like a password.
pub(super) fn is_plain(text: &str) -> bool {
    *printable(&passwords::hidden(text)) == *text
}

fn width() -> u16 {
    rustix::termios::tcgetwinsize(io::stderr()).map_or(110, |size| size.ws_col.max(40))
}
