use std::io::{self, Read};

use super::DebFault;

const MAGIC: &[u8; 8] = b"!<arch>\n";
/// How many members a package may have: three, and some signatures.
const MEMBERS: u32 = 32;

/// Reads an ar archive (deb(5), "FORMAT"): the common format, without the long names of GNU and BSD. It is itself the reader of the
/// current member's content.
pub(super) struct Ar<R> {
    source: R,
    position: u64,
    /// The bytes of the current member that are left.
    left: u64,
    /// Whether a byte of padding follows.
    padded: bool,
    members: u32,
    ended: bool,
}

/// One member of an archive.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ArMember {
    pub(super) name: String,
    /// The size of the content in bytes.
    pub(super) size: u64,
}

impl<R: Read> Ar<R> {
    pub(super) fn open(source: R) -> Result<Self, DebFault> {
        let mut ar = Self { source, position: 0, left: 0, padded: false, members: 0, ended: false };
        let mut magic = [0; MAGIC.len()];
        match ar.fill(&mut magic)? {
            8 if magic == *MAGIC => Ok(ar),
            8 => Err(DebFault::Shape { offset: 0, reason: "it does not begin with `!<arch>`".to_owned() }),
            _ => Err(DebFault::Truncated(ar.position)),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Says whether the file ended inside of a member.
    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Makes a fault at this offset.
    pub(super) fn wrong(&self, reason: &str) -> DebFault {
        DebFault::Shape { offset: self.position, reason: reason.to_owned() }
    }

    /// Turns a failure to read into what it means.
    pub(super) fn fault(&self, error: io::Error) -> DebFault {
        if self.ended { DebFault::Truncated(self.position) } else { DebFault::Read(error) }
    }

    /// Returns the next member; `None` at the end of the file. The one before must have been read.
    pub(super) fn next_member(&mut self) -> Result<Option<ArMember>, DebFault> {
        if self.left > 0 {
            return Err(self.wrong("content after the end of the archive of a member"));
        }
        if std::mem::take(&mut self.padded) {
            let mut padding = [0];
            match self.fill(&mut padding)? {
                0 => return Err(DebFault::Truncated(self.position)),
                _ if padding != *b"\n" => return Err(self.wrong("a member of odd size without the newline after it")),
                _ => {}
            }
        }
        let start = self.position;
        let mut header = [0; 60];
        match self.fill(&mut header)? {
            0 => return Ok(None),
            60 => {}
            _ => return Err(DebFault::Truncated(self.position)),
        }
        self.members += 1;
        let member = member(&header).map_err(|reason| DebFault::Shape { offset: start, reason: reason.to_owned() })?;
        if self.members > MEMBERS {
            return Err(DebFault::Shape { offset: start, reason: format!("more than {MEMBERS} members") });
        }
        self.left = member.size;
        self.padded = member.size % 2 == 1;
        Ok(Some(member))
    }

    /// Fills the buffer as far as the file goes.
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, DebFault> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.source.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => {
                    filled += count;
                    self.position += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(DebFault::Read(error)),
            }
        }
        Ok(filled)
    }
}

impl<R: Read> Read for Ar<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let room = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if room == 0 {
            return Ok(0);
        }
        let count = self.source.read(&mut buffer[..room])?;
        if count == 0 {
            self.ended = true;
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the package ends early"));
        }
        self.left -= count as u64;
        self.position += count as u64;
        Ok(count)
    }
}

/// Reads a header: name 16, time 12, user 6, group 6, mode 8, size 10 bytes, and two that end it.
fn member(header: &[u8; 60]) -> Result<ArMember, &'static str> {
    if &header[58..] != b"`\n" {
        return Err("a member's header without the required end");
    }
    // Nothing here uses them, but apt refuses a package for them.
    for (field, radix) in [(&header[16..28], 10), (&header[28..34], 10), (&header[34..40], 10), (&header[40..48], 8)] {
        if number(field, radix).is_none() && field.iter().any(|byte| *byte != b' ') {
            return Err("a member's header with a time, owner or mode that is not a number");
        }
    }
    let size = number(&header[48..58], 10).ok_or("a member whose size is no number")?;
    let name = header[..16].trim_ascii_end();
    // GNU ar ends names with a slash, and dpkg takes it off.
    let name = name.strip_suffix(b"/").unwrap_or(name);
    if name.is_empty() || !name.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'/') {
        return Err("a member with an invalid name, or with a GNU long name");
    }
    if name.starts_with(b"#1") {
        return Err("a member with a BSD long name");
    }
    Ok(ArMember { name: String::from_utf8_lossy(name).into_owned(), size })
}

/// Reads digits that spaces follow. Ten decimal ones, the longest field that counts, stay far below 64 bits.
fn number(field: &[u8], radix: u32) -> Option<u64> {
    let digits = std::str::from_utf8(field).ok()?.trim_end_matches(' ');
    if digits.starts_with('+') { None } else { u64::from_str_radix(digits, radix).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, size: &str) -> [u8; 60] {
        let text = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{size:<10}`\n", 0, 0, 0, "100644");
        <[u8; 60]>::try_from(text.as_bytes()).unwrap()
    }

    #[test]
    fn names_and_sizes_are_exact() {
        for (name, size, expected) in [
            ("data.tar", "12", Some(("data.tar", 12))),
            ("data.tar/", "0", Some(("data.tar", 0))),
            ("_gpgorigin", "9999999999", Some(("_gpgorigin", 9_999_999_999))),
            ("sixteen-letters-", "1", Some(("sixteen-letters-", 1))),
            ("", "1", None),
            ("/", "1", None),
            ("//", "1", None),
            ("/12", "1", None),
            ("#1/20", "1", None),
            (" data.tar", "1", None),
            ("data tar", "1", None),
            ("data.tar//", "1", None),
            ("a/b", "1", None),
            ("data\0tar", "1", None),
            ("data.tar", "", None),
            ("data.tar", "-1", None),
            ("data.tar", "+1", None),
            ("data.tar", " 1", None),
            ("data.tar", "1 2", None),
            ("data.tar", "0x10", None),
            ("data.tar", "1\0", None),
        ] {
            let found = member(&header(name, size)).ok();
            assert_eq!(found.as_ref().map(|member| (member.name.as_str(), member.size)), expected, "{name:?} {size:?}");
        }
        let mut bad = header("data.tar", "1");
        bad[59] = b' ';
        assert!(member(&bad).is_err());
        for at in [16, 28, 34, 40] {
            let mut bad = header("data.tar", "1");
            bad[at] = b'x';
            assert!(member(&bad).is_err(), "{at}");
            bad[at..at + 6].fill(b' ');
            assert!(member(&bad).is_ok(), "{at}");
        }
    }
}
