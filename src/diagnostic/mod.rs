//! Faults in the user's input: the location, what is wrong, and what to write instead; and failures of what is outside of the program.
//!
//! **Invariants.** A [`Diagnostic`] is a value, and does not end a run by itself: checks go on, and all faults are reported at once.
//! Nothing here prints; `cli/screen` renders.

use std::ops::Range;
use std::sync::Arc;

mod external;
mod look_alike;
pub mod snippet;

pub use external::ExternalError;
pub use look_alike::LookAlikes;

/// A text that diagnostics point into: the recipe, or one `--set` argument.
#[derive(Debug, PartialEq, Eq)]
pub struct SourceText {
    /// What the text is called: the file's path as the user wrote it, or `--set image.name=…`.
    pub name: String,
    /// The whole text.
    pub text: String,
}

/// A location in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The text.
    pub source: Arc<SourceText>,
    /// The bytes of the text.
    pub range: Range<usize>,
}

impl Span {
    /// Returns the line and column of the beginning, both counted from one, the column in characters.
    pub fn line_and_column(&self) -> (usize, usize) {
        let before = self.source.text.get(..self.range.start).unwrap_or(&self.source.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
    }
}

/// How much a diagnostic matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The run cannot go on.
    Error,
    /// The run goes on.
    Warning,
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How much it matters.
    pub severity: Severity,
    /// What is wrong: a lower-case fragment without a period, values in backticks.
    pub message: String,
    /// Where, when there is a location, with a word on the marked text.
    pub location: Option<(Span, String)>,
    /// Another location that belongs to it, the first of two entries for one path for example.
    pub also: Option<(Span, String)>,
    /// What to write instead, or the exact next command.
    pub hints: Vec<String>,
}

impl Diagnostic {
    /// Returns an error without a location.
    pub fn error(message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, message: message.into(), location: None, also: None, hints: Vec::new() }
    }

    /// Returns a warning without a location.
    pub fn warning(message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(message) }
    }

    /// Adds the location and a word on the marked text.
    #[must_use]
    pub fn at(mut self, span: Option<&Span>, label: impl Into<String>) -> Self {
        self.location = span.map(|span| (span.clone(), label.into()));
        self
    }

    /// Adds a second location.
    #[must_use]
    pub fn also_at(mut self, span: Option<&Span>, label: impl Into<String>) -> Self {
        self.also = span.map(|span| (span.clone(), label.into()));
        self
    }

    /// Adds a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }
}

/// The diagnostics of a run that are shown, in their order.
#[derive(Debug)]
pub struct Selection<'a> {
    /// Those that are shown, at most [`Selection::MOST`].
    pub diagnostics: Vec<&'a Diagnostic>,
    /// How many others there are.
    pub more: usize,
}

impl<'a> Selection<'a> {
    /// How many diagnostics of one run are shown.
    pub const MOST: usize = 50;

    /// Selects the first; where not all are shown, errors go before warnings.
    pub fn of(all: &'a [Diagnostic]) -> Self {
        let mut diagnostics: Vec<&Diagnostic> = all.iter().collect();
        if all.len() > Self::MOST {
            diagnostics.sort_by_key(|diagnostic| diagnostic.severity == Severity::Warning);
            diagnostics.truncate(Self::MOST);
        }
        Self { more: all.len() - diagnostics.len(), diagnostics }
    }
}

/// Joins the first of some names for a message, and says how many others there are: `a, b and 3 more`.
pub fn first_of<Name: AsRef<str>>(names: &[Name], most: usize) -> String {
    let first = names.iter().take(most).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(most);
    if more > 0 { format!("{first} and {more} more") } else { first }
}

/// Returns the name nearest to what was written, if one is near enough to be meant.
pub fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let near = |name: &str| (strsim::osa_distance(&written.to_lowercase(), &name.to_lowercase()), strsim::jaro_winkler(written, name));
    let mut best: Option<(&str, (usize, f64))> = None;
    for name in names {
        let (distance, likeness) = near(name);
        if best.is_none_or(|(_, (least, _))| distance < least) {
            best = Some((name, (distance, likeness)));
        }
    }
    best.filter(|(name, (distance, likeness))| *distance <= (name.len().max(written.len()) / 3).max(1) || *likeness > 0.88)
        .map(|(name, _)| name)
}

/// Says whether a character moves the cursor, ends a line, or turns the direction of writing: none from a
/// foreign file or server may reach the terminal.
pub fn is_hostile(character: char) -> bool {
    let turns = matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    character.is_control() || turns
}

/// Quotes a word of a command for a shell where that is needed.
pub fn shell_word(word: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/:._-@+,=".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// Returns the first control character of a text of one line, a name for example.
pub fn control_in_line(text: &str) -> Option<char> {
    text.chars().find(|character| character.is_control())
}

/// Returns the first control character of a text of several lines: tabs and ends of lines are none there.
pub fn control_in_text(text: &str) -> Option<char> {
    text.chars().find(|character| character.is_control() && !matches!(character, '\t' | '\n' | '\r'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = ["name", "tags", "platforms", "entrypoint"];
        for (written, expected) in [
            ("nmae", Some("name")),
            ("platform", Some("platforms")),
            ("entry-point", Some("entrypoint")),
            ("zebra", None),
            ("Tags", Some("tags")),
        ] {
            assert_eq!(nearest(written, names), expected, "{written}");
        }
    }

    #[test]
    fn tabs_and_ends_of_lines_belong_to_texts_alone() {
        for (text, line, several) in [
            ("plain", None, None),
            ("a\tb\r\n", Some('\t'), None),
            ("a\u{1b}[2J", Some('\u{1b}'), Some('\u{1b}')),
            ("\0", Some('\0'), Some('\0')),
            ("\u{9b}", Some('\u{9b}'), Some('\u{9b}')),
            ("\u{7f}", Some('\u{7f}'), Some('\u{7f}')),
        ] {
            assert_eq!((control_in_line(text), control_in_text(text)), (line, several), "{text:?}");
        }
    }

    #[test]
    fn columns_count_characters() {
        let source = Arc::new(SourceText { name: "x".to_owned(), text: "a\næø = 1".to_owned() });
        assert_eq!(Span { source, range: 7..8 }.line_and_column(), (2, 4));
    }
}
