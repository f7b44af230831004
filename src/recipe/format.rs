use crate::oci::Compression;

/// A version of how an image's bytes are made from what is in it: headers, the order and cut points of layers, the defaults of the
/// config, and the compressors. Equal formats and equal contents mean equal bytes, across releases, threads and machines.
///
/// A change of one of these needs a row in [`Format::carried`] with the next number; the last two stay. What an image contains is
/// not part of it: tables and lists have data versions of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Format {
    number: u32,
    gzip: &'static str,
    zstd: &'static str,
    split_links: SplitLinks,
}

/// What becomes of a hard link where a large entry is split into several layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SplitLinks {
    /// It is placed by its own path, and becomes a copy in another layer than its file's.
    ByPath,
    /// It stays in the layer of its file.
    WithFile,
}

/// The formats that this release can write, oldest first. Tests hold each row against golden bytes and the linked compressors.
const CARRIED: [Format; 2] = [
    Format { number: 1, gzip: "libdeflate 1.26", zstd: "zstd 1.5.7", split_links: SplitLinks::ByPath },
    Format { number: 2, gzip: "libdeflate 1.26", zstd: "zstd 1.5.7", split_links: SplitLinks::WithFile },
];

impl Format {
    /// The format of a recipe that names none.
    pub const NEWEST: Self = CARRIED[CARRIED.len() - 1];

    /// Returns the formats that this release can write, oldest first.
    pub fn carried() -> &'static [Self] {
        &CARRIED
    }

    /// Returns the format with a number, if this release can write it.
    pub fn numbered(number: u32) -> Option<Self> {
        CARRIED.into_iter().find(|format| format.number == number)
    }

    /// Returns the number, as `[image] format` and locks name it.
    pub fn number(self) -> u32 {
        self.number
    }

    /// Returns what becomes of hard links where a large entry is split.
    pub fn split_links(self) -> SplitLinks {
        self.split_links
    }

    /// Returns the library that compresses, and its version: `libdeflate 1.26`. Empty when nothing is compressed.
    pub fn compressor(self, compression: Compression) -> &'static str {
        match compression {
            Compression::None => "",
            Compression::Gzip => self.gzip,
            Compression::Zstd => self.zstd,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_and_the_last_two_at_most_are_carried() {
        assert!(CARRIED.len() <= 2 && CARRIED.windows(2).all(|pair| pair[0].number + 1 == pair[1].number));
        for format in CARRIED {
            assert_eq!(Format::numbered(format.number()), Some(format));
        }
        assert_eq!(Format::numbered(0), None);
        assert_eq!(Format::numbered(Format::NEWEST.number() + 1), None);
    }
}
