//! TOML that hints tell to write: values are quoted here, so that what a hint shows can be pasted as it is.
//!
//! What is returned has one line, no backquote, and nothing that a terminal acts on: it stands between backquotes in a hint.

use std::fmt::Write as _;

use super::is_hostile;

/// Returns a string of TOML (TOML 1.0, "String") that holds `text`. In the recipe, its braces are those of placeholders.
pub fn string(text: &str) -> String {
    let needs_escapes = text.chars().any(|character| is_hostile(character) || matches!(character, '`' | '\''));
    if text.contains(['\\', '"']) && !needs_escapes { format!("'{text}'") } else { basic_string(text).replace('`', "\\u0060") }
}

/// Returns a string of TOML that the recipe reads as `text`: braces, which begin and end placeholders, are doubled.
pub fn exact(text: &str) -> String {
    string(&braces_doubled(text))
}

/// Returns a string of TOML that the recipe reads as this path.
pub fn path(path: &str) -> String {
    let text = exact(path);
    // `a:b@c` looks like an address with a password in it, which no message repeats: here it is the name of a file.
    let as_password = path.contains(':') && path.contains('@');
    if as_password { basic_string(&braces_doubled(path)).replace('`', "\\u0060").replace('@', "\\u0040") } else { text }
}

/// Returns a basic string of TOML (TOML 1.0, "String") that holds `text`.
pub fn basic_string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            hostile if is_hostile(hostile) => {
                // Writing to a String cannot fail.
                let _ = write!(quoted, "\\u{:04X}", u32::from(hostile));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Returns a key of TOML, in quotes where it needs them.
pub fn key(name: &str) -> String {
    let is_bare = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    if is_bare { name.to_owned() } else { string(name) }
}

/// Returns a list of TOML, of elements that are TOML already.
pub fn list(elements: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", elements.into_iter().collect::<Vec<_>>().join(", "))
}

/// Returns an inline table of TOML, of keys and of values that are TOML already.
pub fn table<'a>(entries: impl IntoIterator<Item = (&'a str, String)>) -> String {
    let entries: Vec<String> = entries.into_iter().map(|(name, value)| format!("{} = {value}", key(name))).collect();
    if entries.is_empty() { "{}".to_owned() } else { format!("{{ {} }}", entries.join(", ")) }
}

/// Returns the element of `exclude`, as a string of TOML, that leaves out the file or folder at a path below its entry and nothing else:
/// a pattern as in `.gitignore` (gitignore(5)), from the entry's own folder on.
///
/// A byte that is not UTF-8 cannot be written in TOML: `?`, which stands for any one byte, takes its position.
pub fn exclude_element(below_entry: &[u8]) -> String {
    path(&pattern(below_entry))
}

fn pattern(below_entry: &[u8]) -> String {
    let mut pattern = "/".to_owned();
    for chunk in below_entry.utf8_chunks() {
        for character in chunk.valid().chars() {
            if matches!(character, '*' | '?' | '[' | ']' | '{' | '}' | '\\') {
                pattern.push('\\');
            }
            pattern.push(character);
        }
        pattern.extend(chunk.invalid().iter().map(|_| '?'));
    }
    // Blanks at the end of a line count only where something marks them.
    if let Some(blank) = pattern.chars().next_back().filter(|last| last.is_whitespace()) {
        pattern.pop();
        // A class of patterns is one of bytes.
        let (open, close) = if blank.is_ascii() { ('[', ']') } else { ('{', '}') };
        pattern.extend([open, blank, close]);
    }
    pattern
}

fn braces_doubled(text: &str) -> String {
    text.replace('{', "{{").replace('}', "}}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_read_back_as_it_was() {
        let texts =
            ["plain", "", "q\"t", "back\\slash", "it's", "it's \"\\", "a\nb\tc\r", "\u{0}\u{7f}\u{9b}", "\u{202e}x", "a`b", "æ\u{1f980}"];
        for text in texts.into_iter().chain(["a:b@c", "'''", "\"\"\"", "#x", "a = 1"]) {
            for written in [string(text), basic_string(text), path(text), exact(text)] {
                let read: toml::Table = toml::from_str(&format!("key = {written}")).unwrap();
                assert_eq!(read["key"].as_str(), Some(text), "{written}");
            }
            for written in [string(text), path(text), exact(text)] {
                assert!(!written.contains(['`', '\n']) && !written.contains(is_hostile), "{written}");
            }
            let read: toml::Table = toml::from_str(&format!("{} = 1", key(text))).unwrap();
            assert!(read.contains_key(text), "{text}");
            let inline = table([(text, string(text))]);
            let read: toml::Table = toml::from_str(&format!("key = {inline}")).unwrap();
            assert_eq!(read["key"][text].as_str(), Some(text), "{inline}");
        }
        assert_eq!(exact("a{b}"), "\"a{{b}}\"");
        assert_eq!(path("a:b@c"), "\"a:b\\u0040c\"");
        assert_eq!(string("q\"t"), "'q\"t'");
    }

    #[test]
    fn an_element_of_exclude_is_anchored_and_holds_no_glob() {
        for (path, expected) in [
            (&b"f"[..], "\"/f\""),
            (b"a/b c", "\"/a/b c\""),
            (b"[slug]", "'/\\[slug\\]'"),
            (b"a{b", "'/a\\{{b'"),
            (b"!n", "\"/!n\""),
            (b"#c", "\"/#c\""),
            (b"back\\s", "'/back\\\\s'"),
            (b"trail ", "\"/trail[ ]\""),
            (b"trail\t", "\"/trail[\\t]\""),
            ("trail\u{3000}".as_bytes(), "\"/trail{{\u{3000}}}\""),
            (b"a\xffb", "\"/a?b\""),
        ] {
            assert_eq!(exclude_element(path), expected);
        }
    }
}
