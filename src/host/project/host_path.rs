use std::fmt::{self, Write as _};

/// A path of the host, as messages name it: relative to the recipe's root where it is inside, else absolute.
///
/// Names need not be UTF-8. [`std::fmt::Display`] escapes bytes that no terminal should see.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostPath {
    bytes: Box<[u8]>,
    /// Where the part below its entry begins; the end where it is not known.
    below: usize,
}

impl HostPath {
    /// Takes a path's bytes.
    pub fn new(bytes: &[u8]) -> Self {
        Self { bytes: bytes.into(), below: bytes.len() }
    }

    /// Takes a path in the folder of an entry, which `exclude` can name.
    pub(super) fn in_entry(folder: &[u8], path: &[u8]) -> Self {
        let bytes = joined(folder, path);
        Self { below: bytes.len() - path.len(), bytes: bytes.into() }
    }

    /// Returns the path below its entry, if it is known and not the entry's own.
    pub(super) fn below_entry(&self) -> Option<&[u8]> {
        Some(&self.bytes[self.below..]).filter(|path| !path.is_empty())
    }

    /// Returns the bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Display for HostPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.bytes.is_empty() {
            return formatter.write_str(".");
        }
        formatter.write_str(&escaped(&self.bytes))
    }
}

impl fmt::Debug for HostPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

/// Returns a text that is safe to show: control characters, direction overrides and bytes that are not UTF-8 are escaped.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') {
                text.extend(character.escape_default());
            } else {
                text.push(character);
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// Joins two relative paths, either of which may be empty.
pub(super) fn joined(folder: &[u8], name: &[u8]) -> Vec<u8> {
    match (folder, name) {
        (_, []) => folder.to_vec(),
        ([], _) => name.to_vec(),
        _ => [folder, b"/", name].concat(),
    }
}

/// Returns the last name of a path.
pub(super) fn last_name(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// Says whether a path is a folder or lies below it.
pub(super) fn is_below(path: &[u8], folder: &[u8]) -> bool {
    folder.is_empty() || path.strip_prefix(folder).is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
}
