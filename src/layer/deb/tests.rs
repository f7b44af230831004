use std::error::Error;

use super::sample::{self, ar, member, tar};
use super::*;
use crate::debian::DebKind;
use crate::rootfs::{Head, ImageText};

const CONTROL_TEXT: &str = "Package: tiny\nVersion: 1:2.3-4\nArchitecture: amd64\nDescription: a package\n that is small\n";

fn entry(name: &str, kind: u8, mode: u32, link: &str, content: &[u8]) -> Vec<u8> {
    sample::entry(42, name, kind, mode, link, content)
}

fn file(name: &str, content: &[u8]) -> Vec<u8> {
    entry(name, b'0', 0o644, "", content)
}

fn folder(name: &str) -> Vec<u8> {
    entry(name, b'5', 0o755, "", b"")
}

fn pack(suffix: &str, bytes: &[u8]) -> Vec<u8> {
    match suffix {
        "" => bytes.to_vec(),
        ".gz" => {
            let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        ".zst" => zstd::encode_all(bytes, 3).unwrap(),
        _ => {
            let mut encoder = lzma_rust2::XzWriter::new(vec![], lzma_rust2::XzOptions::with_preset(6)).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

fn control() -> Vec<u8> {
    tar(&[
        folder("./"),
        file("./control", CONTROL_TEXT.as_bytes()),
        file("./md5sums", b"0cc175b9c0f1b6a831c399e269772661  usr/bin/tiny\n"),
        file("./conffiles", b"/etc/tiny.conf\n"),
        file("./postinst", b"#!/bin/sh\n\xff\n"),
        file("./templates", b"Template: tiny\n"),
    ])
}

fn data() -> Vec<u8> {
    tar(&[
        folder("./"),
        folder("./usr/"),
        folder("./usr/bin/"),
        entry("./usr/bin/tiny", b'0', 0o4755, "", b"#!/bin/sh -e\necho tiny\n"),
        entry("./usr/bin/also", b'1', 0o4755, "./usr/bin/tiny", b""),
        entry("./usr/bin/link", b'2', 0o777, "../lib/tiny", b""),
        file("./usr/lib/large", &vec![7; 70_000]),
        file("./usr/share/one.crt", b"a certificate"),
        file("./usr/share/empty", b""),
    ])
}

fn deb(suffix: &str) -> Vec<u8> {
    ar(&[
        member("debian-binary", b"2.0\n"),
        member(&format!("control.tar{suffix}"), &pack(suffix, &control())),
        member(&format!("data.tar{suffix}"), &pack(suffix, &data())),
    ])
}

/// Makes a package from any two archives.
fn around(control: &[u8], data: &[u8]) -> Vec<u8> {
    ar(&[member("debian-binary", b"2.0\n"), member("control.tar", control), member("data.tar", data)])
}

fn read(deb: &[u8]) -> Result<(DebFacts, Vec<u8>), DebFault> {
    let mut spool = vec![];
    let facts = read_deb(deb, &Limits::default(), &|path| path.name().ends_with(b".crt"), &mut spool)?;
    Ok((facts, spool))
}

/// Returns all that a fault says, its causes included.
fn told(fault: &DebFault) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

fn refused(deb: &[u8], reason: &str) {
    let text = told(&read(deb).map(drop).expect_err(reason));
    assert!(text.contains(reason), "{text}\n  instead of {reason}");
}

#[test]
fn packages_of_every_compression_are_read() {
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let (facts, spool) = read(&deb(suffix)).unwrap_or_else(|fault| panic!("{suffix}: {}", told(&fault)));
        assert_eq!(spool, data(), "{suffix}");
        assert_eq!(facts.data_size, spool.len() as u64);
        assert_eq!(facts.control, CONTROL_TEXT);
        assert_eq!(facts.md5sums, Some(ImageText(b"0cc175b9c0f1b6a831c399e269772661  usr/bin/tiny\n"[..].into())));
        assert_eq!(facts.conffiles, Some(ImageText(b"/etc/tiny.conf\n"[..].into())));
        assert_eq!(facts.scripts.keys().collect::<Vec<_>>(), ["postinst"]);
        let lines: Vec<String> = facts
            .entries
            .iter()
            .map(|entry| {
                let kind = match &entry.kind {
                    DebKind::Directory => "folder".to_owned(),
                    DebKind::File { offset, size, head } => {
                        let start = usize::try_from(*offset).unwrap();
                        let content = &spool[start..start + usize::try_from(*size).unwrap()];
                        let content: String = content.escape_ascii().to_string().chars().take(25).collect();
                        let script = if matches!(head, Head::Script { .. }) { " script" } else { "" };
                        format!("{size} `{content}`{script}")
                    }
                    DebKind::Symlink(target) => format!("-> {}", target.0.escape_ascii()),
                    DebKind::HardLink(target) => format!("= {target}"),
                };
                format!("{} {:o} {}:{} {kind}", entry.path, entry.mode, entry.uid, entry.gid)
            })
            .collect();
        assert_eq!(
            lines,
            [
                "/usr 755 0:42 folder",
                "/usr/bin 755 0:42 folder",
                "/usr/bin/tiny 4755 0:42 23 `#!/bin/sh -e\\necho tiny\\n` script",
                "/usr/bin/also 4755 0:42 = /usr/bin/tiny",
                "/usr/bin/link 777 0:42 -> ../lib/tiny",
                "/usr/lib/large 644 0:42 70000 `\\x07\\x07\\x07\\x07\\x07\\x07\\`",
                "/usr/share/one.crt 644 0:42 13 `a certificate`",
                "/usr/share/empty 644 0:42 0 ``",
            ]
        );
        let kept: Vec<_> = facts.kept.iter().map(|(path, text)| (path.to_string(), text.0.to_vec())).collect();
        assert_eq!(kept, [("/usr/share/one.crt".to_owned(), b"a certificate".to_vec())]);
        let json = serde_json::to_string(&facts).unwrap();
        assert_eq!(serde_json::from_str::<DebFacts>(&json).unwrap(), facts);
    }
}

#[test]
fn members_may_be_signed_and_named_as_gnu_names_them() {
    let (control, data) = (control(), data());
    let signed = ar(&[
        member("debian-binary/", b"2.0\n"),
        member("_odd", b"12345"),
        member("control.tar/", &control),
        member("_other", b""),
        member("data.tar/", &data),
        member("_gpgorigin", b"a signature"),
    ]);
    assert_eq!(read(&signed).unwrap().0.entries.len(), 8);
}

#[test]
fn packages_of_another_shape_are_refused() {
    let (binary, control, data) = (member("debian-binary", b"2.0\n"), member("control.tar", &control()), member("data.tar", &data()));
    for (members, reason) in [
        (vec![], "without `debian-binary`"),
        (vec![control.clone(), data.clone()], "first member is not `debian-binary`"),
        (vec![member("debian-binary", b"3.0\n"), control.clone(), data.clone()], "the format `3.0\\n`"),
        (vec![member("debian-binary", b"2.0"), control.clone(), data.clone()], "first member is not"),
        (vec![binary.clone()], "without `control.tar`"),
        (vec![binary.clone(), control.clone()], "without `data.tar`"),
        (vec![binary.clone(), data.clone()], "the member `data.tar`, which does not belong"),
        (vec![binary.clone(), data.clone(), control.clone()], "the member `data.tar`, which does not belong"),
        (vec![binary.clone(), binary.clone(), control.clone(), data.clone()], "`debian-binary`, which does not belong"),
        (vec![binary.clone(), control.clone(), control.clone(), data.clone()], "`control.tar`, which does not belong"),
        (vec![binary.clone(), control.clone(), data.clone(), data.clone()], "`data.tar`, which does not belong"),
        (vec![binary.clone(), member("control.tar.bz2", b"BZh"), data.clone()], "whose compression is not gzip"),
        (vec![binary.clone(), member("control.tarx", b""), data.clone()], "whose compression is not gzip"),
        (vec![binary.clone(), member(" ", b""), control.clone(), data.clone()], "with an invalid name"),
        (vec![binary.clone(), member("//", b"a-very-long-name/\n"), control.clone(), data.clone()], "with a GNU long name"),
        (vec![binary.clone(), member("#1/20", b"a-very-long-name----"), control.clone(), data.clone()], "with an invalid name"),
        ([vec![binary.clone(), control.clone(), data.clone()], vec![member("_x", b""); 40]].concat(), "more than 32 members"),
    ] {
        refused(&ar(&members), reason);
    }
    refused(b"PK\x03\x04 and so on", "does not begin with `!<arch>`");
    let mut odd = ar(&[binary, member("_odd", b"1")]);
    *odd.last_mut().unwrap() = 0;
    refused(&[odd, control, data].concat(), "without the newline");
}

#[test]
fn sizes_that_lie_are_refused() {
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let whole = deb(suffix);
        let at = whole.windows(8).rposition(|bytes| bytes == b"data.tar").unwrap() + 48;
        let size: u64 = std::str::from_utf8(&whole[at..at + 10]).unwrap().trim().parse().unwrap();
        for wrong in [0, 1, size / 2, size - 512.min(size / 3), size - 1, size + 2, size + 512, 9_999_999_999] {
            let mut lying = whole.clone();
            lying[at..at + 10].copy_from_slice(format!("{wrong:<10}").as_bytes());
            assert!(read(&lying).is_err(), "{suffix}: {wrong} instead of {size}");
        }
    }
}

#[test]
fn packages_cut_off_anywhere_are_refused() {
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let whole = deb(suffix);
        let cuts = (0..whole.len()).step_by(512).chain(whole.len() - 300..whole.len()).chain(0..600);
        for length in cuts.filter(|length| *length < whole.len()) {
            let fault = read(&whole[..length]).expect_err(suffix);
            // Between two members a package ends in order, and lacks one; a few bytes of an archive do not say how it is compressed.
            let told_apart = told(&fault).contains("without") || told(&fault).contains("its content is");
            assert!(told_apart || matches!(fault, DebFault::Truncated(at) if at == length as u64), "{suffix} {length}: {}", told(&fault));
        }
    }
}

#[test]
fn changed_bytes_never_stop_the_reader() {
    for suffix in ["", ".gz", ".xz", ".zst"] {
        let whole = deb(suffix);
        for at in (0..whole.len()).step_by(whole.len() / 700 + 1) {
            for change in [0x01, 0x80, 0xff] {
                let mut changed = whole.clone();
                changed[at] ^= change;
                let mut spool = vec![];
                // Whatever is read is the result or a fault; the digest tells a package from a changed one.
                let _ = read_deb(&changed[..], &Limits::default(), &|_| true, &mut spool);
                assert!(spool.len() <= Limits::default().free.try_into().unwrap());
            }
        }
    }
}

#[test]
fn compressed_bytes_behind_the_end_are_refused() {
    let binary = member("debian-binary", b"2.0\n");
    let control = member("control.tar.xz", &pack(".xz", &control()));
    for (suffix, behind, reason) in [
        (".xz", pack(".xz", &[0; 512]), "bytes follow its compressed stream"),
        (".xz", vec![0; 4], "bytes follow its compressed stream"),
        (".xz", b"rubbish!".to_vec(), "bytes follow its compressed stream"),
        (".gz", b"rubbish!".to_vec(), "could not read"),
        (".zst", b"rubbish!".to_vec(), "could not read"),
        ("", file("hidden", b""), "content after the end"),
    ] {
        let long = [pack(suffix, &data()), behind].concat();
        refused(&ar(&[binary.clone(), control.clone(), member(&format!("data.tar{suffix}"), &long)]), reason);
    }
}

/// Makes an xz stream of blocks that hold nothing, without its end.
fn empty_blocks(count: usize) -> Vec<u8> {
    let sum = |bytes: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(bytes);
        sum.sum().to_le_bytes()
    };
    let block = [2, 0, 0x21, 1, 16, 0, 0, 0];
    // The block's header and its sum, the end of LZMA2 in one byte, and three of padding; there is no check.
    let block = [&block[..], &sum(&block), &[0; 4]].concat();
    [&b"\xfd7zXZ\0\0\0"[..], &sum(&[0, 0]), &block.repeat(count)].concat()
}

#[test]
fn bombs_are_stopped() {
    let limits = Limits { free: 1 << 20, ratio: 100, ..Limits::default() };
    let members = |suffix: &str, blob: &[u8]| {
        ar(&[member("debian-binary", b"2.0\n"), member("control.tar", &control()), member(&format!("data.tar{suffix}"), blob)])
    };
    let zeros = tar(&[file("zeros", &vec![0; 24 << 20])]);
    for suffix in [".gz", ".xz", ".zst"] {
        let mut spool = vec![];
        let fault = read_deb(&members(suffix, &pack(suffix, &zeros))[..], &limits, &|_| false, &mut spool).unwrap_err();
        assert!(told(&fault).contains("unpacks to more than"), "{suffix}: {}", told(&fault));
        assert!(spool.len() < 16 << 20);
    }
    let control = tar(&[file("control", CONTROL_TEXT.as_bytes()), file("zeros", &vec![0; 33 << 20])]);
    refused(&around(&control, &data()), "unpacks to more than 33554432 bytes");
    refused(&members(".xz", &empty_blocks(100_000)), "compressed bytes produce no output");
    // A few of them are an archive of nothing, without its end.
    refused(&members(".xz", &empty_blocks(10)), "could not read");
    let mut spool = vec![];
    let small = Limits { window_log: 20, ..Limits::default() };
    let fault = read_deb(&members(".xz", &pack(".xz", &data()))[..], &small, &|_| false, &mut spool).unwrap_err();
    assert!(told(&fault).contains("mem_limit"), "{}", told(&fault));
    let few = Limits { entries: 3, ..Limits::default() };
    assert!(told(&read_deb(&deb("")[..], &few, &|_| false, &mut spool).unwrap_err()).contains("more than 3 entries"));
    let small = Limits { kept: 40, ..Limits::default() };
    assert!(told(&read_deb(&deb("")[..], &small, &|_| false, &mut spool).unwrap_err()).contains("more than 40 bytes"));
}

#[test]
fn files_that_no_package_may_hold_are_refused() {
    for (entries, reason) in [
        (vec![entry("./dev/null", b'3', 0o666, "", b"")], "`/dev/null`, which is a device"),
        (vec![entry("./dev/loop0", b'4', 0o666, "", b"")], "`/dev/loop0`, which is a device"),
        (vec![entry("./run/fifo", b'6', 0o666, "", b"")], "`/run/fifo`, which is a device or a FIFO"),
        (vec![file("../etc/passwd", b"")], "holds `..`"),
        (vec![entry("./a", b'1', 0o644, "./b", b""), file("./b", b"")], "not an earlier file"),
        (vec![entry("./a", b'1', 0o644, "/etc/passwd", b"")], "not an earlier file"),
        (vec![entry("./s", b'2', 0o777, "x", b""), entry("./a", b'1', 0o644, "./s", b"")], "not an earlier file"),
        (vec![entry("./s", b'2', 0o777, "../x", b"")], "leads out of the image"),
        (vec![entry("./s", b'2', 0o777, "/tmp", b""), file("./s/x", b"")], "lies below `/s`"),
        (vec![file("./d/x", b""), entry("./d", b'2', 0o777, "/tmp", b"")], "takes the place of a folder"),
        (vec![file("./a", b"1"), file("a", b"2")], "`/a`, which is there twice"),
        (vec![folder("./d/"), folder("d")], "`/d`, which is there twice"),
        (vec![file("./usr/.wh.bin", b"")], "would hide another file"),
        (vec![entry("./", b'2', 0o777, "x", b"")], "a root that is not a folder"),
        (vec![file("./big.crt", &vec![0; (4 << 20) + 1])], "is needed whole"),
    ] {
        refused(&around(&control(), &tar(&entries)), reason);
    }
    let many: Vec<_> = (0..17).map(|number| file(&format!("{number}.crt"), &vec![1; 1 << 20])).collect();
    assert!(read(&around(&control(), &tar(&many[..16]))).is_ok());
    refused(&around(&control(), &tar(&many)), "is needed whole");
}

#[test]
fn control_files_are_few_and_plain() {
    let control = file("./control", CONTROL_TEXT.as_bytes());
    for (entries, reason) in [
        (vec![], "control file is missing"),
        (vec![folder("./"), file("./md5sums", b"")], "control file is missing"),
        (vec![file("./control", b"Package: \xff\n")], "is not UTF-8"),
        (vec![file("./control", b"Package: x\n")], "has no proper `Version`"),
        (vec![control.clone(), control.clone()], "`/control`, which is there twice"),
        (vec![control.clone(), file("control", b"Package: other\n")], "`/control`, which is there twice"),
        (vec![control.clone(), folder("./sub/")], "`/sub`, which is not a regular file"),
        (vec![control.clone(), file("./sub/file", b"")], "`/sub/file`, which does not lie at its top"),
        (vec![entry("./control", b'2', 0o777, "/etc/passwd", b"")], "`/control`, which is not a regular file"),
        (vec![control.clone(), entry("./postinst", b'1', 0o755, "./control", b"")], "`/postinst`, which is not a regular file"),
        ((0..257).map(|number| file(&format!("{number}"), b"")).collect(), "more than 256 entries"),
    ] {
        refused(&around(&tar(&entries), &data()), reason);
    }
}

/// A disk that is full.
struct Full;
impl Write for Full {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(io::Error::from(io::ErrorKind::StorageFull))
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A source that fails where the bytes end.
struct Broken<'a>(&'a [u8]);
impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::Error::other("the line is dead")),
            count => Ok(count),
        }
    }
}

#[test]
fn a_full_disk_and_a_broken_source_are_told_apart() {
    let fault = read_deb(&deb(".xz")[..], &Limits::default(), &|_| false, &mut Full).unwrap_err();
    assert!(matches!(&fault, DebFault::Spool(error) if error.kind() == io::ErrorKind::StorageFull), "{fault}");

    let whole = deb("");
    for length in [4, 70, 200, 3000, 8000, whole.len()] {
        let fault = read_deb(Broken(&whole[..length]), &Limits::default(), &|_| false, &mut vec![]).unwrap_err();
        assert!(told(&fault).contains("the line is dead"), "{length}: {}", told(&fault));
    }
}
