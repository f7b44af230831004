//! What tests put into images.

/// A program for amd64, for all that its headers tell.
pub(crate) fn program(machine: u16) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(2_u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(0x40_0078_u64.to_le_bytes());
    file.extend(64_u64.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 64, 0, 0].iter().flat_map(|value| value.to_le_bytes()));
    file.extend([1_u32, 5].iter().flat_map(|value| value.to_le_bytes()));
    file.extend([0_u64, 0x40_0000, 0x40_0000, 120, 120, 0x1000].iter().flat_map(|value| value.to_le_bytes()));
    file
}

/// Numbers that look random and are the same each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    pub(crate) fn bytes(&mut self, size: u64) -> Vec<u8> {
        // Half of it repeats, as in real files.
        (0..size).map(|place| if place % 64 < 32 { b'x' } else { u8::try_from(self.below(256)).unwrap() }).collect()
    }
}
