use std::collections::BTreeMap;

/// One challenge of a `WWW-Authenticate` header (RFC 9110, section 11.6.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Challenge {
    /// The scheme in lower case.
    pub scheme: String,
    /// The parameters, their names in lower case.
    pub parameters: BTreeMap<String, String>,
}

/// Reads the challenges of all `WWW-Authenticate` headers of an answer. What cannot be read ends its header.
pub fn challenges(headers: &[&str]) -> Vec<Challenge> {
    let mut all = Vec::new();
    for header in headers {
        // A challenge that needs more than this is none of a registry.
        if header.len() > 16 << 10 {
            continue;
        }
        let mut rest = *header;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            let scheme = token(rest);
            if scheme.is_empty() {
                break;
            }
            rest = rest[scheme.len()..].trim_start_matches([' ', '\t']);
            let mut challenge = Challenge { scheme: scheme.to_ascii_lowercase(), parameters: BTreeMap::new() };
            while let Some((name, value, after)) = parameter(rest) {
                // The first wins, as the reader would see it.
                challenge.parameters.entry(name).or_insert(value);
                rest = after;
            }
            all.push(challenge);
        }
    }
    all
}

/// Reads `name=value` or `name="value"` after commas; `None` where the next challenge begins.
fn parameter(text: &str) -> Option<(String, String, &str)> {
    let text = text.trim_start_matches([' ', '\t', ',']);
    let name = token(text);
    let after = text[name.len()..].trim_start_matches([' ', '\t']);
    let after = after.strip_prefix('=').filter(|_| !name.is_empty())?.trim_start_matches([' ', '\t']);
    let (value, after) = if let Some(quoted) = after.strip_prefix('"') {
        unquote(quoted)?
    } else {
        let value = token(after);
        (value.to_owned(), &after[value.len()..])
    };
    Some((name.to_ascii_lowercase(), value, after))
}

fn unquote(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(characters.next()?.1),
            other => value.push(other),
        }
    }
    None
}

/// Returns the token (RFC 9110, section 5.6.2) that a text begins with; a bare value of a realm may hold `:` and `/` too.
fn token(text: &str) -> &str {
    let end = text.find(|character: char| !(character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~:/".contains(character)));
    &text[..end.unwrap_or(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_in_every_form() {
        let show = |headers: &[&str]| {
            let text = |challenge: &Challenge| {
                let parameters: Vec<_> = challenge.parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
                format!("{} {}", challenge.scheme, parameters.join(";")).trim().to_owned()
            };
            challenges(headers).iter().map(text).collect::<Vec<_>>()
        };
        for (headers, expected) in [
            (
                &[r#"Bearer realm="https://a/token",service="a",scope="repository:x:pull,push""#][..],
                &["bearer realm=https://a/token;scope=repository:x:pull,push;service=a"][..],
            ),
            (&[r#"Basic realm="a b""#, "bearer Realm=https://a/t"], &["basic realm=a b", "bearer realm=https://a/t"]),
            (&[r#"Basic realm="x", Bearer realm="y",service="z""#], &["basic realm=x", "bearer realm=y;service=z"]),
            (&["Negotiate, Basic realm=x"], &["negotiate", "basic realm=x"]),
            (&[r#"Bearer realm="a\"b\\c" , service=s"#], &[r#"bearer realm=a"b\c;service=s"#]),
            (&[r#"Bearer realm="never ends"#], &["bearer", "realm"]),
            (&["", ",,,", "="], &[]),
        ] {
            assert_eq!(show(headers), expected, "{headers:?}");
        }
    }
}
