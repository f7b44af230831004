use std::collections::BTreeMap;

use sha1::{Digest as _, Sha1};

/// The password that every Java knows for its trust store. It keeps nothing secret: the store holds public certificates.
pub const KEY_STORE_PASSWORD: &str = "changeit";

const MAGIC: u32 = 0xfeed_feed;
const VERSION: u32 = 2;
/// The tag of an entry that is a trusted certificate.
const TRUSTED: u32 = 2;
/// What is hashed between the password and the store.
const WHITENER: &[u8] = b"Mighty Aphrodite";

/// Returns the alias that Debian's `ca-certificates-java` gives to the certificate of a file of `/usr/share/ca-certificates`: by the name that
/// `update-ca-certificates` links it with. Java keeps aliases in lower case.
pub fn java_alias(file: &str) -> String {
    let name = file.rsplit('/').next().unwrap_or_default();
    let name = name.strip_suffix(".crt").unwrap_or(name);
    let name: String = name
        .chars()
        .map(|character| match character {
            ' ' | ',' => '_',
            '(' | ')' => '=',
            other => other,
        })
        .collect();
    format!("debian:{}.pem", name.to_lowercase())
}

/// Writes a trust store of Java's own kind (JKS, version 2) with the DER certificates by their aliases, in the order of these.
/// `created` is the date of all entries, in milliseconds since 1970.
pub fn java_key_store(certificates: &BTreeMap<String, Vec<u8>>, created: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for number in [MAGIC, VERSION, length(certificates.len())] {
        bytes.extend(number.to_be_bytes());
    }
    for (alias, certificate) in certificates {
        bytes.extend(TRUSTED.to_be_bytes());
        write_text(alias, &mut bytes);
        bytes.extend(created.to_be_bytes());
        write_text("X.509", &mut bytes);
        bytes.extend(length(certificate.len()).to_be_bytes());
        bytes.extend_from_slice(certificate);
    }
    let mut digest = Sha1::new();
    for unit in KEY_STORE_PASSWORD.encode_utf16() {
        digest.update(unit.to_be_bytes());
    }
    digest.update(WHITENER);
    digest.update(&bytes);
    bytes.extend_from_slice(&digest.finalize());
    bytes
}

/// Writes a text as `DataOutput.writeUTF` of Java does: its length in two bytes, NUL in two, and what is beyond 16 bits as two halves of
/// three bytes. What does not fit is left out; aliases are file names of at most 255 bytes.
fn write_text(text: &str, bytes: &mut Vec<u8>) {
    let mut encoded = Vec::with_capacity(text.len());
    for unit in text.encode_utf16() {
        let before = encoded.len();
        match unit {
            0x0001..=0x007f => encoded.push(low(unit)),
            0 | 0x0080..=0x07ff => encoded.extend([0xc0 | low(unit >> 6), 0x80 | low(unit & 0x3f)]),
            _ => encoded.extend([0xe0 | low(unit >> 12), 0x80 | low((unit >> 6) & 0x3f), 0x80 | low(unit & 0x3f)]),
        }
        if encoded.len() > usize::from(u16::MAX) {
            encoded.truncate(before);
            break;
        }
    }
    bytes.extend(u16::try_from(encoded.len()).unwrap_or(u16::MAX).to_be_bytes());
    bytes.extend(encoded);
}

fn low(unit: u16) -> u8 {
    unit.to_le_bytes()[0]
}

fn length(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aliases_are_debians() {
        for (file, alias) in [
            ("mozilla/ACCVRAIZ1.crt", "debian:accvraiz1.pem"),
            ("mozilla/NetLock_Arany_=Class_Gold=_Főtanúsítvány.crt", "debian:netlock_arany_=class_gold=_főtanúsítvány.pem"),
            ("corp root (2), new.crt", "debian:corp_root_=2=__new.pem"),
            ("corp.pem", "debian:corp.pem.pem"),
        ] {
            assert_eq!(java_alias(file), alias);
        }
    }

    #[test]
    fn texts_are_those_of_java() {
        for (text, expected) in [
            ("a", &b"\0\x01a"[..]),
            ("\0", b"\0\x02\xc0\x80"),
            ("ő", b"\0\x02\xc5\x91"),
            ("€", b"\0\x03\xe2\x82\xac"),
            ("😀", b"\0\x06\xed\xa0\xbd\xed\xb8\x80"),
        ] {
            let mut bytes = vec![];
            write_text(text, &mut bytes);
            assert_eq!(bytes, expected, "{text}");
        }
    }

    #[test]
    fn stores_are_sorted_and_sealed() {
        let store = java_key_store(&[("b".to_owned(), vec![2; 3]), ("a".to_owned(), vec![1])].into(), 0x0102);
        let (body, seal) = store.split_at(store.len() - 20);
        let expected = [
            &b"\xfe\xed\xfe\xed\0\0\0\x02\0\0\0\x02"[..],
            b"\0\0\0\x02\0\x01a\0\0\0\0\0\0\x01\x02\0\x05X.509\0\0\0\x01\x01",
            b"\0\0\0\x02\0\x01b\0\0\0\0\0\0\x01\x02\0\x05X.509\0\0\0\x03\x02\x02\x02",
        ];
        assert_eq!(body, expected.concat());
        let password = b"\0c\0h\0a\0n\0g\0e\0i\0t";
        assert_eq!(seal, &Sha1::digest([&password[..], b"Mighty Aphrodite", body].concat())[..]);
    }
}
