//! Output: messages, progress and faults on standard error, and the result on standard output.
//!
//! **Invariants.** Nothing else writes to the terminal. Text from files and registries is escaped before it comes here.

mod amounts;
mod diagnostics;
mod errors;
mod excerpt;
mod output;
mod passwords;
mod progress;
mod prompt;
mod step;

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::Arc;

use anstream::ColorChoice;

use crate::diagnostic::{Diagnostic, ExternalError, is_hostile};
use crate::ops::Failure;

use output::{Output, Steps, can_draw, size};

pub use diagnostics::{Colors, render};

pub(super) use amounts::bytes;
pub(super) use errors::{FailureReport, exit_code};
pub(super) use progress::Reporter;
pub(super) use prompt::display_input;

/// The narrowest and widest terminal that faults are rendered for, in columns, and what is taken where there is none.
const FAULT_WIDTHS: (usize, usize, usize) = (40, 400, 110);

/// The output: how verbose it is, and whether it has colours.
#[derive(Clone)]
pub(super) struct Screen {
    volume: Volume,
    color: ColorChoice,
    output: Arc<Output>,
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
    /// Returns the output; `terminal` is the variable `TERM`.
    pub(super) fn new(volume: Volume, color: ColorChoice, terminal: Option<&str>) -> Self {
        // `Auto` follows NO_COLOR, CLICOLOR, CLICOLOR_FORCE and TERM=dumb, and whether there is a terminal.
        let color = if color == ColorChoice::Auto { anstream::AutoStream::choice(&io::stderr()) } else { color };
        let steps = match volume {
            Volume::Quiet => Steps::Silent,
            _ if can_draw(terminal) => Steps::Drawn { colored: color != ColorChoice::Never },
            _ => Steps::Told,
        };
        Self { volume, color, output: Output::new(steps) }
    }

    pub(super) fn is_verbose(&self) -> bool {
        self.volume == Volume::Verbose
    }

    /// Writes a line about what happens.
    pub(super) fn say(&self, text: &str) {
        self.draw(&printable(&passwords::hidden(text)));
    }

    /// Writes text that was rendered here: it is escaped already, and may have colours.
    fn draw(&self, text: &str) {
        if self.volume != Volume::Quiet {
            self.alarm(text);
        }
    }

    /// Writes text that was rendered here, with `--quiet` too.
    pub(super) fn alarm(&self, text: &str) {
        self.output.line(text);
    }

    /// Writes how the program is ended from outside, as the last line that it writes.
    pub(super) fn close(&self, word: &str) {
        self.output.close(word);
    }

    /// Writes the result. A reader that has gone away wants no more of it, which is no failure.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn result(&self, text: &str) -> Result<(), Failure> {
        self.rendered_result(&printable(text))
    }

    /// Writes a result that was rendered here, as [`Self::result`].
    pub(super) fn rendered_result(&self, text: &str) -> Result<(), Failure> {
        let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
        let mut out = ResultWriter(self);
        let written = out.write_all(text.as_bytes()).and_then(|()| out.write_all(end.as_bytes())).and_then(|()| out.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(ExternalError::new("could not write to standard output").caused_by(error).into())
            }
            _ => Ok(()),
        }
    }

    /// Renders diagnostics.
    pub(super) fn diagnostics(&self, diagnostics: &[Diagnostic]) -> String {
        let colors = if self.color == ColorChoice::Never { Colors::Never } else { Colors::Always };
        let (least, most, without) = FAULT_WIDTHS;
        render(diagnostics, colors, size().map_or(without, |(columns, _)| columns.clamp(least, most)))
    }

    /// Puts a style around a word, when there are colours.
    pub(super) fn styled(&self, style: anstyle::Style, text: &str) -> String {
        if self.color == ColorChoice::Never { text.to_owned() } else { format!("{style}{text}{style:#}") }
    }
}

/// Standard output, written to while nothing is drawn.
pub(super) struct ResultWriter<'a>(pub(super) &'a Screen);

impl Write for ResultWriter<'_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.output.standard_output(|out| out.write(buffer))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.output.standard_output(|out| out.flush())
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
