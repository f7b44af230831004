use super::{CLOCK_TOLERANCE, ReleaseFault, SignatureProblem};
use crate::debian::cleartext::Cleartext;
use crate::debian::openpgp::{self, Kind, PacketFault, Signature};
use crate::debian::signer::{Signer, TimeFault};
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
        let (packet, after) = openpgp::split(rest).map_err(|problem| fault(problem.to_string()))?;
        rest = after;
        if packet.tag != openpgp::SIGNATURE {
            return Err(fault("it is another kind of packet".to_owned()));
        }
        let signature = Signature::read(packet.body).map_err(|problem| match problem {
            PacketFault::Version(_, 3) => fault("it is of an old version".to_owned()),
            problem => fault(problem.to_string()),
        })?;
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

/// A fault of the whole file, or what is wrong with the form of the signature.
type Hard = Result<ReleaseFault, &'static str>;

/// Looks at one signature: the outer error refuses the file, the inner one means that it does not count.
fn check(signature: &Signature, message: &Cleartext, keys: &TrustedKeys, now: i64) -> Result<Result<Fingerprint, SignatureProblem>, Hard> {
    if signature.kind() != Kind::Text {
        return Err(Err("it is not a signature of a text"));
    }
    let Some(made) = signature.created().map(i64::from) else { return Err(Err("it has no creation time")) };
    let named: Vec<&Signer> = keys.signers().iter().filter(|signer| signer.is_named_by(signature)).collect();
    let Some(first) = named.first() else { return Ok(Err(SignatureProblem::UnknownKey(issuer(signature)))) };
    let hash = signature.hash_name();
    if signature.hash().is_none() {
        return Ok(Err(SignatureProblem::WeakHash { key: first.owner.clone(), hash }));
    }
    if !message.hashes.iter().any(|name| name.eq_ignore_ascii_case(&hash)) {
        return Ok(Err(SignatureProblem::UnnamedHash { key: first.owner.clone(), hash }));
    }
    let Some(signer) = named.iter().find(|signer| signer.made(signature, &message.text)) else {
        return Err(Ok(ReleaseFault::Changed(first.owner.clone())));
    };
    let key = signer.owner.clone();
    if signature.has_unknown_demands() {
        return Ok(Err(SignatureProblem::UnknownDemand(key)));
    }
    if made > now.saturating_add(CLOCK_TOLERANCE) {
        return Ok(Err(SignatureProblem::Future { key, made }));
    }
    if let Some(lifetime) = signature.lifetime().filter(|seconds| *seconds > 0) {
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
    let named = signature.issuers().into_iter().chain(signature.issuer_ids()).next().map(|name| Fingerprint::new(name).to_string());
    named.unwrap_or_else(|| "a key without a name".to_owned())
}
