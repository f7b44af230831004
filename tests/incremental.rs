//! What was made before is not made again, and the bytes never tell.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened as its users do; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

use std::fs::{self, File};
use std::time::SystemTime;

use hardened::oci::Digest;
use tempfile::TempDir;

#[path = "support/project.rs"]
mod project;

use project::made::Numbers;
use project::{Project, settle};

fn change(project: &Project, numbers: &mut Numbers) {
    let names: Vec<String> = {
        let mut names = vec![];
        for entry in fs::read_dir(project.tree()).unwrap() {
            names.push(entry.unwrap().file_name().into_string().unwrap());
        }
        names.sort();
        names
    };
    let name = names[usize::try_from(numbers.below(names.len() as u64)).unwrap()].clone();
    let path = project.tree().join(&name);
    match numbers.below(7) {
        0 => {
            // Other bytes, the same size and the same time: only the change time tells.
            let time = fs::metadata(&path).unwrap().modified().unwrap();
            let size = fs::metadata(&path).unwrap().len();
            project.write(&name, &numbers.bytes(size));
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        1 => {
            let size = numbers.below(3_000_000);
            project.write(&name, &numbers.bytes(size));
        }
        2 => {
            let size = numbers.below(200_000);
            project.write(&format!("new-{}", numbers.below(1000)), &numbers.bytes(size));
        }
        3 => fs::remove_file(&path).unwrap(),
        4 => fs::rename(&path, project.tree().join(format!("renamed-{}", numbers.below(1000)))).unwrap(),
        5 => {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        _ => File::options().write(true).open(&path).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap(),
    }
}

fn random_changes(layers: &str, seed: u64) {
    let project = Project::new(layers);
    let mut numbers = Numbers(seed);
    for number in 0..40 {
        let size = numbers.below(600_000);
        project.write(&format!("file-{number}"), &numbers.bytes(size));
    }
    for number in 0..3 {
        project.write(&format!("large-{number}"), &numbers.bytes(9_000_000));
    }
    let kept = TempDir::new().unwrap();
    for round in 0..7 {
        let empty = TempDir::new().unwrap();
        // Without a pause, files are too young to be known by their times.
        if round % 3 != 2 {
            settle();
        }
        let (warm, cold) = (project.build(kept.path(), &[]), project.build(empty.path(), &[]));
        assert_eq!(warm["digest"], cold["digest"], "round {round}");
        for _ in 0..=numbers.below(3) {
            change(&project, &mut numbers);
        }
    }
}

#[test]
fn a_full_cache_changes_no_byte_with_zstd() {
    random_changes("compression = \"zstd\"\n", 1);
}

#[test]
fn a_full_cache_changes_no_byte_with_gzip() {
    random_changes("level = 1\n", 2);
}

#[test]
fn a_full_cache_changes_no_byte_with_split_entries() {
    random_changes("compression = \"zstd\"\nsplit = \"auto\"\n", 3);
}

#[test]
fn a_damaged_cache_changes_no_byte() {
    let project = Project::new("compression = \"zstd\"\n");
    let mut numbers = Numbers(4);
    for number in 0..30 {
        project.write(&format!("file-{number:02}"), &numbers.bytes(400_000));
    }
    settle();
    let cache = TempDir::new().unwrap();
    project.build(cache.path(), &[]);
    project.write("file-29", b"changed");
    settle();
    let expected = project.build(TempDir::new().unwrap().path(), &[]);
    let mut blobs = vec![];
    for folder in fs::read_dir(cache.path().join("blobs/sha256")).unwrap() {
        blobs.extend(fs::read_dir(folder.unwrap().path()).unwrap().map(|entry| entry.unwrap().path()));
    }
    for path in blobs {
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
    }
    assert_eq!(project.build(cache.path(), &[])["digest"], expected["digest"]);
}

#[test]
fn a_carried_cache_changes_no_byte_and_saves_the_work() {
    let project = Project::new("compression = \"zstd\"\n");
    let mut numbers = Numbers(6);
    for number in 0..30 {
        project.write(&format!("file-{number:02}"), &numbers.bytes(400_000));
    }
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let expected = project.build(here.path(), &[]);
    let file = here.path().join("carried.tar").display().to_string();
    let exported: serde_json::Value = serde_json::from_str(&project.run(here.path(), &["cache", "export", &file])).unwrap();
    let imported: serde_json::Value = serde_json::from_str(&project.run(there.path(), &["cache", "import", &file])).unwrap();
    assert_eq!((&exported["layers"], &exported["left-out"]), (&3.into(), &0.into()));
    assert_eq!(imported, exported);
    // Elsewhere files have other times: they are read, and their blocks are known.
    project.write("file-29", b"changed");
    let (warm, cold) = (project.build(there.path(), &[]), project.build(TempDir::new().unwrap().path(), &[]));
    assert_eq!(warm["digest"], cold["digest"]);
    assert_ne!(warm["digest"], expected["digest"]);
    assert_eq!(project.run(there.path(), &["cache", "check"]).matches("removed\": []").count(), 1);
}

/// Returns the only files of a folder of a cache that are not in another cache's.
fn only_in(one: &std::path::Path, other: &std::path::Path, kind: &str) -> Vec<std::path::PathBuf> {
    let list = |cache: &std::path::Path| -> Vec<std::path::PathBuf> {
        let folders = fs::read_dir(cache.join(kind)).unwrap().map(|folder| folder.unwrap().path());
        folders.flat_map(|folder| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect()
    };
    let contents: Vec<Vec<u8>> = list(other).iter().map(|path| fs::read(path).unwrap()).collect();
    list(one).into_iter().filter(|path| !contents.contains(&fs::read(path).unwrap())).collect()
}

#[test]
fn a_record_that_another_user_may_have_written_puts_nothing_into_an_image() {
    use std::os::unix::fs::{PermissionsExt, chown};
    let (victim, attacker) = (Project::new(""), Project::new(""));
    victim.write("file", b"good");
    attacker.write("file", b"evil");
    settle();
    let (own, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let good = victim.build(own.path(), &[])["digest"].clone();
    let evil = attacker.build(other.path(), &[])["digest"].clone();
    assert_ne!(good, evil);
    // The layer of the attacker, under the key and with the fingerprints of the victim's files. A record is a checksum, a head that ends with the
    // number of blocks, and for each block a fingerprint, two digests, two numbers and the state of a hash.
    let (head, block) = (32 + 128, 96 + 16 + hardened::oci::MIDSTATE);
    let differ = |path: &std::path::PathBuf| fs::read(path).unwrap()[32 + 40..32 + 72].to_vec();
    let planted = |from: &[std::path::PathBuf], to: &std::path::PathBuf, mode: u32| {
        let mut record = fs::read(&from[0]).unwrap();
        let theirs = fs::read(to).unwrap();
        assert_eq!(record[head - 8..head], theirs[head - 8..head], "as many blocks");
        for number in 0..usize::from(record[head - 8]) {
            let fingerprint = head + block * number..head + block * number + 32;
            record[fingerprint.clone()].copy_from_slice(&theirs[fingerprint]);
        }
        let sum = Digest::of(&record[32..]);
        record[..32].copy_from_slice(sum.as_bytes());
        fs::remove_file(to).unwrap();
        fs::write(to, record).unwrap();
        fs::set_permissions(to, fs::Permissions::from_mode(mode)).unwrap();
    };
    let theirs = only_in(other.path(), own.path(), "layers-2");
    let mine = only_in(own.path(), other.path(), "layers-2");
    let digests: Vec<_> = theirs.iter().map(&differ).collect();
    let is_of_tree = |path: &&std::path::PathBuf| !digests.contains(&differ(path));
    let target = mine.iter().find(is_of_tree).unwrap().clone();
    let digests: Vec<_> = mine.iter().map(&differ).collect();
    let source: Vec<_> = theirs.into_iter().filter(|path| !digests.contains(&differ(path))).collect();
    let before = fs::read(&target).unwrap();
    let restore = || {
        fs::remove_file(&target).unwrap();
        fs::write(&target, &before).unwrap();
        for blob in only_in(other.path(), own.path(), "blobs/sha256") {
            let to = own.path().join(blob.strip_prefix(other.path()).unwrap());
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(blob, to).unwrap();
        }
    };
    // Where this user wrote it, it is believed: that is what makes builds quick, and what the rest of this test is about.
    restore();
    planted(&source, &target, 0o644);
    assert_ne!(victim.build(own.path(), &[])["digest"], good);
    // All may write to it.
    restore();
    planted(&source, &target, 0o666);
    assert_eq!(victim.build(own.path(), &[])["digest"], good);
    if rustix::process::geteuid().is_root() {
        // Only root can give a file away.
        restore();
        planted(&source, &target, 0o644);
        chown(&target, Some(12_345), None).unwrap();
        assert_eq!(victim.build(own.path(), &[])["digest"], good);
        // A record that says the truth is of use: what it says of blocks was compared with the layer.
        chown(&target, Some(12_345), None).unwrap();
        assert_eq!(victim.build(own.path(), &[])["digest"], good);
    }
    assert_eq!(victim.build(own.path(), &[])["digest"], good);
}
