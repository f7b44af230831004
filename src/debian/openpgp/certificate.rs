use super::key::PublicKey;
use super::packet::{PacketFault, SIGNATURE, split};
use super::signature::{Kind, Signature};

/// The tags of packets (RFC 9580, section 5).
const SECRET_KEY: u8 = 5;
const PUBLIC_KEY: u8 = 6;
const SECRET_SUBKEY: u8 = 7;
const MARKER: u8 = 10;
const TRUST: u8 = 12;
const USER_ID: u8 = 13;
const PUBLIC_SUBKEY: u8 = 14;
const USER_ATTRIBUTE: u8 = 17;

/// A primary key with its names and subkeys (RFC 9580, section 10.1). Signatures of other versions than 4 are left out: they prove nothing.
#[derive(Debug, Clone)]
pub(in crate::debian) struct Certificate {
    pub(in crate::debian) primary: PublicKey,
    /// What stands on the key itself.
    pub(in crate::debian) direct: Vec<Signature>,
    pub(in crate::debian) users: Vec<User>,
    pub(in crate::debian) subkeys: Vec<Subkey>,
    /// Whether it is revoked, no matter by whom: a revocation of another version counts as well.
    pub(in crate::debian) is_revoked: bool,
}

/// A name, and what stands on it.
#[derive(Debug, Clone)]
pub(in crate::debian) struct User {
    pub(in crate::debian) id: Vec<u8>,
    pub(in crate::debian) signatures: Vec<Signature>,
}

/// A subkey, and what stands on it.
#[derive(Debug, Clone)]
pub(in crate::debian) struct Subkey {
    pub(in crate::debian) key: PublicKey,
    pub(in crate::debian) signatures: Vec<Signature>,
    /// Whether it is revoked, no matter by whom.
    pub(in crate::debian) is_revoked: bool,
}

/// What the next signature stands on.
enum Last {
    Key,
    User,
    Subkey,
    /// A picture, or a subkey of another version: what stands on it is not looked at.
    Ignored,
}

impl Certificate {
    /// Reads all certificates of a run of packets; nothing when it holds a secret key.
    pub(in crate::debian) fn read_all(mut bytes: &[u8]) -> Result<Option<Vec<Self>>, PacketFault> {
        let mut found: Vec<Self> = Vec::new();
        let mut last = Last::Ignored;
        while !bytes.is_empty() {
            let (packet, rest) = split(bytes)?;
            bytes = rest;
            let current = found.last_mut();
            match (packet.tag, current) {
                (SECRET_KEY | SECRET_SUBKEY, _) => return Ok(None),
                (MARKER | TRUST, _) => {}
                (PUBLIC_KEY, _) => {
                    let primary = PublicKey::read(packet.tag, packet.body)?;
                    found.push(Self { primary, direct: Vec::new(), users: Vec::new(), subkeys: Vec::new(), is_revoked: false });
                    last = Last::Key;
                }
                (USER_ID, Some(current)) => {
                    current.users.push(User { id: packet.body.to_vec(), signatures: Vec::new() });
                    last = Last::User;
                }
                (USER_ATTRIBUTE, Some(_)) => last = Last::Ignored,
                (PUBLIC_SUBKEY, Some(current)) => match PublicKey::read(packet.tag, packet.body) {
                    Ok(key) => {
                        current.subkeys.push(Subkey { key, signatures: Vec::new(), is_revoked: false });
                        last = Last::Subkey;
                    }
                    Err(PacketFault::Version(..)) => last = Last::Ignored,
                    Err(fault) => return Err(fault),
                },
                (SIGNATURE, Some(current)) => match Signature::read(packet.body) {
                    Ok(signature) => current.add(signature, &last),
                    Err(PacketFault::Version(_, version)) => current.add_foreign(version, packet.body, &last),
                    Err(fault) => return Err(fault),
                },
                (tag, _) => return Err(PacketFault::Unexpected(tag)),
            }
        }
        Ok(Some(found))
    }

    fn add(&mut self, signature: Signature, last: &Last) {
        match (last, self.users.last_mut(), self.subkeys.last_mut()) {
            (Last::Key, ..) => {
                self.is_revoked |= signature.kind() == Kind::KeyRevocation;
                self.direct.push(signature);
            }
            (Last::User, Some(user), _) => user.signatures.push(signature),
            (Last::Subkey, _, Some(subkey)) => {
                subkey.is_revoked |= signature.kind() == Kind::SubkeyRevocation;
                subkey.signatures.push(signature);
            }
            _ => {}
        }
    }

    /// Notes what a signature of another version revokes; it proves nothing else. Version 3 has a length before the type.
    fn add_foreign(&mut self, version: u8, body: &[u8], last: &Last) {
        let kind = body.get(if version == 3 { 2 } else { 1 });
        match (last, kind, self.subkeys.last_mut()) {
            (Last::Key, Some(0x20), _) => self.is_revoked = true,
            (Last::Subkey, Some(0x28), Some(subkey)) => subkey.is_revoked = true,
            _ => {}
        }
    }

    /// Says whether the key signed something of its own: itself, or a name.
    pub(in crate::debian) fn signed_itself(&self, signature: &Signature) -> bool {
        matches!(signature.kind(), Kind::Key) && self.primary.made(signature, &self.primary.hashed())
    }

    /// Says whether the key signed one of its names, or took that back.
    pub(in crate::debian) fn signed_name(&self, id: &[u8], signature: &Signature) -> bool {
        let length = u32::try_from(id.len()).unwrap_or(u32::MAX);
        let content = [&self.primary.hashed(), &[0xB4][..], &length.to_be_bytes(), id].concat();
        matches!(signature.kind(), Kind::Certification | Kind::CertificationRevocation) && self.primary.made(signature, &content)
    }

    /// Says whether the key bound a subkey to itself.
    pub(in crate::debian) fn bound(&self, subkey: &PublicKey, signature: &Signature) -> bool {
        signature.kind() == Kind::SubkeyBinding && self.primary.made(signature, &self.pair(subkey))
    }

    /// Says whether a subkey said itself that it belongs to the key.
    pub(in crate::debian) fn bound_back(&self, subkey: &PublicKey, signature: &Signature) -> bool {
        signature.kind() == Kind::PrimaryKeyBinding && subkey.made(signature, &self.pair(subkey))
    }

    fn pair(&self, subkey: &PublicKey) -> Vec<u8> {
        [self.primary.hashed(), subkey.hashed()].concat()
    }
}
