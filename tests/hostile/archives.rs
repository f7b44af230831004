//! Tars that write, link or hide where they should not.

use std::io::Read;

use hardened::layer::{Limits, MemberKind, StrictTar, read_facts};
use hardened::oci::{Compression, Descriptor, MediaType, Verified};
use hardened::rootfs::{FactKind, ImagePath, LayerEntry, Resolved, Rootfs, RootfsFault};

use crate::tar_bytes::{Tar, checked, header, record};
use crate::{facts, refused, told};

#[test]
fn a_file_in_the_place_of_a_link() {
    let replaced = "takes the place of an earlier entry";
    refused(&Tar::new().symlink("a", "/etc/passwd").file("a", b"x").end(), &[replaced, "`/a` at byte 512"]);
    refused(&Tar::new().file("b", b"x").hard_link("a", "b").file("a", b"y").end(), &[replaced]);
    // The other name of a file that is written anew: some readers write into both.
    refused(&Tar::new().file("b", b"x").hard_link("a", "b").file("b", b"y").end(), &[replaced]);
    refused(&Tar::new().symlink("a", "b").symlink("a", "c").end(), &[replaced]);
    refused(&Tar::new().symlink("a", "b").entry("a", b'6', 0, "").end(), &[replaced]);
    refused(&Tar::new().folder("a/").symlink("a", "b").end(), &["takes the place of a folder"]);
    refused(&Tar::new().file("a/b", b"x").symlink("a", "b").end(), &["takes the place of a folder"]);
    // All readers agree about these.
    let twice = facts(&Tar::new().file("a", b"x").file("a", b"longer").symlink("l", "a").symlink("l", "a").end()).unwrap();
    let mut rootfs = Rootfs::new();
    rootfs.apply(&twice);
    let file = rootfs.entry(&ImagePath::new(b"a").unwrap()).unwrap();
    assert!(matches!(file.kind, FactKind::File { size: 6, .. }), "{file:?}");
}

#[test]
fn entries_below_a_link() {
    for target in ["..", "/tmp", "/", ".", "../../tmp", "escape"] {
        let tar = Tar::new().symlink("escape", target).folder("escape/exploit").file("escape/exploit/foo", b"x").end();
        let message = facts(&tar).unwrap_err();
        assert!(message.contains("lies below `/escape`") || message.contains("leads out of the image"), "{target}: {message}");
    }
    refused(&Tar::new().file("f", b"x").file("f/g", b"y").end(), &["lies below `/f`"]);
    // Not only the folder itself: any above it.
    refused(&Tar::new().folder("a/").symlink("a/b", "/etc").file("a/b/c/d/passwd", b"x").end(), &["lies below `/a/b`"]);
}

#[test]
fn a_folder_in_the_place_of_a_link() {
    refused(&Tar::new().symlink("d", "/etc").folder("d/").end(), &["takes the place of an earlier entry"]);
    refused(&Tar::new().file("d", b"x").folder("d/").end(), &["takes the place of an earlier entry"]);
    refused(&Tar::new().file("f", b"x").hard_link("d", "f").folder("d").end(), &["takes the place of an earlier entry"]);
}

#[test]
fn pax_sizes_that_differ_from_the_header() {
    let inner = Tar::new().file("hidden", b"x").bytes();
    let size = inner.len().to_string();
    let differs = "a PAX size that differs";
    // TARmageddon: the content is skipped by one reader, and is entries to another.
    refused(&Tar::new().pax(&[("size", size.as_bytes())]).entry("a", b'0', 0, "").raw(&inner).end(), &[differs, "at byte 1024"]);
    refused(&Tar::new().pax(&[("size", b"0")]).entry("a", b'0', inner.len() as u64, "").raw(&inner).end(), &[differs]);
    refused(&Tar::new().pax(&[("size", b"512")]).entry("a", b'0', 1024, "").raw(&inner).end(), &[differs]);
    refused(&Tar::new().pax(&[("size", size.as_bytes())]).folder("d/").raw(&inner).end(), &[differs]);
    refused(&Tar::new().pax(&[("size", b"-1")]).entry("a", b'0', 0, "").end(), &["is not a number"]);
    refused(&Tar::new().pax(&[("size", b"0x10")]).entry("a", b'0', 16, "").data(&[0; 16]).end(), &["is not a number"]);
    assert!(facts(&Tar::new().pax(&[("size", size.as_bytes())]).entry("a", b'0', inner.len() as u64, "").raw(&inner).end()).is_ok());
}

#[test]
fn extensions_that_are_malformed() {
    for content in [
        &b"9 path=x"[..],
        b"99 path=x\n",
        b"0 path=x\n",
        b"-9 path=x\n",
        b"8 path=x\n",
        b"6 path\n",
        b"5 =x\n",
        b"9 path=x\n\0\0\0",
        b"9 path=x\n9 path=y\n",
        b"12 a\0b=xxxx\n",
        b"8 \xff\xff=x\n",
        b"path=x\n",
        b"99999999999999999999999 path=x\n",
    ] {
        refused(&Tar::new().extension(b'x', content).file("a", b"").end(), &["the archive is ambiguous at byte 0"]);
    }
    for name in [&b""[..], b"a\0b\0", b"\0"] {
        refused(&Tar::new().extension(b'L', name).file("a", b"").end(), &["the archive is ambiguous at byte 0"]);
        refused(&Tar::new().extension(b'K', name).symlink("a", "b").end(), &["the archive is ambiguous at byte 0"]);
    }
    refused(&Tar::new().pax(&[("path", b"x")]).end(), &["an extended header without an entry"]);
    refused(&Tar::new().pax(&[("linkpath", b"x")]).file("a", b"").end(), &["a link's target on an entry that is not a link"]);
    refused(&Tar::new().pax(&[("path", b"")]).file("a", b"").end(), &["an empty PAX name"]);
    // `BINARY` says that names are bytes, as every reader takes them; what is not UTF-8 depends on the reader's locale.
    let binary = |name: &[u8]| Tar::new().pax(&[("hdrcharset", b"BINARY"), ("path", name)]).file("a", b"").end();
    assert!(facts(&binary("\u{e9}".as_bytes())).is_ok());
    refused(&binary(b"\xe9"), &["a PAX character set that is not UTF-8"]);
    let binary = |target: &[u8]| Tar::new().pax(&[("hdrcharset", b"BINARY"), ("linkpath", target)]).symlink("a", "b").end();
    refused(&binary(b"\xe9"), &["a PAX character set that is not UTF-8"]);
    refused(&Tar::new().pax(&[("hdrcharset", b"ISO-IR 8859-1")]).file("a", b"").end(), &["neither BINARY nor UTF-8"]);
    refused(&Tar::new().extension(b'g', b"21 hdrcharset=BINARY\n").file("a", b"").end(), &["a global PAX header"]);
    refused(&Tar::new().pax(&[("mtime", b"soon")]).file("a", b"").end(), &["is not a time"]);
    refused(&Tar::new().pax(&[("uid", b"4294967296")]).file("a", b"").end(), &["above 32 bits"]);
}

#[test]
fn a_root_that_is_no_folder() {
    for name in [".", "/", "./", "", "./."] {
        for kind in [b'0', b'1', b'2', b'3', b'6'] {
            let tar = Tar::new().entry(name, kind, 0, "/tmp").end();
            let message = facts(&tar).unwrap_err();
            assert!(message.contains("ambiguous at byte 0"), "{name:?} {}: {message}", char::from(kind));
        }
    }
}

#[test]
fn hard_links_to_what_is_not_in_the_archive() {
    let nowhere = "which is not an earlier file of the archive";
    // oras-go: resolved against the folder that the program was started in.
    refused(&Tar::new().hard_link("leak", "victim.secret").end(), &[nowhere]);
    refused(&Tar::new().hard_link("leak", ".env").end(), &[nowhere]);
    refused(&Tar::new().hard_link("leak", "/etc/shadow").end(), &[nowhere]);
    refused(&Tar::new().hard_link("leak", "later").file("later", b"x").end(), &[nowhere]);
    refused(&Tar::new().hard_link("leak", "leak").end(), &[nowhere]);
    refused(&Tar::new().folder("d/").hard_link("leak", "d").end(), &[nowhere]);
    // Without privileges no device is made, and a link to it fails.
    refused(&Tar::new().entry("device", b'3', 0, "").hard_link("leak", "device").end(), &["leads to the device `/device`"]);
    refused(
        &Tar::new().entry("device", b'3', 0, "").hard_link("a", "device").hard_link("b", "a").end(),
        &["leads to the device `/device`"],
    );
    refused(&Tar::new().hard_link("leak", "../../.aws/credentials").end(), &["it holds `..`"]);
    refused(&Tar::new().hard_link("leak", "").end(), &[nowhere]);
}

#[test]
fn hard_links_to_a_symbolic_link_are_that_link() {
    // linkat(2) without AT_SYMLINK_FOLLOW, as all unpackers call it: another name of the link, never of what it leads to.
    let tar =
        Tar::new().symlink("s", "/etc/shadow").hard_link("a", "s").hard_link("d/b", "a").entry("fifo", b'6', 0, "").hard_link("f", "fifo");
    let mut rootfs = Rootfs::new();
    rootfs.apply(&facts(&tar.end()).unwrap());
    for path in ["s", "a", "d/b"] {
        let fact = rootfs.entry(&ImagePath::new(path.as_bytes()).unwrap()).unwrap();
        assert!(matches!(&fact.kind, FactKind::Symlink(target) if *target.0 == *b"/etc/shadow"), "{path}: {fact:?}");
    }
    assert_eq!(rootfs.entry(&ImagePath::new(b"f").unwrap()).map(|fact| fact.kind), Some(FactKind::Fifo));
    // From another folder a relative target leads elsewhere, and may lead out.
    refused(&Tar::new().symlink("d/e/s", "../../x").hard_link("d/l", "d/e/s").end(), &["leads out of the image, to `../../x`"]);
    refused(&Tar::new().symlink("d/e/s", "../../x").hard_link("d/e/l", "d/e/s").hard_link("l", "d/e/l").end(), &["leads out of the image"]);
    // It is a link to everything else as well.
    refused(&Tar::new().symlink("s", "/tmp").hard_link("l", "s").file("l/x", b"x").end(), &["lies below `/l`"]);
    refused(&Tar::new().symlink("s", "/tmp").hard_link("l", "s").file("l", b"x").end(), &["takes the place of an earlier entry"]);
    refused(&Tar::new().symlink("s", "/tmp").hard_link("l", "s").symlink("s", "/var").end(), &["takes the place of an earlier entry"]);
    refused(&Tar::new().hard_link("l", "s").symlink("s", "/tmp").end(), &["which is not an earlier file of the archive"]);
}

#[test]
fn names_of_one_large_link_do_not_multiply() {
    // A target of four thousand bytes, under thousands of names that cost fifty each.
    let target = "x/".repeat(2000);
    let tar = Tar::new().pax(&[("linkpath", target.as_bytes())]).symlink("s", "x");
    let tar = (0..80_000).fold(tar, |tar, number| tar.hard_link(&format!("{number}"), "s")).end();
    let mut rootfs = Rootfs::new();
    rootfs.apply(&facts(&tar).unwrap());
    assert_eq!(rootfs.fault(), Some(RootfsFault::Large));
}

#[test]
fn paths_that_climb() {
    for name in ["../outside.txt", "a/../../outside.txt", "/../x", "a/..", "..", "./../x", "//..//x", "a/b/../../../../etc/cron.d/x"] {
        refused(&Tar::new().file(name, b"x").end(), &["bad path at byte 0", "`..`"]);
        refused(&Tar::new().pax(&[("path", name.as_bytes())]).file("a", b"x").end(), &["bad path at byte 1024", "`..`"]);
        refused(&Tar::new().long_name(name).file("a", b"x").end(), &["bad path at byte 1024", "`..`"]);
    }
    refused(&Tar::new().pax(&[("path", b"a\0/../b")]).file("a", b"").end(), &["NUL"]);
    let long = "n".repeat(256);
    refused(&Tar::new().pax(&[("path", long.as_bytes())]).file("a", b"").end(), &["longer than 255 bytes"]);
    let deep = "n/".repeat(2100);
    refused(&Tar::new().pax(&[("path", format!("{deep}x").as_bytes())]).file("a", b"").end(), &["longer than 4096 bytes"]);
    // An absolute name is one below the root, and `/cache-evil` is not below `/cache`.
    let found = facts(&Tar::new().file("/etc/x", b"").file("//etc//y", b"").end()).unwrap();
    assert_eq!(found.entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(), ["/etc/x", "/etc/y"]);
    let path = |text: &str| ImagePath::new(text.as_bytes()).unwrap();
    assert!(!path("cache-evil/x").starts_with(&path("cache")) && path("cache/x").starts_with(&path("cache")));
    for target in ["../x", "../../etc/passwd", "a/../../x"] {
        refused(&Tar::new().symlink("link", target).end(), &["leads out of the image"]);
    }
    refused(&Tar::new().pax(&[("linkpath", "a/".repeat(2048).as_bytes())]).symlink("link", "a").end(), &["longer than Linux allows"]);
}

#[test]
fn device_numbers_that_linux_has_not() {
    let device = |major: &[u8; 8], minor: &[u8; 8]| {
        let mut device = header(b"dev/x", b'3', 0, b"");
        device[329..337].copy_from_slice(major);
        device[337..345].copy_from_slice(minor);
        Tar::new().raw(&checked(device)).end()
    };
    assert!(facts(&device(b"0007777\0", b"3777777\0")).is_ok());
    refused(&device(b"0010000\0", b"0000000\0"), &["device with the numbers 4096 and 0"]);
    refused(&device(b"0000001\0", b"4000000\0"), &["device with the numbers 1 and 1048576"]);
    refused(&device(b"\x80\0\0\x01\0\0\0\0", b"0000000\0"), &["device with the numbers"]);
    refused(&device(b"\xff\xff\xff\xff\xff\xff\xff\xff", b"0000000\0"), &["a device that is not a number"]);
}

/// A source that never ends, and counts what was asked of it.
struct Endless<'a> {
    head: &'a [u8],
    given: u64,
}

impl Read for Endless<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if !self.head.is_empty() {
            let count = self.head.read(buffer)?;
            self.given += count as u64;
            return Ok(count);
        }
        buffer.fill(b'1');
        self.given += buffer.len() as u64;
        Ok(buffer.len())
    }
}

#[test]
fn extensions_without_bounds() {
    for kind in [b'x', b'g', b'L', b'K'] {
        for size in [(1 << 20) + 1, 1 << 30, (8 << 30) - 1] {
            let head = Tar::new().entry("extension", kind, size, "").bytes();
            let mut source = Endless { head: &head, given: 0 };
            let message = told(&StrictTar::new(&mut source).next_member().unwrap_err());
            assert!(message.contains("more than 1 MiB") && source.given == 512, "{message}, after {} bytes", source.given);
        }
    }
    // One after the other, without an entry: none of them is kept twice.
    let many = (0..10_000).fold(Tar::new(), |tar, _| tar.pax(&[("comment", b"x")])).end();
    refused(&many, &["two extended headers of one kind"]);
}

#[test]
fn sparse_maps() {
    for records in [
        &[("GNU.sparse.major", &b"1"[..]), ("GNU.sparse.minor", b"0"), ("GNU.sparse.realsize", b"9000000000000000000")][..],
        &[("GNU.sparse.map", b"0,1,2,3")],
        &[("GNU.sparse.numblocks", b"99999999")],
        &[("SCHILY.realsize", b"1")],
        &[("SUN.holesdata", b" 0 1")],
    ] {
        refused(&Tar::new().pax(records).file("a", b"0\n").end(), &["a sparse file"]);
    }
    let mut old = header(b"a", b'S', 0, b"");
    old[257..265].copy_from_slice(b"ustar  \0");
    refused(&Tar::new().raw(&checked(old)).end(), &["ambiguous at byte 0", "a sparse file"]);
    old[482] = 1;
    refused(&Tar::new().raw(&checked(old)).data(&vec![b'7'; 512 * 64]).end(), &["ambiguous at byte 0"]);
}

#[test]
fn a_digest_is_checked_to_the_last_byte() {
    // A reader that stops where the tar ends never sees what follows, and never checks.
    let mut tar = Tar::new().file("a", b"x").end();
    tar.resize(tar.len() + 10_240, 0);
    let descriptor = Descriptor::of(MediaType::Layer(Compression::None), &tar);
    let read =
        |bytes: &[u8]| read_facts(Verified::new(bytes, &descriptor), Compression::None, &Limits::default()).map_err(|fault| told(&fault));
    assert!(read(&tar).is_ok());
    let longer = [tar.clone(), vec![0; 512]].concat();
    assert!(read(&longer).unwrap_err().contains("longer than its size"));
    assert!(read(&tar[..tar.len() - 512]).unwrap_err().contains("ends 512 bytes early"));
    let mut other = tar.clone();
    other[600] ^= 1;
    assert!(read(&other).unwrap_err().contains("digest"));
    // Within the gzip as well: members behind the one in which the tar ends.
    let blob = crate::images::gzip(&tar);
    let descriptor = Descriptor::of(MediaType::Layer(Compression::Gzip), &blob);
    let read =
        |bytes: &[u8]| read_facts(Verified::new(bytes, &descriptor), Compression::Gzip, &Limits::default()).map_err(|fault| told(&fault));
    assert!(read(&blob).is_ok());
    assert!(read(&[blob.clone(), crate::images::gzip(b"")].concat()).is_err());
    let hidden = [crate::images::gzip(&tar), crate::images::gzip(&Tar::new().file("hidden", b"x").end())].concat();
    let told = read_facts(&hidden[..], Compression::Gzip, &Limits::default()).map_err(|fault| told(&fault)).unwrap_err();
    assert!(told.contains("content after the end"), "{told}");
}

/// What a program was told about an archive that six readers were shown: three of Linux, three in Rust and Go.
enum Verdict {
    /// All readers agree, and so do we: these are its names.
    Read(&'static [&'static str]),
    /// It is refused at this byte, for this reason.
    Refused(u64, &'static str),
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn what_two_readers_read_in_two_ways() {
    use Verdict::{Read, Refused};
    let spaced = {
        let mut header = header(b"a", b'0', 3, b"");
        header[124..136].copy_from_slice(b"         3 \0");
        checked(header)
    };
    let wrong_sum = {
        let mut header = header(b"a", b'0', 0, b"");
        header[148] = b'7';
        header
    };
    let negative = {
        let mut header = header(b"a", b'0', 0, b"");
        header[124..136].copy_from_slice(&[0xff; 12]);
        checked(header)
    };
    let broken_owner = {
        let mut header = header(b"././@LongLink", b'L', 5, b"");
        header[108] = b'x';
        checked(header)
    };
    let early = {
        let mut header = header(b"a", b'0', 0, b"");
        header[136] = 0xff;
        checked(header)
    };
    let star = {
        let mut header = header(b"a", b'0', 0, b"");
        header[345..350].copy_from_slice(b"other");
        header[508..512].copy_from_slice(b"tar\0");
        checked(header)
    };
    let old = {
        let mut header = header(b"a", b'0', 0, b"");
        header[257..265].fill(0);
        checked(header)
    };
    let gnu_prefix = {
        let mut header = header(b"a", b'0', 0, b"");
        header[257..265].copy_from_slice(b"ustar  \0");
        header[345..350].copy_from_slice(b"other");
        checked(header)
    };
    let cases: Vec<(&str, Vec<u8>, Verdict)> = vec![
        (
            "a PAX size against a header's",
            Tar::new().pax(&[("size", b"512")]).entry("a", b'0', 0, "").file("inside", b"").end(),
            Refused(1024, "a PAX size that differs"),
        ),
        ("octal digits with spaces", Tar::new().raw(&spaced).data(b"abc").end(), Read(&["/a"])),
        ("no end", Tar::new().file("a", b"x").file("b", b"").bytes(), Read(&["/a", "/b"])),
        (
            "entries behind the end",
            [Tar::new().file("a", b"").end(), Tar::new().file("b", b"").end()].concat(),
            Refused(512, "content after the end"),
        ),
        ("a wrong checksum", Tar::new().raw(&wrong_sum).end(), Refused(0, "a wrong checksum")),
        (
            "a folder of 512 bytes",
            Tar::new().entry("d/", b'5', 512, "").file("inside", b"").end(),
            Refused(0, "is not a file and has a size"),
        ),
        (
            "a link of 512 bytes",
            Tar::new().entry("s", b'2', 512, "t").file("inside", b"").end(),
            Refused(0, "is not a file and has a size"),
        ),
        (
            "a hard link of 512 bytes",
            Tar::new().file("t", b"").entry("h", b'1', 512, "t").file("inside", b"").end(),
            Refused(512, "is not a file and has a size"),
        ),
        (
            "a device of 512 bytes",
            Tar::new().entry("c", b'3', 512, "").file("inside", b"").end(),
            Refused(0, "is not a file and has a size"),
        ),
        (
            "a global path",
            Tar::new().extension(b'g', &record("path", b"glob")).file("x1", b"").file("x2", b"").end(),
            Refused(0, "a global PAX header"),
        ),
        (
            "a global comment, which git writes",
            Tar::new().extension(b'g', &record("comment", b"c0ffee")).file("x1", b"").end(),
            Read(&["/x1"]),
        ),
        (
            "a PAX path with NUL",
            Tar::new().pax(&[("path", b"a\0b")]).file("x", b"").end(),
            Refused(0, "a NUL byte in the PAX record `path`"),
        ),
        (
            "two PAX paths",
            Tar::new().pax(&[("path", b"one"), ("path", b"two")]).file("x", b"").end(),
            Refused(0, "the PAX record `path` twice"),
        ),
        (
            "a GNU name, then a PAX path",
            Tar::new().long_name("long").pax(&[("path", b"paxp")]).file("x", b"").end(),
            Refused(2048, "PAX and GNU headers"),
        ),
        (
            "a PAX size, then a GNU name",
            Tar::new().pax(&[("size", b"1")]).long_name("long").file("x", b"y").end(),
            Refused(2048, "PAX and GNU headers"),
        ),
        (
            "two GNU names",
            Tar::new().long_name("one").long_name("two").file("x", b"").end(),
            Refused(1024, "two extended headers of one kind"),
        ),
        (
            "two PAX headers",
            Tar::new().pax(&[("path", b"one")]).pax(&[("path", b"two")]).file("x", b"").end(),
            Refused(1024, "two extended headers of one kind"),
        ),
        (
            "one empty block, then an entry",
            Tar::new().file("a", b"").raw(&[0; 512]).file("b", b"").end(),
            Refused(512, "content after the end"),
        ),
        ("one empty block at the end", Tar::new().file("a", b"").raw(&[0; 512]).bytes(), Read(&["/a"])),
        ("a negative size in base 256", Tar::new().raw(&negative).end(), Refused(0, "a size that is not a number")),
        ("a content that is cut", Tar::new().file("a", b"").entry("b", b'0', 1000, "").raw(b"abc").bytes(), Refused(1027, "ends early")),
        ("a header that is cut", Tar::new().file("a", b"").bytes()[..500].to_vec(), Refused(500, "ends early")),
        (
            "a long name whose own header has a user that is none",
            Tar::new().raw(&broken_owner).data(b"long\0").file("x", b"").end(),
            Refused(0, "a uid that is not a number"),
        ),
        ("a time beyond 64 bits", Tar::new().raw(&early).end(), Refused(0, "a time that is not a number")),
        ("star's header", Tar::new().raw(&star).end(), Refused(0, "a header of star")),
        ("a header of before POSIX", Tar::new().raw(&old).end(), Refused(0, "neither POSIX nor GNU")),
        ("GNU's times where POSIX has the prefix", Tar::new().raw(&gnu_prefix).end(), Refused(0, "in place of the prefix")),
        ("a file with a slash at its end", Tar::new().entry("a/", b'0', 0, "").end(), Refused(0, "ends with a slash")),
        ("a kind that nobody knows", Tar::new().entry("a", b'Z', 0, "").end(), Refused(0, "unknown type `Z`")),
        ("GNU's volume label", Tar::new().entry("a", b'V', 0, "").end(), Refused(0, "unknown type `V`")),
    ];
    for (name, tar, verdict) in cases {
        match (verdict, facts(&tar)) {
            (Read(names), Ok(found)) => {
                assert_eq!(found.entries.iter().map(|entry| entry.path.to_string()).collect::<Vec<_>>(), names, "{name}");
            }
            (Refused(offset, reason), Err(message)) => {
                assert!(message.contains(&format!("at byte {offset}")) && message.contains(reason), "{name}: {message}");
            }
            (_, found) => panic!("{name}: {found:?}"),
        }
    }
}

#[test]
fn whiteouts_of_what_the_same_layer_holds() {
    let hides = "an earlier entry of the same archive";
    refused(&Tar::new().file("a", b"x").file(".wh.a", b"").end(), &[hides]);
    refused(&Tar::new().file("d/a", b"x").file(".wh.d", b"").end(), &[hides]);
    refused(&Tar::new().folder("d/").file(".wh.d", b"").end(), &[hides]);
    // The other order has one meaning: what was below goes, and what follows is new.
    let found = facts(&Tar::new().file(".wh.a", b"").file("a", b"x").file("d/b", b"").file("d/.wh..wh..opq", b"").end()).unwrap();
    assert_eq!(found.entries.iter().filter(|entry| matches!(entry.fact, LayerEntry::Add(_))).count(), 2);
    refused(&Tar::new().folder(".wh..wh.plnk/").file(".wh..wh.plnk/1.2", b"x").end(), &["lies below a folder of AUFS"]);
    refused(&Tar::new().file(".wh..wh.orph/deep/x", b"x").end(), &["lies below a folder of AUFS"]);
}

/// A path of so many folders, all different from those of another number.
fn deep(number: usize, depth: usize) -> String {
    format!("{number:x}/{}x", "d/".repeat(depth))
}

#[test]
fn deep_paths_do_not_multiply() {
    // Each of these few kilobytes would leave megabytes of folders behind, and gigabytes all together.
    let many = (0..2000).fold(Tar::new(), |tar, number| tar.pax(&[("path", deep(number, 2000).as_bytes())]).file("a", b"")).end();
    let limits = Limits { kept: 64 << 20, ..Limits::default() };
    let message = told(&read_facts(&many[..], Compression::None, &limits).unwrap_err());
    assert!(message.contains("take more than 67108864 bytes"), "{message}");
    // One chain of a thousand folders is an odd tree, and no attack.
    let chain =
        (1..1000).fold(Tar::new(), |tar, depth| tar.pax(&[("path", format!("{}x", "d/".repeat(depth)).as_bytes())]).file("a", b"")).end();
    assert_eq!(facts(&chain).unwrap().entries.len(), 999);
}

#[test]
fn links_that_lead_through_each_other() {
    // Forty links that each pass a thousand names on the way to the next: an entry below the last costs 40,000 steps.
    let there_and_back = "x/../".repeat(800);
    let base = (0..39).fold(Tar::new().folder("x/").folder("real/"), |tar, number| {
        let target = format!("{there_and_back}l{}", number + 1);
        tar.pax(&[("linkpath", target.as_bytes())]).symlink(&format!("l{number}"), "x")
    });
    let base = facts(&base.symlink("l39", "real").end()).unwrap();
    let above = (0..2000).fold(Tar::new(), |tar, number| tar.file(&format!("l0/f{number}"), b"")).end();
    let mut rootfs = Rootfs::new();
    rootfs.apply(&base);
    assert_eq!(rootfs.fault(), None);
    rootfs.apply(&facts(&above).unwrap());
    assert_eq!(rootfs.fault(), Some(RootfsFault::Tangled));
    // The same without the detours is fine.
    let mut rootfs = Rootfs::new();
    rootfs.apply(&facts(&Tar::new().folder("real/").symlink("l0", "real").end()).unwrap());
    rootfs.apply(&facts(&above).unwrap());
    assert_eq!(rootfs.fault(), None);
    assert!(matches!(rootfs.resolve(&ImagePath::new(b"l0/f7").unwrap()), Resolved::File(path, _) if path.to_string() == "/real/f7"));
}

#[test]
fn limits_of_entries_and_of_what_is_kept() {
    let many = (0..100).fold(Tar::new(), |tar, number| tar.file(&format!("{number}"), b"")).end();
    let read = |limits: Limits| read_facts(&many[..], Compression::None, &limits).map_err(|fault| told(&fault));
    assert!(read(Limits { entries: 100, ..Limits::default() }).is_ok());
    assert!(read(Limits { entries: 99, ..Limits::default() }).unwrap_err().contains("more than 99 entries"));
    assert!(read(Limits { kept: 1000, ..Limits::default() }).unwrap_err().contains("take more than 1000 bytes"));
    let mut tar = StrictTar::new(&many[..]);
    assert!(matches!(tar.next_member().unwrap().unwrap().kind, MemberKind::File));
}
