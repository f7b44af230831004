use std::ops::Range;
use std::sync::Arc;

use toml::de::{DeTable, Error};

use super::example::example;
use crate::diagnostic::{Diagnostic, LookAlikes, SourceText, Span, snippet};

/// What the parser says where keys or values are nested too deeply; for keys without a position.
const DEEP_KEYS: &str = "recursion limit";
const DEEP_VALUES: &str = "cannot recurse further; max recursion depth met";
/// Words that other languages have for a value that is not there.
const NULLS: &[&str] = &["null", "nil", "none", "undefined", "~"];
/// The longest word that is repeated in a message, in bytes.
const LONGEST_WORD: usize = 200;

/// A fault of TOML's syntax.
#[derive(Debug)]
pub(super) struct SyntaxFault {
    /// What the parser says, without what it expects.
    problem: String,
    expected: String,
    span: Option<Range<usize>>,
}

/// What is read in place of a key or value with a fault. It has as many bytes.
pub(super) struct Mended {
    pub(super) range: Range<usize>,
    pub(super) text: String,
    /// Whether it is a value, which was not what was meant.
    pub(super) is_value: bool,
}

impl SyntaxFault {
    pub(super) fn new(error: &Error, text: &str) -> Self {
        let (problem, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
        let span = error.span().map(|span| span.start.min(text.len())..span.end.min(text.len()));
        let mut fault = Self { problem: problem.to_owned(), expected: expected.to_owned(), span };
        if fault.problem == DEEP_KEYS && fault.span.is_none() {
            fault.span = Some(deep_line(text));
        }
        // The parser takes any word with this letter for the beginning of `nan` or `inf`.
        let is_word = fault.word(text).is_some_and(|(_, word)| word.starts_with(|letter: char| letter.is_alphabetic()));
        if fault.problem == "invalid float" && is_word {
            fault.problem = "string values must be quoted".to_owned();
        }
        fault
    }

    pub(super) fn start(&self) -> usize {
        self.span.as_ref().map_or(0, |span| span.start)
    }

    /// Says whether what follows is read as part of something that has no end.
    pub(super) fn leaves_open(&self) -> bool {
        self.problem.starts_with("unclosed") || self.problem.contains("multi-line") || self.expected.contains("multi-line")
    }

    /// Returns the word at the fault: what stands between blanks, brackets, quotes and commas.
    fn word<'t>(&self, text: &'t str) -> Option<(Range<usize>, &'t str)> {
        let at = text.floor_char_boundary(self.span.as_ref()?.start);
        let ends = |letter: char| letter.is_ascii_whitespace() || "[]{}\"\'#,=".contains(letter);
        let start = text[..at].rfind(ends).map_or(0, |end| end + 1);
        let end = text[at..].find(ends).map_or(text.len(), |length| at + length);
        Some((start..end, &text[start..end])).filter(|(_, word)| !word.is_empty())
    }

    /// Returns the key or mark with letters that only look like those of TOML, if that is what is wrong.
    fn look_alike<'t>(&self, text: &'t str) -> Option<(Range<usize>, &'t str, LookAlikes)> {
        let (range, written) = match self.problem.as_str() {
            // Quotation marks of another kind may have blanks between them.
            "string values must be quoted" => self.span.clone().map(|range| (range.clone(), &text[range]))?,
            "invalid unquoted key" | "key with no value" => self.word(text)?,
            _ => return None,
        };
        let found = LookAlikes::find(written).filter(|found| found.plain.is_ascii())?;
        Some((range, written, found))
    }

    /// Says whether the fault is in one value, so that all around it can be read.
    fn value(&self, text: &str) -> Option<Range<usize>> {
        let of_number =
            ["invalid float", "unexpected leading zero", "`_` may only", "invalid hexadecimal", "invalid octal", "invalid binary"];
        match self.problem.as_str() {
            "string values must be quoted" | "invalid boolean" => self.span.clone(),
            "invalid date" | "invalid time" | "invalid datetime" | "invalid offset" => self.span.clone(),
            problem if of_number.iter().any(|begin| problem.starts_with(begin)) => self.word(text).map(|(range, _)| range),
            _ => None,
        }
    }

    /// Returns what can be read in place of what is wrong.
    pub(super) fn mended(&self, text: &str) -> Option<Mended> {
        if let Some((range, _, found)) = self.look_alike(text) {
            let text = format!("{:<1$}", found.plain, range.len());
            return Some(Mended { range, text, is_value: false });
        }
        let range = self.value(text).filter(|range| !range.is_empty() && !text[range.clone()].contains('\n'))?;
        let text = if range.len() == 1 { "0".to_owned() } else { format!("{:<1$}", "\"\"", range.len()) };
        Some(Mended { range, text, is_value: true })
    }

    /// Returns what is said about it. `text` is the text that was read, which stands `base` bytes into its source.
    pub(super) fn diagnostic(&self, source: &Arc<SourceText>, base: usize, text: &str) -> Diagnostic {
        let at = |range: &Range<usize>| Span { source: Arc::clone(source), range: base + range.start..base + range.end };
        if let Some((range, written, found)) = self.look_alike(text).filter(|(range, ..)| range.len() <= LONGEST_WORD) {
            let message = format!("not TOML: `{}` has characters that only look like others", written.escape_debug());
            let hint = format!("write `{}`: {found}", found.plain.trim());
            return Diagnostic::error(message).at(Some(&at(&range)), "looks like another").hint(hint);
        }
        let written = self.span.clone().and_then(|span| text.get(span)).unwrap_or_default().trim();
        if self.is_null(written) {
            let message = format!("not TOML: there is no `{written}` in it");
            let hint = "leave the key out, or write an empty text: `\"\"`";
            return Diagnostic::error(message).at(self.span.as_ref().map(at).as_ref(), "no value").hint(hint);
        }
        let (problem, label) = match self.problem.as_str() {
            DEEP_KEYS | DEEP_VALUES => ("nested too deeply", "too deep".to_owned()),
            "string values must be quoted" => (self.problem.as_str(), "not in quotes".to_owned()),
            "key with no value" => (self.problem.as_str(), "no value".to_owned()),
            "duplicate key" => (self.problem.as_str(), "written before".to_owned()),
            _ if self.expected.is_empty() => (self.problem.as_str(), "here".to_owned()),
            _ => (self.problem.as_str(), format!("expected {}", self.expected)),
        };
        let span = self.span.as_ref().map(at);
        Diagnostic::error(format!("not TOML: {problem}")).at(span.as_ref(), label).hint(self.hint(text, written))
    }

    fn is_null(&self, written: &str) -> bool {
        self.problem == "string values must be quoted" && NULLS.contains(&written.to_ascii_lowercase().as_str())
    }

    fn hint(&self, text: &str, written: &str) -> String {
        match self.problem.as_str() {
            DEEP_KEYS | DEEP_VALUES => {
                "the keys and values of a recipe lie at most six levels deep: take the brackets or dots out".to_owned()
            }
            "string values must be quoted" if written.is_empty() => "write the value behind the `=`".to_owned(),
            "string values must be quoted" => format!("write `{}`", snippet::string(written)),
            "key with no value" => {
                let (header, key) = key_before(text, self.start());
                let value = example(header, key);
                value.map_or_else(|| "write `key = \"value\"`".to_owned(), |value| format!("write `{key} = {value}`"))
            }
            "duplicate key" => "keep one of the two; an entry of a list has its header in double brackets: `[[files]]`".to_owned(),
            "invalid boolean" => format!("write `true` or `false`, or a text in quotes: `{}`", snippet::string(written)),
            "unexpected leading zero" => {
                let number = self.word(text).map_or("0644", |(_, word)| word);
                let plain = number.trim_start_matches('0');
                format!("write a mode as a text, `{}`, and any other number without the zero, `{plain}`", snippet::string(number))
            }
            "missing comma between array elements" => "write a comma between elements, and `]` after the last".to_owned(),
            "unclosed array" => "write `]` after the last element".to_owned(),
            "unclosed table" => "write `]` behind the header: `[image]`".to_owned(),
            "unclosed inline table" => "write `}` after the last key".to_owned(),
            problem if problem.contains("string") => {
                "write the text between double quotes, `\"` and `\\` in it as `\\\"` and `\\\\`".to_owned()
            }
            _ if self.expected.is_empty() => "write `key = \"value\"`, `key = [\"value\"]` or a header: `[image]`".to_owned(),
            _ => format!("write {} here", self.expected),
        }
    }
}

/// Returns the header of the table that a position is in, and the key that stands before it.
fn key_before(text: &str, position: usize) -> (&str, &str) {
    let before = text.get(..position).unwrap_or(text);
    let (above, key) = before.rsplit_once('\n').unwrap_or(("", before));
    let header = above.lines().rev().find_map(|line| line.trim_start().strip_prefix('['));
    let header = header.and_then(|line| line.trim_start_matches('[').split(']').next());
    (header.unwrap_or_default(), key.trim())
}

/// Returns the first line up to which the parser finds keys nested too deeply.
fn deep_line(text: &str) -> Range<usize> {
    let ends: Vec<usize> = text.match_indices('\n').map(|(at, _)| at + 1).chain([text.len()]).collect();
    let is_deep = |end: &usize| DeTable::parse_recoverable(&text[..*end]).1.iter().any(|error| error.message() == DEEP_KEYS);
    let line = ends.partition_point(|end| !is_deep(end)).min(ends.len() - 1);
    let start = if line == 0 { 0 } else { ends[line - 1] };
    let line = &text[start..ends[line]];
    let indent = line.len() - line.trim_start().len();
    start + indent..start + line.trim_end().len().max(indent)
}
