use super::encoding::{Encoding, Segment};
use super::{Dynamic, Gap, NeededVersions, Source, Stop, cache};

/// The longest name or search path that is read, in bytes: search paths that build systems write are long.
const TEXT: usize = 32 << 10;
/// The most entries of a dynamic table.
const ENTRIES: u64 = 4096;
/// The most needed libraries, and the most libraries or definitions with versions.
const NAMES: usize = 2048;
/// The most versions of all libraries.
const VERSIONS: usize = 8192;
/// The most bytes of all names of one file.
const WEIGHT: usize = 512 << 10;
/// The most symbols and the most bytes of names that are looked through for `dlopen`.
const SYMBOLS: u64 = 1 << 18;
const STRINGS: u64 = 8 << 20;
/// The bytes that are looked through at once.
const PIECE: u64 = 64 << 10;

// The tags of a dynamic table (gABI chapter 5, `elf.h`).
const NEEDED: u64 = 1;
const HASH: u64 = 4;
const STRTAB: u64 = 5;
const SYMTAB: u64 = 6;
const STRSZ: u64 = 10;
const SONAME: u64 = 14;
const RPATH: u64 = 15;
const RUNPATH: u64 = 29;
const GNU_HASH: u64 = 0x6fff_fef5;
const FLAGS_1: u64 = 0x6fff_fffb;
const VERDEF: u64 = 0x6fff_fffc;
const VERNEED: u64 = 0x6fff_fffe;
const FILTER: u64 = 0x7fff_ffff;
/// `DF_1_NODEFLIB`.
const WITHOUT_DEFAULTS: u64 = 0x800;
/// `VER_FLG_BASE`: the file itself. `VER_FLG_WEAK`: it may be missing.
const BASE: u16 = 1;
const WEAK: u16 = 2;

/// Reads the dynamic table and what it leads to. What was read before a gap stays.
pub(super) fn read(source: &Source<'_>, encoding: Encoding, table: Segment, loads: &[Segment], dynamic: &mut Dynamic) -> Result<(), Stop> {
    let reader = Reader::new(source, encoding, table, loads)?;
    let text = |tag| reader.value(tag).map(|offset| reader.text(offset)).transpose();
    dynamic.soname = text(SONAME)?;
    dynamic.runpath = text(RUNPATH)?;
    dynamic.rpath = text(RPATH)?;
    dynamic.without_defaults = reader.value(FLAGS_1).unwrap_or_default() & WITHOUT_DEFAULTS != 0;
    for (tag, offset) in &reader.entries {
        if *tag == NEEDED || *tag == FILTER {
            if dynamic.needed.len() == NAMES {
                return Err(Gap::Limit.into());
            }
            dynamic.needed.push(reader.text(*offset)?);
            bounded(dynamic)?;
        }
    }
    reader.needed_versions(dynamic)?;
    reader.defined_versions(dynamic)?;
    dynamic.opens_by_name = match reader.opens() {
        Ok(opens) => opens,
        // It only makes for a remark: better one too many.
        Err(Stop::Gap(_)) => true,
        Err(stop) => return Err(stop),
    };
    if dynamic.soname.as_deref().is_some_and(cache::is_loader) {
        dynamic.folders = cache::loader_folders(source)?;
    }
    Ok(())
}

fn bounded(dynamic: &Dynamic) -> Result<(), Stop> {
    if dynamic.weight() > WEIGHT { Err(Gap::Limit.into()) } else { Ok(()) }
}

struct Reader<'a> {
    source: &'a Source<'a>,
    encoding: Encoding,
    loads: &'a [Segment],
    entries: Vec<(u64, u64)>,
    strings: Option<(u64, u64)>,
}

impl<'a> Reader<'a> {
    fn new(source: &'a Source<'a>, encoding: Encoding, table: Segment, loads: &'a [Segment]) -> Result<Self, Stop> {
        let length = if encoding.wide { 16 } else { 8 };
        let count = table.size / length;
        let bytes = source.bytes(table.offset, usize::try_from(count.min(ENTRIES) * length).unwrap_or_default())?;
        let length = usize::try_from(length).unwrap_or_default();
        let pairs = bytes.chunks_exact(length).map(|entry| (encoding.long(entry, 0), encoding.long(entry, length / 2)));
        let entries: Vec<(u64, u64)> = pairs.take_while(|(tag, _)| *tag != 0).collect();
        if entries.len() as u64 == ENTRIES && count > ENTRIES {
            return Err(Gap::Limit.into());
        }
        let mut reader = Self { source, encoding, loads, entries, strings: None };
        if let (Some(address), Some(size)) = (reader.value(STRTAB), reader.value(STRSZ)) {
            reader.strings = Some((reader.offset(address)?, size));
        }
        Ok(reader)
    }

    /// Returns the value of a tag. Of several, the last counts, as in glibc and musl.
    fn value(&self, wanted: u64) -> Option<u64> {
        self.entries.iter().rev().find(|(tag, _)| *tag == wanted).map(|(_, value)| *value)
    }

    /// Returns where in the file an address lies.
    fn offset(&self, address: u64) -> Result<u64, Stop> {
        let holds = |segment: &&Segment| address >= segment.address && address - segment.address < segment.size;
        let segment = self.loads.iter().find(holds).ok_or(Gap::Broken)?;
        Ok(segment.offset.checked_add(address - segment.address).ok_or(Gap::Broken)?)
    }

    fn text(&self, at: u64) -> Result<Box<str>, Stop> {
        let (start, size) = self.strings.ok_or(Gap::Broken)?;
        let left = size.checked_sub(at).filter(|left| *left > 0).ok_or(Gap::Broken)?;
        let offset = start.checked_add(at).ok_or(Gap::Broken)?;
        // A few bytes first: most names are short, and at a gap's border every byte counts.
        for length in [64, 1024, TEXT as u64 + 1] {
            let length = length.min(left).min(self.source.size().saturating_sub(offset));
            let bytes = self.source.bytes(offset, usize::try_from(length).unwrap_or_default())?;
            if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
                return Ok(String::from_utf8_lossy(&bytes[..end]).into());
            }
            if length == left {
                return Err(Gap::Broken.into());
            }
        }
        Err(Gap::Limit.into())
    }

    fn needed_versions(&self, dynamic: &mut Dynamic) -> Result<(), Stop> {
        let Some(address) = self.value(VERNEED) else { return Ok(()) };
        let encoding = self.encoding;
        let mut at = self.offset(address)?;
        let mut total = 0;
        for _ in 0..NAMES {
            let entry = self.source.bytes(at, 16)?;
            let mut needed = NeededVersions { library: self.text(u64::from(encoding.word(&entry, 4)))?, versions: Vec::new() };
            let mut below = ahead(at, encoding.word(&entry, 8))?;
            for _ in 0..encoding.half(&entry, 2) {
                total += 1;
                if total > VERSIONS {
                    return Err(Gap::Limit.into());
                }
                let version = self.source.bytes(below, 16)?;
                if encoding.half(&version, 4) & WEAK == 0 {
                    needed.versions.push(self.text(u64::from(encoding.word(&version, 8)))?);
                }
                match encoding.word(&version, 12) {
                    0 => break,
                    next => below = ahead(below, next)?,
                }
            }
            if !needed.versions.is_empty() {
                dynamic.versions.push(needed);
                bounded(dynamic)?;
            }
            match encoding.word(&entry, 12) {
                0 => return Ok(()),
                next => at = ahead(at, next)?,
            }
        }
        Err(Gap::Limit.into())
    }

    fn defined_versions(&self, dynamic: &mut Dynamic) -> Result<(), Stop> {
        let Some(address) = self.value(VERDEF) else { return Ok(()) };
        let encoding = self.encoding;
        let mut at = self.offset(address)?;
        for count in 0..VERSIONS {
            let entry = self.source.bytes(at, 20)?;
            if encoding.half(&entry, 2) & BASE == 0 {
                let name = self.source.bytes(ahead(at, encoding.word(&entry, 12))?, 8)?;
                dynamic.defines.push(self.text(u64::from(encoding.word(&name, 0)))?);
                if count % 64 == 0 {
                    bounded(dynamic)?;
                }
            }
            match encoding.word(&entry, 16) {
                0 => return bounded(dynamic),
                next => at = ahead(at, next)?,
            }
        }
        Err(Gap::Limit.into())
    }

    /// Says whether `dlopen` is among the symbols that others must define.
    fn opens(&self) -> Result<bool, Stop> {
        let (Some((strings, size)), Some(symbols)) = (self.strings, self.value(SYMTAB)) else { return Ok(false) };
        if size > STRINGS {
            return Err(Gap::Limit.into());
        }
        let names = self.offsets_of(strings, size)?;
        if names.is_empty() {
            return Ok(false);
        }
        let (length, section) = if self.encoding.wide { (24, 6) } else { (16, 14) };
        let mut at = self.offset(symbols)?;
        // The second word of `DT_HASH` counts all symbols, that of `DT_GNU_HASH` those before the first that is defined here; it is
        // 1 when none is. Linkers put the names behind the symbols, which tells the count then.
        let table = self.value(GNU_HASH).or_else(|| self.value(HASH)).ok_or(Gap::Broken)?;
        let counted = u64::from(self.encoding.word(&self.source.bytes(self.offset(table)?, 8)?, 4));
        let count = if counted > 1 { counted } else { strings.saturating_sub(at) / length };
        let mut left = count.min(SYMBOLS) * length;
        while left > 0 {
            let piece = left.min(PIECE / length * length);
            let bytes = self.source.bytes(at, usize::try_from(piece).unwrap_or_default())?;
            let asks = |symbol: &[u8]| self.encoding.half(symbol, section) == 0 && names.contains(&self.encoding.word(symbol, 0));
            if bytes.chunks_exact(usize::try_from(length).unwrap_or(1)).any(asks) {
                return Ok(true);
            }
            (at, left) = (at + piece, left - piece);
        }
        Ok(false)
    }

    /// Returns where in the string table `dlopen` and `dlmopen` stand, also as the end of another name.
    fn offsets_of(&self, strings: u64, size: u64) -> Result<Vec<u32>, Stop> {
        let mut offsets = Vec::new();
        let mut at = 0;
        while at < size && offsets.len() < 64 {
            let piece = (size - at).min(PIECE);
            let bytes = self.source.bytes(strings.checked_add(at).ok_or(Gap::Broken)?, usize::try_from(piece).unwrap_or_default())?;
            for name in [&b"dlopen\0"[..], b"dlmopen\0"] {
                let found = bytes.windows(name.len()).enumerate().filter(|(_, window)| *window == name);
                offsets.extend(found.filter_map(|(index, _)| u32::try_from(at + index as u64).ok()).take(64));
            }
            if piece == size - at {
                break;
            }
            // A name may stand across two pieces.
            at += piece - 8;
        }
        Ok(offsets)
    }
}

/// Returns what lies `distance` further on.
fn ahead(at: u64, distance: u32) -> Result<u64, Stop> {
    Ok(at.checked_add(u64::from(distance)).ok_or(Gap::Broken)?)
}
