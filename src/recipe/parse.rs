use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::DeTable;

use super::node::{Node, NodeKind, Origin, entries};
use crate::diagnostic::{Diagnostic, SourceText, Span};

/// The largest recipe that is read, in bytes.
const SIZE_LIMIT: usize = 1 << 20;
/// How often a text is read again to find faults after the first.
const ROUNDS: usize = 16;

/// A recipe as it was written, with the arguments that go before it, and the location of every value.
///
/// Faults are kept until [`super::read`] reports them, together with all others.
#[derive(Debug)]
pub struct RecipeText {
    pub(super) root: Node,
    pub(super) faults: Vec<Diagnostic>,
    /// Whether parts could not be read, so that nothing can be called missing.
    pub(super) torn: bool,
    /// What `-t` said.
    pub(super) references: Vec<Node>,
}

impl RecipeText {
    /// Reads a recipe. `name` is the file's path as the user wrote it.
    pub fn parse(name: &str, text: &str) -> Self {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        let start = Span { source: Arc::clone(&source), range: 0..0 };
        let mut faults = Vec::new();
        let mut table = BTreeMap::new();
        if text.len() > SIZE_LIMIT {
            faults.push(Diagnostic::error("the recipe is larger than 1 MiB").hint("put large texts into files, and name them with `from`"));
        } else {
            // A byte order mark is dropped by the parser, and shifts all positions.
            let without_mark = text.strip_prefix('\u{feff}').unwrap_or(text);
            table = read(without_mark, &source, text.len() - without_mark.len(), &mut faults);
        }
        let torn = !faults.is_empty();
        let root = Node { kind: NodeKind::Table(table), span: start, origin: Origin::Recipe };
        Self { root, faults, torn, references: Vec::new() }
    }

    /// Returns the recipe's text and name.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.root.span.source
    }
}

/// Reads a text; what its syntax faults leave readable is returned. A line with a fault is read again as an empty one,
/// since the parser gives up at some faults, and nothing after them would be checked.
fn read(text: &str, source: &Arc<SourceText>, base: usize, faults: &mut Vec<Diagnostic>) -> BTreeMap<String, super::node::Entry> {
    let mut remaining = text.to_owned();
    for _ in 0..ROUNDS {
        let (table, mut errors) = DeTable::parse_recoverable(&remaining);
        if errors.is_empty() {
            return entries(table.get_ref(), source, base, Origin::Recipe);
        }
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        // What follows a bracket that is not closed is read as part of it, and all that is said about it is noise.
        let unclosed = errors.iter().any(|error| error.message().starts_with("unclosed") || error.message().contains("multi-line"));
        if unclosed {
            errors.truncate(1);
        }
        let mut last_line = None;
        let mut blanks = Vec::new();
        for error in &errors {
            let start = error.span().map_or(0, |span| span.start).min(remaining.len());
            let line = line_around(&remaining, start);
            if last_line.as_ref() != Some(&line) {
                faults.push(fault(error, source, base, text));
            }
            blanks.push(line.clone());
            last_line = Some(line);
        }
        if unclosed || blanks.iter().all(|line| remaining[line.clone()].trim().is_empty()) {
            remaining.truncate(blanks.first().map_or(0, |line| line.start));
            let (table, _) = DeTable::parse_recoverable(&remaining);
            return entries(table.get_ref(), source, base, Origin::Recipe);
        }
        for line in blanks {
            let spaces = " ".repeat(line.len());
            remaining.replace_range(line, &spaces);
        }
    }
    BTreeMap::new()
}

fn line_around(text: &str, position: usize) -> std::ops::Range<usize> {
    let before = text.get(..position).unwrap_or(text);
    // A fault at the end of the text is about its last line with anything on it.
    let before = if position >= text.len() { before.trim_end_matches(['\n', '\r']) } else { before };
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start..end
}

fn fault(error: &toml::de::Error, source: &Arc<SourceText>, base: usize, text: &str) -> Diagnostic {
    let span = error.span().map(|span| Span { source: Arc::clone(source), range: base + span.start..base + span.end });
    let (problem, expected) = error.message().split_once(", expected ").unwrap_or((error.message(), ""));
    let written = || error.span().and_then(|span| text.get(span)).unwrap_or_default().trim().replace('"', "\\\"");
    let label = match problem {
        "string values must be quoted" => "not in quotes".to_owned(),
        "key with no value" => "no value".to_owned(),
        "duplicate key" => "written before".to_owned(),
        _ if expected.is_empty() => "here".to_owned(),
        _ => format!("expected {expected}"),
    };
    let hint = match problem {
        "string values must be quoted" => format!("write `\"{}\"`", written()),
        "key with no value" => "write `key = \"value\"`".to_owned(),
        "duplicate key" => "keep one of the two; an entry of a list has its header in double brackets: `[[files]]`".to_owned(),
        "invalid boolean" => format!("write `true` or `false`, or a text in quotes: `\"{}\"`", written()),
        "missing comma between array elements" => "write a comma between elements, and `]` after the last".to_owned(),
        "unclosed array" => "write `]` after the last element".to_owned(),
        "unclosed table" => "write `]` behind the header: `[image]`".to_owned(),
        "unclosed inline table" => "write `}` after the last key".to_owned(),
        _ if problem.contains("string") => "write the text between double quotes, `\"` and `\\` in it as `\\\"` and `\\\\`".to_owned(),
        _ if expected.is_empty() => "write `key = \"value\"`, `key = [\"value\"]` or a header: `[image]`".to_owned(),
        _ => format!("write {expected} here"),
    };
    Diagnostic::error(format!("not TOML: {problem}")).at(span.as_ref(), label).hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &str) -> Vec<(usize, usize, String)> {
        let position = |fault: &Diagnostic| fault.location.as_ref().map_or((0, 0), |(span, _)| span.line_and_column());
        let parsed = RecipeText::parse("x", text);
        parsed.faults.iter().map(|fault| (position(fault).0, position(fault).1, fault.message.clone())).collect()
    }

    #[test]
    fn several_syntax_faults_are_found_and_noise_is_not() {
        for (text, expected) in [
            ("[image]\nname\ntags = [1]\n[base]\nstatic = treu\n", vec![(2, 5, "key with no value"), (5, 10, "invalid boolean")]),
            ("[image]\ntags = [\"a\"\nplatforms = [\"b\"]\n[base]\n", vec![(3, 1, "missing comma between array elements")]),
            ("[image]\nname = \"a\"\nname = \"b\"\n", vec![(3, 1, "duplicate key")]),
            ("x = true false\ny = a\n", vec![(1, 5, "string values must be quoted"), (2, 5, "string values must be quoted")]),
            ("a = \"\"\"x\nb = 1\n", vec![(3, 1, "invalid multi-line basic string")]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(|(line, column, text)| (line, column, format!("not TOML: {text}"))).collect();
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn deep_and_large_texts_end_in_a_fault() {
        for text in [vec!["a"; 50_000].join(".") + " = 1", "[".repeat(50_000), "a = ".to_owned() + &"[".repeat(50_000), " ".repeat(2 << 20)]
        {
            assert!(!faults(&text).is_empty());
        }
    }
}
