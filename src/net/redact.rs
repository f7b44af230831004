//! Writes URLs and foreign text so that no secret and no control character is shown.

use reqwest::Url;

/// How much of a foreign answer is shown.
const SHOWN: usize = 4 << 10;

/// Writes a URL for people: without user and password, and without the values of its query, which may be signatures.
pub fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    let keys: Vec<_> = url.query_pairs().map(|(key, _)| format!("{}=…", escaped(&key))).collect();
    let query = if keys.is_empty() { String::new() } else { format!("?{}", keys.join("&")) };
    format!("{}://{host}{port}{}{query}", url.scheme(), url.path())
}

/// Writes foreign text for people: at most 4 KiB of it, and every control character as an escape.
pub fn escaped(text: &str) -> String {
    let mut end = text.len().min(SHOWN);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut line = String::with_capacity(end);
    for character in text[..end].trim().chars() {
        // Bidirectional overrides reorder a line on the screen, as escape sequences do.
        if character.is_control() || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
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
            ("https://user:secret@host.example/v2/a?token=secret&x=secret", "https://host.example/v2/a?token=…&x=…"),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5000/v2/"),
            ("https://host.example/?secret", "https://host.example/?secret=…"),
        ] {
            assert_eq!(shown(&url.parse().unwrap()), expected);
        }
        assert_eq!(escaped("a\u{1b}[31mb\nc\u{202e}"), "a\\u{1b}[31mb\\nc\\u{202e}");
        assert!(escaped(&"é".repeat(5000)).len() <= SHOWN + 3);
    }
}
