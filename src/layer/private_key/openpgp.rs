//! Secret keys in OpenPGP (RFC 9580), as far as it takes to tell them from other files.

/// The tags of secret keys and secret subkeys.
const SECRET: [u8; 2] = [5, 7];
/// The tags of what follows a key: a signature, a subkey, an identity, a trust packet.
const FOLLOWS: [u8; 6] = [2, 5, 7, 12, 13, 17];
/// The longest packet of a key, in bytes.
const LARGEST: usize = 64 * 1024;

/// Returns the tag of the packet that begins here, the length of its body and the rest (RFC 9580, section 4.2).
fn packet(bytes: &[u8]) -> Option<(u8, usize, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let number = |count: usize| {
        let (bytes, rest) = rest.split_at_checked(count)?;
        Some((bytes.iter().fold(0, |length, byte| (length << 8) | usize::from(*byte)), rest))
    };
    if first & 0xc0 == 0xc0 {
        let (length, rest) = match *rest.first()? {
            0..192 => number(1)?,
            192..224 => number(2).map(|(length, rest)| (length - (192 << 8) + 192, rest))?,
            255 => number(5).map(|(length, rest)| (length & 0xffff_ffff, rest))?,
            _ => return None,
        };
        return Some((first & 0x3f, length, rest));
    }
    if first & 0x80 == 0 {
        return None;
    }
    let (length, rest) = match first & 3 {
        0 => number(1)?,
        1 => number(2)?,
        2 => number(4)?,
        _ => return None,
    };
    Some(((first >> 2) & 0xf, length, rest))
}

/// Says whether a file of `size` bytes begins with a secret key.
pub(super) fn is_secret_key(head: &[u8], size: u64) -> bool {
    let Some((tag, length, body)) = packet(head) else { return false };
    let start = head.len() - body.len();
    let end = start + length;
    if !SECRET.contains(&tag) || length > LARGEST || end as u64 > size {
        return false;
    }
    let next = head.get(end..).filter(|next| !next.is_empty());
    let follows = next.is_none_or(|next| packet(next).is_some_and(|(tag, ..)| FOLLOWS.contains(&tag)));
    follows && is_key(&body[..body.len().min(length)])
}

/// Says whether the body of a packet is a key: version, time, algorithm, and numbers that are what their lengths say (section 5.5).
fn is_key(body: &[u8]) -> bool {
    let Some((version, rest)) = body.split_first() else { return false };
    // Old keys have days of validity besides.
    let before = if matches!(version, 2 | 3) { 4 + 2 } else { 4 };
    let Some((algorithm, rest)) = rest.get(before..).and_then(<[u8]>::split_first) else { return false };
    let material = match version {
        2..=4 => rest,
        5 | 6 => rest.get(4..).unwrap_or_default(),
        _ => return false,
    };
    match algorithm {
        // RSA; Elgamal and DSA: a modulus, and another number.
        1..=3 | 16 | 17 | 20 => number(material, 512).and_then(|rest| number(rest, 1)).is_some(),
        // A curve by its object identifier, and a point.
        18 | 19 | 22 => {
            let Some((length, rest)) = material.split_first() else { return false };
            (1..=20).contains(length) && rest.get(usize::from(*length)..).and_then(|rest| number(rest, 128)).is_some()
        }
        25..=28 => material.len() > 64,
        _ => false,
    }
}

/// Reads a number of at least so many bits, and returns the rest: its length in bits stands before it (section 3.2).
fn number(bytes: &[u8], least: u16) -> Option<&[u8]> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let bits = u16::from_be_bytes(*length);
    let (value, rest) = rest.split_at_checked(usize::from(bits.div_ceil(8)))?;
    let first = *value.first()?;
    let is_exact = 8 - first.leading_zeros() == (u32::from(bits) - 1) % 8 + 1;
    ((least..=16384).contains(&bits) && is_exact).then_some(rest)
}
