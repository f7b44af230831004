/// How deep types and values may lie in each other (GVariant specification, section 2.3.1, allows 64 for types).
pub(super) const DEPTH: usize = 64;

/// A type of GVariant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Boolean,
    /// `y`, `n`, `q`, `i`, `u`, `h`, `x` or `t`: a whole number, by its letter.
    Whole(u8),
    Double,
    /// `s`, `o` or `g`: a text, by its letter.
    Text(u8),
    Variant,
    Maybe(Box<Kind>),
    Array(Box<Kind>),
    Tuple(Vec<Kind>),
    /// A key and its value.
    Entry(Box<(Kind, Kind)>),
}

/// A value of GVariant. What it means depends on its type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Boolean(bool),
    Whole(i128),
    Double(f64),
    Text(String),
    Variant(Box<(Kind, Value)>),
    Maybe(Option<Box<Value>>),
    /// The elements of an array, or the parts of a tuple or an entry.
    List(Vec<Value>),
}

impl Kind {
    /// Reads a type string: `a{sv}`.
    pub(super) fn read(text: &str) -> Option<Self> {
        let (kind, rest) = Self::first(text, DEPTH)?;
        rest.is_empty().then_some(kind)
    }

    /// Reads the first type of a text, and returns what follows it.
    pub(super) fn first(text: &str, depth: usize) -> Option<(Self, &str)> {
        let depth = depth.checked_sub(1)?;
        let letter = *text.as_bytes().first()?;
        let rest = text.get(1..)?;
        Some(match letter {
            b'b' => (Self::Boolean, rest),
            b'y' | b'n' | b'q' | b'i' | b'u' | b'h' | b'x' | b't' => (Self::Whole(letter), rest),
            b'd' => (Self::Double, rest),
            b's' | b'o' | b'g' => (Self::Text(letter), rest),
            b'v' => (Self::Variant, rest),
            b'm' | b'a' => {
                let (inner, rest) = Self::first(rest, depth)?;
                (if letter == b'm' { Self::Maybe(Box::new(inner)) } else { Self::Array(Box::new(inner)) }, rest)
            }
            b'(' => {
                let (mut parts, mut rest) = (Vec::new(), rest);
                while !rest.starts_with(')') {
                    let (part, after) = Self::first(rest, depth)?;
                    parts.push(part);
                    rest = after;
                }
                (Self::Tuple(parts), &rest[1..])
            }
            b'{' => {
                let (key, rest) = Self::first(rest, depth)?;
                let (value, rest) = Self::first(rest, depth)?;
                (Self::Entry(Box::new((key, value))), rest.strip_prefix('}')?)
            }
            _ => return None,
        })
    }

    /// Returns the type string.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Boolean => "b".to_owned(),
            Self::Whole(letter) | Self::Text(letter) => char::from(*letter).to_string(),
            Self::Double => "d".to_owned(),
            Self::Variant => "v".to_owned(),
            Self::Maybe(inner) => format!("m{}", inner.text()),
            Self::Array(inner) => format!("a{}", inner.text()),
            Self::Tuple(parts) => format!("({})", parts.iter().map(Self::text).collect::<String>()),
            Self::Entry(entry) => format!("{{{}{}}}", entry.0.text(), entry.1.text()),
        }
    }

    /// Returns the size of a whole number in bytes, and the least and the greatest.
    pub(super) fn whole(letter: u8) -> (usize, i128, i128) {
        match letter {
            b'y' => (1, 0, u8::MAX.into()),
            b'n' => (2, i16::MIN.into(), i16::MAX.into()),
            b'q' => (2, 0, u16::MAX.into()),
            b'i' | b'h' => (4, i32::MIN.into(), i32::MAX.into()),
            b'u' => (4, 0, u32::MAX.into()),
            b'x' => (8, i64::MIN.into(), i64::MAX.into()),
            _ => (8, 0, u64::MAX.into()),
        }
    }

    /// Returns what offsets of a value are a multiple of (section 3.1).
    fn alignment(&self) -> usize {
        match self {
            Self::Boolean | Self::Text(_) => 1,
            Self::Whole(letter) => Self::whole(*letter).0,
            Self::Double | Self::Variant => 8,
            Self::Maybe(inner) | Self::Array(inner) => inner.alignment(),
            Self::Tuple(parts) => parts.iter().map(Self::alignment).max().unwrap_or(1),
            Self::Entry(entry) => entry.0.alignment().max(entry.1.alignment()),
        }
    }

    /// Says whether all values of the type have the same size (section 3.2).
    fn is_fixed(&self) -> bool {
        match self {
            Self::Boolean | Self::Whole(_) | Self::Double => true,
            Self::Text(_) | Self::Variant | Self::Maybe(_) | Self::Array(_) => false,
            Self::Tuple(parts) => parts.iter().all(Self::is_fixed),
            Self::Entry(entry) => entry.0.is_fixed() && entry.1.is_fixed(),
        }
    }
}

/// Returns the bytes of a value, little-endian (section 3.5). What has another shape than its type is empty, which [`super::text`] rules out.
pub(super) fn bytes(kind: &Kind, value: &Value) -> Vec<u8> {
    match (kind, value) {
        (Kind::Boolean, Value::Boolean(is_true)) => vec![u8::from(*is_true)],
        (Kind::Whole(letter), Value::Whole(number)) => number.to_le_bytes()[..Kind::whole(*letter).0].to_vec(),
        (Kind::Double, Value::Double(number)) => number.to_le_bytes().to_vec(),
        (Kind::Text(_), Value::Text(text)) => [text.as_bytes(), b"\0"].concat(),
        (Kind::Variant, Value::Variant(inside)) => boxed(&inside.0, &inside.1),
        (Kind::Maybe(inner), Value::Maybe(Some(value))) => {
            let mut bytes = bytes(inner, value);
            if !inner.is_fixed() {
                bytes.push(0);
            }
            bytes
        }
        (Kind::Array(inner), Value::List(elements)) => {
            let mut array = Vec::new();
            let mut ends = Vec::new();
            for element in elements {
                append(&mut array, inner, element);
                ends.push(array.len());
            }
            if inner.is_fixed() { array } else { framed(array, &ends) }
        }
        (Kind::Tuple(kinds), Value::List(parts)) => tuple(kind, kinds.iter().zip(parts)),
        (Kind::Entry(kinds), Value::List(parts)) => tuple(kind, [&kinds.0, &kinds.1].into_iter().zip(parts)),
        _ => Vec::new(),
    }
}

/// Returns the bytes of a value together with its type (section 3.5.1, variants).
pub(super) fn boxed(kind: &Kind, value: &Value) -> Vec<u8> {
    [&bytes(kind, value)[..], b"\0", kind.text().as_bytes()].concat()
}

fn append(to: &mut Vec<u8>, kind: &Kind, value: &Value) {
    to.resize(to.len().next_multiple_of(kind.alignment()), 0);
    to.extend(bytes(kind, value));
}

fn tuple<'a>(kind: &Kind, parts: impl ExactSizeIterator<Item = (&'a Kind, &'a Value)>) -> Vec<u8> {
    let count = parts.len();
    let mut tuple = Vec::new();
    let mut ends = Vec::new();
    for (number, (kind, value)) in parts.enumerate() {
        append(&mut tuple, kind, value);
        // The end of the last is that of the tuple.
        if !kind.is_fixed() && number + 1 < count {
            ends.push(tuple.len());
        }
    }
    if kind.is_fixed() {
        let size = tuple.len().next_multiple_of(kind.alignment()).max(1);
        tuple.resize(size, 0);
        return tuple;
    }
    ends.reverse();
    framed(tuple, &ends)
}

/// Puts offsets behind a container, each in as few bytes as offsets of its whole size need (section 3.4).
fn framed(mut container: Vec<u8>, ends: &[usize]) -> Vec<u8> {
    let size = [1, 2, 4].into_iter().find(|size| (container.len() + size * ends.len()) >> (8 * size) == 0).unwrap_or(8);
    container.extend(ends.iter().flat_map(|end| end.to_le_bytes().into_iter().take(size)));
    container
}

#[cfg(test)]
mod tests {
    use super::super::text::parse;
    use super::*;

    #[test]
    fn types_are_read_whole() {
        for text in ["b", "as", "a{sv}", "(y(ys)m(ii))", "()", "aa{s(dd)}", "v"] {
            assert_eq!(Kind::read(text).unwrap().text(), text);
        }
        for bad in ["", "z", "a", "(", "(s", "{s}", "ss", "{svs}", &"a".repeat(100)] {
            assert_eq!(Kind::read(bad), None, "{bad}");
        }
    }

    /// The examples of the specification's section 3.6 (GVariant Specification 1.0), and what lies at their edges.
    #[test]
    fn values_are_the_bytes_of_the_specification() {
        for (kind, text, expected) in [
            ("s", "'hello world'", &b"hello world\0"[..]),
            ("ms", "just 'hello world'", b"hello world\0\0"),
            ("ms", "nothing", b""),
            ("ab", "[true, false, false, true, true]", &[1, 0, 0, 1, 1]),
            ("(si)", "('foo', -1)", b"foo\0\xff\xff\xff\xff\x04"),
            ("a(si)", "[('hi', -2), ('bye', -1)]", b"hi\0\0\xfe\xff\xff\xff\x03\0\0\0bye\0\xff\xff\xff\xff\x04\x09\x15"),
            ("as", "['i', 'can', 'has', 'strings?']", b"i\0can\0has\0strings?\0\x02\x06\x0a\x13"),
            ("((ys)as)", "((0x69, 'can'), ['has', 'strings?'])", b"ican\0has\0strings?\0\x04\x0d\x05"),
            ("(yy)", "(0x70, 0x80)", b"\x70\x80"),
            ("(iy)", "(96, 0x70)", b"\x60\0\0\0\x70\0\0\0"),
            ("a(iy)", "[(96, 0x70), (648, 0xf7)]", b"\x60\0\0\0\x70\0\0\0\x88\x02\0\0\xf7\0\0\0"),
            ("ay", "[4, 5, 6, 7]", &[4, 5, 6, 7]),
            ("{si}", "{'a key', 514}", b"a key\0\0\0\x02\x02\0\0\x06"),
            ("()", "()", &[0]),
            ("as", "[]", b""),
            ("v", "<uint32 7>", b"\x07\0\0\0\0u"),
        ] {
            let kind = Kind::read(kind).unwrap();
            let value = parse(text, &kind).unwrap_or_else(|fault| panic!("{text}: {fault}"));
            assert_eq!(bytes(&kind, &value), expected, "{text}");
        }
        let long = Value::List(vec![Value::Text("x".repeat(254)), Value::Text(String::new())]);
        let bytes = bytes(&Kind::read("as").unwrap(), &long);
        assert_eq!((bytes.len(), &bytes[256..]), (260, &[0xff, 0, 0, 1][..]));
    }
}
