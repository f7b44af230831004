use std::cell::Cell;

use super::*;
use crate::rootfs::writer::Elf;
use crate::rootfs::{Head, Machine};

const FULL: Elf<'static> = Elf {
    machine: 62,
    interpreter: Some("/lib64/ld-linux-x86-64.so.2"),
    soname: Some("libfull.so.1"),
    needed: &["libc.so.6", "libm.so.6"],
    rpath: Some("/opt/old"),
    runpath: Some("$ORIGIN/../lib:/opt/new"),
    versions: &[("libc.so.6", &["GLIBC_2.34", "?GLIBC_2.99"]), ("libm.so.6", &["GLIBC_2.29"])],
    defines: &["FULL_1.0", "FULL_1.1"],
    imports: &["printf", "dlopen"],
    lead: 0,
    filling: 0,
};

fn texts(texts: &[&str]) -> Vec<Box<str>> {
    texts.iter().map(|text| (*text).into()).collect()
}

fn dynamic(bytes: &[u8]) -> Dynamic {
    let Head::Elf { dynamic, .. } = Head::of(bytes) else { panic!("no ELF") };
    dynamic.map(|dynamic| (*dynamic).clone()).unwrap_or_default()
}

#[test]
fn everything_is_read() {
    let Head::Elf { machine, interpreter, dynamic } = Head::of(&FULL.write()) else { panic!("no ELF") };
    assert_eq!(machine, Machine::Architecture("amd64".to_owned()));
    assert_eq!(interpreter.as_deref(), FULL.interpreter);
    let needed = |library: &str, versions: &[&str]| NeededVersions { library: library.into(), versions: texts(versions) };
    let expected = Dynamic {
        soname: Some("libfull.so.1".into()),
        needed: texts(FULL.needed),
        rpath: Some("/opt/old".into()),
        runpath: Some("$ORIGIN/../lib:/opt/new".into()),
        versions: vec![needed("libc.so.6", &["GLIBC_2.34"]), needed("libm.so.6", &["GLIBC_2.29"])],
        defines: texts(FULL.defines),
        opens_by_name: true,
        ..Dynamic::default()
    };
    assert_eq!(dynamic.as_deref(), Some(&expected));
    let text = serde_json::to_string(&Head::of(&FULL.write())).unwrap();
    assert_eq!(serde_json::from_str::<Head>(&text).unwrap(), Head::of(&FULL.write()), "{text}");
    let plain = Elf { imports: &["printf"], ..FULL };
    assert!(!self::dynamic(&plain.write()).opens_by_name);
}

#[test]
fn a_static_program_asks_for_nothing() {
    let text = serde_json::to_string(&Head::of(&Elf { machine: 183, ..Elf::default() }.write())).unwrap();
    assert_eq!(text, r#"{"elf":{"machine":{"architecture":"arm64"},"dynamic":{}}}"#);
}

#[test]
fn what_is_broken_is_a_gap_and_never_a_panic() {
    let good = FULL.write();
    // Cut anywhere; every byte changed in several ways.
    for end in 0..good.len() {
        Head::of(&good[..end]);
    }
    let mut gaps = 0;
    for offset in 0..good.len() {
        for value in [0x00, 0x01, 0x7f, 0x80, 0xff] {
            let mut bytes = good.clone();
            bytes[offset] = value;
            if let Head::Elf { dynamic: Some(dynamic), .. } = Head::of(&bytes) {
                gaps += usize::from(dynamic.gap.is_some());
                assert!(dynamic.weight() < 1 << 20);
            }
        }
    }
    assert!(gaps > 100, "{gaps}");
}

#[test]
fn tables_that_lead_back_or_go_on_forever_have_an_end() {
    // Every version leads to itself with a count of 65535: distances are forwards only, and 0 ends.
    let many: Vec<String> = (0..9000).map(|number| format!("V_{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let versions = [("libc.so.6", &many[..])];
    assert_eq!(dynamic(&Elf { versions: &versions, ..FULL }.write()).gap, Some(Gap::Limit));
    assert_eq!(dynamic(&Elf { defines: &many, ..FULL }.write()).gap, Some(Gap::Limit));
    assert_eq!(dynamic(&Elf { needed: &many, ..FULL }.write()).gap, Some(Gap::Limit));
    let long = "x".repeat(40_000);
    assert_eq!(dynamic(&Elf { soname: Some(&long), ..FULL }.write()).gap, Some(Gap::Limit));
    let long = vec!["y".repeat(4000); 400];
    let long: Vec<&str> = long.iter().map(String::as_str).collect();
    assert_eq!(dynamic(&Elf { needed: &long, ..FULL }.write()).gap, Some(Gap::Limit));
}

/// A file of which only a part is there, that counts what is asked for.
struct Part<'a> {
    bytes: &'a [u8],
    kept: usize,
    asked: Cell<usize>,
}

impl ReadAt for Part<'_> {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault> {
        self.asked.set(self.asked.get() + buffer.len());
        (&self.bytes[..self.kept]).read_at(offset, buffer)
    }
}

#[test]
fn what_was_not_kept_is_said_and_little_is_asked_for() {
    let bytes = Elf { filling: 3 << 20, ..FULL }.write();
    let read = |kept| {
        let part = Part { bytes: &bytes, kept, asked: Cell::default() };
        let Head::Elf { dynamic, .. } = Head::read(&part, bytes.len() as u64).unwrap() else { panic!("no ELF") };
        (dynamic.unwrap().gap, part.asked.get())
    };
    let (gap, asked) = read(bytes.len());
    assert_eq!(gap, None);
    assert!(asked < 128 << 10, "{asked}");
    assert_eq!(read(1 << 20).0, Some(Gap::Unkept));
    assert_eq!(read(bytes.len() - 400).0, Some(Gap::Unkept));
}

#[test]
fn the_list_of_libraries_is_read() {
    let entry = |flags: u32, name: u32, path: u32, processor: u64| {
        [&flags.to_le_bytes()[..], &name.to_le_bytes(), &path.to_le_bytes(), &0_u32.to_le_bytes(), &processor.to_le_bytes()].concat()
    };
    let strings = b"libx.so.1\0/opt/x/libx.so.1\0/opt/x/v3/libx.so.1\0";
    let offset = 48 + 2 * 24;
    let new = [
        b"glibc-ld.so.cache1.1".to_vec(),
        2_u32.to_le_bytes().to_vec(),
        u32::try_from(strings.len()).unwrap().to_le_bytes().to_vec(),
        vec![2, 0, 0, 0],
        vec![0; 16],
        entry(0x303, offset, offset + 27, 1 << 62),
        entry(0x303, offset, offset + 10, 0),
        strings.to_vec(),
    ]
    .concat();
    let expected = Head::LoaderCache(vec![CachedLibrary { name: "libx.so.1".into(), path: "/opt/x/libx.so.1".into() }]);
    assert_eq!(Head::of(&new), expected);
    let old = [&b"ld.so-1.7.0\0"[..], &1_u32.to_le_bytes(), &[0; 12], &[0; 4], &new].concat();
    assert_eq!(Head::of(&old), expected);
    for end in 0..new.len() {
        Head::of(&new[..end]);
    }
    let mut many = new.clone();
    many[20..24].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(Head::of(&many), Head::Other);
}

#[test]
fn a_loader_tells_its_folders() {
    let mut bytes = Elf { machine: 62, soname: Some("ld-linux-x86-64.so.2"), ..Elf::default() }.write();
    bytes.extend(b"\0/proc/lib/x\0garbage\x01/lib/x86_64-linux-gnu/\0/usr/lib/x86_64-linux-gnu/\0/lib/\0/usr/lib/\0\0rest");
    assert_eq!(dynamic(&bytes).folders, texts(&["/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib", "/usr/lib"]));
    let mut other = Elf { machine: 62, soname: Some("libc.so.6"), ..Elf::default() }.write();
    other.extend(b"\0/lib64/\0/usr/lib64/\0");
    assert_eq!(dynamic(&other).folders, texts(&[]));
}
