use std::sync::atomic::{AtomicU64, Ordering};

use super::*;
use crate::layer::collect::{ALL, Digests, OWN_FILES, STANDARD};
use crate::layer::record::{BLOCK, HEAD};
use crate::layer::{Limits, NoneEarlier, read_facts, read_layer};
use crate::oci::{Compression, Digest};
use crate::rootfs::{Content, Entry, EntryKind, Fact, FactKind, Head, LayerEntry, LayerFacts, Owner, Stat, TreeId, writer};

/// Contents that are made of the path and the offset.
struct Made;

impl OpenContent for Made {
    fn read(&self, _: TreeId, path: &[u8], stat: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        assert!(offset + buffer.len() as u64 <= stat.size);
        for (at, byte) in (offset..).zip(buffer) {
            *byte = path[usize::try_from(at).unwrap() % path.len()].wrapping_add(u8::try_from(at >> 12 & 0xff).unwrap());
        }
        if path == b"changed" { Err(ContentFault::Changed) } else { Ok(()) }
    }
}

/// Writes a layer of which nothing is remembered.
fn write(changeset: &Changeset, compressor: Compressor, count: usize, out: &mut dyn Write) -> Result<LayerRecord, LayerFault> {
    write_after(changeset, compressor, count, None, out)
}

fn write_after(
    changeset: &Changeset,
    compressor: Compressor,
    count: usize,
    last: Option<&LayerRecord>,
    out: &mut dyn Write,
) -> Result<LayerRecord, LayerFault> {
    let threads = NonZeroUsize::new(count).unwrap();
    let request = LayerRequest { changeset, contents: &Made, compressor, threads, last, earlier: &NoneEarlier, collectors: &ALL };
    write_layer(&request, out)
}

/// A disk that is full.
struct Full;

impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::ErrorKind::StorageFull.into())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn changeset() -> Changeset {
    let mut entries = vec![];
    for number in 0..3000_u64 {
        let path = ImagePath::new(format!("folder-{}/file-{number}", number % 7).as_bytes()).unwrap();
        let size = if number % 1000 == 3 { 9_500_000 } else { number * 7 % 9000 };
        let tail = u16::try_from(path.as_bytes().len()).unwrap();
        let kind = EntryKind::File(Content::Tail { tree: TreeId(0), tail, stat: Stat { size, stamp: 0 } });
        entries.push((path, Entry { kind, mode: 0o644, owner: Owner { uid: 0, gid: 3_000_000_000 } }));
    }
    Changeset::new(entries)
}

#[test]
fn bytes_do_not_depend_on_threads_and_read_back() {
    let changeset = changeset();
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let compressor = Compressor::new(crate::recipe::Format::NEWEST, compression, None).unwrap();
        let mut first = vec![];
        let layer = write(&changeset, compressor, 1, &mut first).unwrap().layer().clone();
        assert_eq!((layer.descriptor.digest, layer.descriptor.size), (Digest::of(&first), first.len() as u64));
        for count in [2, 7] {
            let mut again = vec![];
            assert_eq!(*write(&changeset, compressor, count, &mut again).unwrap().layer(), layer);
            assert!(again == first);
        }
        let facts = read_facts(&first[..], compression, &Limits::default()).unwrap();
        assert_eq!((facts.diff_id, facts.size, facts.entries.len()), (layer.diff_id, layer.tar_size, 3000));
        let LayerEntry::Add(fact) = &facts.entries[5].fact else { panic!("no file") };
        assert_eq!((fact.gid, fact.mode), (3_000_000_000, 0o644));
        assert!(matches!(fact.kind, FactKind::File { size: 35.., .. }));
    }
}

#[test]
fn a_memory_from_elsewhere_is_proved_by_the_layer_itself() {
    for compression in [Compression::Gzip, Compression::Zstd] {
        let compressor = Compressor::new(crate::recipe::Format::NEWEST, compression, Some(1)).unwrap();
        let mut blob = vec![];
        let record = write(&changeset(), compressor, 2, &mut blob).unwrap();
        let proved = LayerRecord::read(&record.to_bytes()).unwrap().proved(&mut &blob[..]).unwrap();
        assert!(proved.layer() == record.layer() && !proved.is_settled());
        // What a block is known by, and where it is, is where a lie would put foreign bytes into an image.
        let bytes = record.to_bytes();
        for byte in [HEAD + 40, HEAD + 70, HEAD + BLOCK - 1, 90] {
            let mut lie = bytes.clone();
            lie[byte] ^= 1;
            assert!(LayerRecord::read(&lie).is_none_or(|lie| lie.proved(&mut &blob[..]).is_err()), "byte {byte}");
        }
        assert!(LayerRecord::read(&bytes).unwrap().proved(&mut &blob[..blob.len() - 1]).is_err());
        // What is said of the files is not believed at all.
        assert!(record.collected(&changeset(), &ALL).is_some());
        assert!(proved.collected(&changeset(), &ALL).is_none() && proved.is_collected_by(&[]));
    }
}

#[test]
fn a_failing_file_or_disk_ends_the_layer() {
    let entry = Entry {
        kind: EntryKind::File(Content::Tail { tree: TreeId(0), tail: 7, stat: Stat { size: 10, stamp: 0 } }),
        mode: 0o644,
        owner: Owner::default(),
    };
    let mut entries = changeset().entries().to_vec();
    entries.push((ImagePath::new(b"changed").unwrap(), entry));
    let compressor = Compressor::new(crate::recipe::Format::NEWEST, Compression::Zstd, None).unwrap();
    let fault = write(&Changeset::new(entries), compressor, 2, &mut io::sink()).unwrap_err();
    assert!(matches!(fault, LayerFault::Content { fault: ContentFault::Changed, .. }), "{fault:?}");

    let fault = write(&changeset(), compressor, 2, &mut Full).unwrap_err();
    assert!(matches!(fault, LayerFault::Write(_)), "{fault:?}");
}

/// Contents of a few kinds: programs, scripts, accounts and packages.
struct Kinds {
    /// How many bytes were read.
    read: AtomicU64,
}

fn content(path: &[u8], size: u64) -> Vec<u8> {
    let mut bytes = match path {
        b"bin/tool" | b"bin/large" => writer::Elf { machine: 62, needed: &["libc.so.6"], ..writer::Elf::default() }.write(),
        b"bin/script" => b"#!/bin/sh\n".to_vec(),
        b"etc/passwd" => b"root:x:0:0::/:/none\n".to_vec(),
        b"var/lib/dpkg/status.d/base" => b"Package: base\nVersion: 1\n".to_vec(),
        b"secret" => b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl\n".to_vec(),
        // Its header lies where the file is cut into blocks.
        b"large-secret" => [&vec![b'\n'; (4 << 20) - 512 - 20][..], b"-----BEGIN RSA PRIVATE KEY-----\nMIIE\n"].concat(),
        _ => Vec::new(),
    };
    bytes.resize(usize::try_from(size).unwrap(), b'\n');
    bytes
}

impl OpenContent for Kinds {
    fn read(&self, _: TreeId, path: &[u8], stat: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        let from = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&content(path, stat.size)[from..from + buffer.len()]);
        self.read.fetch_add(buffer.len() as u64, Ordering::Relaxed);
        Ok(())
    }
}

/// The files of [`Kinds`], and those of a folder so large that there are several blocks; `stamp` is the state of the script.
fn kinds(stamp: u64) -> Changeset {
    let named = [
        ("bin/tool", 9000),
        ("bin/large", 9_000_000),
        ("bin/script", 20),
        ("etc/passwd", 20),
        ("var/lib/dpkg/status.d/base", 26),
        ("empty", 0),
    ];
    let many = (0..600).map(|number| (format!("many/{number}"), 20_000));
    let files = named.iter().map(|(path, size)| ((*path).to_owned(), *size)).chain(many);
    let mut entries: Vec<(ImagePath, Entry)> = files
        .map(|(path, size)| {
            let stamp = if path == "bin/script" { stamp } else { 0 };
            let tail = u16::try_from(path.len()).unwrap();
            let kind = EntryKind::File(Content::Tail { tree: TreeId(0), tail, stat: Stat { size, stamp } });
            (ImagePath::new(path.as_bytes()).unwrap(), Entry { kind, mode: 0o755, owner: Owner::default() })
        })
        .collect();
    let owner = Owner { uid: 7, gid: 8 };
    let link = EntryKind::Symlink((*b"tool").into());
    entries.push((ImagePath::new(b"bin/link").unwrap(), Entry { kind: link, mode: 0o777, owner }));
    let hard = EntryKind::HardLink(ImagePath::new(b"bin/tool").unwrap());
    entries.push((ImagePath::new(b"bin/tool2").unwrap(), Entry { kind: hard, mode: 0o755, owner: Owner::default() }));
    entries.push((ImagePath::new(b"bin").unwrap(), Entry { kind: EntryKind::Directory, mode: 0o700, owner }));
    Changeset::new(entries)
}

fn write_kinds(
    changeset: &Changeset,
    last: Option<&LayerRecord>,
    earlier: &dyn Earlier,
    collectors: &[&dyn Collector],
) -> (LayerRecord, Vec<u8>, u64) {
    let compressor = Compressor::new(crate::recipe::Format::NEWEST, Compression::Zstd, Some(1)).unwrap();
    let (contents, mut blob) = (Kinds { read: AtomicU64::new(0) }, vec![]);
    let threads = NonZeroUsize::new(3).unwrap();
    let request = LayerRequest { changeset, contents: &contents, compressor, threads, last, earlier, collectors };
    let record = write_layer(&request, &mut blob).unwrap();
    let record = LayerRecord::from_bytes(&record.to_bytes(), compressor).unwrap();
    (record, blob, contents.read.into_inner())
}

/// One earlier blob.
struct Blob(Vec<u8>);

impl Earlier for Blob {
    fn block(&self, _: &[u8; 32]) -> Option<FoundBlock> {
        None
    }

    fn read(&self, _: &Digest, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        buffer.copy_from_slice(&self.0[start..start + buffer.len()]);
        Ok(())
    }

    fn differs(&self, blob: &Digest) {
        panic!("{blob} holds another block");
    }
}

/// What is known of a layer by reading its blob.
fn read_back(blob: &[u8], collectors: &[&dyn Collector]) -> LayerFacts {
    let contents = read_layer(blob, Compression::Zstd, &Limits::default(), collectors).unwrap();
    let mut facts = contents.entries;
    contents.collected.join(&mut facts, collectors).unwrap();
    facts
}

#[test]
fn writing_a_layer_tells_what_reading_it_would() {
    let changeset = kinds(2);
    let (record, blob, _) = write_kinds(&changeset, None, &NoneEarlier, &ALL);
    let facts = record.facts(&changeset, &ALL).unwrap();
    assert_eq!(facts, read_back(&blob, &ALL));
    let find = |path: &str| facts.entries.iter().find(|entry| entry.path.to_string() == path).map(|entry| &entry.fact);
    for path in ["/bin/tool", "/bin/large"] {
        let Some(LayerEntry::Add(fact)) = find(path) else { panic!("{path}") };
        assert!(
            matches!(&fact.kind, FactKind::File { head: Head::Elf { dynamic: Some(dynamic), .. }, .. } if &*dynamic.needed[0] == "libc.so.6"),
            "{fact:?}"
        );
    }
    let Some(LayerEntry::Add(Fact { kind: FactKind::File { digest, .. }, .. })) = find("/bin/large") else { panic!("no file") };
    assert_eq!(*digest, Some(Digest::of(&content(b"bin/large", 9_000_000))));
    let Some(LayerEntry::Add(Fact { kind: FactKind::File { content: Some(text), .. }, .. })) = find("/var/lib/dpkg/status.d/base") else {
        panic!("no text")
    };
    assert!(text.starts_with("Package: base"));
}

#[test]
fn a_block_that_is_taken_again_brings_what_was_found_along() {
    let before = kinds(2);
    let (record, blob, whole) = write_kinds(&before, None, &NoneEarlier, &ALL);
    let earlier = Blob(blob.clone());
    // Nothing changed: nothing is read, and everything is known.
    let (again, same, read) = write_kinds(&before, Some(&record), &earlier, &ALL);
    assert_eq!((read, same == blob, again == record), (0, true, true));
    // One file changed: the facts are those of the new layer, and the large file is not looked at again.
    let after = kinds(4);
    let (changed, blob, read) = write_kinds(&after, Some(&record), &earlier, &ALL);
    assert_eq!(changed.facts(&after, &ALL).unwrap(), read_back(&blob, &ALL));
    assert!(read < whole);
    // Other collectors than those of the last run look at every file, and nothing is compressed again.
    let few: [&dyn Collector; 1] = [&Digests];
    let (fewer, same, read) = write_kinds(&before, Some(&record), &earlier, &few);
    assert_eq!((read, same == earlier.0), (whole, true));
    assert_eq!(fewer.facts(&before, &few).unwrap(), read_back(&same, &few));
}

#[test]
fn a_private_key_is_known_of_a_block_that_is_not_read_again() {
    let files = [("large-secret", 9_000_000), ("other", 70_000), ("secret", 70)];
    let changeset = |stamp: u64| {
        let entries = files.map(|(path, size)| {
            let stamp = if path == "other" { stamp } else { 0 };
            let tail = u16::try_from(path.len()).unwrap();
            let kind = EntryKind::File(Content::Tail { tree: TreeId(0), tail, stat: Stat { size, stamp } });
            (ImagePath::new(path.as_bytes()).unwrap(), Entry { kind, mode: 0o644, owner: Owner::default() })
        });
        Changeset::new(entries.into())
    };
    let found = |record: &LayerRecord, changeset: &Changeset| -> Vec<(String, u64)> {
        let keys = record.private_keys(changeset, &OWN_FILES).unwrap();
        keys.iter().map(|file| (file.path.to_string(), file.key.offset)).collect()
    };
    let expected = vec![("/large-secret".to_owned(), (4 << 20) - 512 - 20), ("/secret".to_owned(), 0)];
    let (before, after) = (changeset(2), changeset(4));
    let (record, blob, _) = write_kinds(&before, None, &NoneEarlier, &OWN_FILES);
    assert_eq!(found(&record, &before), expected);
    let earlier = Blob(blob);
    let (again, _, read) = write_kinds(&before, Some(&record), &earlier, &OWN_FILES);
    assert_eq!((found(&again, &before), read), (expected.clone(), 0));
    let (changed, _, _) = write_kinds(&after, Some(&record), &earlier, &OWN_FILES);
    assert_eq!(found(&changed, &after), expected);
    // A record of collectors that did not search says nothing of keys, and all files are searched.
    let (unsearched, _, _) = write_kinds(&before, None, &NoneEarlier, &STANDARD);
    assert!(unsearched.private_keys(&before, &OWN_FILES).is_none());
    let (searched, _, read) = write_kinds(&before, Some(&unsearched), &earlier, &OWN_FILES);
    assert_eq!((found(&searched, &before), read), (expected, files.iter().map(|(_, size)| size).sum()));
}
