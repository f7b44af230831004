use super::*;

/// Makes a header by hand, with the checksum that its bytes have.
fn header(name: &str, kind: u8, size: u64) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name.as_bytes());
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    checked(header)
}

fn checked(mut header: Vec<u8>) -> Vec<u8> {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn with_link(name: &str, kind: u8, link: &str) -> Vec<u8> {
    let mut header = header(name, kind, 0);
    header[157..157 + link.len()].copy_from_slice(link.as_bytes());
    checked(header)
}

fn data(bytes: &[u8]) -> Vec<u8> {
    let mut data = bytes.to_vec();
    data.resize(bytes.len().div_ceil(512) * 512, 0);
    data
}

fn pax(records: &str) -> Vec<u8> {
    let mut text = String::new();
    for record in records.lines() {
        let mut length = record.len() + 3;
        while length != record.len() + 2 + length.to_string().len() {
            length += 1;
        }
        text.extend([&length.to_string(), " ", record, "\n"]);
    }
    [header("PaxHeaders/x", b'x', text.len() as u64), data(text.as_bytes())].concat()
}

fn gnu(kind: u8, name: &str) -> Vec<u8> {
    [header("././@LongLink", kind, name.len() as u64 + 1), data(format!("{name}\0").as_bytes())].concat()
}

const END: [u8; 1024] = [0; 1024];

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn list(parts: &[&[u8]]) -> Result<Vec<String>, String> {
    let bytes = parts.concat();
    let mut tar = StrictTar::new(&bytes[..]);
    let mut names = vec![];
    while let Some(member) = tar.next_member().map_err(|fault| fault.to_string())? {
        names.push(format!("{}{}", member.path, if member.kind == MemberKind::Directory { "/" } else { "" }));
    }
    assert_eq!(tar.position(), bytes.len() as u64, "the archive is read to its end");
    Ok(names)
}

#[test]
fn ordinary_archives_are_read() {
    let long = "d/".repeat(80) + "file";
    let cases: &[(&[&[u8]], &[&str])] = &[
        (&[&END], &[]),
        (&[], &[]),
        (&[&header("./", b'5', 0), &header("./a/", b'5', 0), &header("./a/b", b'0', 5), &data(b"hello"), &END], &["//", "/a/", "/a/b"]),
        (&[&header("a", 0, 0), &header("b", b'0', 0)], &["/a", "/b"]),
        (&[&header("a", b'0', 0), &[0; 512]], &["/a"]),
        (&[&[0; 512]], &[]),
        (&[&pax("hdrcharset=BINARY\npath=\u{e9}"), &header("short", b'0', 0), &END], &["/\u{e9}"]),
        (&[&pax("hdrcharset=ISO-IR 10646 2000 UTF-8\npath=\u{e9}"), &header("short", b'0', 0), &END], &["/\u{e9}"]),
        (&[&pax(&format!("path={long}\nmtime=1.5")), &header("short", b'0', 1), &data(b"x"), &END, &END], &[&format!("/{long}")]),
        (&[&gnu(b'L', &long), &header("short", b'0', 0), &END], &[&format!("/{long}")]),
        (&[&header("g", b'g', 16), &data(b"16 comment=abcd\n"), &header("a", b'0', 0), &END], &["/a"]),
    ];
    for (parts, expected) in cases {
        assert_eq!(list(parts), Ok(expected.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()));
    }
}

/// Each row is read differently by at least two of GNU tar, bsdtar, Python, Go and the Rust readers, or is plainly broken.
#[test]
fn what_readers_differ_on_is_refused() {
    let hidden = header("hidden", b'0', 0);
    let v7 = {
        let mut header = header("old", b'0', 0);
        header[257..265].fill(0);
        checked(header)
    };
    let negative = {
        let mut header = header("negative", b'0', 0);
        header[124..136].copy_from_slice(&[0xff; 12]);
        checked(header)
    };
    let wrong_sum = {
        let mut header = header("sum", b'0', 0);
        header[0] = b'S';
        header
    };
    let cases: &[(&str, Vec<u8>)] = &[
        ("not a file and has a size", joined(&[&header("d/", b'5', 512), &hidden, &END])),
        ("not a file and has a size", joined(&[&header("s", b'2', 512), &hidden, &END])),
        ("symbolic link to nothing", joined(&[&header("s", b'2', 0), &END])),
        ("global PAX header", joined(&[&header("g", b'g', 13), &data(b"13 path=glob\n"), &header("a", b'0', 0), &END])),
        ("twice", joined(&[&pax("path=one\npath=two"), &header("a", b'0', 0), &END])),
        ("PAX and GNU headers", joined(&[&gnu(b'L', "long"), &pax("path=paxp"), &header("a", b'0', 0), &END])),
        ("two extended headers", joined(&[&gnu(b'L', "one"), &gnu(b'L', "two"), &header("a", b'0', 0), &END])),
        ("two extended headers", joined(&[&pax("path=one"), &pax("uid=1"), &header("a", b'0', 0), &END])),
        ("content after the end", joined(&[&[0; 512], &header("a", b'0', 0), &END])),
        ("content after the end", joined(&[&END, &header("a", b'0', 0), &END])),
        ("size that is not a number", joined(&[&negative, &END])),
        ("wrong checksum", joined(&[&wrong_sum, &END])),
        ("neither POSIX nor GNU", joined(&[&v7, &END])),
        ("differs from the header's", joined(&[&pax("size=512"), &header("a", b'0', 0), &hidden, &END])),
        ("differs from the header's", joined(&[&pax("size=0"), &header("a", b'0', 512), &hidden, &END])),
        ("sparse", joined(&[&pax("GNU.sparse.major=1"), &header("a", b'0', 0), &END])),
        ("sparse", joined(&[&header("a", b'S', 0), &END])),
        ("unknown type", joined(&[&header("a", b'V', 0), &END])),
        ("ends early", joined(&[&header("a", b'0', 2000), &data(b"x")])),
        ("ends early", joined(&[&header("a", b'0', 0)[..300]])),
        ("without an entry", joined(&[&pax("path=x"), &END])),
        ("root that is not a folder", joined(&[&with_link(".", b'2', "/tmp"), &END])),
        ("root that is not a folder", joined(&[&header("/", b'1', 0), &END])),
        ("ends with a slash", joined(&[&header("a/", b'0', 0), &END])),
        ("`..`", joined(&[&header("a/../../etc/passwd", b'0', 0), &END])),
        ("`..`", joined(&[&with_link("a", b'1', "../../etc/passwd"), &END])),
        ("malformed PAX", joined(&[&header("p", b'x', 5), &data(b"99 a="), &header("a", b'0', 0), &END])),
        ("more than 1 MiB", joined(&[&header("p", b'x', 2 << 20), &END])),
    ];
    for (number, (expected, parts)) in cases.iter().enumerate() {
        let found = list(&[parts]);
        assert!(found.as_ref().is_err_and(|message| message.contains(expected)), "{number} {expected}: {found:?}");
    }
}

proptest::proptest! {
    #[test]
    fn no_bytes_panic(bytes in proptest::collection::vec(0_u8.., 0..3000)) {
        let mut tar = StrictTar::new(&bytes[..]);
        while let Ok(Some(_)) = tar.next_member() {}
    }

    #[test]
    fn no_flipped_byte_panics(offset in 0_usize..2560, byte in 0_u8..) {
        let mut bytes = [pax("path=x/y\nsize=3"), header("short", b'0', 3), data(b"abc"), END.to_vec()].concat();
        if let Some(target) = bytes.get_mut(offset) {
            *target = byte;
        }
        let mut tar = StrictTar::new(&bytes[..]);
        while let Ok(Some(_)) = tar.next_member() {}
    }
}
