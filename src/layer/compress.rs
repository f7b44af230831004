use crate::oci::Compression;
use crate::recipe::Format;

/// How a layer is written: in which format, how it is compressed, and how hard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compressor {
    format: Format,
    compression: Compression,
    level: i32,
}

/// A level that the compression does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{name} has the levels {lowest} to {highest}, not {level}")]
pub struct LevelFault {
    name: &'static str,
    lowest: i32,
    highest: i32,
    level: i64,
}

impl Compressor {
    /// Chooses a compression and a level: gzip 1 to 12 (5 when none is named), zstd 1 to 19 (3 when none is named).
    ///
    /// # Errors
    /// When the compression has no such level.
    pub fn new(format: Format, compression: Compression, level: Option<i64>) -> Result<Self, LevelFault> {
        let (name, lowest, highest, usual) = match compression {
            Compression::None => ("no compression", 0, 0, 0),
            Compression::Gzip => ("gzip", 1, 12, 5),
            Compression::Zstd => ("zstd", 1, 19, 3),
        };
        let Some(level) = level else { return Ok(Self { format, compression, level: usual }) };
        let fault = LevelFault { name, lowest, highest, level };
        let level = i32::try_from(level).map_err(|_| fault)?;
        if (lowest..=highest).contains(&level) { Ok(Self { format, compression, level }) } else { Err(fault) }
    }

    /// Returns the format.
    pub fn format(self) -> Format {
        self.format
    }

    /// Returns the compression.
    pub fn compression(self) -> Compression {
        self.compression
    }

    /// Returns the level.
    pub fn level(self) -> i32 {
        self.level
    }

    /// Returns the compression's name.
    pub fn name(self) -> &'static str {
        match self.compression {
            Compression::None => "none",
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
        }
    }

    /// Returns the library that compresses, and its version. Another version may write other bytes for the same tar.
    pub fn version(self) -> &'static str {
        self.format.compressor(self.compression)
    }

    /// Returns an encoder for blocks of at most `largest` bytes; each thread has its own.
    pub(super) fn encoder(self, largest: usize) -> Result<Encoder, std::io::Error> {
        Ok(match self.compression {
            Compression::None => Encoder::None,
            Compression::Gzip => {
                let level = libdeflater::CompressionLvl::new(self.level).map_err(|fault| std::io::Error::other(format!("{fault:?}")))?;
                let mut compressor = Box::new(libdeflater::Compressor::new(level));
                // Fresh pages of zeros take no memory until something is written to them.
                let scratch = vec![0; compressor.gzip_compress_bound(largest)];
                Encoder::Gzip { compressor, scratch }
            }
            Compression::Zstd => Encoder::Zstd(zstd::bulk::Compressor::new(self.level)?),
        })
    }

    /// Returns how large a block of `size` bytes may become.
    pub(super) fn bound(self, size: usize) -> usize {
        match self.compression {
            Compression::None => size,
            // Stored blocks of deflate hold 65,535 bytes each and take 5 more; the member's header and trailer are 18.
            Compression::Gzip => size + size.div_ceil(16_383) * 5 + 64,
            Compression::Zstd => zstd::zstd_safe::compress_bound(size),
        }
    }
}

/// Compresses blocks one by one: each becomes a gzip member or a zstd frame of its own.
pub(super) enum Encoder {
    None,
    Gzip { compressor: Box<libdeflater::Compressor>, scratch: Vec<u8> },
    Zstd(zstd::bulk::Compressor<'static>),
}

impl Encoder {
    /// Replaces `out` by the compressed block.
    pub(super) fn encode(&mut self, block: &[u8], out: &mut Vec<u8>) -> std::io::Result<()> {
        out.clear();
        match self {
            Self::None => out.extend_from_slice(block),
            Self::Gzip { compressor, scratch } => {
                // libdeflate wants room for the worst case, and writes into initialized memory only.
                let size = compressor.gzip_compress(block, scratch).map_err(|fault| std::io::Error::other(fault.to_string()))?;
                out.extend_from_slice(&scratch[..size]);
            }
            Self::Zstd(compressor) => {
                out.reserve(zstd::zstd_safe::compress_bound(block.len()));
                compressor.compress_to_buffer(block, out)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_names_the_compressors_that_are_linked() {
        let lock = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.lock")).unwrap();
        let version = lock.split("name = \"libdeflate-sys\"\nversion = \"").nth(1).unwrap();
        let libdeflate = format!("libdeflate {}", version.split('"').next().unwrap());
        let zstd = format!("zstd {}", zstd::zstd_safe::version_string());
        for format in Format::carried() {
            // The crate's patch version is its own.
            assert!(libdeflate.starts_with(format.compressor(Compression::Gzip)), "the format {}: {libdeflate}", format.number());
            assert_eq!(format.compressor(Compression::Zstd), zstd, "the format {}", format.number());
        }
    }

    #[test]
    fn levels_are_checked() {
        for (compression, level, expected) in [
            (Compression::Gzip, None, Some(5)),
            (Compression::Gzip, Some(12), Some(12)),
            (Compression::Gzip, Some(13), None),
            (Compression::Gzip, Some(0), None),
            (Compression::Zstd, None, Some(3)),
            (Compression::Zstd, Some(19), Some(19)),
            (Compression::Zstd, Some(22), None),
            (Compression::Zstd, Some(i64::MAX), None),
        ] {
            assert_eq!(Compressor::new(Format::NEWEST, compression, level).ok().map(Compressor::level), expected);
        }
    }
}
