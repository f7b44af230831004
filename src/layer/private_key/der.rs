//! Keys in DER (ITU-T X.690), as far as it takes to tell them from other structures.

const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
/// A tag of the context, constructed: `[0]` and `[1]`.
const CONTEXT_0: u8 = 0xa0;
const CONTEXT_1: u8 = 0xa1;
/// A tag of the context, primitive: `[1]`.
const PRIMITIVE_1: u8 = 0x81;

/// pkcs-5 and pkcs-12PbeIds: what the keys of PKCS#8 are encrypted by (RFC 8018, RFC 7292).
const ENCRYPTIONS: [&[u8]; 2] = [b"\x2a\x86\x48\x86\xf7\x0d\x01\x05", b"\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x01"];
/// The object identifiers of keyBag and pkcs8ShroudedKeyBag, without their last byte (RFC 7292, section 4.2).
pub(super) const KEY_BAG: &[u8] = b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x0c\x0a\x01";
/// What a store begins with behind its outer length: version 3, and a content whose type is one of PKCS#7.
const STORE_VERSION: &[u8] = b"\x02\x01\x03\x30";
const PKCS7: &[u8] = b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07";
/// The smallest modulus of RSA and DSA, in bytes.
const MODULUS: usize = 64;

/// Reads one element after the other; lengths are definite.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (tag, rest) = self.0.split_first()?;
        let (length, rest) = length(rest)?;
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }
}

fn length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    if *first < 0x80 {
        return Some((usize::from(*first), rest));
    }
    let (count, rest) = rest.split_at_checked(usize::from(first & 0x7f)).filter(|(count, _)| (1..=4).contains(&count.len()))?;
    Some((count.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest))
}

/// Returns the elements of a structure, or nothing when they do not fill it.
fn elements(bytes: &[u8]) -> Option<Vec<(u8, &[u8])>> {
    let mut elements = Elements(bytes);
    let all: Vec<_> = elements.by_ref().take(16).collect();
    elements.0.is_empty().then_some(all)
}

/// Says whether a file is one private key.
pub(super) fn is_private_key(file: &[u8]) -> bool {
    let Some(outer) = elements(file) else { return false };
    let [(SEQUENCE, whole)] = outer.as_slice() else { return false };
    let Some(parts) = elements(whole) else { return false };
    match parts.as_slice() {
        [(INTEGER, [0 | 1]), (SEQUENCE, algorithm), (OCTET_STRING, key), rest @ ..] => {
            is_algorithm(algorithm) && !key.is_empty() && rest.iter().all(|(tag, _)| matches!(*tag, CONTEXT_0 | CONTEXT_1 | PRIMITIVE_1))
        }
        [(SEQUENCE, algorithm), (OCTET_STRING, key)] => is_encryption(algorithm) && !key.is_empty(),
        // SEC 1, appendix C.4.
        [(INTEGER, [1]), (OCTET_STRING, key), rest @ ..] => {
            (16..=160).contains(&key.len()) && !rest.is_empty() && rest.iter().all(|(tag, _)| matches!(*tag, CONTEXT_0 | CONTEXT_1))
        }
        // Of RSA nine numbers (RFC 8017, appendix A.1.2), of DSA six; of RSA with more than two primes a list besides.
        [(INTEGER, [0 | 1]), (INTEGER, modulus), rest @ ..] => {
            let numbers = rest.iter().take_while(|(tag, number)| *tag == INTEGER && !number.is_empty()).count();
            let is_whole = numbers == rest.len() || (numbers == 7 && rest.len() == 8 && rest[7].0 == SEQUENCE);
            modulus.len() >= MODULUS && is_whole && matches!(numbers, 4 | 7)
        }
        _ => false,
    }
}

fn is_algorithm(bytes: &[u8]) -> bool {
    elements(bytes).is_some_and(|parts| matches!(parts.as_slice(), [(OBJECT_IDENTIFIER, name), ..] if !name.is_empty()))
}

fn is_encryption(bytes: &[u8]) -> bool {
    let Some((OBJECT_IDENTIFIER, name)) = Elements(bytes).next() else { return false };
    ENCRYPTIONS.iter().any(|prefix| name.starts_with(prefix))
}

/// Says whether a file begins like a PKCS#12 store (RFC 7292, section 4), with lengths that are definite or not.
pub(super) fn begins_pkcs12(head: &[u8]) -> bool {
    let Some(rest) = head.strip_prefix(&[SEQUENCE]).and_then(after_length) else { return false };
    let Some(rest) = rest.strip_prefix(STORE_VERSION).and_then(after_length) else { return false };
    rest.strip_prefix(PKCS7).is_some_and(|rest| matches!(rest.first(), Some(1 | 2)))
}

fn after_length(bytes: &[u8]) -> Option<&[u8]> {
    if bytes.first() == Some(&0x80) { bytes.get(1..) } else { length(bytes).map(|(_, rest)| rest) }
}

/// Says whether the object identifier that begins here is that of a bag with a key. A store of certificates alone has none.
pub(super) fn is_key_bag(bytes: &[u8]) -> bool {
    matches!(bytes.get(KEY_BAG.len()), Some(1 | 2))
}
