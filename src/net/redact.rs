//! Writes URLs and foreign text so that no secret and no control character is shown.

use reqwest::Url;

use crate::diagnostic::is_hostile;

/// The most bytes of a foreign answer that a message has.
const LIMIT: usize = 4 << 10;

/// Writes a URL for people: without user and password, and without its query, which may be a signature as a whole.
pub fn redacted(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let query = if url.query().is_some_and(|query| !query.is_empty()) { "?…" } else { "" };
    format!("{}://{host}{port}{}{query}", url.scheme(), url.path())
}

/// Returns what may be an address, or a host, without user and password, query and fragment. It need not be a URL.
pub fn without_secrets(text: &str) -> String {
    let text = text.split(['?', '#']).next().unwrap_or_default();
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    // A password may hold slashes, where somebody forgot to encode it: the last `@` decides.
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") }
}

/// Writes foreign text for people: at most 4 KiB of it, and every control character as an escape.
pub fn escaped(text: &str) -> String {
    let mut end = text.len().min(LIMIT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut line = String::with_capacity(end);
    for character in text[..end].trim().chars() {
        if is_hostile(character) {
            line.extend(character.escape_default());
        } else {
            line.push(character);
        }
    }
    if end < text.len() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_holds_no_secret_and_no_control_character() {
        for (url, expected) in [
            ("https://user:secret@host.example/v2/a?token=secret&x=secret", "https://host.example/v2/a?…"),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5000/v2/"),
            ("https://host.example/?secret", "https://host.example/?…"),
        ] {
            assert_eq!(redacted(&url.parse().unwrap()), expected);
        }
        for (text, expected) in [
            ("https://user:secret@host.example/a?secret#secret", "https://host.example/a"),
            ("https://user:sec/ret@host.example", "https://host.example"),
            ("user:secret@host.example:5000", "host.example:5000"),
            ("host.example:5000/a", "host.example:5000/a"),
            ("/a?secret", "/a"),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
        assert_eq!(escaped("a\u{1b}[31mb\nc\u{202e}"), "a\\u{1b}[31mb\\nc\\u{202e}");
        assert!(escaped(&"é".repeat(5000)).len() <= LIMIT + 3);
    }
}
