use std::fmt;
use std::str::FromStr;

use sha2::digest::common::hazmat::{SerializableState, SerializedState};
use sha2::{Digest as _, Sha256};

/// The size of a [`Hasher::midstate`] in bytes.
pub const MIDSTATE: usize = 104;

/// A content digest, `sha256:` and 64 lowercase hexadecimal digits (image-spec, `descriptor.md`, "Digests").
///
/// Other algorithms are refused: every registry and runtime in use writes SHA-256, and a digest
/// becomes a file name, so there is one form and one constructor (CVE-2024-3727).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest([u8; 32]);

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestFault {
    /// The algorithm is not `sha256`.
    #[error("digest algorithm `{0}` is not supported, only `sha256`")]
    Algorithm(String),
    /// The encoded part is not 64 lowercase hexadecimal digits.
    #[error("a digest is `sha256:` and 64 lowercase hexadecimal digits")]
    Form,
}

impl Digest {
    /// Returns the digest of some bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the 64 hexadecimal digits without the algorithm.
    pub fn hex(&self) -> String {
        self.0.iter().fold(String::with_capacity(64), |mut text, byte| {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(nibble)]));
            }
            text
        })
    }

    /// Returns the first twelve hexadecimal digits, for people.
    pub fn short(&self) -> String {
        self.hex()[..12].to_owned()
    }

    /// Returns the digest that these are the raw bytes of.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the 32 raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for Digest {
    type Err = DigestFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (algorithm, hex) = text.split_once(':').ok_or(DigestFault::Form)?;
        if algorithm != "sha256" {
            return Err(DigestFault::Algorithm(algorithm.chars().take(40).collect()));
        }
        let digits = hex.as_bytes();
        if digits.len() != 64 {
            return Err(DigestFault::Form);
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

fn nibble(digit: u8) -> Result<u8, DigestFault> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(DigestFault::Form),
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl serde::Serialize for Digest {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Digest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Hashes bytes as they come, and counts them.
#[derive(Debug, Clone, Default)]
pub struct Hasher {
    state: Sha256,
    size: u64,
}

impl Hasher {
    /// Adds bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
        self.size += bytes.len() as u64;
    }

    /// Returns the state after what was added so far, to go on from it another time.
    pub fn midstate(&self) -> [u8; MIDSTATE] {
        self.state.serialize().into()
    }

    /// Goes on after `size` bytes; `None` when that is no state of a hasher.
    pub fn resume(midstate: &[u8; MIDSTATE], size: u64) -> Option<Self> {
        let state = Sha256::deserialize(&SerializedState::<Sha256>::from(*midstate)).ok()?;
        Some(Self { state, size })
    }

    /// Returns how many bytes were added.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Returns the digest and the number of bytes.
    pub fn finish(self) -> (Digest, u64) {
        (Digest(self.state.finalize().into()), self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashing_goes_on_where_it_was_left() {
        let bytes: Vec<u8> = (0..1000_u32).map(|number| (number % 251) as u8).collect();
        for cut in [0, 1, 64, 512, 999] {
            let mut first = Hasher::default();
            first.update(&bytes[..cut]);
            let mut second = Hasher::resume(&first.midstate(), first.size()).unwrap();
            second.update(&bytes[cut..]);
            assert_eq!(second.finish(), (Digest::of(&bytes), 1000));
        }
    }

    #[test]
    fn only_one_form_is_a_digest() {
        let good = Digest::of(b"");
        assert_eq!(good.to_string(), "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        assert_eq!(good.to_string().parse(), Ok(good));
        for bad in [
            "",
            "sha256",
            "sha256:",
            "sha256:../../x",
            "e3b0c442",
            "SHA256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256:E3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b8551",
            "sha512:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
