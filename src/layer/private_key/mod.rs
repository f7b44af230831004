//! The search for private keys in the bytes of a file, which come in order.
//!
//! A key is one of:
//! - a header line of RFC 7468, RFC 1421, OpenSSH, OpenPGP or SSH2 that stands alone on its line, with its body behind it, in UTF-8 or UTF-16;
//! - the value of a `private_key` in JSON and its like, with escaped line breaks;
//! - a file that is one key in DER (PKCS#1, PKCS#8, SEC 1, DSA), a PKCS#12 store with a key in it, or begins with an OpenPGP secret key;
//! - a key file of PuTTY, or an identity of age.
//!
//! **Invariants.** What is found does not depend on where the bytes are cut. Memory is bounded, whatever the file's size. What only names a header
//! (a program, source, documentation) is no key.

mod der;
mod openpgp;
mod text;

use std::fmt;
use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::{Deserialize, Serialize};

/// How many bytes before a hit may be needed to judge it.
const BEFORE: usize = 512;
/// How many bytes from a hit on may be needed to judge it.
const AFTER: usize = 1024;
/// How many bytes of a file's beginning are looked at as a whole.
const HEAD: usize = 16 * 1024;

/// What every textual header holds.
const WORDS: &str = "PRIVATE KEY";
/// The same in UTF-16, of either byte order, without the outermost zero.
const WIDE_WORDS: &str = "P\0R\0I\0V\0A\0T\0E\0 \0K\0E\0Y";

static IN_BYTES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(WORDS));
static IN_UTF16: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(WIDE_WORDS));
static IN_PKCS12: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(der::KEY_BAG));

/// A private key in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundKey {
    /// Where it begins, in bytes.
    pub offset: u64,
    /// How it is written.
    pub form: KeyForm,
}

/// How a private key is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeyForm {
    /// Base64 between a header and a footer.
    Pem,
    /// A `private_key` in JSON.
    Json,
    /// PKCS#1, PKCS#8, SEC 1 or DSA in DER.
    Der,
    /// A store with a key.
    Pkcs12,
    /// Secret key packets.
    OpenPgp,
    /// PuTTY's own form.
    Putty,
    /// An identity of age.
    Age,
}

impl fmt::Display for KeyForm {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Pem => "PEM",
            Self::Json => "the value of `private_key`",
            Self::Der => "DER",
            Self::Pkcs12 => "PKCS#12",
            Self::OpenPgp => "OpenPGP",
            Self::Putty => "PuTTY",
            Self::Age => "age",
        })
    }
}

/// Looks for the first private key of a file whose bytes come in order.
pub struct KeySearch {
    /// The file's size in bytes.
    size: u64,
    /// How many bytes came before those that are looked at.
    taken: u64,
    /// Hits before this offset are judged.
    judged: u64,
    /// The file's beginning, as long as it is not whole.
    head: Vec<u8>,
    /// The end of what was taken, which hits at the cut are judged by.
    tail: Vec<u8>,
    form: Option<FileForm>,
    found: Option<FoundKey>,
}

/// How a file is searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FileForm {
    Bytes,
    Utf16,
    Pkcs12,
}

/// Bytes of a file around a hit.
#[derive(Clone, Copy)]
struct View<'a> {
    bytes: &'a [u8],
    /// Where they begin in the file.
    offset: u64,
    /// Whether they reach the file's end.
    is_end: bool,
}

impl<'a> View<'a> {
    /// Returns what a hit is judged by, and where it is there: no more than there is where the bytes are cut.
    fn near(self, hit: usize) -> (View<'a>, usize) {
        let start = hit.saturating_sub(BEFORE);
        let end = self.bytes.len().min(hit + AFTER);
        let is_end = self.is_end && end == self.bytes.len();
        (View { bytes: &self.bytes[start..end], offset: self.offset + start as u64, is_end }, hit - start)
    }
}

impl KeySearch {
    /// Begins with a file of this size in bytes.
    pub fn new(size: u64) -> Self {
        Self { size, taken: 0, judged: 0, head: Vec::new(), tail: Vec::new(), form: None, found: None }
    }

    /// Takes the next bytes, and returns the first key as soon as it is known.
    pub fn take(&mut self, bytes: &[u8]) -> Option<FoundKey> {
        if self.found.is_some() {
            return self.found;
        }
        if self.form.is_some() {
            self.scan(bytes);
            return self.found;
        }
        let enough = usize::try_from(self.size).unwrap_or(usize::MAX).min(HEAD);
        if self.head.is_empty() && bytes.len() >= enough {
            self.begin(bytes);
            self.scan(bytes);
            return self.found;
        }
        let (more, rest) = bytes.split_at(bytes.len().min(enough - self.head.len()));
        self.head.extend_from_slice(more);
        if self.head.len() >= enough {
            let head = std::mem::take(&mut self.head);
            self.begin(&head);
            self.scan(&head);
            self.scan(rest);
        }
        self.found
    }

    /// Looks at the beginning of the file.
    fn begin(&mut self, bytes: &[u8]) {
        let head = &bytes[..bytes.len().min(HEAD)];
        let is_whole = head.len() as u64 == self.size;
        let at = |offset: usize, form| Some(FoundKey { offset: offset as u64, form });
        self.found = if is_whole && der::is_private_key(head) {
            at(0, KeyForm::Der)
        } else if openpgp::is_secret_key(head, self.size) {
            at(0, KeyForm::OpenPgp)
        } else if let Some(offset) = text::putty(head) {
            at(offset, KeyForm::Putty)
        } else {
            text::age(head).and_then(|offset| at(offset, KeyForm::Age))
        };
        self.form = Some(if der::begins_pkcs12(head) {
            FileForm::Pkcs12
        } else if text::is_utf16(head) {
            FileForm::Utf16
        } else {
            FileForm::Bytes
        });
    }

    fn scan(&mut self, bytes: &[u8]) {
        let is_last = self.taken + bytes.len() as u64 >= self.size;
        if !self.tail.is_empty() && self.found.is_none() {
            let start = &bytes[..bytes.len().min(BEFORE + AFTER)];
            let joined = [&self.tail, start].concat();
            let offset = self.taken - self.tail.len() as u64;
            self.look(View { bytes: &joined, offset, is_end: is_last && start.len() == bytes.len() });
        }
        if self.found.is_none() {
            self.look(View { bytes, offset: self.taken, is_end: is_last });
        }
        self.taken += bytes.len() as u64;
        if is_last || self.found.is_some() {
            self.tail = Vec::new();
            return;
        }
        let kept = bytes.len().min(BEFORE + AFTER);
        self.tail.drain(..(self.tail.len() + kept).saturating_sub(BEFORE + AFTER));
        self.tail.extend_from_slice(&bytes[bytes.len() - kept..]);
    }

    /// Judges the hits that were not judged, as far as what they are judged by is there.
    fn look(&mut self, view: View<'_>) {
        let end = view.offset + view.bytes.len() as u64;
        let limit = if view.is_end { end } else { end.saturating_sub(AFTER as u64) };
        let start = usize::try_from(self.judged.saturating_sub(view.offset)).unwrap_or(usize::MAX).min(view.bytes.len());
        let form = self.form.unwrap_or(FileForm::Bytes);
        let finder = match form {
            FileForm::Bytes => &*IN_BYTES,
            FileForm::Utf16 => &*IN_UTF16,
            FileForm::Pkcs12 => &*IN_PKCS12,
        };
        for hit in finder.find_iter(&view.bytes[start..]).map(|hit| start + hit) {
            if view.offset + hit as u64 >= limit {
                break;
            }
            let (near, hit) = view.near(hit);
            self.found = match form {
                FileForm::Bytes => text::key_at(near, hit),
                FileForm::Utf16 => text::wide_key_at(near, hit),
                FileForm::Pkcs12 => der::is_key_bag(&near.bytes[hit..]).then_some(FoundKey { offset: 0, form: KeyForm::Pkcs12 }),
            };
            if self.found.is_some() {
                return;
            }
        }
        self.judged = self.judged.max(limit);
    }
}

#[cfg(test)]
mod tests;
