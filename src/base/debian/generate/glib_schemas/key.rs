use super::variant::{Kind, Value};

/// How long a name may be in words of four bytes, together with what surrounds it (GLib, `STRINFO_MAX_WORDS`).
const NAME_WORDS: usize = 17;

/// What a key's names stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamesOf {
    Choices,
    Enumeration,
    Flags,
}

/// Names that a key may have as its value, with their numbers: GLib's string information, of words of four bytes. A name is its number, and then
/// the byte 0xff, the name, zeros, and 0xff in the last byte; another name begins with 0xfe and has the position of the one that it stands for as its number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Names {
    bytes: Vec<u8>,
    positions: Vec<(String, u32)>,
}

impl Names {
    /// Adds a name; `None` when it is there, or too long.
    pub(super) fn add(&mut self, name: &str, number: u32) -> Option<()> {
        let position = u32::try_from(self.bytes.len() / 4).ok()?;
        if self.position(name).is_some() {
            return None;
        }
        self.append(name, number, 0xff)?;
        self.positions.push((name.to_owned(), position));
        Some(())
    }

    /// Adds another name for one that is there.
    pub(super) fn add_alias(&mut self, name: &str, target: &str) -> Option<()> {
        let position = self.position(target)?;
        self.append(name, position, 0xfe)
    }

    fn position(&self, name: &str) -> Option<u32> {
        self.positions.iter().find(|(known, _)| known == name).map(|(_, position)| *position)
    }

    fn append(&mut self, name: &str, number: u32, mark: u8) -> Option<()> {
        let words = ((name.len() + 6) / 4).max(2);
        if words > NAME_WORDS {
            return None;
        }
        self.bytes.extend(number.to_le_bytes());
        self.bytes.push(mark);
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.resize(self.bytes.len() + 4 * words - name.len() - 2, 0);
        self.bytes.push(0xff);
        Some(())
    }

    /// Says whether a text, or each text of an array, is one of the names.
    fn contain(&self, value: &Value) -> bool {
        match value {
            Value::Text(text) => self.position(text).is_some(),
            Value::List(values) => values.iter().all(|value| self.contain(value)),
            Value::Maybe(value) => value.iter().all(|value| self.contain(value)),
            _ => true,
        }
    }

    fn value(&self) -> Value {
        let words = self.bytes.chunks_exact(4).map(|word| word.iter().rev().fold(0_i128, |number, byte| number << 8 | i128::from(*byte)));
        Value::List(words.map(Value::Whole).collect())
    }
}

/// A default that is translated when it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Translated {
    /// `m` for messages, `t` for times.
    pub(super) category: u8,
    pub(super) context: Option<String>,
    /// The default as it is written.
    pub(super) text: String,
}

/// A setting.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) kind: Kind,
    pub(super) default: Option<Value>,
    pub(super) translated: Option<Translated>,
    pub(super) names_of: NamesOf,
    pub(super) names: Names,
    /// The least and the greatest value.
    pub(super) range: Option<(Value, Value)>,
    /// Other defaults by desktop.
    pub(super) desktops: std::collections::BTreeMap<String, Value>,
}

impl Key {
    pub(super) fn new(kind: Kind, names_of: NamesOf, names: Names) -> Self {
        Self { kind, default: None, translated: None, names_of, names, range: None, desktops: std::collections::BTreeMap::new() }
    }

    /// Returns the key as a schema sees it that gives it another default.
    pub(super) fn overridden(&self) -> Self {
        Self { range: self.range.clone(), ..Self::new(self.kind.clone(), self.names_of, self.names.clone()) }
    }

    /// Says whether a value lies in the key's range, or is one of its names.
    pub(super) fn allows(&self, value: &Value) -> bool {
        let is_ordered = |one: &Value, other: &Value| match (one, other) {
            (Value::Whole(one), Value::Whole(other)) => one <= other,
            (Value::Double(one), Value::Double(other)) => one <= other,
            _ => false,
        };
        match &self.range {
            Some((least, greatest)) => is_ordered(least, value) && is_ordered(value, greatest),
            None => self.names.bytes.is_empty() || self.names.contain(value),
        }
    }

    /// Returns the key's value in the file: a tuple of the default and of what else is known, each with a letter.
    pub(super) fn stored(&self) -> Option<(Kind, Value)> {
        let mut parts = vec![(self.kind.clone(), self.default.clone()?)];
        let mut add = |letter: u8, kind: &str, value: Value| {
            let kind = Kind::Tuple(vec![Kind::Whole(b'y'), Kind::read(kind)?]);
            parts.push((kind, Value::List(vec![Value::Whole(letter.into()), value])));
            Some(())
        };
        if let Some(translated) = &self.translated {
            // What translators see has no space around it, and the context in front.
            let text = translated.text.trim_matches(|character: char| character.is_ascii_whitespace());
            let text = translated.context.as_ref().map_or_else(|| text.to_owned(), |context| format!("{context}\u{4}{text}"));
            add(b'l', "(ys)", Value::List(vec![Value::Whole(translated.category.into()), Value::Text(text)]))?;
        }
        if !self.names.bytes.is_empty() {
            let letter = match self.names_of {
                NamesOf::Choices => b'c',
                NamesOf::Enumeration => b'e',
                NamesOf::Flags => b'f',
            };
            add(letter, "au", self.names.value())?;
        }
        if let Some((least, greatest)) = &self.range {
            let kind = self.kind.text();
            add(b'r', &format!("({kind}{kind})"), Value::List(vec![least.clone(), greatest.clone()]))?;
        }
        if !self.desktops.is_empty() {
            let entry = |(desktop, value): (&String, &Value)| {
                Value::List(vec![Value::Text(desktop.clone()), Value::Variant(Box::new((self.kind.clone(), value.clone())))])
            };
            add(b'd', "a{sv}", Value::List(self.desktops.iter().map(entry).collect()))?;
        }
        let (kinds, values) = parts.into_iter().unzip();
        Some((Kind::Tuple(kinds), Value::List(values)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example in GLib's own `strinfo.c`.
    #[test]
    fn names_are_words_of_four_bytes() {
        let mut names = Names::default();
        names.add("foo", 1).unwrap();
        names.add("bar", 2).unwrap();
        names.add_alias("baz", "bar").unwrap();
        assert_eq!(names.bytes, b"\x01\0\0\0\xfffoo\0\0\0\xff\x02\0\0\0\xffbar\0\0\0\xff\x03\0\0\0\xfebaz\0\0\0\xff");
        assert_eq!((names.add("foo", 3), names.add_alias("x", "y")), (None, None));
        let mut long = Names::default();
        assert_eq!((long.add(&"x".repeat(65), 0), long.add(&"x".repeat(66), 0)), (Some(()), None));
        assert_eq!(long.bytes.len(), 4 + 4 * NAME_WORDS);
    }
}
