//! Files are read as they were found, or not at all.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use hardened::host::project::{Found, Project};
use hardened::rootfs::{ContentFault, Entry, EntryKind, ImagePath};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{folder, request, write};

fn read(project: &Project, (path, entry): &(ImagePath, Entry)) -> Result<Vec<u8>, ContentFault> {
    let EntryKind::File(content) = &entry.kind else { panic!("{path} is no file") };
    project.read_head(path, content, usize::MAX)
}

fn changed(result: &Result<Vec<u8>, ContentFault>) -> bool {
    matches!(result, Err(ContentFault::Changed))
}

#[test]
fn a_file_swapped_for_a_link_is_never_read_through() {
    let outside = folder(&["canary"]);
    let root = folder(&["d/file", "d/sub/file"]);
    let project = Project::open(root.path()).unwrap();
    let found = project.find(&request("d", "/app")).unwrap();
    fs::remove_file(root.path().join("d/file")).unwrap();
    symlink(outside.path().join("canary"), root.path().join("d/file")).unwrap();
    assert!(changed(&read(&project, &found.entries[1])));
    fs::rename(root.path().join("d/sub"), root.path().join("d/old")).unwrap();
    symlink("old", root.path().join("d/sub")).unwrap();
    assert!(changed(&read(&project, &found.entries[3])), "the same file, but through a link");
}

#[test]
fn racing_links_never_leak() {
    let outside = folder(&["canary"]);
    let root = folder(&["d/file"]);
    let (file, link, plain) = (root.path().join("d/file"), root.path().join("link"), root.path().join("plain"));
    let ended = AtomicBool::new(false);
    let (mut reads, mut changes) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                symlink(outside.path().join("canary"), &link).unwrap();
                fs::rename(&link, &file).unwrap();
                fs::write(&plain, "d/file").unwrap();
                fs::rename(&plain, &file).unwrap();
            }
        });
        let project = Project::open(root.path()).unwrap();
        for _ in 0..3000 {
            let Ok(found) = project.find(&request("d", "/app")) else { continue };
            let Some(entry @ (_, Entry { kind: EntryKind::File(_), .. })) = found.entries.get(1) else { continue };
            match read(&project, entry) {
                Ok(bytes) => {
                    assert_eq!(bytes, b"d/file");
                    reads += 1;
                }
                Err(ContentFault::Changed) => changes += 1,
                Err(ContentFault::Io(error)) => panic!("{error}"),
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert!(reads + changes > 0, "every round found a link");
}

#[test]
fn changes_are_noticed() {
    let root = folder(&["d/file"]);
    let file = root.path().join("d/file");
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let changes: &[(&str, &dyn Fn())] = &[
        ("grown", &|| fs::write(&file, "0123456789").unwrap()),
        ("shrunk", &|| fs::write(&file, "0").unwrap()),
        ("rewritten with its size and time", &|| {
            fs::write(&file, "012345").unwrap();
            File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        }),
        ("replaced", &|| {
            fs::write(file.with_extension("new"), "012345").unwrap();
            fs::rename(file.with_extension("new"), &file).unwrap();
        }),
        ("deleted", &|| fs::remove_file(&file).unwrap()),
        ("a folder", &|| {
            fs::remove_file(&file).unwrap();
            fs::create_dir(&file).unwrap();
        }),
        ("a FIFO", &|| {
            fs::remove_file(&file).unwrap();
            mknodat(CWD, &file, FileType::Fifo, Mode::RUSR, 0).unwrap();
        }),
        ("a socket", &|| {
            fs::remove_file(&file).unwrap();
            UnixListener::bind(&file).unwrap();
        }),
    ];
    for (name, change) in changes {
        let _ = fs::remove_file(&file).or_else(|_| fs::remove_dir(&file));
        fs::write(&file, "d/file").unwrap();
        File::options().write(true).open(&file).unwrap().set_modified(old).unwrap();
        let project = Project::open(root.path()).unwrap();
        let found = project.find(&request("d", "/app")).unwrap();
        assert_eq!(read(&project, &found.entries[1]).unwrap(), b"d/file");
        // The clock of the file system moves in steps.
        thread::sleep(Duration::from_millis(20));
        change();
        assert!(changed(&read(&project, &found.entries[1])), "{name}");
    }
}

#[test]
fn finding_again_sees_what_changed_and_replaced_folders() {
    let root = folder(&["d/file"]);
    let project = Project::open(root.path()).unwrap();
    let first = project.find(&request("d", "/app")).unwrap();
    fs::rename(root.path().join("d"), root.path().join("old")).unwrap();
    write(&root.path().join("d/file"), "new");
    let second = project.find(&request("d", "/app")).unwrap();
    assert_eq!(read(&project, &second.entries[1]).unwrap(), b"new");
    assert_eq!(read(&project, &first.entries[1]).unwrap(), b"d/file", "what was found before stays readable");
    let third = project.find(&request("d", "/app")).unwrap();
    // What is known of a file's age depends on when it is asked.
    let tree = |found: &Found| match &found.entries[1] {
        (path, Entry { kind: EntryKind::File(content), .. }) => content.found(path).unwrap().0,
        other => panic!("{other:?}"),
    };
    assert_eq!((third.entries.len(), tree(&third)), (second.entries.len(), tree(&second)), "an unchanged folder keeps its tree");
}
