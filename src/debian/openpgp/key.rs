use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384,
    RSA_PKCS1_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm,
};
use sha1::{Digest as _, Sha1};

use super::packet::{Fields, PacketFault, padded};
use super::signature::{Hash, Signature};

/// The numbers of public-key algorithms (RFC 9580, section 9.1).
const RSA: u8 = 1;
const RSA_SIGN_ONLY: u8 = 3;
const ECDSA: u8 = 19;
const EDDSA_LEGACY: u8 = 22;
const ED25519_NATIVE: u8 = 27;

/// The object identifiers of curves (RFC 9580, section 9.2).
const OF_P256: &[u8] = &[0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const OF_P384: &[u8] = &[0x2B, 0x81, 0x04, 0x00, 0x22];
const OF_ED25519: &[u8] = &[0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01];

/// A public key of version 4.
#[derive(Debug, Clone)]
pub(in crate::debian) struct PublicKey {
    body: Vec<u8>,
    /// When it was made, in seconds since 1970.
    pub(in crate::debian) created: u32,
    algorithm: u8,
    numbers: Numbers,
}

/// What a signature is verified with.
#[derive(Debug, Clone)]
enum Numbers {
    Rsa {
        modulus: Vec<u8>,
        exponent: Vec<u8>,
    },
    Ed25519(Vec<u8>),
    P256(Vec<u8>),
    P384(Vec<u8>),
    /// Of an algorithm that is not verified.
    Other,
}

impl PublicKey {
    /// Reads the body of a key or subkey packet (RFC 9580, section 5.5.2).
    pub(super) fn read(tag: u8, body: &[u8]) -> Result<Self, PacketFault> {
        let mut fields = Fields(body);
        let form = PacketFault::Form(tag);
        match fields.byte().ok_or(form)? {
            4 => {}
            version => return Err(PacketFault::Version(tag, version)),
        }
        let (created, algorithm) = (fields.long().ok_or(form)?, fields.byte().ok_or(form)?);
        let numbers = Self::numbers(algorithm, &mut fields).ok_or(form)?;
        Ok(Self { body: body.to_vec(), created, algorithm, numbers })
    }

    fn numbers(algorithm: u8, fields: &mut Fields<'_>) -> Option<Numbers> {
        let numbers = match algorithm {
            RSA | RSA_SIGN_ONLY => Numbers::Rsa { modulus: fields.integer()?.to_vec(), exponent: fields.integer()?.to_vec() },
            ED25519_NATIVE => Numbers::Ed25519(fields.bytes(32)?.to_vec()),
            ECDSA | EDDSA_LEGACY => {
                let length = usize::from(fields.byte()?);
                let (curve, point) = (fields.bytes(length)?, fields.integer()?.to_vec());
                match (algorithm, curve, point.as_slice()) {
                    // The point is `0x40` and the 32 bytes of the key.
                    (EDDSA_LEGACY, OF_ED25519, [0x40, key @ ..]) if key.len() == 32 => Numbers::Ed25519(key.to_vec()),
                    (ECDSA, OF_P256, [0x04, ..]) => Numbers::P256(point),
                    (ECDSA, OF_P384, [0x04, ..]) => Numbers::P384(point),
                    _ => Numbers::Other,
                }
            }
            _ => return Some(Numbers::Other),
        };
        fields.0.is_empty().then_some(numbers)
    }

    /// Returns the fingerprint (RFC 9580, section 5.5.4.2).
    pub(in crate::debian) fn fingerprint(&self) -> [u8; 20] {
        Sha1::digest(self.hashed()).into()
    }

    /// Returns the key as signatures on keys hash it: `0x99`, the length in two bytes, and the body.
    pub(super) fn hashed(&self) -> Vec<u8> {
        let length = u16::try_from(self.body.len()).unwrap_or(u16::MAX);
        [&[0x99][..], &length.to_be_bytes(), &self.body].concat()
    }

    /// Says whether keys of this kind and length are trusted: RSA of 2048 to 8192 bits, Ed25519, and ECDSA with P-256 and P-384.
    pub(in crate::debian) fn is_strong(&self) -> bool {
        match &self.numbers {
            Numbers::Rsa { modulus, .. } => {
                let zeros = modulus.first().map_or(0, |first| first.leading_zeros() as usize);
                (2048..=8192).contains(&(modulus.len() * 8 - zeros))
            }
            Numbers::Ed25519(_) | Numbers::P256(_) | Numbers::P384(_) => true,
            Numbers::Other => false,
        }
    }

    /// Says whether a signature over some bytes was made with this key.
    pub(in crate::debian) fn made(&self, signature: &Signature, content: &[u8]) -> bool {
        let Some(hash) = signature.hash() else { return false };
        let message = [content, &signature.trailer()].concat();
        let digest = hash.of(&message);
        if signature.algorithm != self.algorithm || digest[..2] != signature.beginning {
            return false;
        }
        match &self.numbers {
            Numbers::Rsa { modulus, exponent } => {
                signature.integers(1).and_then(|numbers| padded(numbers[0], modulus.len())).is_some_and(|bytes| {
                    let key = RsaPublicKeyComponents { n: modulus.as_slice(), e: exponent.as_slice() };
                    key.verify(rsa(hash), &message, &bytes).is_ok()
                })
            }
            // What is signed is the digest itself (RFC 9580, section 5.2.4).
            Numbers::Ed25519(key) if self.algorithm == ED25519_NATIVE => verified(&ED25519, key, &digest, &signature.material),
            Numbers::Ed25519(key) => signature.pair(32).is_some_and(|bytes| verified(&ED25519, key, &digest, &bytes)),
            Numbers::P256(key) if hash == Hash::Sha256 => {
                signature.pair(32).is_some_and(|bytes| verified(&ECDSA_P256_SHA256_FIXED, key, &message, &bytes))
            }
            Numbers::P384(key) if hash == Hash::Sha384 => {
                signature.pair(48).is_some_and(|bytes| verified(&ECDSA_P384_SHA384_FIXED, key, &message, &bytes))
            }
            Numbers::P256(_) | Numbers::P384(_) | Numbers::Other => false,
        }
    }
}

fn rsa(hash: Hash) -> &'static RsaParameters {
    match hash {
        Hash::Sha256 => &RSA_PKCS1_2048_8192_SHA256,
        Hash::Sha384 => &RSA_PKCS1_2048_8192_SHA384,
        Hash::Sha512 => &RSA_PKCS1_2048_8192_SHA512,
    }
}

fn verified(algorithm: &'static dyn VerificationAlgorithm, key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    UnparsedPublicKey::new(algorithm, key).verify(message, signature).is_ok()
}
