use super::armor;
use super::key::{END, Fingerprint, KeyFault};
use super::openpgp::Certificate;
use super::signer::{Signer, signers};

/// The longest key file that is read, in bytes.
const FILE_LIMIT: usize = 4 * 1024 * 1024;

const BEGIN: &str = "-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// The keys whose signatures on an archive are believed.
#[derive(Debug, Clone, Default)]
pub struct TrustedKeys {
    keys: Vec<KeySummary>,
    signers: Vec<Signer>,
}

/// A trusted key, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySummary {
    /// The fingerprint of the primary key.
    pub fingerprint: Fingerprint,
    /// The names on it.
    pub names: Vec<String>,
    /// When it expires, in seconds since 1970.
    pub expires: Option<i64>,
}

/// The keys inside the program: the file, and the fingerprint that it must have. `keys/README.md` tells what each is for.
const BUILT_IN: [(&[u8], &str); 6] = [
    (include_bytes!("keys/debian-archive-bookworm-automatic.gpg"), "B8B80B5B623EAB6AD8775C45B7C5D7D6350947F8"),
    (include_bytes!("keys/debian-archive-bookworm-security-automatic.gpg"), "05AB90340C0C5E797F44A8C8254CF3B5AEC0A8F0"),
    (include_bytes!("keys/debian-archive-bookworm-stable.gpg"), "4D64FEC119C2029067D6E791F8D2585B8783D481"),
    (include_bytes!("keys/debian-archive-trixie-automatic.gpg"), "04B54C3CDCA79751B16BC6B5225629DF75B188BD"),
    (include_bytes!("keys/debian-archive-trixie-security-automatic.gpg"), "5E04A1E3223A19A20706E20F9904613D4CCE68C6"),
    (include_bytes!("keys/debian-archive-trixie-stable.gpg"), "41587F7DB8C774BCCF131416762F67A0B2C39DE4"),
];

impl TrustedKeys {
    /// Returns no keys, for archives that only the user's own keys sign.
    pub fn none() -> Self {
        Self::default()
    }

    /// Returns the archive keys of Debian 12 and 13 and of their security archives.
    ///
    /// # Errors
    /// When one of them is not the key that it is pinned to, which a test rules out.
    pub fn built_in() -> Result<Self, KeyFault> {
        let mut keys = Self::none();
        for (bytes, fingerprint) in BUILT_IN {
            let before = keys.keys.len();
            keys = keys.with(bytes)?;
            for key in &keys.keys[before..] {
                if key.fingerprint.to_string() != fingerprint {
                    return Err(KeyFault::Pin { found: key.fingerprint.clone(), expected: fingerprint.to_owned() });
                }
            }
        }
        Ok(keys)
    }

    /// Adds the keys of a file, armored or binary, one or several.
    ///
    /// # Errors
    /// When it holds no public key, or one that is weak, is not signed by itself, or may not sign.
    pub fn with(mut self, bytes: &[u8]) -> Result<Self, KeyFault> {
        if bytes.len() > FILE_LIMIT {
            return Err(KeyFault::FileLimit);
        }
        let mut count = 0;
        for block in blocks(bytes)? {
            count += self.add(&block)?;
        }
        if count == 0 { Err(KeyFault::Empty) } else { Ok(self) }
    }

    /// Adds the keys of a run of packets, and returns their number. A key that is known is replaced: the file that is added may have its revocation.
    fn add(&mut self, packets: &[u8]) -> Result<usize, KeyFault> {
        let mut count = 0;
        let certificates = Certificate::read_all(packets).map_err(|fault| KeyFault::Form(fault.to_string()))?;
        for certificate in certificates.ok_or(KeyFault::Secret)? {
            let (signers, times) = signers(&certificate)?;
            let names = certificate.users.iter().map(|user| super::field::escaped(&user.id)).collect();
            let fingerprint = signers.first().map_or_else(|| Fingerprint::new(&[]), |signer| signer.owner.clone());
            self.signers.retain(|signer| signer.owner != fingerprint);
            self.signers.extend(signers);
            let summary = KeySummary { fingerprint, names, expires: times.expires };
            match self.keys.iter_mut().find(|known| known.fingerprint == summary.fingerprint) {
                Some(known) => *known = summary,
                None => self.keys.push(summary),
            }
            count += 1;
        }
        Ok(count)
    }

    /// Returns the keys, in the order in which they were added.
    pub fn summaries(&self) -> &[KeySummary] {
        &self.keys
    }

    pub(super) fn signers(&self) -> &[Signer] {
        &self.signers
    }
}

/// Returns the bytes of packets in a file: itself, or each armored block of it.
fn blocks(bytes: &[u8]) -> Result<Vec<Vec<u8>>, KeyFault> {
    // The first byte of binary packets has its highest bit set, which no ASCII has (RFC 9580, section 4.2).
    if bytes.first().is_none_or(|byte| byte & 0x80 != 0) {
        return Ok(if bytes.is_empty() { Vec::new() } else { vec![bytes.to_vec()] });
    }
    let text = std::str::from_utf8(bytes).map_err(|_| KeyFault::Empty)?;
    if text.contains("PGP PRIVATE KEY BLOCK") {
        return Err(KeyFault::Secret);
    }
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let mut found = Vec::new();
    let mut rest = lines.as_slice();
    while let Some(begin) = rest.iter().position(|line| *line == BEGIN) {
        let block = &rest[begin + 1..];
        let end = block.iter().position(|line| *line == END).ok_or(KeyFault::Open)?;
        found.push(armor::decode(&block[..end]).map_err(KeyFault::Armor)?);
        rest = &block[end + 1..];
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_embedded_keys_are_those_of_the_table() {
        let keys = TrustedKeys::built_in().unwrap();
        let readme = include_str!("keys/README.md");
        assert_eq!(keys.summaries().len(), 6);
        for key in keys.summaries() {
            let day = super::super::date::utc(key.expires.unwrap())[..10].to_owned();
            let row = readme.lines().find(|line| line.contains(&key.fingerprint.to_string())).unwrap();
            assert!(row.contains(&day) && row.contains(&key.names[0]), "{key:?} {day}\n{row}");
        }
        // Four primary keys with a subkey that signs, and two without subkeys.
        assert_eq!(keys.signers().len(), 10);
    }

    #[test]
    fn armored_and_binary_files_are_the_same_keys() {
        use base64::Engine as _;
        let armored = |bytes: &[u8]| {
            let base64 = base64::engine::general_purpose::STANDARD.encode(bytes);
            let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
            format!("{BEGIN}\n\n{}\n{END}\n", lines.join("\n"))
        };
        let file = format!("a comment\n{}\n{}", armored(BUILT_IN[2].0), armored(BUILT_IN[5].0));
        let keys = TrustedKeys::none().with(file.as_bytes()).unwrap();
        let found: Vec<String> = keys.summaries().iter().map(|key| key.fingerprint.to_string()).collect();
        assert_eq!(found, [BUILT_IN[2].1, BUILT_IN[5].1]);
        let joined = [BUILT_IN[2].0, BUILT_IN[5].0].concat();
        assert_eq!(TrustedKeys::none().with(&joined).unwrap().summaries(), keys.summaries());
        assert_eq!(keys.clone().with(&joined).unwrap().summaries(), keys.summaries());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let good = BUILT_IN[2].0;
        let without_signatures = &good[..good.len() - 150];
        for (bytes, is_expected) in [
            (&b""[..], (|fault| matches!(fault, KeyFault::Empty)) as fn(&KeyFault) -> bool),
            (b"hello", |fault| matches!(fault, KeyFault::Empty)),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nMTIz\n", |fault| matches!(fault, KeyFault::Open)),
            (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nMTIz\n-----END PGP PUBLIC KEY BLOCK-----", |fault| {
                matches!(fault, KeyFault::Armor(_))
            }),
            (b"-----BEGIN PGP PRIVATE KEY BLOCK-----", |fault| matches!(fault, KeyFault::Secret)),
            (b"\xff\xff\xff\xff\xff\xff", |fault| matches!(fault, KeyFault::Form(_) | KeyFault::Empty)),
            (without_signatures, |fault| matches!(fault, KeyFault::Form(_) | KeyFault::Unsigned(_))),
        ] {
            let fault = TrustedKeys::none().with(bytes).unwrap_err();
            assert!(is_expected(&fault), "{fault:?}");
        }
        for position in [good.len() - 1, good.len() - 40, 30] {
            let mut changed = good.to_vec();
            changed[position] ^= 1;
            assert!(TrustedKeys::none().with(&changed).is_err(), "byte {position}");
        }
    }
}
