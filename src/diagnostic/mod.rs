//! Faults in the user's input: the location, what is wrong, and what to write instead; and failures of what is outside of the program.
//!
//! **Invariants.** A [`Diagnostic`] is a value, and does not end a run by itself: checks go on, and all faults are reported at once.
//! Nothing here prints; `cli/screen` renders.

use std::ops::Range;
use std::sync::Arc;

mod external;
pub mod snippet;

pub use external::ExternalError;

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
    fn columns_count_characters() {
        let source = Arc::new(SourceText { name: "x".to_owned(), text: "a\næø = 1".to_owned() });
        assert_eq!(Span { source, range: 7..8 }.line_and_column(), (2, 4));
    }
}
