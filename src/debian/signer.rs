use super::key::{Fingerprint, KeyFault};
use super::openpgp::{Certificate, Kind, PublicKey, Signature, Subkey};

/// A key that may sign, a primary key or a subkey that its primary key is bound to, and when it may.
#[derive(Debug, Clone)]
pub(super) struct Signer {
    key: PublicKey,
    /// The primary key.
    pub(super) owner: Fingerprint,
    /// The times of the key itself, and of its primary key.
    times: [KeyTimes; 2],
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
        let own = self.key.fingerprint();
        let fingerprints = signature.issuers();
        if fingerprints.is_empty() { signature.issuer_ids().contains(&&own[12..]) } else { fingerprints.contains(&&own[..]) }
    }

    /// Says whether a signature over a text was made with this key. What is signed has the line ends of the network (RFC 9580, section 5.2.4).
    pub(super) fn made(&self, signature: &Signature, text: &str) -> bool {
        signature.kind() == Kind::Text && self.key.made(signature, text.replace('\n', "\r\n").as_bytes())
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

/// Says whether a signature's hash is strong, and nothing in it must be understood that is not.
fn is_sound(signature: &Signature) -> bool {
    signature.hash().is_some() && !signature.has_unknown_demands()
}

/// Returns the keys of a certificate that may sign, and the times of its primary key. Certifications by others are not looked at.
pub(super) fn signers(certificate: &Certificate) -> Result<(Vec<Signer>, KeyTimes), KeyFault> {
    let primary = &certificate.primary;
    let owner = Fingerprint::new(&primary.fingerprint());
    if !primary.is_strong() {
        return Err(KeyFault::Weak(owner));
    }
    let created = i64::from(primary.created);
    let direct: Vec<&Signature> =
        certificate.direct.iter().filter(|signature| is_sound(signature) && certificate.signed_itself(signature)).collect();
    let mut on_names = Vec::new();
    for user in &certificate.users {
        let own = |signature: &&Signature| is_sound(signature) && certificate.signed_name(&user.id, signature);
        let own: Vec<&Signature> = user.signatures.iter().filter(own).collect();
        if !own.iter().any(|signature| signature.kind() == Kind::CertificationRevocation) {
            on_names.extend(own);
        }
    }
    if direct.is_empty() && on_names.is_empty() {
        return Err(KeyFault::Unsigned(owner));
    }
    // What a direct signature states counts before what stands on a name (RFC 9580, section 5.2.3.10).
    let stated = |has: fn(&Signature) -> bool| newest(&direct, has).or_else(|| newest(&on_names, has));
    let lifetime = stated(|signature| signature.key_lifetime().is_some());
    let times = KeyTimes {
        created,
        expires: lifetime.and_then(|signature| expiry(created, signature)),
        // A revocation counts no matter who made it: those of designated revokers can't be verified without their keys, and a key file is the
        // user's own, so that nobody else can have put one there.
        is_revoked: certificate.is_revoked,
    };
    let may_sign = stated(Signature::has_key_flags).is_none_or(Signature::may_sign);
    let mut signers = Vec::new();
    if may_sign {
        signers.push(Signer { key: primary.clone(), owner: owner.clone(), times: [times, times] });
    }
    signers.extend(certificate.subkeys.iter().filter_map(|subkey| subkey_signer(certificate, &owner, times, subkey)));
    if signers.is_empty() { Err(KeyFault::NoSigner(owner)) } else { Ok((signers, times)) }
}

fn subkey_signer(certificate: &Certificate, owner: &Fingerprint, primary_times: KeyTimes, subkey: &Subkey) -> Option<Signer> {
    let key = &subkey.key;
    if !key.is_strong() {
        return None;
    }
    let bindings = subkey.signatures.iter().filter(|signature| is_sound(signature) && certificate.bound(key, signature));
    let binding = newest(&bindings.collect::<Vec<_>>(), |_| true)?;
    // A subkey that signs has said itself that it belongs to the primary key; else anybody's key could be claimed (RFC 9580, section 10.1.5).
    let back = binding.embedded()?;
    if !binding.may_sign() || !is_sound(&back) || !certificate.bound_back(key, &back) {
        return None;
    }
    let created = i64::from(key.created);
    let times = KeyTimes { created, expires: expiry(created, binding), is_revoked: subkey.is_revoked };
    Some(Signer { key: key.clone(), owner: owner.clone(), times: [times, primary_times] })
}

fn newest<'a>(signatures: &[&'a Signature], has: fn(&Signature) -> bool) -> Option<&'a Signature> {
    signatures.iter().copied().filter(|signature| has(signature)).max_by_key(|signature| signature.created())
}

/// Returns the end of a key's life. Zero means that there is none.
fn expiry(created: i64, signature: &Signature) -> Option<i64> {
    let seconds = signature.key_lifetime()?;
    (seconds > 0).then(|| created + i64::from(seconds))
}
