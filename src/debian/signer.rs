use pgp::composed::{SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PublicKey, PublicSubkey, Signature, SignatureType, SubpacketData};
use pgp::ser::Serialize as _;
use pgp::types::{EddsaLegacyPublicParams, KeyDetails, KeyVersion, PublicParams, Tag};

use super::key::{Fingerprint, KeyFault};

/// A key that may sign, a primary key or a subkey that its primary key is bound to, and when it may.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    part: Part,
    /// The primary key.
    pub(super) owner: Fingerprint,
    /// The times of the key itself, and of its primary key.
    times: [KeyTimes; 2],
}

#[derive(Debug, Clone)]
enum Part {
    Primary(Box<PublicKey>),
    Subkey(Box<PublicSubkey>),
}

/// When a key may sign, in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyTimes {
    created: i64,
    /// The first second in which it may not.
    pub(super) expires: Option<i64>,
    is_revoked: bool,
}

/// Why a key's signature does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimeFault {
    Before,
    Expired(i64),
    Revoked,
}

impl Signer {
    /// Says whether a signature names this key as its issuer. It is a hint only.
    pub(super) fn is_named_by(&self, signature: &Signature) -> bool {
        let (fingerprint, id) = match &self.part {
            Part::Primary(key) => (key.fingerprint(), key.legacy_key_id()),
            Part::Subkey(key) => (key.fingerprint(), key.legacy_key_id()),
        };
        let fingerprints = signature.issuer_fingerprint();
        if fingerprints.is_empty() { signature.issuer_key_id().contains(&&id) } else { fingerprints.contains(&&fingerprint) }
    }

    /// Says whether a signature over a text was made with this key.
    pub(super) fn made(&self, signature: &Signature, text: &str) -> bool {
        let verdict = match &self.part {
            Part::Primary(key) => signature.verify(&**key, text.as_bytes()),
            Part::Subkey(key) => signature.verify(&**key, text.as_bytes()),
        };
        verdict.is_ok()
    }

    /// Says why a signature that was made at a time does not count now. As for apt, a key that has expired since then, or is revoked for
    /// whatever reason, proves nothing any more: who holds its secret can write any time into a signature.
    pub(super) fn check_times(&self, made: i64, now: i64) -> Result<(), TimeFault> {
        for times in self.times {
            if made < times.created {
                return Err(TimeFault::Before);
            }
            if times.is_revoked {
                return Err(TimeFault::Revoked);
            }
            if let Some(expires) = times.expires.filter(|expires| made.max(now) >= *expires) {
                return Err(TimeFault::Expired(expires));
            }
        }
        Ok(())
    }
}

/// Says whether a hash is strong enough to sign with: SHA-256 or longer.
pub(super) fn is_strong(hash: HashAlgorithm) -> bool {
    use HashAlgorithm::{Sha3_256, Sha3_512, Sha256, Sha384, Sha512};
    matches!(hash, Sha256 | Sha384 | Sha512 | Sha3_256 | Sha3_512)
}

/// Says whether a signature's hash is strong, and nothing in it must be understood that is not.
fn is_sound(signature: &Signature) -> bool {
    signature.hash_alg().is_some_and(is_strong) && !has_unknown_demands(signature)
}

/// Says whether a signature must not be relied on without understanding something that is not understood here (RFC 9580, section 5.2.3.7).
pub(super) fn has_unknown_demands(signature: &Signature) -> bool {
    let is_known =
        |data: &SubpacketData| !matches!(data, SubpacketData::Other(..) | SubpacketData::Experimental(..) | SubpacketData::Notation(_));
    signature.config().is_none_or(|config| config.hashed_subpackets().any(|packet| packet.is_critical && !is_known(&packet.data)))
}

/// Says whether keys of this kind and length are trusted: RSA of 2048 bits or more, and the elliptic curves that signatures use.
fn is_strong_key(parameters: &PublicParams) -> bool {
    match parameters {
        // The first number is the modulus, and a number begins with its length in bits (RFC 9580, section 3.2).
        PublicParams::RSA(rsa) => {
            rsa.to_bytes().is_ok_and(|bytes| matches!(bytes[..], [high, low, ..] if u16::from_be_bytes([high, low]) >= 2048))
        }
        PublicParams::EdDSALegacy(legacy) => matches!(legacy, EddsaLegacyPublicParams::Ed25519 { .. }),
        PublicParams::Ed25519(_) | PublicParams::Ed448(_) | PublicParams::ECDSA(_) => true,
        _ => false,
    }
}

/// Returns the keys of a certificate that may sign, and the times of its primary key. Certifications by others are not looked at.
pub(super) fn signers(certificate: &SignedPublicKey) -> Result<(Vec<Signer>, KeyTimes), KeyFault> {
    let primary = &certificate.primary_key;
    let owner = Fingerprint::new(primary.fingerprint().as_bytes());
    if !matches!(primary.version(), KeyVersion::V4 | KeyVersion::V6) || !is_strong_key(primary.public_params()) {
        return Err(KeyFault::Weak(owner));
    }
    let created = i64::from(primary.created_at().as_secs());
    let direct =
        certificate.details.direct_signatures.iter().filter(|signature| {
            signature.typ() == Some(SignatureType::Key) && is_sound(signature) && signature.verify_key(primary).is_ok()
        });
    let direct = direct.collect::<Vec<_>>();
    let mut on_names = Vec::new();
    for user in &certificate.details.users {
        let own = |signature: &&Signature| is_sound(signature) && signature.verify_certification(primary, Tag::UserId, &user.id).is_ok();
        let own: Vec<&Signature> = user.signatures.iter().filter(own).collect();
        if !own.iter().any(|signature| signature.typ() == Some(SignatureType::CertRevocation)) {
            on_names.extend(own);
        }
    }
    if direct.is_empty() && on_names.is_empty() {
        return Err(KeyFault::Unsigned(owner));
    }
    // What a direct signature states counts before what stands on a name (RFC 9580, section 5.2.3.10).
    let stated = |has: fn(&Signature) -> bool| newest(&direct, has).or_else(|| newest(&on_names, has));
    let lifetime = stated(|signature| signature.key_expiration_time().is_some());
    let times = KeyTimes {
        created,
        expires: lifetime.and_then(|signature| expiry(created, signature)),
        // A revocation counts no matter who made it: those of designated revokers can't be verified without their keys, and a key file is the
        // user's own, so that nobody else can have put one there.
        is_revoked: !certificate.details.revocation_signatures.is_empty(),
    };
    let may_sign = stated(has_flags).is_none_or(|signature| signature.key_flags().sign());
    let mut signers = Vec::new();
    if may_sign {
        signers.push(Signer { part: Part::Primary(Box::new(primary.clone())), owner: owner.clone(), times: [times, times] });
    }
    signers.extend(certificate.public_subkeys.iter().filter_map(|subkey| subkey_signer(primary, &owner, times, subkey)));
    if signers.is_empty() { Err(KeyFault::NoSigner(owner)) } else { Ok((signers, times)) }
}

fn subkey_signer(primary: &PublicKey, owner: &Fingerprint, primary_times: KeyTimes, subkey: &SignedPublicSubKey) -> Option<Signer> {
    if !is_strong_key(subkey.key.public_params()) {
        return None;
    }
    let bindings = subkey.signatures.iter().filter(|signature| {
        signature.typ() == Some(SignatureType::SubkeyBinding)
            && is_sound(signature)
            && signature.verify_subkey_binding(primary, &subkey.key).is_ok()
    });
    let binding = newest(&bindings.collect::<Vec<_>>(), |_| true)?;
    // A subkey that signs has said itself that it belongs to the primary key; else anybody's key could be claimed (RFC 9580, section 10.1.5).
    let back = binding.embedded_signature()?;
    if !binding.key_flags().sign() || !is_sound(back) || back.verify_primary_key_binding(&subkey.key, primary).is_err() {
        return None;
    }
    let created = i64::from(subkey.key.created_at().as_secs());
    let is_revoked = subkey.signatures.iter().any(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation));
    let times = KeyTimes { created, expires: expiry(created, binding), is_revoked };
    Some(Signer { part: Part::Subkey(Box::new(subkey.key.clone())), owner: owner.clone(), times: [times, primary_times] })
}

fn has_flags(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| config.hashed_subpackets().any(|packet| matches!(packet.data, SubpacketData::KeyFlags(_))))
}

fn newest<'a>(signatures: &[&'a Signature], has: fn(&Signature) -> bool) -> Option<&'a Signature> {
    signatures
        .iter()
        .copied()
        .filter(|signature| has(signature))
        .max_by_key(|signature| signature.created().map(pgp::types::Timestamp::as_secs))
}

/// Returns the end of a key's life. Zero means that there is none.
fn expiry(created: i64, signature: &Signature) -> Option<i64> {
    let seconds = signature.key_expiration_time()?.as_secs();
    (seconds > 0).then(|| created + i64::from(seconds))
}
