//! Packages of the machine's own Debian archive: `dpkg-deb` reads them as we do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use hardened::debian::{DebEntry, DebFacts, DebKind};
use hardened::layer::Limits;
use hardened::layer::deb::{control_stanza, read_deb};
use hardened::rootfs::Head;

use crate::peer::{Peer, success};

/// Small and large packages, of links, of libraries, of scripts, and of set-user-ID programs. Their names differ between releases.
const PACKAGES: &[&str] = &[
    "base-files",
    "base-passwd",
    "bash",
    "ca-certificates",
    "ca-certificates-java",
    "coreutils",
    "dash",
    "dpkg",
    "libbz2-1.0",
    "libc-bin",
    "libc6",
    "libcrypt1",
    "libffi8",
    "libgcc-s1",
    "libkrb5-3",
    "liblzma5",
    "libnode108",
    "libnode115",
    "libpython3.11-stdlib",
    "libpython3.13-stdlib",
    "libsqlite3-0",
    "libssl3",
    "libssl3t64",
    "libstdc++6",
    "libuuid1",
    "media-types",
    "mount",
    "netbase",
    "nginx",
    "nginx-common",
    "nodejs",
    "openssl",
    "passwd",
    "perl-base",
    "postgresql-client-common",
    "python3.11-minimal",
    "python3.13-minimal",
    "sudo",
    "tzdata",
    "zlib1g",
];

/// Downloads those of the packages that the machine's archive has, for its own architecture; `None` when there is no apt.
pub(crate) fn download(folder: &Path, names: &[&str]) -> Option<Vec<PathBuf>> {
    let (apt, cache) = (Peer::find("apt-get")?, Peer::find("apt-cache")?);
    // The version that is installed may come from elsewhere, and is in no archive then.
    let listed = success(cache.command(folder, 60).arg("madison").args(names));
    let mut versions = BTreeMap::new();
    for line in listed.lines() {
        let mut fields = line.split('|').map(str::trim);
        let (Some(name), Some(version)) = (fields.next(), fields.next()) else { continue };
        versions.entry(name).or_insert(version);
    }
    let packages = folder.join("packages");
    fs::create_dir_all(&packages).unwrap();
    let wanted = versions.iter().map(|(name, version)| format!("{name}={version}"));
    success(apt.command(folder, 300).arg("download").args(wanted).current_dir(&packages));
    let mut found: Vec<_> = fs::read_dir(&packages).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found.len(), versions.len(), "{found:?}");
    Some(found)
}

/// Downloads packages of any suite and architecture from the mirror that the machine uses, without a change to its own apt; `None` when there is
/// no apt or no mirror.
pub(crate) fn download_of(folder: &Path, suite: &str, architecture: &str, names: &[&str]) -> Option<Vec<PathBuf>> {
    let apt = Peer::find("apt-get")?;
    let mirror = std::env::var("HARDENED_DEBIAN_MIRROR").ok().or_else(|| {
        let targets = success(apt.command(folder, 60).args(["indextargets", "--format", "$(LABEL)|$(SITE)"]));
        targets.lines().find_map(|line| line.strip_prefix("Debian|").map(str::to_owned))
    });
    let Some(mirror) = mirror else {
        // As for a peer that is not there.
        writeln!(std::io::stderr(), "skipped: this machine's apt has no Debian mirror").unwrap();
        return None;
    };
    let keys = "/usr/share/keyrings/debian-archive-keyring.gpg";
    if !Path::new(keys).exists() {
        writeln!(std::io::stderr(), "skipped: {keys} is not there").unwrap();
        return None;
    }
    let base = folder.join(format!("apt-{suite}-{architecture}"));
    let packages = base.join("packages");
    for name in ["state/lists/partial", "cache/archives/partial", "packages"] {
        fs::create_dir_all(base.join(name)).unwrap();
    }
    let source = base.join("sources.list");
    fs::write(&source, format!("deb [arch={architecture} signed-by={keys}] {mirror} {suite} main\n")).unwrap();
    let options = [
        format!("Dir::State={}", base.join("state").display()),
        format!("Dir::Cache={}", base.join("cache").display()),
        format!("Dir::Etc::sourcelist={}", source.display()),
        "Dir::Etc::sourceparts=-".to_owned(),
        "Dir::State::status=/dev/null".to_owned(),
        "Acquire::Languages=none".to_owned(),
        format!("APT::Architecture={architecture}"),
        format!("APT::Architectures={architecture}"),
    ];
    let run = |arguments: &[&str]| {
        let mut command = apt.command(folder, 300);
        command.args(options.iter().flat_map(|option| ["-o", option])).args(arguments).current_dir(&packages);
        success(&mut command);
    };
    run(&["update"]);
    run(&[&["download"], names].concat());
    let mut found: Vec<_> = fs::read_dir(&packages).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    assert_eq!(found.len(), names.len(), "{found:?}");
    Some(found)
}

/// Returns what was learned of a package, and its plain `data.tar`.
pub(crate) fn read(deb: &[u8]) -> (DebFacts, Vec<u8>) {
    let mut spool = Vec::new();
    let facts = read_deb(deb, &Limits::default(), &|path| path.as_bytes().ends_with(b".crt"), &mut spool).unwrap();
    (facts, spool)
}

/// Writes an entry as `tar -tv` begins and ends its line: the type and the permissions, the size, the name.
fn listed(entry: &DebEntry) -> (String, u64, String) {
    let name = format!(".{}", entry.path);
    let (kind, size, name) = match &entry.kind {
        DebKind::Directory => ('d', 0, format!("{name}/")),
        DebKind::File { size, .. } => ('-', *size, name),
        DebKind::Symlink(target) => ('l', 0, format!("{name} -> {}", String::from_utf8_lossy(&target.0))),
        DebKind::HardLink(target) => ('h', 0, format!("{name} link to .{target}")),
    };
    let mut mode = String::from(kind);
    for (shift, special, letter) in [(6, 0o4000, 's'), (3, 0o2000, 's'), (0, 0o1000, 't')] {
        let bits = entry.mode >> shift;
        mode.push(if bits & 4 == 0 { '-' } else { 'r' });
        mode.push(if bits & 2 == 0 { '-' } else { 'w' });
        mode.push(match (entry.mode & special != 0, bits & 1 != 0) {
            (true, true) => letter,
            (true, false) => letter.to_ascii_uppercase(),
            (false, true) => 'x',
            (false, false) => '-',
        });
    }
    (mode, size, name)
}

/// Reads a line of `tar -tv`: the mode, the owner, the size, the day, the time, and the name.
fn line(text: &str) -> (String, u64, String) {
    let mut rest = text;
    let mut field = || {
        let (field, after) = rest.split_once(' ').unwrap();
        rest = after.trim_start_matches(' ');
        field.to_owned()
    };
    let (mode, _owner, size, _day, _time) = (field(), field(), field(), field(), field());
    (mode, size.parse().unwrap(), rest.to_owned())
}

#[test]
fn dpkg_deb_reads_packages_as_we_do() {
    let Some(dpkg) = Peer::find("dpkg-deb") else { return };
    let home = tempfile::tempdir().unwrap();
    let Some(packages) = download(home.path(), PACKAGES) else { return };
    assert!(packages.len() >= 30, "{packages:?}");
    let (mut entries, mut bytes) = (0, 0);
    for path in &packages {
        let name = path.file_name().unwrap().to_string_lossy();
        let (facts, spool) = read(&fs::read(path).unwrap());
        bytes += spool.len();
        entries += facts.entries.len();

        let theirs = success(dpkg.command(home.path(), 60).arg("-c").arg(path));
        let theirs: Vec<_> = theirs.lines().map(line).filter(|(_, _, name)| name != "./").collect();
        let ours: Vec<_> = facts.entries.iter().map(listed).collect();
        assert_eq!(ours, theirs, "{name}");

        let tar = dpkg.command(home.path(), 60).arg("--fsys-tarfile").arg(path).output().unwrap();
        assert!(tar.status.success() && tar.stdout == spool, "{name}: the plain data.tar differs");
        assert_eq!(facts.data_size, spool.len() as u64);

        assert_eq!(facts.control, success(dpkg.command(home.path(), 60).arg("-I").arg(path).arg("control")), "{name}");
        let stanza = control_stanza(&facts.control).unwrap();
        for (field, value) in [("Package", stanza.package), ("Version", stanza.version), ("Architecture", stanza.architecture)] {
            assert_eq!(success(dpkg.command(home.path(), 60).arg("-f").arg(path).arg(field)).trim_end(), value, "{name}");
        }
        let texts = facts.scripts.iter().map(|(name, text)| (name.as_str(), text));
        let texts = texts.chain(facts.md5sums.iter().map(|text| ("md5sums", text)));
        for (file, text) in texts.chain(facts.conffiles.iter().map(|text| ("conffiles", text))) {
            assert_eq!(success(dpkg.command(home.path(), 60).arg("-I").arg(path).arg(file)).as_bytes(), &*text.0, "{name} {file}");
        }
        // The lines that tell about a file: its size, how many lines it has, maybe `*` and what runs it, and its name.
        let summary = success(dpkg.command(home.path(), 60).arg("-I").arg(path));
        for file in ["preinst", "postinst", "prerm", "postrm", "config", "triggers", "shlibs"] {
            let is_there = summary.lines().any(|line| line.contains(" bytes,") && line.split_whitespace().any(|word| word == file));
            assert_eq!(facts.scripts.contains_key(file), is_there, "{name} {file}\n{summary}");
        }

        let root = home.path().join("root");
        success(dpkg.command(home.path(), 120).arg("-x").arg(path).arg(&root));
        for entry in &facts.entries {
            let DebKind::File { offset, size, head } = &entry.kind else { continue };
            let (start, size) = (usize::try_from(*offset).unwrap(), usize::try_from(*size).unwrap());
            let content = &spool[start..start + size];
            let file = fs::read(root.join(std::str::from_utf8(entry.path.as_bytes()).unwrap())).unwrap();
            assert!(content == file, "{name}: the content of {} differs", entry.path);
            // Of larger files not all is kept while they go by.
            if size <= 8 << 20 {
                assert_eq!(Head::of(content), *head, "{name}: {}", entry.path);
            }
            assert_eq!(facts.kept.get(&entry.path).map(|kept| &*kept.0), entry.path.as_bytes().ends_with(b".crt").then_some(content));
        }
        fs::remove_dir_all(&root).unwrap();
    }
    // Not `eprintln!`: the test runner would keep it to itself when the test passes.
    writeln!(std::io::stderr(), "read {} packages with {entries} entries, {bytes} bytes", packages.len()).unwrap();
}
