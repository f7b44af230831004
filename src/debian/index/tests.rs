use std::io::{self, BufReader, Read};

use super::*;

const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn stanza(name: &str, version: &str, more: &str) -> String {
    format!(
        "Package: {name}\nVersion: {version}\nArchitecture: amd64\nFilename: pool/main/{0}/{name}/{name}_{version}_amd64.deb\nSize: 12\n{more}SHA256: {DIGEST}\n\n",
        &name[..1]
    )
}

fn read(text: &str) -> Result<Index, IndexFault> {
    Index::read(text.as_bytes(), &Limits::default())
}

fn problem(text: &str) -> (u64, String, IndexProblem) {
    match read(text).unwrap_err() {
        IndexFault::Stanza { line, package, problem } => (line, package, problem),
        IndexFault::Read(error) => panic!("{error}"),
    }
}

#[test]
fn a_stanza_is_kept_with_what_is_needed() {
    let text = format!(
        "Package: libssl3\nSource: openssl (3.0.11-1)\nVersion: 1:3.0.11-1+b2\nInstalled-Size: 6017\nMaintainer: Ærlig <a@b>\narchitecture: amd64\n\
         Multi-Arch: same\nEssential: yes\nPre-Depends: libc6 (>= 2.34)\nDepends: debconf (>= 0.5) | debconf-2.0,\n libc6\nProvides: libssl (= 3),\n\tssl\n\
         Description: text\n .\n more\nFilename: pool/main/o/openssl/libssl3_3.0.11-1+b2_amd64.deb\nMD5sum: x\nSize: 2010000\nSHA256: {DIGEST}\n"
    );
    let index = read(&text).unwrap();
    assert_eq!((index.len(), index.is_empty()), (1, false));
    let record = index.records().next().unwrap();
    assert_eq!((record.name(), record.version_text(), record.architecture()), ("libssl3", "1:3.0.11-1+b2", "amd64"));
    assert_eq!((record.source(), record.source_version()), ("openssl", "3.0.11-1"));
    assert_eq!(record.filename(), "pool/main/o/openssl/libssl3_3.0.11-1+b2_amd64.deb");
    assert_eq!((record.size(), record.sha256().hex().as_str()), (2_010_000, DIGEST));
    assert_eq!((record.multi_arch(), record.is_essential()), (MultiArch::Same, true));
    assert_eq!(record.pre_depends(), "libc6 (>= 2.34)");
    assert_eq!(record.depends(), "debconf (>= 0.5) | debconf-2.0, libc6");
    assert_eq!(record.provides(), "libssl (= 3), ssl");
    let provided: Vec<_> = index.providers("ssl").map(|(record, provided)| (record.name(), provided.version)).collect();
    assert_eq!(provided, [("libssl3", None)]);
    assert_eq!(index.providers("ss").count(), 0);
}

#[test]
fn file_names_come_back_as_they_were() {
    for (name, more, path) in [
        ("aa", "", "pool/main/a/aa/aa_1_amd64.deb"),
        ("aa", "Source: libbb\n", "pool/main/libb/libbb/aa_1_amd64.deb"),
        ("aa", "Source: bb (2)\n", "pool/updates/main/b/bb/aa_1_amd64.deb"),
        ("aa", "", "aa_1_amd64.deb"),
        ("aa", "", "a/aa/aa_1_amd64.deb"),
        ("aa", "", "/a/aa/aa_1_amd64.deb"),
        ("aa", "", "./pool/main/a/aa/aa_1_amd64.deb"),
        ("lib", "", "pool/main/lib/lib/lib_1_amd64.deb"),
        ("aa", "", "pool/other/aa_1%3a2.deb"),
    ] {
        let text = format!("Package: {name}\nVersion: 1\nArchitecture: amd64\n{more}Filename: {path}\nSize: 1\nSHA256: {DIGEST}\n");
        match read(&text) {
            Ok(index) => assert_eq!(index.records().next().unwrap().filename(), path),
            Err(_) => assert!(path.starts_with(['/', '.']), "{path}"),
        }
    }
}

#[test]
fn records_are_sorted_by_name_then_newest_first() {
    let text =
        [stanza("bb", "1.0~rc1", ""), stanza("cc", "1", ""), stanza("bb", "1.10", ""), stanza("aa", "1", ""), stanza("bb", "1.9", "")]
            .concat();
    let index = read(&text).unwrap();
    let found: Vec<String> = index.records().map(|record| format!("{} {}", record.name(), record.version())).collect();
    assert_eq!(found, ["aa 1", "bb 1.10", "bb 1.9", "bb 1.0~rc1", "cc 1"]);
    let named: Vec<&str> = index.named("bb").map(|record| record.version_text()).collect();
    assert_eq!(named, ["1.10", "1.9", "1.0~rc1"]);
    assert_eq!((index.named("b").count(), index.named("bbb").count(), index.named("zz").count()), (0, 0, 0));
}

#[test]
fn one_file_listed_twice_is_one_and_two_files_are_refused() {
    let one = stanza("aa", "1", "");
    assert_eq!(read(&format!("{one}{one}")).unwrap().len(), 1);
    let other = one.replace(DIGEST, &DIGEST.replace('e', "f"));
    let (_, package, found) = problem(&format!("{one}{other}"));
    assert_eq!((package.as_str(), found), ("aa", IndexProblem::Duplicate("1".into())));
}

#[test]
fn what_policy_does_not_allow_is_refused() {
    let good = stanza("aa", "1", "");
    let value = |field, value: &str| IndexProblem::Value { field, value: value.into() };
    for (old, new, line, expected) in [
        ("Package: aa\n", "", 6, IndexProblem::Missing("Package")),
        ("Version: 1\n", "", 6, IndexProblem::Missing("Version")),
        ("Architecture: amd64\n", "", 6, IndexProblem::Missing("Architecture")),
        ("Size: 12\n", "", 6, IndexProblem::Missing("Size")),
        ("Size: 12\n", "Size:\n", 7, IndexProblem::Missing("Size")),
        (&format!("SHA256: {DIGEST}\n"), "", 6, IndexProblem::Missing("SHA256")),
        (&format!("SHA256: {DIGEST}\n"), "SHA1: x\n", 7, IndexProblem::WeakDigest),
        (&format!("SHA256: {DIGEST}\n"), "MD5sum: x\n", 7, IndexProblem::WeakDigest),
        ("Version: 1\n", "Version: 1\nVersion: 2\n", 3, IndexProblem::Twice("Version")),
        ("Version: 1\n", "Version: 1\nVERSION: 1\n", 3, IndexProblem::Twice("Version")),
        ("Version: 1\n", "Version: 1\n 2\n", 3, IndexProblem::Folded("Version")),
        ("Version: 1\n", "Version: 1_2\n", 7, IndexProblem::Version { value: "1_2".into(), fault: VersionFault::Character('_') }),
        ("Package: aa\n", "Package: Aa\n", 7, value("Package", "Aa")),
        ("Package: aa\n", "Package: a\u{1b}\n", 1, value("Package", "a\\u{1b}")),
        ("Package: aa\n", "Package: å\n", 1, value("Package", "å")),
        ("amd64\n", "amd 64\n", 7, value("Architecture", "amd 64")),
        ("Size: 12", "Size: 0", 7, value("Size", "0")),
        ("Size: 12", "Size: -1", 7, value("Size", "-1")),
        ("Size: 12", "Size: +1", 7, value("Size", "+1")),
        ("Size: 12", "Size: 4294967296", 7, value("Size", "4294967296")),
        ("pool/main/a/aa/aa_1_amd64.deb", "pool/../aa_1_amd64.deb", 7, value("Filename", "pool/../aa_1_amd64.deb")),
        ("pool/main/a/aa/aa_1_amd64.deb", "/aa_1_amd64.deb", 7, value("Filename", "/aa_1_amd64.deb")),
        ("pool/main/a/aa/aa_1_amd64.deb", "pool//aa_1_amd64.deb", 7, value("Filename", "pool//aa_1_amd64.deb")),
        ("pool/main/a/aa/aa_1_amd64.deb", "pool/aa 1.deb", 7, value("Filename", "pool/aa 1.deb")),
        ("_amd64.deb", "_amd64.rpm", 7, value("Filename", "pool/main/a/aa/aa_1_amd64.rpm")),
        ("e3b0", "E3B0", 7, value("SHA256", &DIGEST.replace("e3b0", "E3B0")[..60])),
        ("Size: 12\n", "Size: 12\nMulti-Arch: maybe\n", 8, value("Multi-Arch", "maybe")),
        ("Size: 12\n", "Size: 12\nEssential: 1\n", 8, value("Essential", "1")),
        ("Size: 12\n", "Size: 12\nSource: Bb\n", 8, value("Source", "Bb")),
        ("Size: 12\n", "Size: 12\nSource: bb 1\n", 8, value("Source", "bb 1")),
        ("Size: 12\n", "Size: 12\nSource: bb (-)\n", 8, IndexProblem::Version { value: "-".into(), fault: VersionFault::Revision }),
        ("Size: 12\n", "Size: 12\nDepends: a\0\n", 6, value("Depends", "a\\0")),
        ("Size: 12\n", "Size: 12\nnothing\n", 6, IndexProblem::Line(LineFault::Name)),
        ("Size: 12\n", "Size: 12\n \n", 6, IndexProblem::Line(LineFault::Space)),
        ("Size: 12\n", "Size: 12\r\n", 5, IndexProblem::Line(LineFault::Control)),
        ("Package: aa\n", " x\nPackage: aa\n", 1, IndexProblem::NoField),
    ] {
        let bad = good.replacen(old, new, 1);
        assert_ne!(bad, good, "{old:?}");
        let (at, _, found) = problem(&bad);
        assert_eq!((at, found), (line, expected), "{new:?}");
        // The same stanza after a good one, and at the end of the file.
        let (at, ..) = problem(&format!("{}{}", stanza("zz", "1", ""), bad.trim_end_matches('\n').to_owned() + "\n"));
        assert!(at >= line + 6, "{new:?}");
    }
}

#[test]
fn reading_has_limits() {
    let good = stanza("aa", "1", "");
    let size = u32::try_from(good.len()).unwrap();
    let limits = Limits { bytes: u64::from(size), stanza: size, stanzas: 1 };
    assert_eq!(Index::read(good.as_bytes(), &limits).unwrap().len(), 1);
    let problem = |text: &str, limits: Limits| match Index::read(text.as_bytes(), &limits) {
        Err(IndexFault::Stanza { problem, .. }) => problem,
        other => panic!("{other:?}"),
    };
    assert_eq!(problem(&good, Limits { bytes: limits.bytes - 1, ..limits }), IndexProblem::Bytes(limits.bytes - 1));
    assert_eq!(problem(&good, Limits { stanza: size - 2, ..limits }), IndexProblem::StanzaBytes(size - 2));
    let two = format!("{good}{}", stanza("bb", "1", ""));
    assert_eq!(problem(&two, Limits { bytes: 1 << 20, ..limits }), IndexProblem::Stanzas(1));
    assert_eq!(problem(good.trim_end(), limits), IndexProblem::End);
    let endless = BufReader::new(Read::take(io::repeat(b'a'), 1 << 30));
    let fault = Index::read(endless, &Limits::default()).unwrap_err();
    assert!(matches!(fault, IndexFault::Stanza { problem: IndexProblem::StanzaBytes(_), .. }), "{fault}");
}

#[test]
fn nothing_is_an_empty_index_and_empty_lines_are_no_packages() {
    for text in ["", "\n", "\n\n\n"] {
        assert!(read(text).unwrap().is_empty());
    }
    let spread = format!("\n\n{}\n\n{}\n", stanza("aa", "1", ""), stanza("bb", "1", ""));
    assert_eq!(read(&spread).unwrap().len(), 2);
}

#[test]
fn a_reader_that_fails_is_told() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("corrupt xz"))
        }
    }
    let fault = Index::read(BufReader::new(Failing), &Limits::default()).unwrap_err();
    assert!(matches!(fault, IndexFault::Read(error) if error.to_string() == "corrupt xz"));
}

#[test]
fn texts_fill_several_blocks() {
    let long = format!("Depends: {}\n", "aa, ".repeat(100_000));
    let text: String = (0..9).map(|number| stanza(&format!("p{number}"), "1", &long)).collect();
    let index = read(&text).unwrap();
    assert!(index.blocks.len() > 2);
    for (number, record) in index.records().enumerate() {
        assert_eq!((record.name(), record.version_text()), (format!("p{number}").as_str(), "1"));
        assert_eq!(record.depends().len(), 399_999);
    }
}
