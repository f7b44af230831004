use super::variant::{DEPTH, Kind, Value};

/// Reads a value of a known type as GLib writes it (GVariant Text Format).
///
/// # Errors
/// When the text is no such value, as a fragment.
pub(super) fn parse(text: &str, kind: &Kind) -> Result<Value, String> {
    let mut reader = Reader { rest: text };
    let value = reader.value(kind, DEPTH);
    reader.space();
    match value {
        Some(value) if reader.rest.is_empty() => Ok(value),
        _ => Err(format!("has no value of the type `{}` in `{}`", kind.text(), text.trim().chars().take(60).collect::<String>())),
    }
}

struct Reader<'t> {
    rest: &'t str,
}

impl<'t> Reader<'t> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches(|character: char| character.is_ascii_whitespace());
    }

    /// Takes a text if it comes next behind any space.
    fn take(&mut self, wanted: &str) -> bool {
        self.space();
        let found = self.rest.strip_prefix(wanted);
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// Takes a word of letters and digits if it is this one.
    fn word(&mut self, wanted: &str) -> bool {
        self.space();
        let is_whole = |rest: &str| !rest.starts_with(|character: char| character.is_ascii_alphanumeric());
        let found = self.rest.strip_prefix(wanted).filter(|rest| is_whole(rest));
        self.rest = found.unwrap_or(self.rest);
        found.is_some()
    }

    /// Takes a type that is written in front of a value: `@as` or `uint32`.
    fn written_kind(&mut self) -> Option<Kind> {
        const NAMES: &[(&str, &str)] = &[
            ("boolean", "b"),
            ("byte", "y"),
            ("int16", "n"),
            ("uint16", "q"),
            ("int32", "i"),
            ("uint32", "u"),
            ("handle", "h"),
            ("int64", "x"),
            ("uint64", "t"),
            ("double", "d"),
            ("string", "s"),
            ("objectpath", "o"),
            ("signature", "g"),
        ];
        if self.take("@") {
            let (kind, rest) = Kind::first(self.rest, DEPTH)?;
            self.rest = rest;
            return Some(kind);
        }
        NAMES.iter().find(|(name, _)| self.word(name)).and_then(|(_, kind)| Kind::read(kind))
    }

    fn value(&mut self, kind: &Kind, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        if let Some(written) = self.written_kind() {
            return if written == *kind { self.value(kind, depth) } else { self.implied(&written, kind, depth) };
        }
        match kind {
            Kind::Boolean => match () {
                () if self.word("true") => Some(Value::Boolean(true)),
                () if self.word("false") => Some(Value::Boolean(false)),
                () => None,
            },
            Kind::Whole(letter) => {
                let (_, least, greatest) = Kind::whole(*letter);
                whole(self.number()?).filter(|number| (least..=greatest).contains(number)).map(Value::Whole)
            }
            Kind::Double => double(self.number()?).map(Value::Double),
            Kind::Text(_) => self.quoted().map(Value::Text),
            Kind::Variant => {
                let inside = self.take("<").then(|| self.unknown(depth)).flatten()?;
                self.take(">").then(|| Value::Variant(Box::new(inside)))
            }
            Kind::Maybe(_) if self.word("nothing") => Some(Value::Maybe(None)),
            Kind::Maybe(inner) => {
                self.word("just");
                Some(Value::Maybe(Some(Box::new(self.value(inner, depth)?))))
            }
            Kind::Array(inner) => self.array(inner, depth),
            Kind::Tuple(parts) => {
                if !self.take("(") {
                    return None;
                }
                let mut values = Vec::new();
                for (number, part) in parts.iter().enumerate() {
                    if number > 0 && !self.take(",") {
                        return None;
                    }
                    values.push(self.value(part, depth)?);
                }
                if parts.len() == 1 {
                    self.take(",");
                }
                self.take(")").then_some(Value::List(values))
            }
            Kind::Entry(entry) => {
                let key = self.take("{").then(|| self.value(&entry.0, depth)).flatten()?;
                let value = self.take(",").then(|| self.value(&entry.1, depth)).flatten()?;
                self.take("}").then(|| Value::List(vec![key, value]))
            }
        }
    }

    /// Reads a value with a type in front of it where a `maybe` of that type may stand.
    fn implied(&mut self, written: &Kind, wanted: &Kind, depth: usize) -> Option<Value> {
        match wanted {
            Kind::Maybe(inner) if **inner == *written => Some(Value::Maybe(Some(Box::new(self.value(written, depth)?)))),
            _ => None,
        }
    }

    fn array(&mut self, inner: &Kind, depth: usize) -> Option<Value> {
        if let (Kind::Whole(b'y'), true) = (inner, self.rest.trim_start().starts_with(['b'])) {
            self.take("b");
            let text = self.quoted()?;
            // A text of bytes has a zero at its end.
            return Some(Value::List(text.bytes().chain([0]).map(|byte| Value::Whole(byte.into())).collect()));
        }
        let mut values = Vec::new();
        if let (Kind::Entry(entry), true) = (inner, self.take("{")) {
            while !self.take("}") {
                if !values.is_empty() && !self.take(",") {
                    return None;
                }
                let key = self.value(&entry.0, depth)?;
                let value = self.take(":").then(|| self.value(&entry.1, depth)).flatten()?;
                values.push(Value::List(vec![key, value]));
            }
            return Some(Value::List(values));
        }
        if !self.take("[") {
            return None;
        }
        while !self.take("]") {
            if !values.is_empty() && !self.take(",") {
                return None;
            }
            values.push(self.value(inner, depth)?);
        }
        Some(Value::List(values))
    }

    /// Reads a value whose type only its text tells, as in a variant.
    fn unknown(&mut self, depth: usize) -> Option<(Kind, Value)> {
        let kind = Reader { rest: self.rest }.guessed(depth)?;
        let value = self.value(&kind, depth)?;
        Some((kind, value))
    }

    /// Returns the type of the value that comes next, as far as its beginning tells.
    fn guessed(&mut self, depth: usize) -> Option<Kind> {
        let depth = depth.checked_sub(1)?;
        if let Some(written) = self.written_kind() {
            return Some(written);
        }
        self.space();
        Some(match self.rest.as_bytes().first()? {
            b'\'' | b'"' => Kind::Text(b's'),
            b'b' if self.rest[1..].starts_with(['\'', '"']) => Kind::Array(Box::new(Kind::Whole(b'y'))),
            b'<' => Kind::Variant,
            b't' | b'f' => Kind::Boolean,
            b'j' if self.word("just") => Kind::Maybe(Box::new(self.guessed(depth)?)),
            b'(' => {
                self.take("(");
                let mut parts = Vec::new();
                while !self.take(")") {
                    parts.push(self.guessed_part(depth)?);
                    self.take(",");
                }
                Kind::Tuple(parts)
            }
            b'[' => {
                self.take("[");
                Kind::Array(Box::new(self.guessed(depth)?))
            }
            b'{' => {
                self.take("{");
                let key = self.guessed_part(depth)?;
                let is_dictionary = self.take(":");
                let value = (is_dictionary || self.take(",")).then(|| self.guessed(depth)).flatten()?;
                let entry = Kind::Entry(Box::new((key, value)));
                if is_dictionary { Kind::Array(Box::new(entry)) } else { entry }
            }
            _ => {
                let number = self.number()?;
                if whole(number).is_some() { Kind::Whole(b'i') } else { Kind::Double }
            }
        })
    }

    /// Returns the type of a part of a value, and passes over its text up to what ends it.
    fn guessed_part(&mut self, depth: usize) -> Option<Kind> {
        let kind = Reader { rest: self.rest }.guessed(depth)?;
        let (mut open, mut quote, mut is_escaped) = (0_usize, None, false);
        let is_end = |character: char| match (quote, character) {
            _ if is_escaped => {
                is_escaped = false;
                false
            }
            (Some(_), '\\') => {
                is_escaped = true;
                false
            }
            (Some(begun), _) => {
                quote = Some(begun).filter(|begun| *begun != character);
                false
            }
            (None, '\'' | '"') => {
                quote = Some(character);
                false
            }
            (None, '(' | '[' | '{' | '<') => {
                open += 1;
                false
            }
            (None, ')' | ']' | '}' | '>') if open > 0 => {
                open -= 1;
                false
            }
            (None, ')' | ']' | '}' | '>') => true,
            (None, ',' | ':') => open == 0,
            _ => false,
        };
        let end = self.rest.find(is_end)?;
        self.rest = &self.rest[end..];
        Some(kind)
    }

    /// Takes the characters of a number.
    fn number(&mut self) -> Option<&'t str> {
        self.space();
        let is_part = |character: char| character.is_ascii_alphanumeric() || matches!(character, '+' | '-' | '.');
        let (number, rest) = self.rest.split_at(self.rest.find(|character| !is_part(character)).unwrap_or(self.rest.len()));
        self.rest = rest;
        (!number.is_empty()).then_some(number)
    }

    /// Takes a text in single or double quotes.
    fn quoted(&mut self) -> Option<String> {
        self.space();
        let mut characters = self.rest.chars();
        let quote = characters.next().filter(|quote| matches!(quote, '\'' | '"'))?;
        let mut text = String::new();
        loop {
            match characters.next()? {
                character if character == quote => break,
                '\\' => match characters.next()? {
                    'a' => text.push('\u{7}'),
                    'b' => text.push('\u{8}'),
                    'f' => text.push('\u{c}'),
                    'n' => text.push('\n'),
                    'r' => text.push('\r'),
                    't' => text.push('\t'),
                    'v' => text.push('\u{b}'),
                    '\n' => {}
                    long @ ('u' | 'U') => {
                        let digits = characters.as_str().get(..if long == 'u' { 4 } else { 8 })?;
                        text.push(char::from_u32(u32::from_str_radix(digits, 16).ok()?).filter(|character| *character != '\0')?);
                        characters = characters.as_str()[digits.len()..].chars();
                    }
                    other => text.push(other),
                },
                // A NUL ends a text in the file.
                '\0' => return None,
                character => text.push(character),
            }
        }
        self.rest = characters.as_str();
        Some(text)
    }
}

/// Reads a whole number as C does: decimal, `0x`, or a leading zero for octal.
fn whole(text: &str) -> Option<i128> {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let number = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16),
        None if digits.len() > 1 && digits.starts_with('0') => u64::from_str_radix(digits, 8),
        None => digits.parse(),
    };
    number.ok().map(|number| sign * i128::from(number))
}

fn double(text: &str) -> Option<f64> {
    match whole(text) {
        // `010` is ten where a fraction may stand.
        Some(_) if !text.contains(['x', 'X']) => text.parse().ok(),
        #[expect(clippy::cast_precision_loss, reason = "a number in hexadecimal becomes the nearest double, as in C")]
        Some(number) => Some(number as f64),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_values_of_their_type() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (kind, written, expected) in [
            ("i", " -12 ", Value::Whole(-12)),
            ("u", "0xff", Value::Whole(255)),
            ("i", "010", Value::Whole(8)),
            ("d", "1", Value::Double(1.0)),
            ("d", "-2.5e3", Value::Double(-2500.0)),
            ("s", "'it\\'s \\u00e6 \\n'", text("it's æ \n")),
            ("s", "\"it's\"", text("it's")),
            ("as", "@as []", Value::List(vec![])),
            ("ay", "b'ab'", Value::List(vec![Value::Whole(97), Value::Whole(98), Value::Whole(0)])),
            (
                "a{si}",
                "{'a': 1, 'b': 2}",
                Value::List(vec![Value::List(vec![text("a"), Value::Whole(1)]), Value::List(vec![text("b"), Value::Whole(2)])]),
            ),
            ("a{si}", "[{'a', 1}]", Value::List(vec![Value::List(vec![text("a"), Value::Whole(1)])])),
            ("a{sv}", "{}", Value::List(vec![])),
            ("mi", "5", Value::Maybe(Some(Box::new(Value::Whole(5))))),
            ("mi", "nothing", Value::Maybe(None)),
            ("(si)", "('a', int32 1)", Value::List(vec![text("a"), Value::Whole(1)])),
            ("(s)", "('a',)", Value::List(vec![text("a")])),
        ] {
            assert_eq!(parse(written, &Kind::read(kind).unwrap()), Ok(expected), "{written}");
        }
        for (kind, written) in [
            ("i", "2147483648"),
            ("y", "-1"),
            ("u", "1.5"),
            ("b", "truely"),
            ("s", "text"),
            ("s", "'open"),
            ("s", "'\\u12'"),
            ("s", "'a' 'b'"),
            ("as", "['a' 'b']"),
            ("as", "@ai []"),
            ("(si)", "('a')"),
            ("v", "<nothing>"),
            ("v", &format!("{}1", "<".repeat(500))),
            ("v", &format!("{}1{}", "<[(".repeat(60), ")]>".repeat(60))),
        ] {
            assert!(parse(written, &Kind::read(kind).unwrap()).is_err(), "{written}");
        }
    }

    #[test]
    fn variants_have_the_type_that_their_text_tells() {
        for (written, expected) in [
            ("<'a'>", "s"),
            ("<1>", "i"),
            ("<1.0>", "d"),
            ("<uint64 1>", "t"),
            ("<['a', 'b']>", "as"),
            ("<@as []>", "as"),
            ("<(1, 'a', true)>", "(isb)"),
            ("<{'a': <1>}>", "a{sv}"),
            ("<b'x'>", "ay"),
            ("<just 1>", "mi"),
            ("<<1>>", "v"),
            ("<('a,\\')(', [(1, <2>)], {'k': 3})>", "(sa(iv)a{si})"),
        ] {
            let Ok(Value::Variant(inside)) = parse(written, &Kind::Variant) else { panic!("{written}") };
            assert_eq!(inside.0.text(), expected, "{written}");
        }
    }
}
