use std::fmt;
use std::str::FromStr;

use super::armor::ArmorFault;

/// The last line of an armored key (RFC 9580, section 6.2).
pub(super) const END: &str = "-----END PGP PUBLIC KEY BLOCK-----";

/// The fingerprint of an OpenPGP key: 20 bytes, 32 for keys of version 6. Shown as capital hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(Box<[u8]>);

impl Fingerprint {
    pub(super) fn new(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(formatter, "{byte:02X}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl FromStr for Fingerprint {
    type Err = KeyFault;

    /// Reads hexadecimal digits of either case; spaces between them are dropped.
    fn from_str(text: &str) -> Result<Self, KeyFault> {
        let digits: Vec<u32> = text.chars().filter(|character| *character != ' ').map_while(|character| character.to_digit(16)).collect();
        let is_whole = digits.len() == text.chars().filter(|character| *character != ' ').count();
        if !is_whole || !matches!(digits.len(), 40 | 64) {
            return Err(KeyFault::Fingerprint);
        }
        let bytes = digits.chunks_exact(2).filter_map(|pair| u8::try_from(pair[0] << 4 | pair[1]).ok());
        Ok(Self(bytes.collect()))
    }
}

/// Why a key is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// The text is no fingerprint.
    #[error("a fingerprint is 40 or 64 hexadecimal digits")]
    Fingerprint,
    /// The file is longer than is read.
    #[error("a key file of more than 4194304 bytes")]
    FileLimit,
    /// There is no key in it.
    #[error("there is no OpenPGP public key in it")]
    Empty,
    /// It holds a secret key.
    #[error("it contains a secret key, and only a public key is allowed")]
    Secret,
    /// The armor is wrong.
    #[error("its armor holds {0}")]
    Armor(ArmorFault),
    /// The armor has no end.
    #[error("its armor does not end with `{END}`")]
    Open,
    /// It can't be read.
    #[error("it is not an OpenPGP key: {0}")]
    Form(String),
    /// The key is of a kind, version or length that is not trusted.
    #[error(
        "the key {0} is too weak, or of a kind that is not supported (RSA below 2048 bits, DSA, curves other than Ed25519, P-256 and P-384)"
    )]
    Weak(Fingerprint),
    /// Nothing in it was signed by the key itself with SHA-256 or stronger.
    #[error("the key {0} has no self-signature with SHA-256 or stronger")]
    Unsigned(Fingerprint),
    /// Neither the key nor a subkey may sign.
    #[error("neither the key {0} nor any of its subkeys may sign")]
    NoSigner(Fingerprint),
    /// A key inside the program is not the one that it should be.
    #[error("the embedded key is {found}, and should be {expected}")]
    Pin {
        /// What it is.
        found: Fingerprint,
        /// What it should be.
        expected: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_are_read_as_people_write_them() {
        let text = "4d64 fec1 19c2 0290 67d6  e791 f8d2 585b 8783 d481";
        assert_eq!(text.parse::<Fingerprint>().unwrap().to_string(), "4D64FEC119C2029067D6E791F8D2585B8783D481");
        for bad in [
            "",
            "4D64",
            "4D64FEC119C2029067D6E791F8D2585B8783D48",
            "4D64FEC119C2029067D6E791F8D2585B8783D4811",
            "4D64FEC119C2029067D6E791F8D2585B8783D48x",
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }
}
