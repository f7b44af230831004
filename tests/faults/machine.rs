//! This machine: killed, out of power, full, without a home, with a wrong clock, told to stop.

use std::fs::{self, File};
use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, SystemTime};

use hardened::layer::collect::STANDARD;
use hardened::layer::{Compressor, LayerFault, LayerRequest, NoneEarlier, write_layer};
use hardened::oci::{Compression, Digest};
use hardened::rootfs::{Changeset, Content, ContentFault, Entry, EntryKind, ImagePath, OpenContent, Owner, Stat, TreeId};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::bytes;
use crate::damage::shared::files;
use crate::made::Numbers;
use crate::registry::{Fault, Guard, TestRegistry};
use crate::sandbox::{Image, Ran, Sandbox, cached, litter};

#[test]
fn f25_a_build_that_is_killed_costs_the_next_one_nothing() {
    let mut numbers = Numbers(25);
    let sandbox = Sandbox::new("static = true");
    for number in 0..6 {
        sandbox.write(&format!("tree/{number}"), &numbers.bytes(400_000));
    }
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    for round in 0..40 {
        if round % 4 == 0 {
            fs::remove_dir_all(sandbox.path("cache")).unwrap();
            fs::remove_dir_all(sandbox.path("out")).unwrap();
        }
        let verbs: [&[&str]; 2] = [&["build", "-o", "oci:out"], &["cache", "prune", "--yes"]];
        let verb = verbs[usize::from(round % 8 == 7)];
        let mut child = sandbox.command(verb).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        thread::sleep(Duration::from_micros(numbers.below(120_000)));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(cached(&sandbox.path("cache")).iter().all(|(_, good)| *good), "round {round}: a bad file under a digest's name");
        assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest(), expected, "round {round}");
        assert_eq!(litter(&sandbox), Vec::<PathBuf>::new(), "round {round}");
    }
}

#[test]
fn f26_what_a_power_cut_can_leave_is_noticed_and_made_again() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("tree/large", &Numbers(26).bytes(3_000_000));
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    let damages: [fn(&Path); 4] = [
        |path| File::options().write(true).open(path).unwrap().set_len(0).unwrap(),
        |path| {
            let half = fs::metadata(path).unwrap().len() / 2;
            File::options().write(true).open(path).unwrap().set_len(half).unwrap();
        },
        |path| {
            let size = usize::try_from(fs::metadata(path).unwrap().len()).unwrap();
            fs::write(path, vec![0; size]).unwrap();
        },
        |path| fs::remove_file(path).unwrap(),
    ];
    for (number, damage) in damages.iter().enumerate() {
        for kind in ["blobs/sha256", "layers-2"] {
            let folders = fs::read_dir(sandbox.path("cache").join(kind)).unwrap();
            for file in folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap()) {
                // A layout may share the file; a power cut takes one name.
                let path = file.unwrap().path();
                let content = fs::read(&path).unwrap();
                fs::remove_file(&path).unwrap();
                fs::write(&path, content).unwrap();
                damage(&path);
            }
            let _ = fs::remove_dir_all(sandbox.path("out"));
            let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
            assert_eq!(ran.digest(), expected, "damage {number} of {kind}");
            assert!(cached(&sandbox.path("cache")).iter().all(|(_, good)| *good), "damage {number} of {kind}");
            assert_eq!(sandbox.run(&["inspect", "oci:out"]).succeeds().code, Some(0));
        }
    }
}

#[test]
fn f26_damage_that_one_of_two_uploads_meets_is_made_good() {
    let test = TestRegistry::start();
    let sandbox = Sandbox::new("static = true");
    sandbox.write("tree/large", &Numbers(126).bytes(3_000_000));
    let expected = sandbox.run(&["build", "-o", "oci:whole"]).succeeds().digest();
    // Either the layout has all blobs and the upload to the registry reads them, or the other way round.
    for (number, (output, repository)) in [("oci:whole", "shop/one"), ("oci:new", "shop/one"), ("oci:newer", "shop/two")].iter().enumerate()
    {
        let name = format!("{}/{repository}:{number}", test.host());
        for (digest, good) in cached(&sandbox.path("cache")) {
            assert!(good, "{digest}");
            let path = sandbox.path("cache/blobs/sha256").join(&digest[..2]).join(&digest);
            let mut content = fs::read(&path).unwrap();
            // A file of the same size: only its digest tells.
            let middle = content.len() / 2;
            content[middle] ^= 1;
            // The layout may share the file.
            fs::remove_file(&path).unwrap();
            fs::write(&path, content).unwrap();
        }
        let ran = sandbox.run(&["build", "--push", "-t", &name, "-o", output]).succeeds();
        assert_eq!(ran.digest(), expected, "{output} {repository}");
        assert_eq!(ran.err.matches("a file in the cache was damaged").count(), 1, "{output} {repository}: {}", ran.err);
        assert!(cached(&sandbox.path("cache")).iter().all(|(_, good)| *good), "{output} {repository}");
        assert_eq!(sandbox.run(&["inspect", output]).succeeds().code, Some(0));
        let manifest = test.manifest(repository, &number.to_string()).unwrap();
        assert_eq!(Digest::of(&manifest).to_string(), expected, "{output} {repository}");
    }
}

#[test]
fn f26_a_damaged_layer_of_the_base_is_fetched_again() {
    let (test, base) = (TestRegistry::start(), Image::new());
    base.tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    let digest = Digest::of(&base.layer).hex();
    let path = sandbox.path("cache/blobs/sha256").join(&digest[..2]).join(&digest);
    let mut content = fs::read(&path).unwrap();
    // The time in gzip's header: the layer can be unpacked as before, and only its digest tells.
    content[4] ^= 1;
    fs::remove_file(&path).unwrap();
    fs::write(&path, content).unwrap();
    fs::remove_dir_all(sandbox.path("cache/facts-3")).unwrap();
    let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    assert_eq!(ran.digest(), expected);
    assert!(ran.err.contains("a file in the cache was damaged"), "{}", ran.err);
    assert!(fs::read(&path).unwrap() == base.layer);
}

/// Content that is zeros, until its reading fails.
struct Disk {
    fails_at: Option<(u64, io::ErrorKind)>,
}

impl OpenContent for Disk {
    fn read(&self, _: TreeId, _: &[u8], _: Stat, offset: u64, buffer: &mut [u8]) -> Result<(), ContentFault> {
        match self.fails_at {
            Some((at, kind)) if offset + buffer.len() as u64 > at => Err(ContentFault::Io(kind.into())),
            _ => {
                buffer.fill(b'x');
                Ok(())
            }
        }
    }
}

/// A file that fails at the nth write, is interrupted before each, and takes a few bytes at a time.
struct Full {
    left: usize,
    kind: io::ErrorKind,
    interrupted: bool,
    written: Vec<u8>,
}

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.interrupted = !self.interrupted;
        if self.interrupted {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.left == 0 {
            return Err(self.kind.into());
        }
        self.left -= 1;
        let count = bytes.len().min(700);
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn f27_a_disk_that_fails_at_any_write_or_read_is_an_error_and_interruptions_are_none() {
    let file = |number: u64| {
        let path = ImagePath::new(format!("file-{number}").as_bytes()).unwrap();
        let stat = Stat { size: number * 300_000, stamp: 0 };
        let kind = EntryKind::File(Content::Tail { tree: TreeId(0), tail: 6, stat });
        (path, Entry { kind, mode: 0o644, owner: Owner::default() })
    };
    let changeset = Changeset::new((1..20).map(file).collect());
    let write = |disk: &Disk, out: &mut dyn Write| {
        let compressor = Compressor::new(hardened::recipe::Format::NEWEST, Compression::Zstd, Some(1)).unwrap();
        let threads = NonZeroUsize::new(2).unwrap();
        let request = LayerRequest {
            changeset: &changeset,
            contents: disk,
            compressor,
            threads,
            last: None,
            earlier: &NoneEarlier,
            collectors: &STANDARD,
        };
        write_layer(&request, out)
    };
    let sound = Disk { fails_at: None };
    let mut whole = Vec::new();
    let expected = write(&sound, &mut whole).unwrap().layer().clone();
    let full = |left, kind| Full { left, kind, interrupted: false, written: Vec::new() };
    let mut patient = full(usize::MAX, io::ErrorKind::Other);
    assert_eq!(*write(&sound, &mut patient).unwrap().layer(), expected);
    assert!(patient.written == whole && Digest::of(&whole) == expected.descriptor.digest);
    let writes = whole.len().div_ceil(700);
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::Other, io::ErrorKind::FileTooLarge] {
        for left in 0..writes.min(12) {
            let mut out = full(left, kind);
            let fault = write(&sound, &mut out).unwrap_err();
            assert!(matches!(&fault, LayerFault::Write(error) if error.kind() == kind), "{left}: {fault:?}");
            assert!(out.written.len() <= left * 700);
        }
    }
    for at in [0, 1, 100_000, 4_000_000] {
        let fault = write(&Disk { fails_at: Some((at, io::ErrorKind::Other)) }, &mut io::sink()).unwrap_err();
        assert!(matches!(&fault, LayerFault::Content { fault: ContentFault::Io(_), .. }), "{at}: {fault:?}");
    }
}

#[test]
fn f27_an_output_that_takes_nothing_is_an_error() {
    let sandbox = Sandbox::new("static = true");
    // Linux has a device that is always full.
    if let Ok(full) = File::options().write(true).open("/dev/full") {
        let output = sandbox.command(&["build", "-o", "oci:out"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
        let ran = Ran::of(output);
        ran.fails(3, &["could not write to standard output"]);
    }
    sandbox.write("in-the-way", b"a file");
    sandbox.run(&["build", "-o", "oci:in-the-way/out"]).fails(3, &["in-the-way/out"]);
    sandbox.run(&["build", "-o", "oci-archive:in-the-way/out.tar"]).fails(3, &["in-the-way/out.tar"]);
    sandbox.run(&["build", "--digest-file", "no/such/folder/digest", "-o", "oci:out"]).fails(2, &["no/such/folder/digest"]);
}

#[test]
fn f28_a_cache_that_cannot_be_used_is_replaced_for_the_run() {
    let sandbox = Sandbox::new("static = true");
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    sandbox.write("file", b"in the way");
    for place in ["file", "file/cache", "/proc/hardened", "/dev/null/cache"] {
        let ran = sandbox.run_with(&sandbox.path(".").join(place), &["build", "-o", "oci:out"]).succeeds();
        assert_eq!(ran.digest(), expected, "{place}");
        assert!(ran.err.contains("lasts for this run only") && ran.err.contains(place), "{place}: {}", ran.err);
    }
    // Without a home.
    let mut command = sandbox.command(&["build", "-o", "oci:out"]);
    let ran = Ran::of(command.env_remove("HOME").env_remove("HARDENED_CACHE_DIR").output().unwrap()).succeeds();
    assert!(ran.digest() == expected && ran.err.contains("no HOME") && ran.err.contains("--cache-dir"), "{}", ran.err);
    let mut command = sandbox.command(&["build", "-o", "oci:out"]);
    let ran = Ran::of(command.env("HOME", "relative/home").env_remove("HARDENED_CACHE_DIR").output().unwrap()).succeeds();
    assert!(ran.err.contains("no HOME") && !sandbox.has("relative"), "{}", ran.err);
    // A link to a folder of one's own is the owner's choice.
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    symlink("elsewhere", sandbox.path("linked")).unwrap();
    assert_eq!(sandbox.run_with(&sandbox.path("linked"), &["build", "-o", "oci:out"]).succeeds().digest(), expected);
    assert!(sandbox.has("elsewhere/blobs"));
    // Where nothing may be written, and the run is not root's, the note says why.
    fs::create_dir(sandbox.path("read-only")).unwrap();
    fs::set_permissions(sandbox.path("read-only"), fs::Permissions::from_mode(0o555)).unwrap();
    let ran = sandbox.run_with(&sandbox.path("read-only"), &["build", "-o", "oci:out"]).succeeds();
    assert!(ran.digest() == expected && (rustix::process::geteuid().is_root() || ran.err.contains("this run only")), "{}", ran.err);
    fs::set_permissions(sandbox.path("read-only"), fs::Permissions::from_mode(0o755)).unwrap();
}

/// Returns the folder of this user in one that others may write to.
fn own_in(shared: &Path) -> PathBuf {
    shared.join(format!("user-{}", rustix::process::geteuid().as_raw()))
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn f28_a_folder_that_others_may_write_to_holds_one_for_each_user() {
    let sandbox = Sandbox::new("static = true");
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    for bits in [0o777, 0o1777, 0o775, 0o757, 0o770] {
        let shared = sandbox.path(&format!("shared-{bits:o}"));
        fs::create_dir(&shared).unwrap();
        fs::set_permissions(&shared, fs::Permissions::from_mode(bits)).unwrap();
        let own = own_in(&shared);
        let ran = sandbox.run_with(&shared, &["build", "-o", "oci:out"]).succeeds();
        assert_eq!((ran.digest(), ran.err.contains("this run only")), (expected.clone(), false), "{bits:o}: {}", ran.err);
        let inside: Vec<_> = fs::read_dir(&shared).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(inside.len() == 1 && inside[0] == own, "{bits:o}: {inside:?}");
        assert!(cached(&own).len() > 2 && mode(&own) == 0o700, "{bits:o}");
        // The next run finds it, closed again if it was opened.
        fs::set_permissions(&own, fs::Permissions::from_mode(0o777)).unwrap();
        let ran = sandbox.run_with(&shared, &["build", "-v", "-o", "oci:out"]).succeeds();
        assert!(ran.err.contains("unchanged:") && mode(&own) == 0o700, "{bits:o}: {}", ran.err);
        let shown = sandbox.run_with(&shared, &["cache", "show"]).succeeds();
        assert!(shown.out.starts_with(&*own.to_string_lossy()), "{}", shown.out);
    }
    // What cannot be a folder of this user's is not used.
    let shared = sandbox.path("shared-777");
    fs::remove_dir_all(own_in(&shared)).unwrap();
    fs::create_dir(sandbox.path("elsewhere")).unwrap();
    let instead: [&dyn Fn(&Path); 2] = [&|own| symlink(sandbox.path("elsewhere"), own).unwrap(), &|own| fs::write(own, b"").unwrap()];
    for make in instead {
        make(&own_in(&shared));
        let ran = sandbox.run_with(&shared, &["build", "-o", "oci:out"]).succeeds();
        assert!(ran.digest() == expected && ran.err.contains("lasts for this run only"), "{}", ran.err);
        fs::remove_file(own_in(&shared)).unwrap();
    }
    assert!(fs::read_dir(sandbox.path("elsewhere")).unwrap().next().is_none());
}

#[test]
fn f28_a_folder_of_somebody_else_is_not_used_itself() {
    let sandbox = Sandbox::new("static = true");
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    if !rustix::process::geteuid().is_root() {
        // Only root can make a folder of somebody else's; `tests/peers` has the rest. Here are some where nothing can be made.
        for folder in ["/usr", "/"] {
            let ran = sandbox.run_with(Path::new(folder), &["build", "-o", "oci:out"]).succeeds();
            assert!(ran.digest() == expected && ran.err.contains("lasts for this run only"), "{}", ran.err);
        }
        return;
    }
    for bits in [0o755, 0o700, 0o777] {
        let foreign = sandbox.path(&format!("foreign-{bits:o}"));
        fs::create_dir(&foreign).unwrap();
        chown(&foreign, Some(12_345), None).unwrap();
        fs::set_permissions(&foreign, fs::Permissions::from_mode(bits)).unwrap();
        let ran = sandbox.run_with(&foreign, &["build", "-o", "oci:out"]).succeeds();
        assert_eq!((ran.digest(), ran.err.contains("this run only")), (expected.clone(), false), "{bits:o}: {}", ran.err);
        let inside: Vec<_> = fs::read_dir(&foreign).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(inside, [own_in(&foreign)], "{bits:o}");
        // Somebody else made this user's folder there.
        chown(own_in(&foreign), Some(12_345), None).unwrap();
        let ran = sandbox.run_with(&foreign, &["build", "-o", "oci:out"]).succeeds();
        assert!(
            ran.digest() == expected && ran.err.contains("belongs to another user") && ran.err.contains("this run only"),
            "{}",
            ran.err
        );
    }
    // A folder for records, or for some of them, that somebody else made in this user's cache.
    chown(sandbox.path("cache/layers-2"), Some(12_345), None).unwrap();
    let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    assert!(ran.digest() == expected && own_in(&sandbox.path("cache")).is_dir(), "{}", ran.err);
    chown(sandbox.path("cache/layers-2"), Some(0), None).unwrap();
    for kind in ["layers-2", "blobs/sha256"] {
        for part in fs::read_dir(sandbox.path("cache").join(kind)).unwrap() {
            chown(part.unwrap().path(), Some(12_345), None).unwrap();
        }
    }
    let _ = fs::remove_dir_all(sandbox.path("out"));
    for _ in 0..2 {
        assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest(), expected);
    }
}

#[test]
fn f28_older_folders_are_closed_to_others() {
    let sandbox = Sandbox::new("static = true");
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    let mut folders = vec![sandbox.path("cache")];
    let mut number = 0;
    while let Some(folder) = folders.get(number) {
        let inside = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let inside: Vec<PathBuf> = inside.filter(|path| path.is_dir()).collect();
        folders.extend(inside);
        number += 1;
    }
    // The cache's own folder may be read by others, as one that a person made.
    fs::set_permissions(&folders[0], fs::Permissions::from_mode(0o755)).unwrap();
    let inner = &folders[1..];
    for folder in inner {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    fs::remove_dir_all(sandbox.path("out")).unwrap();
    let ran = sandbox.run(&["build", "-v", "-o", "oci:out"]).succeeds();
    assert!(ran.digest() == expected && ran.err.contains("unchanged:"), "{}", ran.err);
    let is_closed_first = |above: &Path| above == folders[0] || above.ends_with("blobs") || above.ends_with("layers-2");
    for folder in inner.iter().filter(|folder| folder.parent().is_some_and(is_closed_first)) {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
}

#[test]
fn f28_a_cache_for_one_run_is_gone_after_it_and_after_a_signal() {
    let mut sandbox = Sandbox::new("static = true");
    fs::create_dir(sandbox.path("temporary")).unwrap();
    let temporary = sandbox.path("temporary");
    sandbox.set("TMPDIR", &temporary.to_string_lossy());
    sandbox.write("file", b"in the way");
    let ran = sandbox.run_with(&sandbox.path("file"), &["build", "-o", "oci:out"]).succeeds();
    assert!(ran.err.contains("lasts for this run only"), "{}", ran.err);
    assert!(fs::read_dir(&temporary).unwrap().next().is_none());
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130)] {
        let test = TestRegistry::with(Guard::Open, |seen, _| (seen.method == "PUT").then_some(Fault::Deaf));
        sandbox.write("tree/large", &Numbers(28).bytes(20_000_000));
        let name = format!("{}/shop/api:1", test.host());
        let mut command = sandbox.command(&["build", "--push", "-t", &name]);
        command.env("HARDENED_CACHE_DIR", sandbox.path("file")).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let is_writing = || files(&temporary).iter().any(|file| file.parent().is_some_and(|folder| folder.ends_with("tmp")));
        while !is_writing() {
            assert!(child.try_wait().unwrap().is_none(), "the build ended early");
            thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        let left: Vec<_> = fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn f29_a_wrong_clock_changes_no_byte_and_hides_no_change() {
    let sandbox = Sandbox::new("static = true");
    let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    // 1970, 2000, 2038 and 2100, as files' times are when the clock was wrong.
    for (number, time) in [at(1), at(946_684_800), at(1 << 31), at(4_102_444_800)].into_iter().enumerate() {
        let content = format!("content {number}");
        sandbox.write("tree/file", content.as_bytes());
        File::options().write(true).open(sandbox.path("tree/file")).unwrap().set_modified(time).unwrap();
        let warm = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
        let cold = sandbox.run_with(&sandbox.path(&format!("cold-{number}")), &["build", "-o", "oci:out"]).succeeds().digest();
        assert_eq!(warm, cold);
        // Another content of the same size, and the same time again.
        sandbox.write("tree/file", content.to_uppercase().as_bytes());
        File::options().write(true).open(sandbox.path("tree/file")).unwrap().set_modified(time).unwrap();
        assert_ne!(sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest(), warm, "{time:?}");
    }
    // Files of the cache from the future are used, and pruned without harm.
    let folders = fs::read_dir(sandbox.path("cache/blobs/sha256")).unwrap();
    for file in folders.flat_map(|folder| fs::read_dir(folder.unwrap().path()).unwrap()) {
        File::options().write(true).open(file.unwrap().path()).unwrap().set_modified(at(4_102_444_800)).unwrap();
    }
    let before = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    sandbox.run(&["cache", "prune", "--older-than", "1d"]).succeeds();
    sandbox.run(&["cache", "prune", "--keep", "1KB"]).succeeds();
    assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest(), before);
}

#[test]
fn f38_a_signal_ends_the_program_and_leaves_nothing_half_written() {
    for (signal, code) in [(Signal::TERM, 143), (Signal::INT, 130), (Signal::HUP, 129)] {
        // The upload never ends: the build is in its middle, whenever the signal comes.
        let test = TestRegistry::with(Guard::Open, |seen, _| (seen.method == "PUT").then_some(Fault::Deaf));
        let sandbox = Sandbox::new("static = true");
        sandbox.write("tree/large", &Numbers(38).bytes(40_000_000));
        let name = format!("{}/shop/api:1", test.host());
        let mut command = sandbox.command(&["build", "--push", "-t", &name, "-o", "oci:out"]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        while !fs::read_dir(sandbox.path("cache/tmp")).is_ok_and(|mut entries| entries.next().is_some()) {
            assert!(child.try_wait().unwrap().is_none(), "the build ended early");
            thread::yield_now();
        }
        kill_process(Pid::from_child(&child), signal).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(code), "{}", ran.err);
        assert!(ran.out.is_empty() && litter(&sandbox).is_empty(), "{:?}", litter(&sandbox));
        assert!(cached(&sandbox.path("cache")).iter().all(|(_, good)| *good));
        assert!(test.manifest("shop/api", "1").is_none(), "a tag moved");
    }
}

#[test]
fn f38_a_reader_that_goes_away_is_no_fault() {
    let sandbox = Sandbox::new("static = true");
    let mut child = sandbox.command(&["build", "-o", "oci:out"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    drop(child.stderr.take());
    let status = child.wait().unwrap();
    assert!(status.code().is_some_and(|code| code == 0), "{status:?}");
    assert_eq!(sandbox.run(&["inspect", "oci:out"]).succeeds().code, Some(0));
    assert!(!bytes(1).is_empty());
}
