//! Files that change while they are read, that are many, huge or strange.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat, setxattr};

use crate::sandbox::{Image, Ran, Sandbox};

/// A state of the file: a number, and so many repetitions of it. What is no state was torn.
fn state(number: u32) -> Vec<u8> {
    let size = [30_000, 30_000, 200_000, 1, 5_000_000][number as usize % 5];
    format!("{number:08}").bytes().cycle().take(size * 8).collect()
}

fn is_state(content: &[u8]) -> bool {
    content.len() >= 8 && content.chunks(8).all(|piece| piece == &content[..8])
}

/// Takes the file out of the layout that was built: the layer with it, unpacked by the library that reads tars.
fn taken(sandbox: &Sandbox) -> Option<Vec<u8>> {
    for entry in fs::read_dir(sandbox.path("out/blobs/sha256")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        if !bytes.starts_with(&[0x1f, 0x8b]) {
            continue;
        }
        let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(&bytes[..]));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            if entry.path().unwrap() == Path::new("srv/file") {
                let mut content = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut content).unwrap();
                return Some(content);
            }
        }
    }
    None
}

#[test]
fn f23_a_file_that_changes_while_it_is_read_is_a_state_that_it_had_or_an_error() {
    let sandbox = Sandbox::new("static = true");
    let (file, new, ended) = (sandbox.path("tree/file"), sandbox.path("new"), AtomicBool::new(false));
    fs::write(&file, state(0)).unwrap();
    let (mut good, mut refused) = (0, 0);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 1.. {
                if ended.load(Ordering::Relaxed) {
                    break;
                }
                match number % 4 {
                    // Replaced at once.
                    0 | 1 => {
                        fs::write(&new, state(number)).unwrap();
                        fs::rename(&new, &file).unwrap();
                    }
                    // Written over, in two steps: between them it is no state, and nobody may take it for one.
                    2 => {
                        let mut open = File::create(&file).unwrap();
                        let content = state(number);
                        open.write_all(&content[..content.len() / 2]).unwrap();
                        open.write_all(b"torn").unwrap();
                        thread::sleep(Duration::from_millis(3));
                        open.seek(SeekFrom::Start(content.len() as u64 / 2)).unwrap();
                        open.write_all(&content[content.len() / 2..]).unwrap();
                    }
                    // Gone for a moment.
                    _ => {
                        fs::remove_file(&file).unwrap();
                        fs::write(&new, state(number)).unwrap();
                        fs::rename(&new, &file).unwrap();
                    }
                }
                thread::sleep(Duration::from_millis(u64::from(number % 7)));
            }
        });
        for _ in 0..25 {
            let _ = fs::remove_dir_all(sandbox.path("out"));
            let ran = sandbox.run(&["build", "-o", "oci:out", "--set", "layers.level=1"]);
            match ran.code {
                Some(0) => {
                    // A state that was on the disk: whole, or what a program that writes in place had written just then.
                    let content = taken(&sandbox);
                    let torn = |content: &Vec<u8>| !content.is_empty() && !is_state(&content[..content.len().min(8)]);
                    assert!(content.is_none_or(|content| !torn(&content)));
                    good += 1;
                }
                Some(3) => {
                    assert!(ran.err.contains("changed while it was read") && ran.err.contains("/srv/file"), "{}", ran.err);
                    refused += 1;
                }
                other => panic!("{other:?}: {}", ran.err),
            }
        }
        ended.store(true, Ordering::Relaxed);
    });
    assert_eq!(good + refused, 25);
}

/// What happens to a file, and how.
type Change = (&'static str, fn(&Path));

#[test]
fn f23_each_kind_of_change_between_walk_and_read_is_noticed() {
    // The layers before the file's own take long enough that the file changes in between; the build finds it again, as it is then.
    let kinds: [Change; 6] = [
        ("grown", |file| File::options().append(true).open(file).unwrap().write_all(b"more").unwrap()),
        ("shrunk", |file| File::options().write(true).open(file).unwrap().set_len(2).unwrap()),
        ("replaced", |file| {
            fs::write(file.with_extension("new"), b"replaced").unwrap();
            fs::rename(file.with_extension("new"), file).unwrap();
        }),
        ("deleted", |file| fs::remove_file(file).unwrap()),
        ("a link", |file| {
            fs::remove_file(file).unwrap();
            symlink("/etc/hostname", file).unwrap();
        }),
        ("a FIFO", |file| {
            fs::remove_file(file).unwrap();
            mknodat(CWD, file, FileType::Fifo, Mode::RUSR, 0).unwrap();
        }),
    ];
    for (name, change) in kinds {
        let sandbox = Sandbox::new("static = true");
        let recipe = sandbox.read("hardened.toml").replace("[process]", "[[files]]\nfrom = \"first\"\nto = \"/first\"\n[process]");
        let recipe = recipe.replacen("[[files]]\nfrom = \"tree\"\nto = \"/srv\"\n", "", 1);
        let recipe = recipe.replace("[process]", "[[files]]\nfrom = \"tree\"\nto = \"/srv\"\n[process]");
        sandbox.write("hardened.toml", recipe.as_bytes());
        sandbox.write("first", &crate::made::Numbers(3).bytes(6_000_000));
        let mut child = sandbox.command(&["build", "-o", "oci:out"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        wait_for_writing(&sandbox, &mut child);
        change(&sandbox.path("tree/file"));
        let ran = Ran::of(child.wait_with_output().unwrap());
        // Done with what is there now, or refused for it: never anything between.
        assert!(matches!(ran.code, Some(0 | 2 | 3)), "{name}: {}", ran.err);
        let again = sandbox.run(&["build", "-o", "oci:again"]);
        if ran.code == Some(0) && again.code == Some(0) && ran.err.contains("changed while it was read") {
            assert_eq!(ran.digest(), again.digest(), "{name}");
        }
        assert_eq!(again.code == Some(2), name == "a FIFO", "{name}: {}", again.err);
    }
}

/// Waits until a build has begun to write a layer, or is done.
fn wait_for_writing(sandbox: &Sandbox, child: &mut Child) {
    while child.try_wait().unwrap().is_none() {
        if fs::read_dir(sandbox.path("cache/tmp")).is_ok_and(|mut entries| entries.next().is_some()) {
            return;
        }
        thread::yield_now();
    }
}

/// Runs a build and returns the most memory that it had, in MiB.
fn peak(sandbox: &Sandbox, arguments: &[&str]) -> u64 {
    let mut child = sandbox.command(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let now = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0);
        most = most.max(now / 1024);
        thread::sleep(Duration::from_millis(1));
    }
    let ran = Ran::of(child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    most
}

#[test]
fn f30_many_files_in_one_folder_and_folders_a_thousand_deep() {
    let sandbox = Sandbox::new("static = true");
    fs::create_dir(sandbox.path("tree/many")).unwrap();
    for number in 0..12_000 {
        File::create(sandbox.path(&format!("tree/many/{number}"))).unwrap();
    }
    let deep = format!("tree/deep/{}", "d/".repeat(1000));
    fs::create_dir_all(sandbox.path(&deep)).unwrap();
    sandbox.write(&format!("{deep}end"), b"x");
    let most = peak(&sandbox, &["-q", "build", "-o", "oci:out", "--set", "layers.level=1"]);
    assert!(most < 96, "{most} MiB");
    let explained = sandbox.run(&["build", "--dry-run"]).succeeds().out;
    assert!(explained.contains("(13005 entries"), "{explained}");
}

#[test]
fn f31_a_file_with_holes_is_read_as_its_zeros_in_little_memory() {
    let sandbox = Sandbox::new("static = true");
    let mut file = File::create(sandbox.path("tree/holes")).unwrap();
    file.set_len(300 << 20).unwrap();
    file.seek(SeekFrom::Start(150 << 20)).unwrap();
    file.write_all(b"an island").unwrap();
    let recipe = sandbox.read("hardened.toml") + "[layers]\ncompression = \"zstd\"\nlevel = 1\n";
    sandbox.write("hardened.toml", recipe.as_bytes());
    let most = peak(&sandbox, &["-q", "build", "-o", "oci:out"]);
    assert!(most < 96, "{most} MiB");
    let solid = Sandbox::new("static = true");
    solid.write("hardened.toml", recipe.as_bytes());
    let mut bytes = vec![0; 300 << 20];
    bytes[150 << 20..(150 << 20) + 9].copy_from_slice(b"an island");
    solid.write("tree/holes", &bytes);
    let digest = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    assert_eq!(solid.run(&["build", "-o", "oci:out"]).succeeds().digest(), digest);
}

#[test]
fn f33_attributes_of_the_host_do_not_reach_the_image() {
    let sandbox = Sandbox::new("static = true");
    let before = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    // Some file systems have none.
    let set = setxattr(sandbox.path("tree/file"), "user.hardened", b"value", XattrFlags::empty());
    let again = sandbox.run_with(&sandbox.path("other-cache"), &["build", "-o", "oci:out"]).succeeds();
    assert_eq!(again.digest(), before, "{set:?}");
}

#[test]
fn f34_hard_links_are_the_same_whichever_name_came_first() {
    let digest = |names: [&str; 3]| {
        let sandbox = Sandbox::new("static = true");
        sandbox.write(&format!("tree/{}", names[0]), &vec![7; 100_000]);
        for name in &names[1..] {
            fs::create_dir_all(sandbox.path(&format!("tree/{name}")).parent().unwrap()).unwrap();
            fs::hard_link(sandbox.path(&format!("tree/{}", names[0])), sandbox.path(&format!("tree/{name}"))).unwrap();
        }
        sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest()
    };
    let first = digest(["a", "m/b", "z"]);
    assert_eq!(digest(["z", "a", "m/b"]), first);
    assert_eq!(digest(["m/b", "z", "a"]), first);
}

#[test]
fn f35_pipes_and_sockets_are_refused_by_name_and_never_opened() {
    let sandbox = Sandbox::new("static = true");
    // Opening a FIFO that nobody writes to would never end.
    mknodat(CWD, sandbox.path("tree/pipe"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = UnixListener::bind(sandbox.path("tree/socket")).unwrap();
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["tree/pipe", "FIFO", "tree/socket", "socket", "exclude"]);
    assert!(!sandbox.has("out"));
    fs::remove_file(sandbox.path("app")).unwrap();
    mknodat(CWD, sandbox.path("app"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["app", "FIFO"]);
}

#[test]
fn f37_times_and_owners_at_the_ends_of_their_range() {
    let sandbox = Sandbox::new("static = true");
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    let file = || File::options().write(true).open(sandbox.path("tree/file")).unwrap();
    let epoch = SystemTime::UNIX_EPOCH;
    for time in [epoch, epoch - Duration::from_secs(1 << 30), epoch + Duration::from_secs((1 << 33) + 7), epoch + Duration::from_nanos(1)] {
        // A file system may hold fewer times; it then keeps the nearest.
        let _ = file().set_modified(time);
        assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest(), expected, "{time:?}");
    }
    // A base with owners and times that no octal field holds.
    let mut tar = tar::Builder::new(Vec::new());
    for (number, owner) in [(0, 1_u64 << 21), (1, 1 << 31), (2, (1 << 32) - 2)] {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(owner);
        header.set_gid(owner);
        header.set_mtime((1 << 33) + number);
        header.set_size(1);
        tar.append_data(&mut header, format!("owned-{number}"), &b"x"[..]).unwrap();
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(0o644);
    let passwd = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:n:/home/nonroot:/sbin/nologin\n";
    header.set_size(passwd.len() as u64);
    tar.append_data(&mut header, "etc/passwd", passwd.as_bytes()).unwrap();
    let test = crate::registry::TestRegistry::start();
    Image::of(tar.into_inner().unwrap()).tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
}
