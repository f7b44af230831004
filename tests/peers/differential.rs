//! Archives, read by us and by four readers that others wrote: what we accept they list alike, and what real tools write we accept.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use hardened::layer::{Limits, MemberKind, StrictTar, read_facts};
use hardened::oci::Compression;

use crate::peer::{Peer, success};

/// How many archives are made, and how many of them at least are accepted by us: a test over nothing but refused ones shows nothing.
const ARCHIVES: u64 = 2000;
const ACCEPTED: usize = 300;

struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

fn header(name: &[u8], kind: u8, size: u64, link: &[u8], gnu: bool) -> Vec<u8> {
    let mut header = vec![0; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000644\0");
    header[108..116].copy_from_slice(b"0000000\0");
    header[116..124].copy_from_slice(b"0000000\0");
    header[124..136].copy_from_slice(format!("{size:011o}\0").as_bytes());
    header[136..148].copy_from_slice(b"00000000000\0");
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(if gnu { b"ustar  \0" } else { b"ustar\x0000" });
    checked(header)
}

fn checked(mut header: Vec<u8>) -> Vec<u8> {
    header[148..156].fill(b' ');
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

fn padded(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(bytes.len().next_multiple_of(512), 0);
    bytes
}

fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..10).map(|digits| rest + digits).find(|length| rest + length.to_string().len() == *length).unwrap();
    format!("{length} {key}={value}\n")
}

/// Makes an archive of a few entries, some with extended headers, and then breaks it in some place, mostly.
fn archive(numbers: &mut Numbers) -> Vec<u8> {
    let names = ["a", "b/", "b/c", "./d", "long/name/of/some/file", "e.f", "b/../x", "/g", "b//h", "a/", "\u{e9}", "i j"];
    let mut tar = Vec::new();
    for _ in 0..=numbers.below(4) {
        let (name, gnu) = (*numbers.pick(&names), numbers.below(4) == 0);
        match numbers.below(8) {
            0 => {
                let keys = ["path", "size", "mtime", "uid", "comment", "linkpath", "SCHILY.xattr.user.x"];
                let text: String = (0..=numbers.below(2))
                    .map(|_| record(keys[numbers.below(keys.len())], ["x", "3", "1.5", "b/pax", "0", ""][numbers.below(6)]))
                    .collect();
                let kind = *numbers.pick(b"xxxg");
                tar.extend(header(b"pax", kind, text.len() as u64, b"", false));
                tar.extend(padded(text.as_bytes()));
            }
            1 => {
                let text = format!("{}\0", numbers.pick(&names));
                tar.extend(header(b"././@LongLink", *numbers.pick(b"LLK"), text.len() as u64, b"", true));
                tar.extend(padded(text.as_bytes()));
            }
            _ => {}
        }
        let content = *numbers.pick(&[&b""[..], b"abc", b"some more content"]);
        match *numbers.pick(b"00002155367") {
            b'0' => {
                tar.extend(header(name.as_bytes(), b'0', content.len() as u64, b"", gnu));
                tar.extend(padded(content));
            }
            kind @ (b'1' | b'2') => tar.extend(header(name.as_bytes(), kind, 0, numbers.pick(&names).as_bytes(), gnu)),
            kind => tar.extend(header(name.as_bytes(), kind, 0, b"", gnu)),
        }
    }
    tar.extend([0; 1024]);
    for _ in 0..numbers.below(3) {
        let block = numbers.below(tar.len() / 512) * 512;
        let place = block
            + *numbers
                .pick(&[0, 1, 99, 100, 107, 108, 124, 130, 135, 136, 148, 156, 157, 257, 262, 263, 264, 329, 345, 350, 499, 500, 508, 511]);
        tar[place] = *numbers.pick(b"\0 0137789xgLKDSVANM\x80\xff/.-");
        if numbers.below(8) != 0 {
            let fixed = checked(tar[block..block + 512].to_vec());
            tar[block..block + 512].copy_from_slice(&fixed);
        }
    }
    if numbers.below(20) == 0 {
        tar.truncate(numbers.below(tar.len()));
    }
    tar
}

/// Lists names (without slashes at either end, `.` and doubled slashes), kinds and sizes, as we read them. `None` when we refuse.
fn ours(bytes: &[u8]) -> Option<Vec<String>> {
    read_facts(bytes, Compression::None, &Limits::default()).ok()?;
    let mut tar = StrictTar::new(bytes);
    let mut lines = Vec::new();
    while let Some(member) = tar.next_member().ok()? {
        let kind = match &member.kind {
            MemberKind::File => "file".to_owned(),
            MemberKind::Directory => "folder".to_owned(),
            MemberKind::Symlink(target) => format!("symlink {}", hex(target)),
            MemberKind::HardLink(target) => format!("link {}", hex(target.as_bytes())),
            MemberKind::Device(_) | MemberKind::Fifo => "special".to_owned(),
        };
        lines.push(format!("{} {} {kind}", hex(member.path.as_bytes()), member.size));
    }
    Some(lines)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::from("x"), |text, byte| text + &format!("{byte:02x}"))
}

const PYTHON: &str = r#"
import os, sys, tarfile
def clean(name):
    return os.fsencode('/'.join(part for part in name.split('/') if part not in ('', '.')))
def hexed(name): return 'x' + name.hex()
for file in sorted(os.listdir(sys.argv[1])):
    print('#', file)
    try:
        for entry in tarfile.open(os.path.join(sys.argv[1], file), errorlevel=2):
            if entry.issym(): kind = 'symlink ' + hexed(os.fsencode(entry.linkname))
            elif entry.islnk(): kind = 'link ' + hexed(clean(entry.linkname))
            elif entry.isdir(): kind = 'folder'
            elif entry.isreg(): kind = 'file'
            else: kind = 'special'
            print(hexed(clean(entry.name)), entry.size if entry.isreg() else 0, kind)
    except Exception as fault:
        print('!', type(fault).__name__)
"#;

const GO: &str = r##"
package main

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sort"
	"strings"
)

func clean(name string) string {
	var parts []string
	for _, part := range strings.Split(name, "/") {
		if part != "" && part != "." {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, "/")
}

func list(path string) {
	file, err := os.Open(path)
	if err != nil {
		panic(err)
	}
	defer file.Close()
	reader := tar.NewReader(file)
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			fmt.Println("!", err)
			return
		}
		size, kind := int64(0), ""
		switch header.Typeflag {
		case tar.TypeXGlobalHeader:
			continue
		case tar.TypeSymlink:
			kind = fmt.Sprintf("symlink x%x", header.Linkname)
		case tar.TypeLink:
			kind = fmt.Sprintf("link x%x", clean(header.Linkname))
		case tar.TypeDir:
			kind = "folder"
		case tar.TypeReg, tar.TypeCont:
			size, kind = header.Size, "file"
		default:
			kind = "special"
		}
		fmt.Printf("x%x %d %s\n", clean(header.Name), size, kind)
	}
}

func main() {
	paths, _ := filepath.Glob(filepath.Join(os.Args[1], "*"))
	sort.Strings(paths)
	for _, path := range paths {
		fmt.Println("#", filepath.Base(path))
		list(path)
	}
}
"##;

/// Splits what a reader printed for all archives: lines of each, or `None` for one that it does not read.
fn listed(text: &str) -> BTreeMap<String, Option<Vec<String>>> {
    let mut all = BTreeMap::new();
    for part in text.split("# ").skip(1) {
        let mut lines = part.lines().map(|line| line.trim_end().to_owned());
        let name = lines.next().unwrap();
        let lines: Vec<String> = lines.collect();
        let failed = lines.iter().any(|line| line.starts_with('!'));
        all.insert(name, (!failed).then_some(lines));
    }
    all
}

/// Reads a name as bsdtar prints it: what does not print is a backslash and three octal digits, or one letter.
fn unescaped(line: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = line;
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        let letter = after.first().and_then(|letter| {
            Some(match letter {
                b'\\' => b'\\',
                b'a' => 7,
                b'b' => 8,
                b't' => b'\t',
                b'n' => b'\n',
                b'v' => 11,
                b'f' => 12,
                b'r' => b'\r',
                _ => return None,
            })
        });
        match (*first, octal, letter) {
            (b'\\', Some(byte), _) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            (b'\\', _, Some(byte)) => {
                bytes.push(byte);
                rest = &after[1..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

/// Asks a program that lists names only, once for each archive.
fn names(mut command: std::process::Command, tar: &Path, written: fn(&[u8]) -> Vec<u8>) -> Option<Vec<String>> {
    let output = command.arg(tar).output().unwrap();
    let clean = |line: &[u8]| {
        let line = written(line);
        let parts: Vec<&[u8]> = line.split(|byte| *byte == b'/').filter(|part| !matches!(*part, b"" | b".")).collect();
        hex(&parts.join(&b'/'))
    };
    output.status.success().then(|| output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).map(clean).collect())
}

#[test]
fn what_we_accept_four_readers_list_alike() {
    let (Some(gnu), Some(bsd), Some(python), Some(go)) = (Peer::find("tar"), Peer::find("bsdtar"), Peer::find("python3"), Peer::find("go"))
    else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let archives = folder.path().join("archives");
    fs::create_dir(&archives).unwrap();
    let mut numbers = Numbers(7);
    let mut accepted = BTreeMap::new();
    for number in 0..ARCHIVES {
        let bytes = archive(&mut numbers);
        if let Some(lines) = ours(&bytes) {
            let name = format!("{number:05}");
            fs::write(archives.join(&name), &bytes).unwrap();
            accepted.insert(name, lines);
        }
    }
    assert!(accepted.len() >= ACCEPTED, "{} of {ARCHIVES} are accepted", accepted.len());
    let by_python = listed(&success(python.command(folder.path(), 120).args(["-I", "-c", PYTHON]).arg(&archives)));
    fs::write(folder.path().join("list.go"), GO).unwrap();
    let mut list = go.command(folder.path(), 300);
    list.env("GOFLAGS", "-mod=mod").env("GOCACHE", folder.path().join("go-cache")).env("GOTOOLCHAIN", "local");
    let by_go = listed(&success(list.args(["run", "list.go"]).arg(&archives)));
    let mut differences = Vec::new();
    for (name, lines) in &accepted {
        for (reader, found) in [("Python", &by_python[name]), ("Go", &by_go[name])] {
            if found.as_ref() != Some(lines) {
                differences.push(format!("{name}: {reader} lists {found:?}, we {lines:?}"));
            }
        }
        let own: Vec<String> = lines.iter().map(|line| line.split(' ').next().unwrap().to_owned()).collect();
        let path = archives.join(name);
        let mut by_gnu = gnu.command(folder.path(), 20);
        by_gnu.args(["--quoting-style=literal", "-P", "-tf"]);
        let mut by_bsd = bsd.command(folder.path(), 20);
        by_bsd.args(["-P", "-tf"]);
        for (reader, found) in [("GNU tar", names(by_gnu, &path, <[u8]>::to_vec)), ("bsdtar", names(by_bsd, &path, unescaped))] {
            if found.as_ref() != Some(&own) {
                differences.push(format!("{name}: {reader} lists {found:?}, we {own:?}"));
            }
        }
    }
    assert!(
        differences.is_empty(),
        "{} of {}:\n{}",
        differences.len(),
        accepted.len(),
        differences.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn the_archives_of_gos_own_tests_end_in_a_verdict() {
    let Some(go) = Peer::find("go") else { return };
    let folder = tempfile::tempdir().unwrap();
    let root = success(go.command(folder.path(), 30).args(["env", "GOROOT"]));
    let corpus = Path::new(root.trim()).join("src/archive/tar/testdata");
    let Ok(entries) = fs::read_dir(&corpus) else { return };
    let mut paths: Vec<PathBuf> =
        entries.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "tar")).collect();
    paths.sort();
    assert!(paths.len() > 20, "{paths:?}");
    let mut accepted = Vec::new();
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let bytes = fs::read(path).unwrap();
        match read_facts(&bytes[..], Compression::None, &Limits::default()) {
            Ok(_) => accepted.push(name.trim_end_matches(".tar").to_owned()),
            Err(fault) => assert!(!fault.to_string().is_empty(), "{name}"),
        }
    }
    // What is sparse, negative, of before POSIX, doubled or malformed is not among them.
    for refused in
        ["gnu-sparse-big", "neg-size", "pax-bad-hdr-file", "pax-multi-hdrs", "pax-nul-path", "sparse-formats", "star", "v7", "issue10968"]
    {
        assert!(!accepted.iter().any(|name| name == refused), "{refused} is accepted");
    }
    for good in ["pax", "pax-records", "ustar", "writer-big-long"] {
        assert!(
            accepted.iter().any(|name| name == good) || !paths.iter().any(|path| path.ends_with(format!("{good}.tar"))),
            "{good} is refused: {accepted:?}"
        );
    }
}

#[test]
fn layers_that_engines_write_are_accepted() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir_all(tree.join("deep/folder")).unwrap();
    fs::write(tree.join("deep/folder/file"), b"x").unwrap();
    fs::write(tree.join(format!("{}.txt", "long".repeat(40))), b"y").unwrap();
    fs::write(tree.join("bl\u{e5}b\u{e6}r"), b"z").unwrap();
    std::os::unix::fs::symlink("deep/folder/file", tree.join("link")).unwrap();
    fs::hard_link(tree.join("deep/folder/file"), tree.join("same")).unwrap();
    let mut seen = 0;
    let mut check = |name: &str, bytes: &[u8], compression| {
        read_facts(bytes, compression, &Limits::default()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
        seen += 1;
    };
    if let Some(gnu) = Peer::find("tar") {
        for format in ["gnu", "pax", "ustar"] {
            let path = folder.path().join("gnu.tar");
            success(
                gnu.command(folder.path(), 30)
                    .args([
                        format!("--format={format}").as_str(),
                        "-C",
                        "tree",
                        if format == "ustar" { "--exclude=long*" } else { "--exclude=none" },
                        "-cf",
                    ])
                    .arg(&path)
                    .arg("."),
            );
            check(&format!("GNU tar, {format}"), &fs::read(&path).unwrap(), Compression::None);
        }
    }
    if let Some(bsd) = Peer::find("bsdtar") {
        for format in ["pax", "ustar", "gnutar"] {
            let path = folder.path().join("bsd.tar");
            success(
                bsd.command(folder.path(), 30)
                    .args(["--format", format, "-C", "tree", "--exclude", if format == "ustar" { "*long*" } else { "none" }, "-cf"])
                    .arg(&path)
                    .arg("."),
            );
            check(&format!("bsdtar, {format}"), &fs::read(&path).unwrap(), Compression::None);
        }
    }
    if let Some(python) = Peer::find("python3") {
        for format in ["GNU_FORMAT", "PAX_FORMAT"] {
            let path = folder.path().join("python.tar");
            let program =
                format!("import sys, tarfile\nwith tarfile.open(sys.argv[1], 'w', format=tarfile.{format}) as tar: tar.add('tree', '.')");
            success(python.command(folder.path(), 30).args(["-I", "-c", &program]).arg(&path));
            check(&format!("Python, {format}"), &fs::read(&path).unwrap(), Compression::None);
        }
    }
    if let Some(umoci) = Peer::find("umoci") {
        let image = folder.path().join("umoci");
        success(umoci.command(folder.path(), 30).args(["init", "--layout"]).arg(&image));
        let tag = format!("{}:1", image.display());
        success(umoci.command(folder.path(), 30).args(["new", "--image", &tag]));
        success(umoci.command(folder.path(), 60).args(["insert", "--rootless", "--image", &tag]).arg(&tree).arg("/tree"));
        for (name, bytes) in gzip_blobs(&image) {
            check(&format!("umoci, {name}"), &bytes, Compression::Gzip);
        }
    }
    if let Some(buildah) = Peer::find("buildah") {
        let root = folder.path().join("storage");
        let storage = ["--root", root.to_str().unwrap(), "--runroot", root.to_str().unwrap(), "--storage-driver", "vfs"];
        fs::write(folder.path().join("Containerfile"), "FROM scratch\nCOPY tree /tree\nCOPY tree/link /tree/other\n").unwrap();
        let image = format!("oci:{}:1", folder.path().join("built").display());
        let mut build = buildah.command(folder.path(), 120);
        build.args(storage).args(["bud", "--isolation", "chroot", "--layers=false", "-t", "test", "-f", "Containerfile", "."]);
        // Where no user namespace may be made, it cannot work at all; that is told, and no fault of ours.
        if build.output().unwrap().status.success() {
            success(buildah.command(folder.path(), 120).args(storage).args(["push", "test", &image]));
            for (name, bytes) in gzip_blobs(&folder.path().join("built")) {
                check(&format!("buildah, {name}"), &bytes, Compression::Gzip);
            }
        }
    }
    assert!(seen > 8 || std::env::var_os("HARDENED_REQUIRE_PEERS").is_none(), "{seen}");
}

fn gzip_blobs(layout: &Path) -> Vec<(String, Vec<u8>)> {
    let blobs = fs::read_dir(layout.join("blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let read = blobs.map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()));
    read.filter(|(_, bytes)| bytes.starts_with(&[0x1f, 0x8b])).collect()
}

/// Packages that are in nearly every installation: libraries, programs, languages, documents, links, set-user bits.
const PACKAGES: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "coreutils",
    "dash",
    "debianutils",
    "dpkg",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "libc6",
    "libc-bin",
    "login",
    "mawk",
    "mount",
    "ncurses-base",
    "ncurses-bin",
    "passwd",
    "perl-base",
    "sed",
    "sysvinit-utils",
    "tar",
    "util-linux",
    "zlib1g",
    "tzdata",
    "ca-certificates",
    "openssl",
    "python3-minimal",
    "netbase",
];

#[test]
fn the_files_of_real_packages_are_accepted() {
    let (Some(apt), Some(dpkg)) = (Peer::find("apt-get"), Peer::find("dpkg-deb")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut fetched = 0;
    for package in PACKAGES {
        let mut download = apt.command(folder.path(), 60);
        download.args(["-o", "APT::Sandbox::User=root", "download", package]);
        fetched += usize::from(download.output().unwrap().status.success());
    }
    if fetched == 0 {
        assert!(std::env::var_os("HARDENED_REQUIRE_PEERS").is_none(), "no package can be fetched");
        return;
    }
    let mut refused = Vec::new();
    let mut entries = 0;
    for path in fs::read_dir(folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|end| end == "deb"))
    {
        let tar = dpkg.command(folder.path(), 60).arg("--fsys-tarfile").arg(&path).output().unwrap();
        match read_facts(&tar.stdout[..], Compression::None, &Limits::default()) {
            Ok(facts) => entries += facts.entries.len(),
            Err(fault) => refused.push(format!("{}: {fault}", path.display())),
        }
    }
    assert!(refused.is_empty() && entries > 20 * fetched, "{refused:#?}");
}
