use std::fmt::Display;
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
