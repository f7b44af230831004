//! An archive's `InRelease` file: what a suite holds, signed.
//!
//! **Invariants.** A [`Release`] exists only verified: [`Release::verify`] makes it, from bytes that are exactly one signed message by a trusted
//! key, for the suite that was asked for, valid at the given time and not older than what was seen before. Only signed bytes are parsed.

mod choose;
mod fields;
#[cfg(test)]
mod tests;
mod verify;

use std::collections::BTreeMap;

use super::cleartext::{ClearsignFault, Cleartext};
use super::date;
use super::field::LineFault;
use super::{Fingerprint, TrustedKeys};
use crate::oci::Digest;

pub use self::choose::{Compression, IndexChoiceFault, PackagesFile};

/// How far a clock may be behind the archive's, in seconds.
const CLOCK_TOLERANCE: i64 = 3600;

/// A verified `InRelease` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Who made it, `Debian`; empty when it does not say.
    pub origin: String,
    /// The suite, `stable`; empty when it does not say. The name moves with each release.
    pub suite: String,
    /// The codename, `trixie`; empty when it does not say.
    pub codename: String,
    /// When it was made, in seconds since 1970.
    pub date: i64,
    /// When it ends to be valid, in seconds since 1970.
    pub valid_until: Option<i64>,
    /// The architectures, `all` among them where it has indexes of its own.
    pub architectures: Vec<String>,
    /// The components, as it names them.
    pub components: Vec<String>,
    /// Whether files are also found by their digests.
    pub by_hash: ByHash,
    /// Whether packages of the architecture `all` are only in an index of their own, or also in that of each architecture.
    pub all_index: AllIndex,
    /// The files that it vouches for, by their paths below the suite's folder.
    pub files: BTreeMap<String, IndexFile>,
    /// The primary keys whose signatures are good, sorted.
    pub signers: Vec<Fingerprint>,
    /// The digest of the whole file.
    pub digest: Digest,
}

/// Whether an archive's files are also found by their digests, so that an update in between does no harm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByHash {
    /// Below `by-hash/SHA256/` beside the file.
    Offered,
    /// By their names only.
    NotOffered,
}

/// Where packages of the architecture `all` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AllIndex {
    /// In the index of each architecture.
    Merged,
    /// In an index of their own, `binary-all`.
    Separate,
}

/// A file that a release vouches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexFile {
    /// The digest of its bytes.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
}

/// What an `InRelease` file must be.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The suite or codename that was asked for.
    pub suite: &'a str,
    /// The time, in seconds since 1970.
    pub now: i64,
    /// The date of the last one that was seen, in seconds since 1970: an older one is a rollback.
    pub not_older_than: Option<i64>,
}

/// Why an `InRelease` file is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseFault {
    /// It is not exactly one signed message.
    #[error("it is not exactly one signed message: {0}")]
    Message(ClearsignFault),
    /// The signature packets can't be read, or are of a kind that signs no text.
    #[error("its signature {number} can't be read: {problem}")]
    Signature {
        /// Which one, counted from one.
        number: usize,
        /// What is wrong.
        problem: String,
    },
    /// There are more signatures than are looked at.
    #[error("it has more than 16 signatures")]
    Signatures,
    /// A trusted key is named, and the signature is not of this text.
    #[error("the signature by {0} is invalid: the file was changed or truncated")]
    Changed(Fingerprint),
    /// No signature by a trusted key is good.
    #[error("no trusted key signed it: {}", joined(.0))]
    NotTrusted(Vec<SignatureProblem>),
    /// A line is no line of a control file.
    #[error("line {line} of the signed text is {fault}")]
    Line {
        /// The line, counted from one.
        line: usize,
        /// What it is.
        fault: LineFault,
    },
    /// A field is there twice, or has a wrong value, or is missing.
    #[error("the field `{field}` of the signed text {problem}")]
    Field {
        /// The field.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It lists no SHA-256 digests.
    #[error("it lists no SHA-256 digests, only weaker ones or none")]
    WeakDigests,
    /// It is of another suite.
    #[error("it is of the suite `{suite}` (codename `{codename}`), and `{expected}` was asked for")]
    Suite {
        /// What was asked for.
        expected: String,
        /// Its suite.
        suite: String,
        /// Its codename.
        codename: String,
    },
    /// It is no longer valid.
    #[error("it was valid until {}, and this machine's clock says {}", date::utc(*.valid_until), date::utc(*.now))]
    Expired {
        /// When it ended to be valid.
        valid_until: i64,
        /// The time that was given.
        now: i64,
    },
    /// It was made in the future.
    #[error("it was made at {}, and this machine's clock says {}: is the clock right?", date::utc(*.date), date::utc(*.now))]
    Future {
        /// When it was made.
        date: i64,
        /// The time that was given.
        now: i64,
    },
    /// It is older than one that was seen before.
    #[error("it was made at {}, and one of {} was seen before: the mirror is out of date, or withholds newer files", date::utc(*.date), date::utc(*.seen))]
    Rollback {
        /// When it was made.
        date: i64,
        /// When the one was made that was seen before.
        seen: i64,
    },
}

impl ReleaseFault {
    /// Returns what helps, where something does.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Message(_) | Self::Signature { .. } | Self::Signatures | Self::Changed(_) => Some(
                "something between this machine and the archive changes files (a proxy, a captive portal, a broken mirror): try another mirror",
            ),
            Self::NotTrusted(_) => Some(
                "name the archive's public key in the recipe's `keys`, after comparing its fingerprint with the one its owner publishes",
            ),
            Self::Expired { .. } => Some("the mirror is out of date or the clock is wrong: compare `date -u`, or try another mirror"),
            Self::Future { .. } => Some("compare `date -u` with a clock that is right"),
            Self::Rollback { .. } => Some("wait until the mirror is up to date again, or try another one"),
            Self::Suite { .. } | Self::Line { .. } | Self::Field { .. } | Self::WeakDigests => None,
        }
    }
}

/// Why one signature does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureProblem {
    /// The key is not trusted.
    #[error("{0} is not a trusted key")]
    UnknownKey(String),
    /// The hash is weaker than SHA-256.
    #[error("{key} signed with {hash}, which is too weak, or not supported")]
    WeakHash {
        /// The primary key.
        key: Fingerprint,
        /// The hash.
        hash: String,
    },
    /// The message's header names other hashes.
    #[error("{key} signed with {hash}, which the message's header does not name")]
    UnnamedHash {
        /// The primary key.
        key: Fingerprint,
        /// The hash.
        hash: String,
    },
    /// It must not be relied on without understanding something in it.
    #[error("the signature by {0} has a critical field that hardened does not know")]
    UnknownDemand(Fingerprint),
    /// It was made before the key was.
    #[error("{0} was created after its signature")]
    BeforeKey(Fingerprint),
    /// The key has expired, before it signed or since then.
    #[error("{key} expired at {}", date::utc(*.expires))]
    KeyExpired {
        /// The primary key.
        key: Fingerprint,
        /// The key's end.
        expires: i64,
    },
    /// The key is revoked.
    #[error("{0} is revoked")]
    KeyRevoked(Fingerprint),
    /// The signature itself has ended.
    #[error("the signature by {key} ended at {}", date::utc(*.expires))]
    Expired {
        /// The primary key.
        key: Fingerprint,
        /// Its end.
        expires: i64,
    },
    /// The signature was made in the future.
    #[error("the signature by {key} was made at {}, which is later than the clock of this machine", date::utc(*.made))]
    Future {
        /// The primary key.
        key: Fingerprint,
        /// When it was made.
        made: i64,
    },
}

fn joined(problems: &[SignatureProblem]) -> String {
    if problems.is_empty() {
        return "it has no signature".to_owned();
    }
    problems.iter().map(SignatureProblem::to_string).collect::<Vec<_>>().join("; ")
}

impl Release {
    /// Verifies an `InRelease` file, and reads what was signed.
    ///
    /// One good signature by a trusted key is enough, as for apt. A signature that names a trusted key and is wrong, or can't be read, is an error
    /// also beside a good one.
    ///
    /// # Errors
    /// When it is not exactly one signed message, no trusted key signed it, it is not the suite that was asked for, or not of this time.
    pub fn verify(bytes: &[u8], keys: &TrustedKeys, expected: &Expected<'_>) -> Result<Self, ReleaseFault> {
        let message = Cleartext::read(bytes).map_err(ReleaseFault::Message)?;
        let signers = verify::signers(&message, keys, expected.now)?;
        let release = fields::read(&message.text, signers, Digest::of(bytes))?;
        release.check(expected)?;
        Ok(release)
    }

    fn check(&self, expected: &Expected<'_>) -> Result<(), ReleaseFault> {
        if expected.suite.is_empty() || ![&self.suite, &self.codename].contains(&&expected.suite.to_owned()) {
            let (suite, codename) = (self.suite.clone(), self.codename.clone());
            return Err(ReleaseFault::Suite { expected: expected.suite.to_owned(), suite, codename });
        }
        if self.date > expected.now.saturating_add(CLOCK_TOLERANCE) {
            return Err(ReleaseFault::Future { date: self.date, now: expected.now });
        }
        if let Some(valid_until) = self.valid_until.filter(|end| *end < expected.now) {
            return Err(ReleaseFault::Expired { valid_until, now: expected.now });
        }
        match expected.not_older_than {
            Some(seen) if self.date < seen => Err(ReleaseFault::Rollback { date: self.date, seen }),
            _ => Ok(()),
        }
    }
}
