//! A small terminal: as much of one as is needed to see what is on it. Escape sequences that it does not know fail the test.

use unicode_width::UnicodeWidthChar;

/// What a terminal does with its lines when it is made narrower.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Narrowing {
    /// It cuts them off, as xterm does.
    Cuts,
    /// It breaks them, as VTE, kitty and tmux do.
    Breaks,
}

/// A screen of endless height.
pub(crate) struct Screen {
    columns: usize,
    narrowing: Narrowing,
    rows: Vec<Vec<char>>,
    at: (usize, usize),
    wraps: bool,
    /// How many lines were broken because a text was too long.
    pub(crate) broken: usize,
    /// How many characters were cut off because a text was too long.
    pub(crate) cut: usize,
    /// All lines that were written to their end at some time.
    pub(crate) seen: Vec<String>,
    left: Vec<u8>,
}

impl Screen {
    pub(crate) fn new(columns: usize, narrowing: Narrowing) -> Self {
        Self { columns, narrowing, rows: vec![vec![]], at: (0, 0), wraps: true, broken: 0, cut: 0, seen: vec![], left: vec![] }
    }

    /// Returns the lines, without those that are empty at the end.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.rows.iter().map(|row| row.iter().collect::<String>().trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    pub(crate) fn resize(&mut self, columns: usize) {
        match self.narrowing {
            Narrowing::Cuts => self.rows.iter_mut().for_each(|row| row.truncate(columns)),
            Narrowing::Breaks => {
                let mut rows = Vec::new();
                let mut at = self.at;
                for (number, row) in self.rows.iter().enumerate() {
                    if number == self.at.0 {
                        at = (rows.len() + self.at.1 / columns, self.at.1 % columns);
                    }
                    rows.extend(row.chunks(columns).map(<[char]>::to_vec));
                    if row.is_empty() {
                        rows.push(vec![]);
                    }
                }
                (self.rows, self.at) = (rows, at);
            }
        }
        self.columns = columns;
        self.at.1 = self.at.1.min(columns - 1);
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.left.extend_from_slice(bytes);
        let whole = std::mem::take(&mut self.left);
        let valid = std::str::from_utf8(&whole).map_or_else(|error| error.valid_up_to(), str::len);
        let mut text = std::str::from_utf8(&whole[..valid]).unwrap();
        while let Some(character) = text.chars().next() {
            if character == '\u{1b}' {
                let Some(end) = text.find(|character: char| character.is_ascii_alphabetic()) else { break };
                self.escape(&text[1..=end]);
                text = &text[end + 1..];
                continue;
            }
            self.put(character);
            text = &text[character.len_utf8()..];
        }
        self.left = [text.as_bytes(), &whole[valid..]].concat();
    }

    fn escape(&mut self, sequence: &str) {
        let number = || sequence[1..sequence.len() - 1].parse::<usize>().unwrap_or(1);
        match sequence {
            "[?7l" => self.wraps = false,
            "[?7h" => self.wraps = true,
            "[K" => {
                self.rows[self.at.0].truncate(self.at.1);
                self.remember(self.at.0);
            }
            "[J" => {
                self.rows.truncate(self.at.0 + 1);
                self.rows[self.at.0].truncate(self.at.1);
            }
            _ if sequence.ends_with('A') => self.at.0 = self.at.0.checked_sub(number()).unwrap(),
            _ if sequence.ends_with('m') => {}
            other => panic!("an escape sequence that is not known: {other:?}"),
        }
    }

    fn put(&mut self, character: char) {
        let (row, column) = self.at;
        match character {
            '\r' => self.at.1 = 0,
            '\n' => {
                self.remember(row);
                self.at.0 += 1;
                if self.at.0 == self.rows.len() {
                    self.rows.push(vec![]);
                }
            }
            other => {
                let width = other.width().unwrap_or(0);
                if column + width > self.columns {
                    if !self.wraps {
                        self.cut += 1;
                        return;
                    }
                    self.broken += 1;
                    self.at = (row + 1, 0);
                    self.rows.insert(row + 1, vec![]);
                }
                let line = &mut self.rows[self.at.0];
                line.resize(line.len().max(self.at.1), ' ');
                if self.at.1 < line.len() {
                    line[self.at.1] = other;
                } else {
                    line.push(other);
                }
                self.at.1 += width;
            }
        }
    }

    fn remember(&mut self, row: usize) {
        self.seen.push(self.rows[row].iter().collect());
    }
}
