use std::sync::LazyLock;

use memchr::memmem::{Finder, rfind};
use memchr::{memchr, memchr2};

use super::{AFTER, BEFORE, FoundKey, KeyForm, View, WORDS};

/// What a header of RFC 7468, RFC 1421, OpenSSH or OpenPGP begins with.
const BEGIN: &[u8] = b"-----BEGIN ";
/// What a header of SSH2 begins with (RFC 4716 has the form of the lines).
const BEGIN_SSH2: &[u8] = b"---- BEGIN ";
/// The longest label before `PRIVATE KEY`, in bytes.
const LABEL: usize = 48;
/// What a key file of PuTTY begins with.
const PUTTY: &[u8] = b"PuTTY-User-Key-File-";
/// What the line of an identity of age begins with.
const AGE: &[u8] = b"AGE-SECRET-KEY-";
/// How many bytes of a file are searched for an identity of age. `age-keygen` writes two comments before it.
const AGE_WITHIN: usize = 4096;
/// The shortest identity of age behind its prefix, in bytes.
const AGE_LENGTH: usize = 40;
/// The mark that a text may begin with, in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// What stands for that mark, and for all that is not ASCII, in decoded UTF-16.
const WIDE_MARK: u8 = 0xfe;
const WIDE_OTHER: u8 = 0xff;

static IDENTITY: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(AGE));

/// A header around the words `PRIVATE KEY`.
struct Header {
    start: usize,
    end: usize,
}

/// Returns the key whose header has the words `PRIVATE KEY` at `hit`.
pub(super) fn key_at(view: View<'_>, hit: usize) -> Option<FoundKey> {
    let header = header(view.bytes, hit)?;
    let form = if stands_alone(view, &header) && begins_body(&view.bytes[header.end..]) {
        KeyForm::Pem
    } else if is_named(&view.bytes[..header.start]) && begins_escaped_body(&view.bytes[header.end..]) {
        KeyForm::Json
    } else {
        return None;
    };
    Some(FoundKey { offset: view.offset + header.start as u64, form })
}

/// The same in UTF-16; `hit` is where the `P` is. Characters begin at even offsets, so that an odd one is the lower half of a big-endian character.
pub(super) fn wide_key_at(view: View<'_>, hit: usize) -> Option<FoundKey> {
    let is_big = (view.offset + hit as u64) % 2 == 1;
    let first = if is_big { hit.checked_sub(1)? } else { hit };
    let before = first.min(BEFORE) / 2;
    let start = first - 2 * before;
    let end = view.bytes.len().min(first + AFTER);
    let decoded: Vec<u8> = view.bytes[start..end].chunks_exact(2).map(|pair| narrow(pair, is_big)).collect();
    let offset = view.offset + start as u64;
    let found = key_at(View { bytes: &decoded, offset, is_end: view.is_end && end == view.bytes.len() }, before)?;
    Some(FoundKey { offset: offset + 2 * (found.offset - offset), ..found })
}

fn narrow(pair: &[u8], is_big: bool) -> u8 {
    let unit = match *pair {
        [high, low] if is_big => u16::from_be_bytes([high, low]),
        [low, high] => u16::from_le_bytes([low, high]),
        _ => return WIDE_OTHER,
    };
    match u8::try_from(unit) {
        Ok(byte) if byte.is_ascii() => byte,
        _ if unit == 0xfeff => WIDE_MARK,
        _ => WIDE_OTHER,
    }
}

/// Says whether a file begins like a text in UTF-16: with a mark, or with two characters of ASCII.
pub(super) fn is_utf16(head: &[u8]) -> bool {
    let is_text = |byte: u8| byte.is_ascii_graphic() || byte.is_ascii_whitespace();
    match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [0, one, 0, two, ..] | [one, 0, two, 0, ..] => is_text(*one) && is_text(*two),
        _ => false,
    }
}

/// Returns where the key file of PuTTY begins, which is at the file's beginning.
pub(super) fn putty(head: &[u8]) -> Option<usize> {
    let start = if head.starts_with(MARK) { MARK.len() } else { 0 };
    let version = head[start..].strip_prefix(PUTTY)?;
    matches!(version, [number, b':', ..] if number.is_ascii_digit()).then_some(start)
}

/// Returns where the first identity of age is that stands alone on its line.
pub(super) fn age(head: &[u8]) -> Option<usize> {
    let head = &head[..head.len().min(AGE_WITHIN)];
    IDENTITY.find_iter(head).find(|hit| {
        let line = line(&head[hit + AGE.len()..]);
        let is_first = *hit == 0 || matches!(head[hit - 1], b'\n' | b'\r' | b' ' | b'\t');
        let is_whole =
            line.len() >= AGE_LENGTH && line.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'-');
        is_first && is_whole
    })
}

/// Finds the ends of a header around the words at `hit`.
fn header(bytes: &[u8], hit: usize) -> Option<Header> {
    let near = hit.saturating_sub(LABEL + BEGIN.len());
    let before = &bytes[near..hit];
    let after = &bytes[hit + WORDS.len()..];
    let is_label = |label: &[u8]| {
        let plain = |byte: &u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || matches!(byte, b' ' | b'-' | b'.');
        label.iter().all(plain) && !label.windows(2).any(|pair| pair == b"--") && label.last().is_none_or(|last| *last == b' ')
    };
    let end_of = |closing: &[u8]| after.starts_with(closing).then(|| hit + WORDS.len() + closing.len());
    if let Some(start) = rfind(before, BEGIN)
        && is_label(&before[start + BEGIN.len()..])
    {
        let closing: &[u8] = if before[start + BEGIN.len()..] == *b"PGP " { b" BLOCK-----" } else { b"-----" };
        return Some(Header { start: near + start, end: end_of(closing)? });
    }
    let start = rfind(before, BEGIN_SSH2)?;
    (before[start + BEGIN_SSH2.len()..] == *b"SSH2 ENCRYPTED ").then_some(())?;
    Some(Header { start: near + start, end: end_of(b" ----")? })
}

/// Says whether there is nothing but blanks beside a header on its line.
fn stands_alone(view: View<'_>, header: &Header) -> bool {
    let before = trimmed_end(&view.bytes[..header.start]);
    let before = before.strip_suffix(MARK).or_else(|| before.strip_suffix(&[WIDE_MARK])).unwrap_or(before);
    let begins = match before.last() {
        None => view.offset == 0,
        Some(last) => matches!(last, b'\n' | b'\r'),
    };
    let ends = match trimmed_start(&view.bytes[header.end..]).first() {
        None => view.is_end,
        Some(first) => matches!(first, b'\n' | b'\r'),
    };
    begins && ends
}

/// Says whether what follows a header is the body of a key: base64, with headers (RFC 1421, RFC 4880) and empty lines before it. A footer, a
/// placeholder and the end of a string in source are none. Where the file ends after a header, the key was cut off.
fn begins_body(after: &[u8]) -> bool {
    let mut rest = after;
    let mut continues = false;
    while !rest.is_empty() {
        let line = line(rest);
        rest = rest.get(line.len() + 1..).unwrap_or_default();
        let line = line.trim_ascii();
        if line.is_empty() || is_body_header(line) || continues {
            continues = line.ends_with(b"\\");
            continue;
        }
        return line.iter().all(|byte| is_base64(*byte));
    }
    true
}

/// Says whether a line is a header of the body: `Proc-Type: 4,ENCRYPTED`.
fn is_body_header(line: &[u8]) -> bool {
    let Some(colon) = memchr(b':', line) else { return false };
    let name = &line[..colon];
    name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
        && matches!(line.get(colon + 1), None | Some(b' '))
}

/// Says whether what follows a header in a string is a line break, escaped, and the beginning of a body.
fn begins_escaped_body(after: &[u8]) -> bool {
    let mut rest = after;
    let mut breaks = 0;
    while let Some(next) = rest.iter().position(|byte| *byte != b'\\').filter(|slashes| *slashes > 0)
        && matches!(rest[next], b'n' | b'r')
    {
        rest = &rest[next + 1..];
        breaks += 1;
    }
    let length = rest.iter().take_while(|byte| is_base64(**byte)).count();
    let is_ended = matches!(rest.get(length), None | Some(b'\\' | b'"' | b'\'' | b'\r' | b'\n'));
    breaks > 0 && (length >= 4 && is_ended || rest.starts_with(b"Proc-Type:"))
}

/// Says whether a value that begins behind these bytes has the name `private_key`: `"private_key": "`, `privateKey = '`.
fn is_named(before: &[u8]) -> bool {
    let before = without_quote(trimmed_end(before));
    let Some(before) = before.strip_suffix(b":").or_else(|| before.strip_suffix(b"=")) else { return false };
    let before = without_quote(trimmed_end(before));
    let name = before.iter().rev().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    let letters = name.filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_lowercase);
    letters.take("privatekey".len()).eq("privatekey".bytes().rev())
}

/// Drops a quote at the end, with the backslashes before it where it stands in a string itself.
fn without_quote(bytes: &[u8]) -> &[u8] {
    let Some(bytes) = bytes.strip_suffix(b"\"").or_else(|| bytes.strip_suffix(b"'")) else { return bytes };
    let slashes = bytes.iter().rev().take_while(|byte| **byte == b'\\').count();
    trimmed_end(&bytes[..bytes.len() - slashes])
}

fn line(bytes: &[u8]) -> &[u8] {
    let end = memchr2(b'\n', b'\r', bytes).unwrap_or(bytes.len());
    &bytes[..end]
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')
}

fn trimmed_end(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[..bytes.len() - blanks]
}

fn trimmed_start(bytes: &[u8]) -> &[u8] {
    let blanks = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    &bytes[blanks..]
}
