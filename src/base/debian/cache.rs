use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

/// What the file begins with: the format's name and its version (glibc, `dl-cache.h`).
const MAGIC: &[u8; 20] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;
/// Numbers are little-endian.
const LITTLE: u8 = 2;
/// Marks an entry of a `glibc-hwcaps` folder; the lowest bits say which.
const HWCAPS: u64 = 1 << 62;
/// The first bytes of the extensions.
const EXTENSIONS: u32 = 0xeaa4_2174;
const GENERATOR_SECTION: u32 = 0;
const HWCAPS_SECTION: u32 = 1;
/// The program that made the file, as `ldconfig -p` prints it.
const GENERATOR: &[u8] = b"hardened";

/// One library that programs find by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedLibrary {
    /// The name that programs ask for: mostly the soname.
    pub name: String,
    /// The absolute path.
    pub path: String,
    /// Which programs can load it.
    pub abi: LibraryAbi,
    /// The folder below `glibc-hwcaps` that it lies in, such as `x86-64-v3`.
    pub hwcaps: Option<String>,
    /// The level of the instruction set that an x86 library of such a folder asks for by itself; 0 when it does not.
    pub isa_level: u8,
}

/// The binary interfaces that the cache tells apart, of little-endian machines (glibc, `ldconfig.h`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LibraryAbi {
    /// x86-64.
    Amd64,
    /// x86-64 with pointers of 32 bits.
    X32,
    /// 32-bit x86.
    I386,
    /// 64-bit ARM.
    Arm64,
    /// 32-bit ARM with floating-point registers.
    Armhf,
    /// 64-bit little-endian POWER.
    Ppc64el,
    /// 64-bit RISC-V with registers of double precision.
    Riscv64,
}

impl LibraryAbi {
    /// Returns the interface of the libraries of an architecture, by its name in [`crate::oci::Platform`]; `None` for one that has
    /// big-endian numbers or that Debian has not.
    pub fn of(architecture: &str) -> Option<Self> {
        match architecture {
            "amd64" => Some(Self::Amd64),
            "386" => Some(Self::I386),
            "arm64" => Some(Self::Arm64),
            "arm" => Some(Self::Armhf),
            "ppc64le" => Some(Self::Ppc64el),
            "riscv64" => Some(Self::Riscv64),
            _ => None,
        }
    }

    /// Returns the name of the folders that Debian keeps the libraries of this interface in.
    pub fn triplet(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64-linux-gnu",
            Self::X32 => "x86_64-linux-gnux32",
            Self::I386 => "i386-linux-gnu",
            Self::Arm64 => "aarch64-linux-gnu",
            Self::Armhf => "arm-linux-gnueabihf",
            Self::Ppc64el => "powerpc64le-linux-gnu",
            Self::Riscv64 => "riscv64-linux-gnu",
        }
    }

    /// Says whether the `ldconfig` of this interface puts libraries of the other one into the cache.
    pub(super) fn takes(self, other: Self) -> bool {
        match self {
            Self::Amd64 | Self::X32 | Self::I386 => matches!(other, Self::Amd64 | Self::X32 | Self::I386),
            Self::Arm64 | Self::Armhf => matches!(other, Self::Arm64 | Self::Armhf),
            Self::Ppc64el | Self::Riscv64 => self == other,
        }
    }

    fn flags(self) -> u32 {
        // The lowest byte says that it is an ELF library for glibc 2.
        3 | match self {
            Self::I386 => 0,
            Self::Amd64 => 0x300,
            Self::Ppc64el => 0x500,
            Self::X32 => 0x800,
            Self::Armhf => 0x900,
            Self::Arm64 => 0xa00,
            Self::Riscv64 => 0x1000,
        }
    }
}

/// Writes `/etc/ld.so.cache` in the format that glibc 2.2 and later read and `ldconfig` of glibc 2.33 and later writes alone:
/// the same bytes but for the name of the program. Of libraries with one name, interface and folder the first is found.
pub fn ld_so_cache(libraries: &[CachedLibrary]) -> Vec<u8> {
    let mut sorted: Vec<&CachedLibrary> = libraries.iter().collect();
    sorted.sort_by(|one, other| order(one, other));
    let folders: BTreeSet<&str> = sorted.iter().filter_map(|library| library.hwcaps.as_deref()).collect();
    let start = HEADER + ENTRY * sorted.len();
    let texts = sorted.iter().flat_map(|library| [library.name.as_str(), &library.path]).chain(folders.iter().copied());
    let strings = Strings::new(texts.collect(), start);

    let mut bytes = MAGIC.to_vec();
    let extensions = (start + strings.bytes.len()).next_multiple_of(4);
    bytes.extend([number(sorted.len()), number(strings.bytes.len())].concat());
    bytes.extend([LITTLE, 0, 0, 0]);
    bytes.extend(number(extensions));
    bytes.resize(HEADER, 0);
    for library in sorted {
        bytes.extend(library.abi.flags().to_le_bytes());
        bytes.extend([strings.offset(&library.name), strings.offset(&library.path), [0; 4]].concat());
        let folder = library.hwcaps.as_deref().map(|folder| folders.range(..folder).count() as u64);
        let hwcaps = folder.map_or(0, |number| HWCAPS | u64::from(library.isa_level) << 32 | number);
        bytes.extend(hwcaps.to_le_bytes());
    }
    bytes.extend(&strings.bytes);
    bytes.resize(extensions, 0);

    let mut sections: Vec<(u32, Vec<u8>)> = Vec::new();
    if !folders.is_empty() {
        sections.push((HWCAPS_SECTION, folders.iter().flat_map(|folder| strings.offset(folder)).collect()));
    }
    sections.push((GENERATOR_SECTION, GENERATOR.to_vec()));
    bytes.extend(EXTENSIONS.to_le_bytes());
    bytes.extend(number(sections.len()));
    let mut offset = extensions + 8 + 16 * sections.len();
    for (tag, content) in &sections {
        bytes.extend([tag.to_le_bytes(), [0; 4], number(offset), number(content.len())].concat());
        offset += content.len();
    }
    bytes.extend(sections.into_iter().flat_map(|(_, content)| content));
    bytes
}

/// The order that the dynamic linker's search needs: names downwards, and the entries of `glibc-hwcaps` folders before the others.
fn order(one: &CachedLibrary, other: &CachedLibrary) -> Ordering {
    let by_folder = || match (&one.hwcaps, &other.hwcaps) {
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (one, other) => one.cmp(other),
    };
    compare_names(&other.name, &one.name).then_with(|| other.abi.flags().cmp(&one.abi.flags())).then_with(by_folder)
}

/// Compares names as glibc does: digits by the number that they are, which wraps at 32 bits.
pub(super) fn compare_names(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    loop {
        match (one.first(), other.first()) {
            (None, None) => return Ordering::Equal,
            (Some(digit), Some(second)) if digit.is_ascii_digit() && second.is_ascii_digit() => {
                let difference = leading_number(&mut one).wrapping_sub(leading_number(&mut other));
                if difference != 0 {
                    return difference.cmp(&0);
                }
            }
            (Some(digit), _) if digit.is_ascii_digit() => return Ordering::Greater,
            // At the end of the first name, a digit counts like any other byte.
            (Some(_), Some(digit)) if digit.is_ascii_digit() => return Ordering::Less,
            (first, second) if first == second => {
                one = &one[1..];
                other = &other[1..];
            }
            (first, second) => return first.cmp(&second),
        }
    }
}

fn leading_number(text: &mut &[u8]) -> i32 {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.iter().fold(0_i32, |number, digit| number.wrapping_mul(10).wrapping_add(i32::from(digit - b'0')))
}

/// The string table: each name and path once; a text that is the end of another shares its bytes.
struct Strings<'a> {
    bytes: Vec<u8>,
    offsets: BTreeMap<&'a str, usize>,
}

impl<'a> Strings<'a> {
    fn new(texts: BTreeSet<&'a str>, start: usize) -> Self {
        let mut texts: Vec<&str> = texts.into_iter().collect();
        // Downwards by their ends, so that a text follows the longer ones that end with it.
        texts.sort_by(|one, other| other.bytes().rev().cmp(one.bytes().rev()));
        let (mut bytes, mut offsets) = (Vec::new(), BTreeMap::new());
        let mut previous: &str = "";
        for text in texts {
            if offsets.is_empty() || !previous.ends_with(text) {
                bytes.extend_from_slice(text.as_bytes());
                bytes.push(0);
            }
            // The text that it is the end of was written last.
            offsets.insert(text, start + bytes.len() - 1 - text.len());
            previous = text;
        }
        Self { bytes, offsets }
    }

    fn offset(&self, text: &str) -> [u8; 4] {
        number(self.offsets.get(text).copied().unwrap_or_default())
    }
}

/// Libraries of an image and their names never come near 4 GiB.
fn number(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn library(name: &str, path: &str, abi: LibraryAbi, hwcaps: Option<&str>) -> CachedLibrary {
        CachedLibrary { name: name.to_owned(), path: path.to_owned(), abi, hwcaps: hwcaps.map(str::to_owned), isa_level: 0 }
    }

    #[test]
    fn names_are_compared_by_their_numbers() {
        for (one, other, expected) in [
            ("libz.so.1", "libz.so.1", Ordering::Equal),
            ("libz.so.01", "libz.so.1", Ordering::Equal),
            ("libz.so.9", "libz.so.10", Ordering::Less),
            ("libz.so", "libz.so.1", Ordering::Less),
            ("libz3.so", "libz.so", Ordering::Greater),
            ("libza.so", "libz3.so", Ordering::Less),
            ("liba.so", "libb.so", Ordering::Less),
            ("libz", "libz1", Ordering::Less),
            // 4294967297 is 1 in 32 bits.
            ("libz.so.4294967297", "libz.so.1", Ordering::Equal),
        ] {
            assert_eq!(compare_names(one, other), expected, "{one} {other}");
            assert_eq!(compare_names(other, one), expected.reverse(), "{other} {one}");
        }
    }

    #[test]
    fn strings_that_end_others_are_shared() {
        let strings = Strings::new(["c.so", "/lib/abc.so", "bc.so", "/lib/d.so", "so"].into(), 100);
        assert_eq!(strings.bytes, b"/lib/d.so\0/lib/abc.so\0");
        for (text, offset) in [("/lib/d.so", 100), ("/lib/abc.so", 110), ("bc.so", 116), ("c.so", 117), ("so", 119)] {
            assert_eq!(strings.offsets[text], offset, "{text}");
        }
    }

    /// Reads the file by its description, in another way than it is written.
    fn entries(bytes: &[u8]) -> Vec<(u32, String, String, u64)> {
        let word = |offset: usize| u32::from_le_bytes(bytes[offset..offset + 4].try_into().unwrap());
        let text = |offset: u32| {
            let rest = &bytes[offset as usize..];
            String::from_utf8(rest[..rest.iter().position(|byte| *byte == 0).unwrap()].to_vec()).unwrap()
        };
        assert_eq!(&bytes[..20], MAGIC);
        let count = word(20) as usize;
        (0..count)
            .map(|number| 48 + 24 * number)
            .map(|offset| {
                let hwcaps = u64::from(word(offset + 16)) | u64::from(word(offset + 20)) << 32;
                (word(offset), text(word(offset + 4)), text(word(offset + 8)), hwcaps)
            })
            .collect()
    }

    #[test]
    fn entries_are_sorted_as_the_linker_searches() {
        let (amd64, i386) = (LibraryAbi::Amd64, LibraryAbi::I386);
        let bytes = ld_so_cache(&[
            library("liba.so.9", "/lib/liba.so.9", amd64, None),
            library("liba.so.10", "/lib/liba.so.10", amd64, None),
            library("libb.so.1", "/second/libb.so.1", amd64, None),
            library("libb.so.1", "/lib32/libb.so.1", i386, None),
            library("libb.so.1", "/third/libb.so.1", amd64, None),
            library("libb.so.1", "/v3/libb.so.1.2", amd64, Some("x86-64-v3")),
            CachedLibrary { isa_level: 1, ..library("libb.so.1", "/v2/libb.so.1.2", amd64, Some("x86-64-v2")) },
        ]);
        let hwcaps = 1 << 62;
        let expected = [
            (0x303, "libb.so.1", "/v2/libb.so.1.2", hwcaps | 1 << 32),
            (0x303, "libb.so.1", "/v3/libb.so.1.2", hwcaps | 1),
            (0x303, "libb.so.1", "/second/libb.so.1", 0),
            (0x303, "libb.so.1", "/third/libb.so.1", 0),
            (3, "libb.so.1", "/lib32/libb.so.1", 0),
            (0x303, "liba.so.10", "/lib/liba.so.10", 0),
            (0x303, "liba.so.9", "/lib/liba.so.9", 0),
        ];
        assert_eq!(entries(&bytes), expected.map(|(flags, name, path, hwcaps)| (flags, name.to_owned(), path.to_owned(), hwcaps)));
        assert!(bytes.ends_with(b"hardened"));
    }

    #[test]
    fn no_libraries_make_a_cache_too() {
        let bytes = ld_so_cache(&[]);
        assert_eq!(entries(&bytes), []);
        assert_eq!(bytes.len(), 48 + 8 + 16 + GENERATOR.len());
    }
}
