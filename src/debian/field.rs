use super::name::is_archive_path;

/// One line of a control file (policy 5.1).
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    /// The line that ends a stanza.
    Blank,
    /// `Name: value`, the value without the space around it.
    Field(&'a [u8], &'a [u8]),
    /// The value of the field above goes on; without the space around it.
    More(&'a [u8]),
}

/// Why a line belongs to no control file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineFault {
    /// There is space and nothing else, which some readers take for the end of a stanza.
    #[error("a line that contains only spaces")]
    Space,
    /// There is no field name before a colon.
    #[error("a line that is not a field")]
    Name,
    /// There is a control character.
    #[error("a control character")]
    Control,
}

impl<'a> Line<'a> {
    /// Reads a line without its line feed.
    pub(super) fn read(line: &'a [u8]) -> Result<Self, LineFault> {
        let Some(first) = line.first() else { return Ok(Self::Blank) };
        if matches!(line.last(), Some(b'\r')) {
            return Err(LineFault::Control);
        }
        if matches!(first, b' ' | b'\t') {
            let value = trimmed(line);
            return if value.is_empty() { Err(LineFault::Space) } else { Ok(Self::More(value)) };
        }
        let colon = line.iter().position(|byte| *byte == b':').ok_or(LineFault::Name)?;
        let name = &line[..colon];
        let is_name = !name.is_empty() && !matches!(first, b'-' | b'#') && name.iter().all(u8::is_ascii_graphic);
        if is_name { Ok(Self::Field(name, trimmed(&line[colon + 1..]))) } else { Err(LineFault::Name) }
    }
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let is_text = |byte: &u8| !matches!(byte, b' ' | b'\t');
    let Some(start) = bytes.iter().position(is_text) else { return &[] };
    let end = bytes.iter().rposition(is_text).map_or(start, |last| last + 1);
    &bytes[start..end]
}

/// Returns bytes as text when all of them are printable ASCII or tabs.
pub(super) fn plain(bytes: &[u8]) -> Option<&str> {
    let is_plain = bytes.iter().all(|byte| matches!(byte, b' '..=b'~' | b'\t'));
    if is_plain { std::str::from_utf8(bytes).ok() } else { None }
}

/// Reads the 64 hexadecimal digits of a SHA-256 digest, as archives write them.
pub(super) fn sha256(text: &str) -> Option<[u8; 32]> {
    let digest: crate::oci::Digest = format!("sha256:{text}").parse().ok()?;
    Some(*digest.as_bytes())
}

/// Reads a line of a list of files: digest, size, path.
pub(super) fn listed_file(text: &str) -> Option<(&str, u64, &str)> {
    let mut words = text.split_ascii_whitespace();
    let (digest, size, path) = (words.next()?, words.next()?, words.next()?);
    let is_number = size.len() <= 18 && size.bytes().all(|byte| byte.is_ascii_digit());
    (words.next().is_none() && is_number && is_archive_path(path)).then_some(())?;
    Some((digest, size.parse().ok()?, path))
}

/// What a message shows of bytes that others wrote: at most 60 characters, escaped.
pub(super) fn escaped(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).chars().take(60).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_one_meaning() {
        for (line, expected) in [
            ("", Ok(Line::Blank)),
            ("Package: libc6", Ok(Line::Field(b"Package", b"libc6"))),
            ("A:", Ok(Line::Field(b"A", b""))),
            ("A:\t b: c \t", Ok(Line::Field(b"A", b"b: c"))),
            (" more", Ok(Line::More(b"more"))),
            ("\t.", Ok(Line::More(b"."))),
            (" ", Err(LineFault::Space)),
            ("\t ", Err(LineFault::Space)),
            ("Package", Err(LineFault::Name)),
            (": x", Err(LineFault::Name)),
            ("# comment: x", Err(LineFault::Name)),
            ("-----BEGIN: x", Err(LineFault::Name)),
            ("A b: x", Err(LineFault::Name)),
            ("å: x", Err(LineFault::Name)),
            ("A: x\r", Err(LineFault::Control)),
            ("\r", Err(LineFault::Control)),
        ] {
            assert_eq!(Line::read(line.as_bytes()), expected, "{line:?}");
        }
    }

    #[test]
    fn a_listed_file_has_three_words() {
        let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(listed_file(&format!("{hex}   20 main/x.gz")), Some((hex, 20, "main/x.gz")));
        assert!(sha256(hex).is_some());
        for bad in ["", "a", "a 1", "a 1 b c", "a -1 b", "a +1 b", "a 1 ../b", "a 1 /b", "a 1234567890123456789 b"] {
            assert_eq!(listed_file(bad), None, "{bad}");
        }
        for bad in [hex.to_uppercase(), hex[1..].to_owned(), format!("{hex}0"), String::new()] {
            assert_eq!(sha256(&bad), None, "{bad}");
        }
    }
}
