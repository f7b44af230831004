//! The same inputs give the same digest, whatever differs around them.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened in many surroundings; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

const RECIPE: &str = r#"
[image]
name = "registry.example.no/shop/api"
tags = ["1"]
platforms = ["linux/amd64", "linux/arm64"]

[base]
static = true

[user]
name = "app"
uid = 10001

[[files]]
from = "tree"
to = "/srv/tree"

[[files]]
from = "build/{platform.arch}/app"
to = "/app"

[[links]]
path = "/usr/bin/app"
target = "/app"

[[directories]]
path = "/var/empty"
owner = "user"

[process]
entrypoint = ["/app"]
env = { B = "2", A = "1" }
writable = ["/data"]
ports = [8080]

[metadata]
title = "Shop API"

[metadata.labels]
"no.example.z" = "last"
"no.example.a" = "first"

[layers]
compression = "COMPRESSION"
"#;

/// How the surroundings of a build differ from those of another.
#[derive(Default)]
struct Surroundings {
    folder: &'static str,
    umask: Option<&'static str>,
    environment: Vec<(&'static str, &'static str)>,
    arguments: Vec<&'static str>,
    reversed: bool,
    age: Duration,
    compression: &'static str,
}

/// A build, with a folder and an empty cache of its own.
struct Build {
    folder: TempDir,
    surroundings: Surroundings,
}

impl Build {
    fn new(surroundings: Surroundings) -> Self {
        let build = Self { folder: TempDir::new().unwrap(), surroundings };
        build.write();
        build
    }

    fn project(&self) -> PathBuf {
        self.folder.path().join(self.surroundings.folder).join("project")
    }

    /// Writes the project's files. They are the same each time; their times, order and modes for others are not.
    fn write(&self) {
        let mut files: Vec<(String, Vec<u8>)> =
            (0..300).map(|number| (format!("tree/{}/file-{number}", number % 7), text(number))).collect();
        // Large enough for several blocks, and for a file that is cut.
        files.extend(
            (0..3_u32).map(|number| (format!("tree/large-{number}"), noise(u64::from(number), 3_000_000 + 777_777 * number as usize))),
        );
        files.push(("tree/blåbær".to_owned(), b"the same bytes for the same name".to_vec()));
        files.push(("build/amd64/app".to_owned(), program(62)));
        files.push(("build/arm64/app".to_owned(), program(183)));
        files.push(("hardened.toml".to_owned(), RECIPE.replace("COMPRESSION", self.surroundings.compression).into_bytes()));
        if self.surroundings.reversed {
            files.reverse();
        }
        for (name, content) in files {
            let path = self.project().join(&name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, content).unwrap();
            if name.ends_with("app") {
                fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
            }
            File::options()
                .append(true)
                .open(&path)
                .unwrap()
                .set_modified(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000) + self.surroundings.age)
                .unwrap();
        }
        std::os::unix::fs::symlink("large-0", self.project().join("tree/link")).unwrap();
        fs::hard_link(self.project().join("tree/large-1"), self.project().join("tree/the same")).unwrap();
    }

    /// Builds, and returns the reference and what the layout holds.
    fn run(&self) -> (String, Vec<(PathBuf, Vec<u8>)>) {
        let home = self.folder.path().join("home");
        fs::create_dir_all(&home).unwrap();
        // The mask of permissions belongs to a process, and only a shell sets it without unsafe code.
        let umask = self.surroundings.umask.unwrap_or("022");
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &format!("umask {umask} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_hardened"), "build", "-o", "oci:out"]);
        command.args(&self.surroundings.arguments).env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home);
        command.envs(self.surroundings.environment.iter().copied()).current_dir(self.project());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let mut files = Vec::new();
        read(&self.project().join("out"), Path::new(""), &mut files);
        files.sort();
        (String::from_utf8(output.stdout).unwrap(), files)
    }
}

fn read(folder: &Path, below: &Path, files: &mut Vec<(PathBuf, Vec<u8>)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = below.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            read(&entry.path(), &name, files);
        } else {
            files.push((name, fs::read(entry.path()).unwrap()));
        }
    }
}

fn text(number: u32) -> Vec<u8> {
    format!("file {number}\n").repeat(number as usize + 1).into_bytes()
}

/// Bytes that compress badly but not at all alike.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b"etaoin shrdlu\n\0\x01\xff"[(state % 17) as usize]
    };
    std::iter::repeat_with(next).take(length).collect()
}

/// The beginning of a static program for a machine, as much as says what it is.
fn program(machine: u16) -> Vec<u8> {
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend(2_u16.to_le_bytes());
    file.extend(machine.to_le_bytes());
    file.extend(1_u32.to_le_bytes());
    file.extend(0x40_0078_u64.to_le_bytes());
    file.extend(64_u64.to_le_bytes());
    file.extend(0_u64.to_le_bytes());
    file.extend(0_u32.to_le_bytes());
    file.extend([64_u16, 56, 1, 64, 0, 0].iter().flat_map(|value| value.to_le_bytes()));
    file.extend([1_u32, 5].iter().flat_map(|value| value.to_le_bytes()));
    file.extend([0_u64, 0x40_0000, 0x40_0000, 120, 120, 0x1000].iter().flat_map(|value| value.to_le_bytes()));
    file
}

/// Checks that other surroundings change no byte of the layout.
fn check(compression: &'static str, others: Vec<(&str, Surroundings)>) {
    let (reference, files) = Build::new(Surroundings { compression, folder: "a", ..Surroundings::default() }).run();
    assert!(reference.contains("@sha256:"), "{reference}");
    for (what, surroundings) in others {
        let (other, others) = Build::new(Surroundings { compression, ..surroundings }).run();
        assert_eq!(other, reference, "{what}");
        assert!(others == files, "{what}: another byte in the layout");
    }
}

#[test]
fn the_folder_does_not_matter() {
    let deep = Surroundings { folder: "another/folder with space/øy", ..Surroundings::default() };
    check("gzip", vec![("another folder", deep)]);
}

#[test]
fn the_umask_does_not_matter() {
    let umask = |mask| Surroundings { folder: "a", umask: Some(mask), ..Surroundings::default() };
    check("gzip", vec![("umask 000", umask("000")), ("umask 077", umask("077"))]);
}

#[test]
fn the_environment_does_not_matter() {
    let environment =
        |pairs: &[(&'static str, &'static str)]| Surroundings { folder: "a", environment: pairs.to_vec(), ..Surroundings::default() };
    let others = vec![
        ("the time zone", environment(&[("TZ", "Pacific/Kiritimati")])),
        ("the language", environment(&[("LANG", "tr_TR.UTF-8"), ("LC_ALL", "tr_TR.UTF-8")])),
        ("the home", environment(&[("HOME", "/nonexistent"), ("HARDENED_CACHE_DIR", "../cache")])),
        ("the user", environment(&[("USER", "somebody"), ("LOGNAME", "somebody"), ("HOSTNAME", "elsewhere")])),
    ];
    check("zstd", others);
}

#[test]
fn the_number_of_threads_does_not_matter() {
    for compression in ["gzip", "zstd"] {
        let threads = |number| Surroundings { folder: "a", arguments: vec!["--threads", number], ..Surroundings::default() };
        check(compression, vec![("one thread", threads("1")), ("two threads", threads("2")), ("seven threads", threads("7"))]);
    }
}

#[test]
fn the_order_of_files_does_not_matter() {
    check("gzip", vec![("reversed", Surroundings { folder: "a", reversed: true, ..Surroundings::default() })]);
}

#[test]
fn the_times_of_files_do_not_matter() {
    let older = Surroundings { folder: "a", age: Duration::from_hours(8760), ..Surroundings::default() };
    check("gzip", vec![("other times", older)]);
}

#[test]
fn twice_with_an_empty_cache_is_the_same() {
    check("zstd", vec![("again", Surroundings { folder: "a", ..Surroundings::default() })]);
}

#[test]
fn twice_with_a_full_cache_is_the_same() {
    let build = Build::new(Surroundings { folder: "a", compression: "gzip", ..Surroundings::default() });
    let first = build.run();
    fs::remove_dir_all(build.project().join("out")).unwrap();
    assert!(build.run() == first);
}

#[test]
fn only_the_time_that_is_asked_for_is_in_the_image() {
    let dated = Surroundings {
        folder: "a",
        environment: vec![("SOURCE_DATE_EPOCH", "1764000000")],
        compression: "gzip",
        ..Surroundings::default()
    };
    let plain = Surroundings { folder: "a", compression: "gzip", ..Surroundings::default() };
    let ((dated, dated_files), (plain, _)) = (Build::new(dated).run(), Build::new(plain).run());
    assert_ne!(dated, plain);
    let texts = dated_files.iter().map(|(_, content)| String::from_utf8_lossy(content));
    assert!(texts.into_iter().any(|text| text.contains("2025-11-24T16:00:00Z")));
}
