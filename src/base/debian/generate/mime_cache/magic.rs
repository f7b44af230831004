use std::iter::Peekable;
use std::str::Bytes;

use roxmltree::Node;

/// The namespace of descriptions.
pub(super) const NAMESPACE: &str = "http://www.freedesktop.org/standards/shared-mime-info";
/// How deep rules may lie in each other.
pub(super) const DEPTH: usize = 32;

/// What a file's content must hold to be of a type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Magic {
    /// From 0 to 100.
    pub(super) priority: u32,
    pub(super) kind: String,
    pub(super) rules: Vec<Rule>,
    /// Rules of earlier files count no more for the type.
    pub(super) forgets: bool,
}

/// Bytes that are looked for, and what must be there besides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) start: u32,
    /// At how many offsets from there on they are looked for.
    pub(super) range: u32,
    /// In units of how many bytes the machine's own order counts: 1, 2 or 4.
    pub(super) word: u32,
    pub(super) value: Vec<u8>,
    /// As long as the value.
    pub(super) mask: Option<Vec<u8>>,
    /// One of these must hold too; none is none.
    pub(super) inner: Vec<Rule>,
}

impl Magic {
    /// Reads `<magic>`; `None` when something in it is broken.
    pub(super) fn read(node: Node<'_, '_>, kind: &str) -> Option<Self> {
        let priority = number_up_to_100(node.attribute("priority"))?;
        let rules = rules(node, DEPTH)?;
        (!rules.is_empty()).then(|| Self { priority, kind: kind.to_owned(), rules, forgets: false })
    }

    /// Returns what stands for `<magic-deleteall/>`.
    pub(super) fn forgetting(kind: &str) -> Self {
        let rule = Rule { start: 0, range: 1, word: 1, value: b"__NOMAGIC__".to_vec(), mask: None, inner: Vec::new() };
        Self { priority: 0, kind: kind.to_owned(), rules: vec![rule], forgets: true }
    }
}

fn rules(parent: Node<'_, '_>, depth: usize) -> Option<Vec<Rule>> {
    let mut found = Vec::new();
    for node in parent.children().filter(Node::is_element) {
        if depth == 0 || !node.has_tag_name((NAMESPACE, "match")) {
            return None;
        }
        let mut rule = rule(node)?;
        rule.inner = rules(node, depth - 1)?;
        found.push(rule);
    }
    Some(found)
}

/// Reads `<match>` without what lies in it.
fn rule(node: Node<'_, '_>) -> Option<Rule> {
    let offset = node.attribute("offset")?;
    let (start, range) = match offset.split_once(':') {
        Some((start, last)) => {
            let (start, last): (u32, u32) = (start.parse().ok()?, last.parse().ok()?);
            (start, last.checked_sub(start)?.checked_add(1)?)
        }
        None => (offset.parse().ok()?, 1),
    };
    let (text, mask) = (node.attribute("value").filter(|value| !value.is_empty())?, node.attribute("mask"));
    let (word, size, little) = match node.attribute("type")? {
        "string" => {
            let value = unescaped(text);
            let mask = match mask {
                Some(mask) => Some(string_mask(mask, value.len())?),
                None => None,
            };
            return Some(Rule { start, range, word: 1, value, mask, inner: Vec::new() });
        }
        "byte" => (1, 1, false),
        "big16" => (1, 2, false),
        "big32" => (1, 4, false),
        "little16" => (1, 2, true),
        "little32" => (1, 4, true),
        // Written as if the machine were big-endian; readers swap units of `word` bytes where it is not.
        "host16" => (2, 2, false),
        "host32" => (4, 4, false),
        _ => return None,
    };
    let mask = match mask {
        Some(mask) => Some(ordered(c_number(mask)?, size, little)),
        None => None,
    };
    let value = c_number(text)?;
    (value >> (8 * size) == 0).then(|| Rule { start, range, word, value: ordered(value, size, little), mask, inner: Vec::new() })
}

/// Reads a number as C writes it: decimal, `0x` or a leading zero for octal.
fn c_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') => u64::from_str_radix(text, 8).ok(),
        None => text.parse().ok(),
    }
}

/// Returns the lowest `size` bytes of a number.
fn ordered(number: u64, size: usize, little: bool) -> Vec<u8> {
    if little { number.to_le_bytes()[..size].to_vec() } else { number.to_be_bytes()[8 - size..].to_vec() }
}

/// Returns the mask of a text, which is written in hexadecimal and may be shorter than the text.
fn string_mask(text: &str, length: usize) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x")?;
    let mut mask = vec![0; length];
    for (number, digit) in digits.chars().enumerate() {
        let value = u8::try_from(digit.to_digit(16)?).ok()?;
        *mask.get_mut(number / 2)? |= if number % 2 == 0 { value << 4 } else { value };
    }
    Some(mask)
}

/// Replaces the escapes of C in a text: `\n`, `\\`, up to three octal digits, and `\x` with up to two hexadecimal ones.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = text.bytes().peekable();
    let mut result = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            result.push(byte);
            continue;
        }
        let Some(escaped) = bytes.next() else { break };
        result.push(match escaped {
            b'n' => b'\n',
            b'r' => b'\r',
            b'b' => 8,
            b't' => b'\t',
            b'f' => 12,
            b'v' => 11,
            b'0'..=b'7' => digits(&mut bytes, escaped - b'0', 8),
            b'x' if bytes.peek().is_some_and(u8::is_ascii_hexdigit) => digits(&mut bytes, 0, 16),
            other => other,
        });
    }
    result
}

/// Reads a priority or a weight, which is 50 where none is written.
pub(super) fn number_up_to_100(text: Option<&str>) -> Option<u32> {
    text.map_or(Some(50), |text| text.parse().ok().filter(|number| *number <= 100))
}

/// Reads up to two further digits of a number; as in C, what does not fit into a byte loses its highest bits.
fn digits(bytes: &mut Peekable<Bytes<'_>>, first: u8, radix: u8) -> u8 {
    let mut value = first;
    for _ in 0..2 {
        let digit = bytes.peek().and_then(|byte| char::from(*byte).to_digit(u32::from(radix)));
        let Some(digit) = digit.and_then(|digit| u8::try_from(digit).ok()) else { break };
        bytes.next();
        value = value.wrapping_mul(radix).wrapping_add(digit);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Magic> {
        let document = format!("<magic xmlns='{NAMESPACE}' {text}</magic>");
        Magic::read(roxmltree::Document::parse(&document).unwrap().root_element(), "a/b")
    }

    #[test]
    fn values_are_bytes_in_their_order() {
        for (attributes, expected) in [
            ("type='string' value='\\x89PN\\107\\r\\n\\\\\\e\\0z'", Some((&b"\x89PNG\r\n\\e\0z"[..], None))),
            ("type='string' value='ab' mask='0xf'", Some((b"ab", Some(&[0xf0, 0][..])))),
            ("type='string' value='ab' mask='0xff0f'", Some((b"ab", Some(&[0xff, 0x0f])))),
            ("type='string' value='ab' mask='0xff0fff'", None),
            ("type='string' value='ab' mask='12'", None),
            ("type='string' value=''", None),
            ("type='big16' value='0xfffe'", Some((b"\xff\xfe", None))),
            ("type='little32' value='1' mask='0xff'", Some((&[1, 0, 0, 0], Some(&[0xff, 0, 0, 0])))),
            ("type='host16' value='0143561'", Some((&[0xc7, 0x71], None))),
            ("type='byte' value='256'", None),
            ("type='byte' value='-1'", None),
            ("type='float' value='1'", None),
        ] {
            let magic = read(&format!("><match offset='0' {attributes}/>"));
            let rule = magic.as_ref().map(|magic| (&magic.rules[0].value[..], magic.rules[0].mask.as_deref()));
            assert_eq!(rule, expected, "{attributes}");
        }
    }

    #[test]
    fn rules_lie_in_each_other() {
        let rule = "type='string' value='a'";
        let magic =
            read(&format!("priority='80'><match offset='4:10' {rule}><match offset='2' {rule}/></match><match offset='1' {rule}/>"))
                .unwrap();
        assert_eq!((magic.priority, magic.rules.len(), magic.rules[0].inner[0].start), (80, 2, 2));
        assert_eq!((magic.rules[0].start, magic.rules[0].range), (4, 7));
        for broken in [
            "priority='101'><match offset='0' type='byte' value='1'/>".to_owned(),
            ">".to_owned(),
            "><other/>".to_owned(),
            "><match offset='4:3' type='byte' value='1'/>".to_owned(),
            "><match type='byte' value='1'/>".to_owned(),
            format!(">{}{}", format!("<match offset='0' {rule}>").repeat(40), "</match>".repeat(40)),
        ] {
            assert_eq!(read(&broken), None, "{broken}");
        }
    }
}
