use std::ops::Range;

use crate::oci::Platform;

/// Gives the values of placeholders that come from outside of the recipe: `git.…` and `env.…`.
pub trait Placeholders {
    /// Returns a value. `name` is `git.revision`, `git.short`, `git.source` or `env.` and the name of a variable.
    ///
    /// # Errors
    /// When there is no value.
    fn value(&self, name: &str) -> Result<String, PlaceholderFault>;
}

/// Why a placeholder has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct PlaceholderFault {
    /// What is wrong, as a fragment: `the folder is not in a git repository`.
    pub reason: String,
    /// What to do.
    pub hint: Option<String>,
}

/// The names that are known, `env.NAME` aside.
pub(super) const NAMES: &[&str] = &["git.revision", "git.short", "git.source", "platform.os", "platform.arch", "platform.variant"];

/// What a text is made of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    /// A name between braces, and where it stands, braces included.
    Name(String, Range<usize>),
}

/// Cuts a text at its placeholders.
pub(super) fn parts(text: &str) -> Result<Vec<Part>, Range<usize>> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut position = 0;
    while let Some(found) = text[position..].find(['{', '}']) {
        literal.push_str(&text[position..position + found]);
        let start = position + found;
        let rest = &text[start..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            literal.push_str(&rest[..1]);
            position = start + 2;
        } else if let Some(inner) = rest.strip_prefix('{') {
            let length = inner.find(['{', '}']).filter(|end| inner[*end..].starts_with('}')).ok_or(start..start + 1)?;
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal)));
            }
            position = start + length + 2;
            parts.push(Part::Name(inner[..length].trim().to_owned(), start..position));
        } else {
            return Err(start..start + 1);
        }
    }
    literal.push_str(&text[position..]);
    if !literal.is_empty() {
        parts.push(Part::Text(literal));
    }
    Ok(parts)
}

/// Returns the value of a placeholder about the platform; `None` when it is no such placeholder.
pub(super) fn of_platform<'a>(name: &str, platform: &'a Platform) -> Option<&'a str> {
    match name {
        "platform.os" => Some(&platform.os),
        "platform.arch" => Some(&platform.architecture),
        "platform.variant" => Some(platform.variant.as_deref().unwrap_or_default()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_braces() {
        let text = |text: &str| Part::Text(text.to_owned());
        for (written, expected) in [
            ("plain", Ok(vec![text("plain")])),
            ("a{git.short}-b", Ok(vec![text("a"), Part::Name("git.short".to_owned(), 1..12), text("-b")])),
            ("{{\"a\":1}}", Ok(vec![text("{\"a\":1}")])),
            ("æ{ env.A }", Ok(vec![text("æ"), Part::Name("env.A".to_owned(), 2..11)])),
            ("", Ok(vec![])),
            ("{}", Ok(vec![Part::Name(String::new(), 0..2)])),
            ("a{b", Err(1..2)),
            ("a}b", Err(1..2)),
            ("{a{b}", Err(0..1)),
        ] {
            assert_eq!(parts(written), expected, "{written}");
        }
    }
}
