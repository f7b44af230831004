//! Files of a cache, and what can happen to their bytes.

use std::fs;
use std::path::{Path, PathBuf};

/// What happens to the bytes of a file, by name.
pub(crate) type Damage = (&'static str, fn(&mut Vec<u8>));

pub(crate) static DAMAGES: [Damage; 6] = [
    ("first byte", |bytes| flip(bytes, |_| 0)),
    ("middle", |bytes| flip(bytes, |length| length / 2)),
    ("last byte", |bytes| flip(bytes, |length| length.saturating_sub(1))),
    ("truncated", |bytes| bytes.truncate(bytes.len() / 2)),
    ("empty", Vec::clear),
    ("longer", |bytes| bytes.push(b'x')),
];

fn flip(bytes: &mut [u8], at: fn(usize) -> usize) {
    let at = at(bytes.len());
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 0x55;
    }
}

/// Returns what is to happen to a file: all of it to content, whose readers stop at different places, and some of it to what is read whole.
pub(crate) fn damages_of(file: &Path) -> &'static [Damage] {
    if file.to_string_lossy().contains("/blobs/") { &DAMAGES } else { &DAMAGES[2..4] }
}

/// Lists the files of a cache that hold something, sorted.
pub(crate) fn files(cache: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![cache.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else if entry.metadata().unwrap().len() > 0 {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Damages a file, and no other that shares its content.
pub(crate) fn damage(path: &Path, how: fn(&mut Vec<u8>)) {
    let mut bytes = fs::read(path).unwrap();
    how(&mut bytes);
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}
