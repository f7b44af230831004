/// How numbers are stored in a file: the class and data encoding of its identification (gABI chapter 4, `EI_CLASS` and `EI_DATA`).
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoding {
    /// 64 bits, not 32.
    pub(super) wide: bool,
    /// The least significant byte first.
    pub(super) little: bool,
}

impl Encoding {
    pub(super) fn half(self, bytes: &[u8], at: usize) -> u16 {
        u16::try_from(self.number(bytes, at, 2)).unwrap_or_default()
    }

    pub(super) fn word(self, bytes: &[u8], at: usize) -> u32 {
        u32::try_from(self.number(bytes, at, 4)).unwrap_or_default()
    }

    /// Reads an address or size: 4 or 8 bytes, by the file's class.
    pub(super) fn long(self, bytes: &[u8], at: usize) -> u64 {
        self.number(bytes, at, if self.wide { 8 } else { 4 })
    }

    fn number(self, bytes: &[u8], at: usize, length: usize) -> u64 {
        let bytes = bytes.get(at..at + length).unwrap_or_default().iter();
        let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
        if self.little { bytes.rev().fold(0, add) } else { bytes.fold(0, add) }
    }
}

/// A segment: a part of the file, and its address in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) offset: u64,
    pub(super) address: u64,
    pub(super) size: u64,
}
