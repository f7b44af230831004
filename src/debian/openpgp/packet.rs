/// The tag of a signature packet (RFC 9580, section 5).
pub(in crate::debian) const SIGNATURE: u8 = 2;

/// One packet.
#[derive(Debug, Clone, Copy)]
pub(in crate::debian) struct Packet<'a> {
    pub(in crate::debian) tag: u8,
    pub(in crate::debian) body: &'a [u8],
}

/// Why bytes are no packet, or none that is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(in crate::debian) enum PacketFault {
    /// It ends early, or its length is unknown or in parts, which neither keys nor signatures have.
    #[error("it is truncated, or not a packet")]
    Cut,
    /// Its fields contradict its length.
    #[error("a packet of the type {0} is malformed")]
    Form(u8),
    /// It is of another version than 4.
    #[error("a packet of the type {0} has the version {1}, and only 4 is read")]
    Version(u8, u8),
    /// It does not belong where it stands.
    #[error("a packet of the type {0} is not allowed at its position")]
    Unexpected(u8),
}

/// Takes the first packet off, and returns it with the rest (RFC 9580, section 4.2).
pub(in crate::debian) fn split(bytes: &[u8]) -> Result<(Packet<'_>, &[u8]), PacketFault> {
    let first = *bytes.first().ok_or(PacketFault::Cut)?;
    // In the old form, the lowest two bits say how many bytes the length has.
    let form = first % 4;
    let (header, length) = match *bytes {
        [0xC0..=0xFF, length @ ..=191, ..] => (2, usize::from(length)),
        [0xC0..=0xFF, high @ 192..=223, low, ..] => (3, (usize::from(high) - 192) * 256 + usize::from(low) + 192),
        [0xC0..=0xFF, 255, one, two, three, four, ..] => (6, u32::from_be_bytes([one, two, three, four]) as usize),
        [0x80..=0xBF, length, ..] if form == 0 => (2, usize::from(length)),
        [0x80..=0xBF, high, low, ..] if form == 1 => (3, usize::from(u16::from_be_bytes([high, low]))),
        [0x80..=0xBF, one, two, three, four, ..] if form == 2 => (5, u32::from_be_bytes([one, two, three, four]) as usize),
        _ => return Err(PacketFault::Cut),
    };
    let tag = if first >= 0xC0 { first & 0x3F } else { first >> 2 & 0x0F };
    let (body, rest) = bytes[header..].split_at_checked(length).ok_or(PacketFault::Cut)?;
    Ok((Packet { tag, body }, rest))
}

/// Reads the fields of a packet, one after the other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a [u8]);

impl<'a> Fields<'a> {
    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    /// Reads a big-endian number of two bytes.
    pub(super) fn short(&mut self) -> Option<usize> {
        let bytes = self.bytes(2)?;
        Some(usize::from(bytes[0]) << 8 | usize::from(bytes[1]))
    }

    /// Reads a big-endian number of four bytes.
    pub(super) fn long(&mut self) -> Option<u32> {
        Some(self.bytes(4)?.iter().fold(0, |sum, byte| sum << 8 | u32::from(*byte)))
    }

    /// Reads a multiprecision integer: its length in bits, and as many bytes as these need (RFC 9580, section 3.2).
    pub(super) fn integer(&mut self) -> Option<&'a [u8]> {
        let bits = self.short()?;
        let bytes = self.bytes(bits.div_ceil(8))?;
        let is_exact =
            bytes.first().is_none_or(|first| usize::try_from(first.leading_zeros()).is_ok_and(|zeros| bits + zeros == bytes.len() * 8));
        is_exact.then_some(bytes)
    }
}

/// Returns a number with zeros before it, so that it has `length` bytes.
pub(super) fn padded(number: &[u8], length: usize) -> Option<Vec<u8>> {
    let zeros = length.checked_sub(number.len())?;
    Some([&vec![0; zeros][..], number].concat())
}
