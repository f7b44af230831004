use tar::{EntryType, Header};

use crate::rootfs::{Entry, EntryKind, ImagePath};

/// The largest number of an eight-byte octal field.
const OCTAL_7: u64 = 0o777_7777;
/// The largest number of a twelve-byte octal field: 8 GiB less one byte.
const OCTAL_11: u64 = 0o777_7777_7777;

pub(super) const BLOCK: u64 = 512;

/// Returns how many bytes of headers an entry needs.
pub(super) fn header_size(path: &ImagePath, entry: &Entry) -> u64 {
    let records = pax_records(path, entry);
    if records.is_empty() { BLOCK } else { 2 * BLOCK + padded(records.len() as u64) }
}

/// Returns how many bytes an entry takes in the tar: headers, content and padding.
pub(super) fn entry_size(path: &ImagePath, entry: &Entry) -> u64 {
    header_size(path, entry) + padded(content_size(entry))
}

pub(super) fn content_size(entry: &Entry) -> u64 {
    if let EntryKind::File(content) = &entry.kind { content.size() } else { 0 }
}

pub(super) fn padded(size: u64) -> u64 {
    size.div_ceil(BLOCK) * BLOCK
}

/// Appends an entry's headers.
pub(super) fn write_header(path: &ImagePath, entry: &Entry, out: &mut Vec<u8>) {
    let records = pax_records(path, entry);
    let name = written_name(path, entry);
    if !records.is_empty() {
        let mut header = plain_header(EntryType::XHeader, 0o644, records.len() as u64);
        let short: Vec<u8> = [b"PaxHeaders/", path.name()].concat();
        place_name(&mut header, &ascii_prefix(&short, 100));
        finish(&mut header, out);
        out.extend_from_slice(&records);
        out.resize(out.len() + records.len().next_multiple_of(512) - records.len(), 0);
    }
    let (kind, link): (EntryType, &[u8]) = match &entry.kind {
        EntryKind::Directory => (EntryType::Directory, b""),
        EntryKind::File(_) => (EntryType::Regular, b""),
        EntryKind::Symlink(target) => (EntryType::Symlink, target),
        EntryKind::HardLink(target) => (EntryType::Link, target.as_bytes()),
    };
    let size = content_size(entry);
    let mut header = plain_header(kind, entry.mode, if size > OCTAL_11 { 0 } else { size });
    header.set_uid(fitting(entry.owner.uid));
    header.set_gid(fitting(entry.owner.gid));
    if !place_name(&mut header, &name) {
        place_name(&mut header, &ascii_prefix(&name, 100));
    }
    let link = if needs_record(link, 100) { ascii_prefix(link, 100) } else { link.to_vec() };
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.linkname[..link.len()].copy_from_slice(&link);
    }
    finish(&mut header, out);
}

/// Directories are written with a slash at the end.
fn written_name(path: &ImagePath, entry: &Entry) -> Vec<u8> {
    let mut name = path.as_bytes().to_vec();
    if entry.kind == EntryKind::Directory {
        name.push(b'/');
    }
    name
}

fn plain_header(kind: EntryType, mode: u16, size: u64) -> Header {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(u32::from(mode));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(0);
        ustar.set_device_minor(0);
    }
    header
}

fn finish(header: &mut Header, out: &mut Vec<u8>) {
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}

fn fitting(number: u32) -> u64 {
    let number = u64::from(number);
    if number > OCTAL_7 { 0 } else { number }
}

/// Puts a name into the name and prefix fields, if they can hold it.
fn place_name(header: &mut Header, name: &[u8]) -> bool {
    let Some(cut) = split(name) else { return false };
    let Some(ustar) = header.as_ustar_mut() else { return false };
    let (prefix, rest) = if cut == 0 { (&[][..], name) } else { (&name[..cut], &name[cut + 1..]) };
    ustar.prefix[..prefix.len()].copy_from_slice(prefix);
    ustar.name[..rest.len()].copy_from_slice(rest);
    true
}

/// Returns where ustar splits a name into prefix and name; 0 when the name field holds it all, `None` when they cannot hold it.
fn split(name: &[u8]) -> Option<usize> {
    if name.len() <= 100 {
        return Some(0);
    }
    // The slash between them is not stored, and the name must not be empty: a folder's slash at the end is not where to cut.
    let earliest = name.len() - 101;
    (earliest.max(1)..name.len() - 1).find(|cut| name[*cut] == b'/').filter(|cut| *cut <= 155)
}

/// Says whether a text needs a PAX record: too long for its field, or not ASCII, which ustar does not define.
/// Bytes that are not UTF-8 cannot stand in a record, so a field keeps them raw while it can.
fn needs_record(text: &[u8], room: usize) -> bool {
    text.len() > room || (!text.is_ascii() && std::str::from_utf8(text).is_ok())
}

fn ascii_prefix(text: &[u8], room: usize) -> Vec<u8> {
    text.iter().take(room).map(|byte| if byte.is_ascii_graphic() { *byte } else { b'_' }).collect()
}

/// Returns the PAX records that an entry needs, in the order of their keys.
fn pax_records(path: &ImagePath, entry: &Entry) -> Vec<u8> {
    let mut records = Vec::new();
    if u64::from(entry.owner.gid) > OCTAL_7 {
        record(&mut records, "gid", entry.owner.gid.to_string().as_bytes());
    }
    match &entry.kind {
        EntryKind::Symlink(target) if needs_record(target, 100) => record(&mut records, "linkpath", target),
        EntryKind::HardLink(target) if needs_record(target.as_bytes(), 100) => record(&mut records, "linkpath", target.as_bytes()),
        _ => {}
    }
    let bytes = path.as_bytes();
    // Most paths are short and ASCII, and this runs twice for every entry: the name is built only for those that are not.
    if !bytes.is_ascii() || bytes.len() >= 100 {
        let name = written_name(path, entry);
        if needs_record(&name, usize::MAX) || split(&name).is_none() {
            record(&mut records, "path", &name);
        }
    }
    let size = content_size(entry);
    if size > OCTAL_11 {
        record(&mut records, "size", size.to_string().as_bytes());
    }
    if u64::from(entry.owner.uid) > OCTAL_7 {
        record(&mut records, "uid", entry.owner.uid.to_string().as_bytes());
    }
    records
}

/// Appends `length key=value\n`, where the length counts itself.
fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::{Content, Owner, PathFault, Stat, TreeId};

    fn entry(kind: EntryKind) -> Entry {
        Entry { kind, mode: 0o644, owner: Owner::default() }
    }

    #[test]
    fn records_count_their_own_length() {
        for (size, expected) in [(1, "9 path=x\n"), (2, "11 path=xx\n"), (90, ""), (91, ""), (985, "")] {
            let mut records = Vec::new();
            record(&mut records, "path", "x".repeat(size).as_bytes());
            let text = String::from_utf8_lossy(&records).into_owned();
            let length: usize = text.split(' ').next().and_then(|digits| digits.parse().ok()).unwrap_or_default();
            assert_eq!(length, records.len());
            assert!(expected.is_empty() || text == expected, "{text}");
        }
    }

    #[test]
    fn sizes_are_known_before_writing() -> Result<(), PathFault> {
        let long = "d/".repeat(80) + "file";
        let longest = "n".repeat(120);
        let huge = Content::Tail { tree: TreeId(0), tail: 1, stat: Stat { size: 9 << 30, stamp: 0 } };
        for (path, kind, pax) in [
            ("a", EntryKind::Directory, false),
            (&*long, EntryKind::Directory, false),
            (&*longest, EntryKind::Directory, true),
            ("æ", EntryKind::File(Content::Inline((*b"x").into())), true),
            ("s", EntryKind::Symlink("t".repeat(101).into_bytes().into()), true),
            ("big", EntryKind::File(huge), true),
        ] {
            let (path, entry) = (ImagePath::new(path.as_bytes())?, entry(kind));
            let mut bytes = Vec::new();
            write_header(&path, &entry, &mut bytes);
            assert_eq!(bytes.len() as u64, header_size(&path, &entry), "{path}");
            assert_eq!(bytes.len() > 512, pax, "{path}");
        }
        Ok(())
    }
}
