use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// Longer than any line that is written: GnuPG writes 64 characters, others 76.
const LINE_LIMIT: usize = 96;

/// Why lines are no armored bytes (RFC 9580, section 6.2). Padding, blank lines and text around them are refused: readers differ on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmorFault {
    /// There is no empty line after the headers.
    #[error("no empty line before the base64")]
    NoEmptyLine,
    /// A header is neither `Version` nor `Comment`.
    #[error("an unknown header")]
    Header,
    /// A line is too long, empty, or padded.
    #[error("a line that is not base64")]
    Line,
    /// The base64 has wrong characters, length or padding.
    #[error("base64 that can't be read")]
    Base64,
    /// The checksum is of other bytes.
    #[error("a checksum of other bytes")]
    Checksum,
}

/// Reads the lines between a `BEGIN` and an `END` line.
pub(super) fn decode(lines: &[&str]) -> Result<Vec<u8>, ArmorFault> {
    let headers = lines.iter().position(|line| line.is_empty()).ok_or(ArmorFault::NoEmptyLine)?;
    for header in &lines[..headers] {
        if !header.starts_with("Version: ") && !header.starts_with("Comment: ") {
            return Err(ArmorFault::Header);
        }
    }
    let body = &lines[headers + 1..];
    let (body, checksum) = match body.split_last() {
        Some((last, rest)) if last.len() == 5 && last.starts_with('=') => (rest, Some(&last[1..])),
        _ => (body, None),
    };
    if body.is_empty() || body.iter().any(|line| line.is_empty() || line.len() > LINE_LIMIT) {
        return Err(ArmorFault::Line);
    }
    let bytes = STANDARD.decode(body.concat()).map_err(|_| ArmorFault::Base64)?;
    if let Some(checksum) = checksum {
        let written = STANDARD.decode(checksum).map_err(|_| ArmorFault::Base64)?;
        if written != crc24(&bytes) {
            return Err(ArmorFault::Checksum);
        }
    }
    Ok(bytes)
}

/// The checksum of armored bytes (RFC 9580, section 6.1.1).
fn crc24(bytes: &[u8]) -> [u8; 3] {
    let mut state: u32 = 0x00B7_04CE;
    for byte in bytes {
        state ^= u32::from(*byte) << 16;
        for _ in 0..8 {
            state <<= 1;
            if state & 0x0100_0000 != 0 {
                state ^= 0x0186_4CFB;
            }
        }
    }
    let [_, high, middle, low] = state.to_be_bytes();
    [high, middle, low]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn armor_is_read_in_one_form() {
        assert_eq!(crc24(b""), [0xB7, 0x04, 0xCE]);
        assert_eq!(crc24(b"123456789"), [0x21, 0xCF, 0x02]);
        let good = Ok(b"123456789".to_vec());
        for (lines, expected) in [
            (&["", "MTIzNDU2Nzg5", "=Ic8C"][..], good.clone()),
            (&["", "MTIz", "NDU2Nzg5"], good.clone()),
            (&["Version: GnuPG v2", "Comment: x", "", "MTIzNDU2Nzg5"], good),
            (&["", "MTIzNDU2Nzg5", "=Ic8D"], Err(ArmorFault::Checksum)),
            (&["", "MTIzNDU2Nzg5", "=I!8D"], Err(ArmorFault::Base64)),
            (&["MTIzNDU2Nzg5"], Err(ArmorFault::NoEmptyLine)),
            (&["Hash: SHA256", "", "MTIz"], Err(ArmorFault::Header)),
            (&["", "MTIz", "", "NDU2"], Err(ArmorFault::Line)),
            (&["", "MTIz "], Err(ArmorFault::Base64)),
            (&["", " MTIz"], Err(ArmorFault::Base64)),
            (&["", "MTI=", "MTIz"], Err(ArmorFault::Base64)),
            (&["", "MTJ="], Err(ArmorFault::Base64)),
            (&["", ""], Err(ArmorFault::Line)),
            (&[""], Err(ArmorFault::Line)),
            (&[], Err(ArmorFault::NoEmptyLine)),
        ] {
            assert_eq!(decode(lines), expected, "{lines:?}");
        }
        let long = "MTIz".repeat(25);
        assert_eq!(decode(&["", &long]), Err(ArmorFault::Line));
    }
}
