use super::syntax::{Change, Part, Word};

/// How deeply commands may be nested.
const DEPTH: usize = 60;
/// What ends a word.
const ENDS: &[u8] = b" \t\n;&|()<>";

/// A script is not in the syntax that is read here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable {
    /// The line, from 1.
    pub(super) line: usize,
}

/// Reads a script of sh from front to back.
pub(super) struct Reader<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
    pub(super) depth: usize,
    /// The line that the text begins in, from 1.
    first: usize,
    /// How many lines end before a byte.
    counted: (usize, usize),
    /// Here-documents whose bodies begin behind this line.
    pub(super) pending: Vec<Pending>,
    pub(super) here: Vec<Word>,
}

/// A here-document that was announced.
pub(super) struct Pending {
    pub(super) number: usize,
    /// The line that ends it.
    pub(super) end: String,
    /// Whether variables in it are expanded.
    pub(super) expands: bool,
    /// Whether tabs at the beginning of lines are removed.
    pub(super) strips: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, depth: 0, first: 1, counted: (0, 0), pending: Vec::new(), here: Vec::new() }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    pub(super) fn looks_at(&self, text: &str) -> bool {
        self.text[self.at.min(self.text.len())..].starts_with(text.as_bytes())
    }

    fn line(&self) -> usize {
        self.first + lines_in(&self.text[..self.at.min(self.text.len())])
    }

    /// Returns the line that is read; it goes on from where it counted last.
    pub(super) fn current_line(&mut self) -> usize {
        let (at, lines) = self.counted;
        let (at, lines) = if at <= self.at { (at, lines) } else { (0, 0) };
        self.counted = (self.at, lines + lines_in(&self.text[at..self.at]));
        self.first + self.counted.1
    }

    pub(super) fn unreadable<T>(&self) -> Result<T, Unreadable> {
        Err(Unreadable { line: self.line() })
    }

    pub(super) fn deeper(&mut self) -> Result<(), Unreadable> {
        self.depth += 1;
        if self.depth > DEPTH { self.unreadable() } else { Ok(()) }
    }

    /// Skips blanks, joined lines and comments; to be called where a word could begin.
    pub(super) fn blank(&mut self) {
        loop {
            if self.looks_at("\\\n") {
                self.at += 2;
            } else if matches!(self.peek(), Some(b' ' | b'\t' | b'\r')) {
                self.at += 1;
            } else if self.peek() == Some(b'#') {
                while self.peek().is_some_and(|byte| byte != b'\n') {
                    self.at += 1;
                }
            } else {
                return;
            }
        }
    }

    /// Skips the end of a line, and the bodies of the here-documents that it announced.
    pub(super) fn newline(&mut self) -> Result<(), Unreadable> {
        self.at += 1;
        for Pending { number, end, expands, strips } in std::mem::take(&mut self.pending) {
            let mut body = Vec::new();
            loop {
                let rest = &self.text[self.at..];
                if rest.is_empty() {
                    break;
                }
                let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |position| position + 1);
                let mut line = &rest[..length];
                self.at += length;
                while strips && line.first() == Some(&b'\t') {
                    line = &line[1..];
                }
                if line.strip_suffix(b"\n").unwrap_or(line) == end.as_bytes() {
                    break;
                }
                body.extend_from_slice(line);
            }
            let mut word = Word::default();
            if expands {
                let text = String::from_utf8_lossy(&body).into_owned();
                let mut inner = Reader { depth: self.depth, ..Reader::new(&text) };
                inner.quoted(&mut word, None).or_else(|_| self.unreadable())?;
            } else {
                word.push(&body, true);
            }
            self.here[number] = word;
        }
        Ok(())
    }

    /// Reads a word; `None` where none begins.
    pub(super) fn word(&mut self) -> Result<Option<Word>, Unreadable> {
        let start = self.at;
        let mut word = Word::default();
        while let Some(byte) = self.peek().filter(|byte| !ENDS.contains(byte)) {
            self.part(&mut word, byte, false)?;
        }
        Ok((self.at > start).then_some(word))
    }

    /// Reads one part of a word that is not in double quotes.
    fn part(&mut self, word: &mut Word, byte: u8, quoted: bool) -> Result<(), Unreadable> {
        match byte {
            b'\\' => {
                if let Some(next) = self.text.get(self.at + 1).filter(|next| **next != b'\n') {
                    word.push(&[*next], true);
                }
                // A script may end in a backslash.
                self.at = self.text.len().min(self.at + 2);
            }
            b'\'' if !quoted => {
                let rest = &self.text[self.at + 1..];
                let Some(length) = rest.iter().position(|byte| *byte == b'\'') else { return self.unreadable() };
                word.push(&rest[..length], true);
                self.at += length + 2;
            }
            b'"' => {
                self.at += 1;
                word.push(b"", true);
                self.quoted(word, Some(b'"'))?;
                self.at += 1;
            }
            b'$' => self.dollar(word, quoted)?,
            b'`' => self.backquoted(word, quoted)?,
            _ => {
                let rest = &self.text[self.at..];
                let is_plain = |byte: &u8| !ENDS.contains(byte) && !b"\\'\"$`}".contains(byte);
                let length = rest.iter().position(|byte| !is_plain(byte)).unwrap_or(rest.len()).max(1);
                word.push(&rest[..length], quoted);
                self.at += length;
            }
        }
        Ok(())
    }

    /// Reads what is in double quotes, up to the closing one or the end of the text.
    fn quoted(&mut self, word: &mut Word, end: Option<u8>) -> Result<(), Unreadable> {
        loop {
            let Some(byte) = self.peek() else {
                return if end.is_none() { Ok(()) } else { self.unreadable() };
            };
            match byte {
                byte if Some(byte) == end => return Ok(()),
                b'\\' => {
                    match self.text.get(self.at + 1) {
                        Some(b'\n') => {}
                        Some(next) if b"$`\"\\".contains(next) => word.push(&[*next], true),
                        Some(next) => word.push(&[b'\\', *next], true),
                        None => return self.unreadable(),
                    }
                    self.at += 2;
                }
                b'$' => self.dollar(word, true)?,
                b'`' => self.backquoted(word, true)?,
                _ => {
                    let rest = &self.text[self.at..];
                    let ends = |byte: &u8| Some(*byte) == end || b"\\$`".contains(byte);
                    let length = rest.iter().position(ends).unwrap_or(rest.len()).max(1);
                    word.push(&rest[..length], true);
                    self.at += length;
                }
            }
        }
    }

    fn dollar(&mut self, word: &mut Word, quoted: bool) -> Result<(), Unreadable> {
        self.deeper()?;
        let start = self.at;
        if self.looks_at("$((") {
            self.skip_to(b'(', b')')?;
            word.0.push(Part::Unread(self.source(start)));
        } else if self.looks_at("$(") {
            self.at += 2;
            let commands = self.list(&[")"])?;
            if self.peek() != Some(b')') {
                return self.unreadable();
            }
            self.at += 1;
            word.0.push(Part::Output { commands, quoted });
        } else if self.looks_at("${") {
            self.at += 2;
            self.braced(word, start, quoted)?;
        } else {
            self.at += 1;
            let name = self.name();
            if name.is_empty() {
                word.push(b"$", quoted);
            } else {
                word.0.push(Part::Variable { name, change: Change::None, quoted });
            }
        }
        self.depth -= 1;
        Ok(())
    }

    /// Reads the name of a variable, or the sign of a special one.
    fn name(&mut self) -> String {
        let rest = &self.text[self.at..];
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let length = match rest.first() {
            Some(byte) if byte.is_ascii_digit() || b"@*#?-$!".contains(byte) => 1,
            _ => rest.iter().position(|byte| !is_name(byte)).unwrap_or(rest.len()),
        };
        self.at += length;
        String::from_utf8_lossy(&rest[..length]).into_owned()
    }

    /// Reads `${…}` behind the brace.
    fn braced(&mut self, word: &mut Word, start: usize, quoted: bool) -> Result<(), Unreadable> {
        if self.peek() == Some(b'#') && self.text.get(self.at + 1).is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'_') {
            self.at += 1;
            let name = self.name();
            if self.peek() == Some(b'}') {
                self.at += 1;
                word.0.push(Part::Variable { name, change: Change::Length, quoted });
                return Ok(());
            }
        }
        let name = self.name();
        let empty = self.peek() == Some(b':');
        let operator = self.text.get(self.at + usize::from(empty)).copied();
        let change = match operator {
            Some(b'}') if !empty => Some(Change::None),
            Some(b'-' | b'=' | b'?') => {
                self.at += usize::from(empty) + 1;
                Some(Change::Default { word: self.until_brace(quoted)?, empty })
            }
            Some(b'+') => {
                self.at += usize::from(empty) + 1;
                Some(Change::Alternative { word: self.until_brace(quoted)?, empty })
            }
            Some(sign @ (b'%' | b'#')) if !empty => {
                let longest = self.text.get(self.at + 1) == Some(&sign);
                self.at += 1 + usize::from(longest);
                Some(Change::Trim { word: self.until_brace(false)?, front: sign == b'#', longest })
            }
            _ => None,
        };
        if let Some(change) = change.filter(|_| self.peek() == Some(b'}') && !name.is_empty()) {
            self.at += 1;
            word.0.push(Part::Variable { name, change, quoted });
            return Ok(());
        }
        self.at = start + 1;
        self.skip_to(b'{', b'}')?;
        word.0.push(Part::Unread(self.source(start)));
        Ok(())
    }

    /// Reads the word inside of `${…}`, which may hold blanks.
    fn until_brace(&mut self, quoted: bool) -> Result<Word, Unreadable> {
        let mut word = Word::default();
        while let Some(byte) = self.peek().filter(|byte| *byte != b'}') {
            self.part(&mut word, byte, quoted)?;
        }
        Ok(word)
    }

    fn backquoted(&mut self, word: &mut Word, quoted: bool) -> Result<(), Unreadable> {
        self.deeper()?;
        let line = self.current_line();
        self.at += 1;
        let mut inside = Vec::new();
        loop {
            match self.peek() {
                None => return self.unreadable(),
                Some(b'`') => break,
                Some(b'\\') => {
                    let next = self.text.get(self.at + 1).copied().unwrap_or(b'\\');
                    if !b"$`\\".contains(&next) {
                        inside.push(b'\\');
                    }
                    inside.push(next);
                    self.at += 2;
                }
                Some(byte) => {
                    inside.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        let text = String::from_utf8_lossy(&inside).into_owned();
        let mut inner = Reader { depth: self.depth, first: line, ..Reader::new(&text) };
        let commands = inner.list(&[]).or_else(|_| self.unreadable())?;
        word.0.push(Part::Output { commands, quoted });
        self.depth -= 1;
        Ok(())
    }

    /// Goes to behind the sign that closes the next one that opens.
    pub(super) fn skip_to(&mut self, opens: u8, closes: u8) -> Result<(), Unreadable> {
        let mut open = 0_usize;
        while let Some(byte) = self.peek() {
            self.at += 1;
            if byte == opens {
                open += 1;
            } else if byte == closes {
                open = open.saturating_sub(1);
                if open == 0 {
                    return Ok(());
                }
            }
        }
        self.unreadable()
    }

    fn source(&self, start: usize) -> String {
        String::from_utf8_lossy(&self.text[start..self.at]).into_owned()
    }
}

fn lines_in(text: &[u8]) -> usize {
    text.split(|byte| *byte == b'\n').count() - 1
}
