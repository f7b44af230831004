use sha2::{Digest as _, Sha256, Sha384, Sha512};

use super::packet::{Fields, PacketFault, SIGNATURE, padded};

/// The types of subpackets (RFC 9580, section 5.2.3.7).
const CREATED: u8 = 2;
const EXPIRES: u8 = 3;
const KEY_EXPIRES: u8 = 9;
const ISSUER_ID: u8 = 16;
const KEY_FLAGS: u8 = 27;
const EMBEDDED: u8 = 32;
const ISSUER: u8 = 33;
/// Those that change nothing about whether a signature counts, or are looked at here.
const UNDERSTOOD: [u8; 25] = [
    CREATED,
    EXPIRES,
    4,
    5,
    6,
    7,
    KEY_EXPIRES,
    11,
    12,
    ISSUER_ID,
    21,
    22,
    23,
    24,
    25,
    26,
    KEY_FLAGS,
    28,
    29,
    30,
    31,
    EMBEDDED,
    ISSUER,
    34,
    39,
];

/// The key flag that lets a key sign (RFC 9580, section 5.2.3.29).
const MAY_SIGN: u8 = 2;

/// What a signature is about (RFC 9580, section 5.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::debian) enum Kind {
    /// A text.
    Text,
    /// A key and a name.
    Certification,
    /// A revocation of one.
    CertificationRevocation,
    /// A key itself.
    Key,
    /// A revocation of the key.
    KeyRevocation,
    /// A subkey, by its primary key.
    SubkeyBinding,
    /// A revocation of one.
    SubkeyRevocation,
    /// A primary key, by its subkey.
    PrimaryKeyBinding,
    /// Something else.
    Other,
}

/// A hash that is strong enough to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::debian) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    pub(super) fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(bytes).to_vec(),
            Self::Sha384 => Sha384::digest(bytes).to_vec(),
            Self::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// A signature of version 4 (RFC 9580, section 5.2.3).
#[derive(Debug, Clone)]
pub(in crate::debian) struct Signature {
    kind: u8,
    pub(super) algorithm: u8,
    hash: u8,
    /// What of it is signed: from the version to the last hashed subpacket.
    signed: Vec<u8>,
    hashed: Vec<Subpacket>,
    unhashed: Vec<Subpacket>,
    /// The first two bytes of the digest.
    pub(super) beginning: [u8; 2],
    pub(super) material: Vec<u8>,
}

#[derive(Debug, Clone)]
struct Subpacket {
    kind: u8,
    is_critical: bool,
    data: Vec<u8>,
}

impl Signature {
    /// Reads the body of a signature packet.
    pub(in crate::debian) fn read(body: &[u8]) -> Result<Self, PacketFault> {
        let form = PacketFault::Form(SIGNATURE);
        match body.first().ok_or(form)? {
            4 => Self::fields(body).ok_or(form),
            version => Err(PacketFault::Version(SIGNATURE, *version)),
        }
    }

    fn fields(body: &[u8]) -> Option<Self> {
        let mut fields = Fields(&body[1..]);
        let (kind, algorithm, hash) = (fields.byte()?, fields.byte()?, fields.byte()?);
        let length = fields.short()?;
        let hashed = subpackets(fields.bytes(length)?)?;
        let signed = body[..6 + length].to_vec();
        let length = fields.short()?;
        let unhashed = subpackets(fields.bytes(length)?)?;
        let beginning = fields.bytes(2)?;
        Some(Self { kind, algorithm, hash, signed, hashed, unhashed, beginning: [beginning[0], beginning[1]], material: fields.0.to_vec() })
    }

    /// Returns what it is about.
    pub(in crate::debian) fn kind(&self) -> Kind {
        match self.kind {
            0x01 => Kind::Text,
            0x10..=0x13 => Kind::Certification,
            0x18 => Kind::SubkeyBinding,
            0x19 => Kind::PrimaryKeyBinding,
            0x1F => Kind::Key,
            0x20 => Kind::KeyRevocation,
            0x28 => Kind::SubkeyRevocation,
            0x30 => Kind::CertificationRevocation,
            _ => Kind::Other,
        }
    }

    /// Returns the hash, when it is strong enough to sign with.
    pub(in crate::debian) fn hash(&self) -> Option<Hash> {
        match self.hash {
            8 => Some(Hash::Sha256),
            9 => Some(Hash::Sha384),
            10 => Some(Hash::Sha512),
            _ => None,
        }
    }

    /// Returns the name of the hash, strong or not (RFC 9580, section 9.5).
    pub(in crate::debian) fn hash_name(&self) -> String {
        let name = match self.hash {
            1 => "MD5",
            2 => "SHA1",
            3 => "RIPEMD160",
            8 => "SHA256",
            9 => "SHA384",
            10 => "SHA512",
            11 => "SHA224",
            12 => "SHA3-256",
            14 => "SHA3-512",
            number => return format!("hash {number}"),
        };
        name.to_owned()
    }

    /// Returns when it was made, in seconds since 1970.
    pub(in crate::debian) fn created(&self) -> Option<u32> {
        self.seconds(CREATED)
    }

    /// Returns how many seconds it lasts. Zero is for ever.
    pub(in crate::debian) fn lifetime(&self) -> Option<u32> {
        self.seconds(EXPIRES)
    }

    /// Returns how many seconds the key that it is about lasts. Zero is for ever.
    pub(in crate::debian) fn key_lifetime(&self) -> Option<u32> {
        self.seconds(KEY_EXPIRES)
    }

    /// Says whether it states what the key may do.
    pub(in crate::debian) fn has_key_flags(&self) -> bool {
        self.first(KEY_FLAGS).is_some()
    }

    /// Says whether it states that the key may sign.
    pub(in crate::debian) fn may_sign(&self) -> bool {
        self.first(KEY_FLAGS).and_then(|data| data.first()).is_some_and(|flags| flags & MAY_SIGN != 0)
    }

    /// Returns the signature inside of it.
    pub(in crate::debian) fn embedded(&self) -> Option<Self> {
        self.all(EMBEDDED).find_map(|data| Self::read(data).ok())
    }

    /// Returns the fingerprints of version 4 that it names as its issuer. It is a hint only.
    pub(in crate::debian) fn issuers(&self) -> Vec<&[u8]> {
        self.all(ISSUER).filter_map(|data| data.strip_prefix(&[4]).filter(|fingerprint| fingerprint.len() == 20)).collect()
    }

    /// Returns the last eight bytes of the fingerprints that it names as its issuer. It is a hint only.
    pub(in crate::debian) fn issuer_ids(&self) -> Vec<&[u8]> {
        self.all(ISSUER_ID).filter(|data| data.len() == 8).collect()
    }

    /// Says whether it must not be relied on without understanding something that is not understood here (RFC 9580, section 5.2.3.7).
    pub(in crate::debian) fn has_unknown_demands(&self) -> bool {
        self.hashed.iter().any(|packet| packet.is_critical && !UNDERSTOOD.contains(&packet.kind))
    }

    /// Returns what is hashed behind the content (RFC 9580, section 5.2.4).
    pub(super) fn trailer(&self) -> Vec<u8> {
        let length = u32::try_from(self.signed.len()).unwrap_or(u32::MAX);
        [&self.signed, &[0x04, 0xFF][..], &length.to_be_bytes()].concat()
    }

    /// Returns the integers that it consists of, when they are exactly so many.
    pub(super) fn integers(&self, count: usize) -> Option<Vec<&[u8]>> {
        let mut fields = Fields(&self.material);
        let integers = (0..count).map(|_| fields.integer()).collect::<Option<Vec<_>>>()?;
        fields.0.is_empty().then_some(integers)
    }

    /// Returns its two integers, each as so many bytes.
    pub(super) fn pair(&self, length: usize) -> Option<Vec<u8>> {
        let integers = self.integers(2)?;
        Some([padded(integers[0], length)?, padded(integers[1], length)?].concat())
    }

    fn seconds(&self, kind: u8) -> Option<u32> {
        Fields(self.first(kind)?).long()
    }

    /// Returns the last hashed subpacket of a type: where one is there twice, the last counts (RFC 9580, section 5.2.3.9).
    fn first(&self, kind: u8) -> Option<&[u8]> {
        self.hashed.iter().rev().find(|packet| packet.kind == kind).map(|packet| packet.data.as_slice())
    }

    /// Returns all subpackets of a type, hashed or not: for what is proved otherwise, or no more than a hint.
    fn all(&self, kind: u8) -> impl Iterator<Item = &[u8]> {
        self.hashed.iter().chain(&self.unhashed).filter(move |packet| packet.kind == kind).map(|packet| packet.data.as_slice())
    }
}

/// Reads subpackets (RFC 9580, section 5.2.3.7).
fn subpackets(bytes: &[u8]) -> Option<Vec<Subpacket>> {
    let mut fields = Fields(bytes);
    let mut found = Vec::new();
    while !fields.0.is_empty() {
        let length = match fields.byte()? {
            length @ ..=191 => usize::from(length),
            high @ 192..=254 => (usize::from(high) - 192) * 256 + usize::from(fields.byte()?) + 192,
            255 => usize::try_from(fields.long()?).ok()?,
        };
        let (kind, data) = fields.bytes(length)?.split_first()?;
        found.push(Subpacket { kind: kind & 0x7F, is_critical: kind & 0x80 != 0, data: data.to_vec() });
    }
    Some(found)
}
