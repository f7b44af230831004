use std::fmt::{Display, Write as _};
use std::str::FromStr;

/// A value of a lock that cannot be used, and why.
#[derive(Debug)]
pub(super) struct BadValue {
    /// The value, as the lock has it.
    pub(super) value: String,
    /// What is wrong with it, as a fragment.
    pub(super) reason: String,
}

/// Reads a value from its text.
pub(super) fn value<T: FromStr>(text: &str) -> Result<T, BadValue>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| BadValue { value: text.to_owned(), reason: error.to_string() })
}

/// Returns a text as a basic string of TOML (TOML 1.0, "String").
pub(super) fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                quoted.push('\\');
                quoted.push(character);
            }
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}
