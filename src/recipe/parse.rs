use std::collections::BTreeMap;
use std::sync::Arc;

use toml::de::DeTable;

use super::node::{Entry, Node, NodeKind, Origin, entries};
use super::syntax::{Mended, SyntaxFault};
use crate::diagnostic::{Diagnostic, SourceText, Span};

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
    /// Values with a fault for which something else was read.
    pub(super) read_otherwise: Vec<Span>,
    /// What `-t` said.
    pub(super) references: Vec<Node>,
}

impl RecipeText {
    /// The largest recipe that is read, in bytes.
    pub const SIZE_LIMIT: usize = 1 << 20;

    /// Reads a recipe. `name` is the file's path as the user wrote it.
    pub fn parse(name: &str, text: &str) -> Self {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        let start = Span { source: Arc::clone(&source), range: 0..0 };
        let mut reading = Reading { source: &source, base: 0, faults: Vec::new(), torn: false, read_otherwise: Vec::new() };
        let mut table = BTreeMap::new();
        if text.len() > Self::SIZE_LIMIT {
            let message = format!("the recipe has {} bytes, and at most {} are read", text.len(), Self::SIZE_LIMIT);
            reading.faults.push(Diagnostic::error(message).hint("put large texts into files, and name them with `from`"));
            reading.torn = true;
        } else {
            // A byte order mark is dropped by the parser, and shifts all positions.
            let without_mark = text.strip_prefix('\u{feff}').unwrap_or(text);
            reading.base = text.len() - without_mark.len();
            table = reading.read(without_mark);
        }
        let Reading { faults, torn, read_otherwise, .. } = reading;
        let root = Node { kind: NodeKind::Table(table), span: start, origin: Origin::Recipe };
        Self { root, faults, torn, read_otherwise, references: Vec::new() }
    }

    /// Reads a recipe of which it is not known that it is UTF-8; as [`RecipeText::parse`].
    pub fn of_bytes(name: &str, bytes: &[u8]) -> Self {
        let Err(error) = std::str::from_utf8(bytes) else { return Self::parse(name, &String::from_utf8_lossy(bytes)) };
        let is_wide = bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff");
        let lossy = String::from_utf8_lossy(bytes);
        // Of UTF-16, nothing can be read.
        let mut parsed = Self::parse(name, if is_wide { "" } else { &lossy });
        let source = Arc::new(SourceText { name: name.to_owned(), text: lossy.into_owned() });
        let offset = error.valid_up_to();
        let replaced = offset..offset + char::REPLACEMENT_CHARACTER.len_utf8();
        let span = Span { source: if is_wide { source } else { Arc::clone(parsed.source()) }, range: replaced };
        let (line, column) = span.line_and_column();
        let byte = bytes[offset];
        let message = format!("the recipe is not UTF-8: the byte 0x{byte:02X} in line {line}, column {column}, at offset {offset}");
        let hint = match byte {
            _ if is_wide => "it begins as UTF-16 does: save it as UTF-8".to_owned(),
            0xa1..=0xff => format!("save it as UTF-8: if it is ISO 8859-1, this byte is `{}`", char::from(byte)),
            _ => "save it as UTF-8".to_owned(),
        };
        parsed.faults.insert(0, Diagnostic::error(message).at(Some(&span), "not UTF-8").hint(hint));
        parsed.torn |= is_wide;
        parsed
    }

    /// Returns the recipe's text and name.
    pub fn source(&self) -> &Arc<SourceText> {
        &self.root.span.source
    }
}

/// Reads a text whatever its faults of syntax.
struct Reading<'a> {
    source: &'a Arc<SourceText>,
    /// How many bytes of the source stand before the text.
    base: usize,
    faults: Vec<Diagnostic>,
    torn: bool,
    read_otherwise: Vec<Span>,
}

impl Reading<'_> {
    /// Reads a text; what its faults leave readable is returned. A value or key that can be told from the rest is read as another one. Any other
    /// line with a fault is read again as an empty one, since the parser gives up at some faults, and nothing after them would be checked.
    fn read(&mut self, text: &str) -> BTreeMap<String, Entry> {
        let mut remaining = text.to_owned();
        for _ in 0..ROUNDS {
            let (table, errors) = DeTable::parse_recoverable(&remaining);
            if errors.is_empty() {
                return entries(table.get_ref(), self.source, self.base, Origin::Recipe);
            }
            let mut found: Vec<SyntaxFault> = errors.iter().map(|error| SyntaxFault::new(error, &remaining)).collect();
            found.sort_by_key(SyntaxFault::start);
            // What follows a bracket that is not closed is read as part of it, and all that is said about it is noise.
            let leaves_open = found.iter().any(SyntaxFault::leaves_open);
            if leaves_open {
                found.truncate(1);
            }
            let blanks = self.tell(&found, &mut remaining);
            if leaves_open || (!blanks.is_empty() && blanks.iter().all(|line| remaining[line.clone()].trim().is_empty())) {
                self.torn = true;
                remaining.truncate(blanks.first().map_or(0, |line| line.start));
                let (table, _) = DeTable::parse_recoverable(&remaining);
                return entries(table.get_ref(), self.source, self.base, Origin::Recipe);
            }
            self.torn |= !blanks.is_empty();
            for line in blanks {
                let spaces = " ".repeat(line.len());
                remaining.replace_range(line, &spaces);
            }
        }
        self.torn = true;
        BTreeMap::new()
    }

    /// Tells faults, the first of each line that nothing can be made of, and mends what can be. Returns the lines of the others.
    fn tell(&mut self, found: &[SyntaxFault], remaining: &mut String) -> Vec<std::ops::Range<usize>> {
        let text = remaining.clone();
        let mut blanks: Vec<std::ops::Range<usize>> = Vec::new();
        let mut last_line = None;
        let mut mended_until = 0;
        for fault in found {
            let line = line_around(&text, fault.start().min(text.len()));
            let told = last_line.as_ref() == Some(&line);
            match fault.mended(&text) {
                // Two faults of one word.
                Some(Mended { range, .. }) if range.start < mended_until => {}
                Some(Mended { range, text: other, is_value }) if !told && blanks.last() != Some(&line) => {
                    self.faults.push(fault.diagnostic(self.source, self.base, &text));
                    mended_until = range.end;
                    if is_value {
                        let range = self.base + range.start..self.base + range.end;
                        self.read_otherwise.push(Span { source: Arc::clone(self.source), range });
                    }
                    remaining.replace_range(range, &other);
                }
                _ => {
                    let is_of_mended = line.contains(&mended_until) && mended_until > 0;
                    if !told && !is_of_mended {
                        self.faults.push(fault.diagnostic(self.source, self.base, &text));
                    }
                    last_line = Some(line.clone());
                    blanks.push(line);
                }
            }
        }
        blanks
    }
}

fn line_around(text: &str, position: usize) -> std::ops::Range<usize> {
    let before = text.get(..position).unwrap_or(text);
    // A fault at the end of the text is about its last line with anything on it.
    let before = if position >= text.len() { before.trim_end_matches(['\n', '\r']) } else { before };
    let start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let end = text[start..].find('\n').map_or(text.len(), |length| start + length);
    start..end
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
