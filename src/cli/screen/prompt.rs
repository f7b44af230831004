use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::sync::{Mutex, PoisonError};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use super::Screen;

/// No user, password or token is longer.
const LIMIT: u64 = 64 << 10;

/// The settings of the terminal while what is typed is not displayed.
static DISPLAYED: Mutex<Option<Termios>> = Mutex::new(None);

/// Displays again what is typed, if it was not. It is for the end of the program by a signal.
pub(in crate::cli) fn display_input() {
    let before = DISPLAYED.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        // There is nobody left to tell.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &before);
    }
}

/// Keeps what is typed from being displayed, until it is dropped.
struct Hidden;

impl Hidden {
    fn begin() -> io::Result<Self> {
        let before = tcgetattr(io::stdin())?;
        let mut without = before.clone();
        without.local_modes.remove(LocalModes::ECHO);
        // The line break that ends the password moves the cursor all the same.
        without.local_modes.insert(LocalModes::ECHONL | LocalModes::ICANON);
        *DISPLAYED.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        let hidden = Self;
        tcsetattr(io::stdin(), OptionalActions::Flush, &without)?;
        Ok(hidden)
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        display_input();
    }
}

impl Screen {
    /// Says whether a person can be asked: both standard input and standard error are a terminal.
    #[expect(clippy::unused_self, reason = "only who holds the screen may ask")]
    pub(in crate::cli) fn can_ask(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// Asks a person for a line.
    ///
    /// # Errors
    /// When the terminal cannot be read.
    pub(in crate::cli) fn ask(&self, question: &str) -> io::Result<String> {
        self.question(question)?;
        line(&mut io::stdin().lock())
    }

    /// Asks a person for a line that is not displayed while it is typed.
    ///
    /// # Errors
    /// When the terminal cannot be read, or shows everything that is typed.
    pub(in crate::cli) fn ask_secretly(&self, question: &str) -> io::Result<String> {
        let _hidden = Hidden::begin()?;
        self.question(question)?;
        line(&mut io::stdin().lock())
    }

    #[expect(clippy::unused_self, reason = "only who holds the screen may write to it")]
    fn question(&self, question: &str) -> io::Result<()> {
        let mut terminal = io::stderr().lock();
        write!(terminal, "{} ", super::printable(question))?;
        terminal.flush()
    }
}

/// Reads a line, without its end.
fn line(input: &mut impl BufRead) -> io::Result<String> {
    let mut text = String::new();
    input.take(LIMIT).read_line(&mut text)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_without_its_end() {
        for (typed, expected) in [("secret\n", "secret"), ("with space \r\nmore\n", "with space "), ("no end", "no end"), ("", "")] {
            assert_eq!(line(&mut typed.as_bytes()).unwrap(), expected);
        }
    }
}
