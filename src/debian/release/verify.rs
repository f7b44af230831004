use pgp::packet::{Packet, PacketParser, Signature, SignatureType, SignatureVersion};

use super::{CLOCK_TOLERANCE, ReleaseFault, SignatureProblem};
use crate::debian::cleartext::Cleartext;
use crate::debian::signer::{Signer, TimeFault, has_unknown_demands, is_strong};
use crate::debian::{Fingerprint, TrustedKeys};

/// How many signatures are looked at; Debian's own files have three.
const SIGNATURES: usize = 16;

/// Returns the primary keys whose signatures on a message are good, sorted; at least one.
pub(super) fn signers(message: &Cleartext, keys: &TrustedKeys, now: i64) -> Result<Vec<Fingerprint>, ReleaseFault> {
    let mut good = Vec::new();
    let mut problems = Vec::new();
    let mut rest = message.signature.as_slice();
    for number in 1.. {
        if rest.is_empty() {
            break;
        }
        if number > SIGNATURES {
            return Err(ReleaseFault::Signatures);
        }
        let fault = |problem: String| ReleaseFault::Signature { number, problem: problem.chars().take(120).collect() };
        let end = packet_end(rest).ok_or_else(|| fault("it is cut, or no packet".to_owned()))?;
        let (packet, after) = rest.split_at(end);
        rest = after;
        let signature = match PacketParser::new(packet).next() {
            Some(Ok(Packet::Signature(signature))) => signature,
            Some(Ok(_)) => return Err(fault("it is another kind of packet".to_owned())),
            Some(Err(error)) => return Err(fault(error.to_string())),
            None => return Err(fault("it is empty".to_owned())),
        };
        match check(&signature, message, keys, now).map_err(|problem| problem.unwrap_or_else(|problem| fault(problem.to_owned())))? {
            Ok(signer) => good.push(signer),
            Err(problem) => problems.push(problem),
        }
    }
    if good.is_empty() {
        // A clock that is behind makes all of them come from the future.
        if let Some(SignatureProblem::Future { made, .. }) =
            problems.iter().find(|problem| matches!(problem, SignatureProblem::Future { .. }))
        {
            return Err(ReleaseFault::Future { date: *made, now });
        }
        return Err(ReleaseFault::NotTrusted(problems));
    }
    good.sort();
    good.dedup();
    Ok(good)
}

/// Returns where the first packet ends. Packets of unknown or partial length are refused, as signatures have neither (RFC 9580, section 4.2).
fn packet_end(bytes: &[u8]) -> Option<usize> {
    // In the old form, the lowest two bits say how many bytes the length has.
    let form = bytes.first()? % 4;
    let (header, body) = match *bytes {
        [0xC0..=0xFF, length @ ..=191, ..] => (2, usize::from(length)),
        [0xC0..=0xFF, high @ 192..=223, low, ..] => (3, (usize::from(high) - 192) * 256 + usize::from(low) + 192),
        [0xC0..=0xFF, 255, one, two, three, four, ..] => (6, u32::from_be_bytes([one, two, three, four]) as usize),
        [0x80..=0xBF, length, ..] if form == 0 => (2, usize::from(length)),
        [0x80..=0xBF, high, low, ..] if form == 1 => (3, usize::from(u16::from_be_bytes([high, low]))),
        [0x80..=0xBF, one, two, three, four, ..] if form == 2 => (5, u32::from_be_bytes([one, two, three, four]) as usize),
        _ => return None,
    };
    Some(header + body).filter(|end| *end <= bytes.len())
}

/// A fault of the whole file, or what is wrong with the form of the signature.
type Hard = Result<ReleaseFault, &'static str>;

/// Looks at one signature: the outer error refuses the file, the inner one means that it does not count.
fn check(signature: &Signature, message: &Cleartext, keys: &TrustedKeys, now: i64) -> Result<Result<Fingerprint, SignatureProblem>, Hard> {
    if !matches!(signature.version(), SignatureVersion::V4 | SignatureVersion::V6) {
        return Err(Err("it is of an old version"));
    }
    if signature.typ() != Some(SignatureType::Text) {
        return Err(Err("it is no signature of a text"));
    }
    let (Some(hash), Some(made)) = (signature.hash_alg(), signature.created()) else { return Err(Err("it lacks its hash or its time")) };
    let made = i64::from(made.as_secs());
    let named: Vec<&Signer> = keys.signers().iter().filter(|signer| signer.is_named_by(signature)).collect();
    let Some(first) = named.first() else { return Ok(Err(SignatureProblem::UnknownKey(issuer(signature)))) };
    if !is_strong(hash) {
        return Ok(Err(SignatureProblem::WeakHash { key: first.owner.clone(), hash: hash.to_string() }));
    }
    if !message.hashes.iter().any(|name| name.eq_ignore_ascii_case(&hash.to_string())) {
        return Ok(Err(SignatureProblem::UnnamedHash { key: first.owner.clone(), hash: hash.to_string() }));
    }
    let Some(signer) = named.iter().find(|signer| signer.made(signature, &message.text)) else {
        return Err(Ok(ReleaseFault::Changed(first.owner.clone())));
    };
    let key = signer.owner.clone();
    if has_unknown_demands(signature) {
        return Ok(Err(SignatureProblem::UnknownDemand(key)));
    }
    if made > now.saturating_add(CLOCK_TOLERANCE) {
        return Ok(Err(SignatureProblem::Future { key, made }));
    }
    if let Some(lifetime) = signature.signature_expiration_time().map(pgp::types::Duration::as_secs).filter(|seconds| *seconds > 0) {
        let expires = made + i64::from(lifetime);
        if now >= expires {
            return Ok(Err(SignatureProblem::Expired { key, expires }));
        }
    }
    Ok(match signer.check_times(made, now) {
        Ok(()) => Ok(key),
        Err(TimeFault::Before) => Err(SignatureProblem::BeforeKey(key)),
        Err(TimeFault::Expired(expires)) => Err(SignatureProblem::KeyExpired { key, expires }),
        Err(TimeFault::Revoked) => Err(SignatureProblem::KeyRevoked(key)),
    })
}

/// Returns what a signature names as its issuer, in capital hexadecimal digits.
fn issuer(signature: &Signature) -> String {
    let named = signature.issuer_fingerprint().first().map(ToString::to_string);
    named
        .or_else(|| signature.issuer_key_id().first().map(ToString::to_string))
        .map_or_else(|| "a key without a name".to_owned(), |name| name.to_uppercase())
}
