/// Returns a text in which passwords (`user:password@host`) are stars, byte for byte, so that every offset in it stays the same.
///
/// A message may repeat an argument in which a password was written by mistake, and messages end in logs.
pub(super) fn hidden(text: &str) -> String {
    let mut hidden = text.to_owned();
    let mut word = 0;
    let mut last = 0;
    for (at, _) in text.match_indices('@') {
        let is_end = |character: char| character.is_whitespace() || "\"'`<>,".contains(character);
        if let Some((end, character)) = text[last..at].char_indices().rfind(|(_, character)| is_end(*character)) {
            word = last + end + character.len_utf8();
        } else if text[last..at].contains('/') && last > 0 {
            // The part before was a user already, and this is a path.
            word = last;
        }
        last = at + 1;
        if ["sha256:", "sha512:"].iter().any(|digest| text[last..].starts_with(digest)) {
            continue;
        }
        let start = text[word..at].find("://").map_or(word, |scheme| word + scheme + 3);
        if let Some(colon) = text[start..at].find(':') {
            let password = start + colon + 1..at;
            hidden.replace_range(password.clone(), &"*".repeat(password.len()));
        }
    }
    hidden
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown_again() {
        for (text, expected) in [
            ("image = \"user:sec/r\u{e9}t@host.example/a:b\"", "image = \"user:********@host.example/a:b\""),
            ("https://user:secret@host.example/a@b", "https://user:******@host.example/a@b"),
            ("a:1@sha256:ab", "a:1@sha256:ab"),
            ("user:p@ss:w@host", "user:******@host"),
            ("git@host.example:a b:c", "git@host.example:a b:c"),
            ("\u{3000}a:b@c", "\u{3000}a:*@c"),
        ] {
            assert_eq!(hidden(text), expected);
            assert_eq!(hidden(text).len(), text.len());
        }
    }
}
