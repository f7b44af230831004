//! OpenPGP as far as signatures are verified (RFC 9580): packets, keys and signatures of version 4, by the provider of cryptography that TLS
//! has. A library that also encrypts and decrypts would bring a second provider, and a hundred crates.
//!
//! **Invariants.** What is not read here proves nothing: other versions, algorithms and hashes are refused or do not count, never passed over
//! as if they were absent. Lengths are checked before anything is taken; nothing is allocated by what a length claims.

mod certificate;
mod key;
mod packet;
mod signature;

pub(super) use certificate::{Certificate, Subkey};
pub(super) use key::PublicKey;
pub(super) use packet::{PacketFault, SIGNATURE, split};
pub(super) use signature::{Kind, Signature};

#[cfg(test)]
mod tests;
