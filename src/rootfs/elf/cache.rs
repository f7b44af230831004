use serde::{Deserialize, Serialize};

use super::{Gap, Source, Stop};

/// The largest file of either kind that is read, in bytes.
const FILE: u64 = 2 << 20;
/// The most libraries in a list.
const LIBRARIES: usize = 16384;
/// How the list begins that glibc's `ldconfig` writes, since 2.32 alone, before behind an older one.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";

/// A library that glibc's loader knows by name, from `/etc/ld.so.cache`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedLibrary {
    /// The name that is asked for.
    #[serde(rename = "n")]
    pub name: Box<str>,
    /// Its path.
    #[serde(rename = "p")]
    pub path: Box<str>,
}

/// Says whether a library is a loader of glibc, by its name.
pub(super) fn is_loader(soname: &str) -> bool {
    soname.starts_with("ld-linux") || soname.starts_with("ld64.so.") || soname.starts_with("ld.so.")
}

/// Reads the list of libraries of glibc's loader (`struct cache_file_new` of its `dl-cache.h`); `None` when the file is none.
pub(in crate::rootfs) fn loader_cache(source: &Source<'_>) -> Result<Option<Vec<CachedLibrary>>, Stop> {
    let start = source.bytes(0, usize::try_from(source.size().min(MAGIC.len() as u64)).unwrap_or_default())?;
    let is_old = start.starts_with(OLD_MAGIC);
    if start != MAGIC && !is_old || source.size() > FILE {
        return Ok(None);
    }
    let bytes = source.bytes(0, usize::try_from(source.size()).unwrap_or_default())?;
    let raw = |at: usize| bytes.get(at..at.checked_add(4)?)?.try_into().ok();
    // The lowest bits of a byte of the header say how numbers are written: 3 is big-endian.
    let flags = |begin: usize| bytes.get(begin.checked_add(28)?).copied();
    let number_of_old = |at| raw(at).map(u32::from_le_bytes).and_then(|count| usize::try_from(count).ok());
    // The older list: 12 bytes of magic, a count, entries of 12 bytes; the newer one follows at the next multiple of 8.
    let begin = if is_old { number_of_old(12).map_or(usize::MAX, |count| (16 + count.saturating_mul(12)).next_multiple_of(8)) } else { 0 };
    let is_big = flags(begin).is_some_and(|flags| flags & 3 == 3);
    let word = |at: usize| raw(at).map(|word| if is_big { u32::from_be_bytes(word) } else { u32::from_le_bytes(word) });
    let number = |at: usize| word(at).and_then(|word| usize::try_from(word).ok());
    let begins = begin.checked_add(MAGIC.len()).and_then(|end| bytes.get(begin..end)) == Some(MAGIC);
    let Some(count) = begins.then(|| number(begin + 20)).flatten().filter(|count| *count <= LIBRARIES) else { return Ok(None) };
    let text = |at: usize| {
        let bytes = bytes.get(begin.checked_add(number(at)?)?..)?;
        let end = bytes.iter().take(4097).position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&bytes[..end]).into())
    };
    // 48 bytes of header; an entry is flags, name, path, an older kernel's version, and what processor it is for.
    let entries = (0..count).map(|index| begin + 48 + index * 24);
    let library = |at: usize| Some(CachedLibrary { name: text(at + 4)?, path: text(at + 8)? });
    // Entries for certain processors (the last field) are not for all.
    let for_all = |at: &usize| word(at + 16) == Some(0) && word(at + 20) == Some(0);
    Ok(entries.filter(for_all).map(library).collect())
}

/// Finds the folders that a loader of glibc looks into by itself: one text behind the other, each with a slash at both ends.
/// They depend on how it was built: `/lib/x86_64-linux-gnu` at Debian, `/lib64` at Fedora.
pub(super) fn loader_folders(source: &Source<'_>) -> Result<Vec<Box<str>>, Stop> {
    if source.size() > FILE {
        return Err(Gap::Limit.into());
    }
    let bytes = source.bytes(0, usize::try_from(source.size()).unwrap_or_default())?;
    let (mut best, mut run): (Vec<Box<str>>, Vec<Box<str>>) = (Vec::new(), Vec::new());
    for piece in bytes.split(|byte| *byte == 0) {
        let printable = piece.iter().rev().take_while(|byte| byte.is_ascii_graphic()).count();
        let text = &piece[piece.len() - printable..];
        let first = text.iter().position(|byte| *byte == b'/').unwrap_or(text.len());
        let text = std::str::from_utf8(&text[first..]).unwrap_or_default();
        let is_folder = text.len() > 2 && text.ends_with('/') && text.contains("/lib");
        if is_folder && (run.is_empty() || first == 0 && printable == piece.len()) {
            run.push(text.trim_end_matches('/').into());
        } else {
            if run.len() > best.len() {
                best = std::mem::take(&mut run);
            }
            run.clear();
        }
    }
    Ok(best)
}
