//! Projects whose files are traps. What files become in images is tested in `tests/files.rs`; here is what the program itself reads.

use std::os::unix::fs::symlink;

use hardened::recipe::Placeholders;
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::sandbox::{Sandbox, recipe};

#[test]
fn a_repository_that_is_a_trap() {
    // What stands in for git's files must not keep us, be read without end, or be shown.
    for (name, content) in [("HEAD", "ref: refs/heads/main\n"), ("config", "[remote \"origin\"]\n\turl = https://u:p@x/y\n")] {
        for trap in ["fifo", "device", "folder", "large", "loop"] {
            let folder = tempfile::tempdir().unwrap();
            let git = folder.path().join(".git");
            std::fs::create_dir_all(git.join("refs/heads")).unwrap();
            let path = git.join(name);
            match trap {
                "fifo" => mknodat(CWD, &path, FileType::Fifo, Mode::RUSR, 0).unwrap(),
                "device" => symlink("/dev/zero", &path).unwrap(),
                "folder" => std::fs::create_dir(&path).unwrap(),
                "loop" => symlink(&path, &path).unwrap(),
                _ => std::fs::write(&path, content.repeat(500_000)).unwrap(),
            }
            let placeholders = hardened::host::ProjectPlaceholders::new(folder.path(), hardened::host::Environment::default());
            assert!(placeholders.value("git.revision").is_err(), "{name} {trap}");
            assert!(placeholders.value("git.source").is_err(), "{name} {trap}");
        }
    }
    // A branch whose name leads elsewhere.
    for branch in ["../../../etc/passwd", "/etc/passwd", "refs/../../x"] {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(".git")).unwrap();
        std::fs::write(folder.path().join(".git/HEAD"), format!("ref: {branch}\n")).unwrap();
        let placeholders = hardened::host::ProjectPlaceholders::new(folder.path(), hardened::host::Environment::default());
        assert!(placeholders.value("git.revision").is_err(), "{branch}");
    }
}

#[test]
fn links_out_of_the_project() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("secret"), "canary-of-the-host").unwrap();
    let with = |from: &str, more: &str| {
        let text =
            recipe("static = true").replace("[process]", &format!("[[files]]\nfrom = \"{from}\"\nto = \"/files\"\n{more}\n[process]"));
        Sandbox::of(&text)
    };
    let leaks = |sandbox: &Sandbox| {
        let ran = sandbox.run(&["build", "-o", "docker-archive:out.tar"]);
        let image = std::fs::read(sandbox.path("out.tar")).unwrap_or_default();
        let holds = |bytes: &[u8]| bytes.windows(18).any(|piece| piece == b"canary-of-the-host");
        holds(&image) || holds(ran.out.as_bytes()) || holds(ran.err.as_bytes())
    };
    for (from, more) in [
        ("dist", ""),
        ("dist/**", ""),
        ("dist/link", ""),
        ("dist/folder/secret", ""),
        ("dist", "symlinks = \"follow\""),
        ("dist/*", "symlinks = \"follow\""),
    ] {
        let sandbox = with(from, more);
        sandbox.write("dist/own", b"x");
        symlink(outside.path().join("secret"), sandbox.path("dist/link")).unwrap();
        symlink(outside.path(), sandbox.path("dist/folder")).unwrap();
        symlink("/proc/self/root", sandbox.path("dist/root")).unwrap();
        symlink("/proc/self/environ", sandbox.path("dist/environ")).unwrap();
        assert!(!leaks(&sandbox), "{from} {more}");
    }
    // A folder that is itself a link out.
    let sandbox = with("dist", "");
    symlink(outside.path(), sandbox.path("dist")).unwrap();
    assert!(!leaks(&sandbox));
    // An absolute way, and one upwards.
    for from in [
        outside.path().join("secret").display().to_string(),
        format!("../{}/secret", outside.path().file_name().unwrap().to_str().unwrap()),
    ] {
        assert!(!leaks(&with(&from, "")), "{from}");
    }
}

#[test]
fn recipes_and_locks_that_are_traps() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("hardened.toml", &vec![b'#'; 64 << 20]);
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["hardened.toml"]);
    sandbox.write("hardened.toml", format!("a = {}1{}", "[".repeat(100_000), "]".repeat(100_000)).as_bytes());
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["not TOML"]);
    sandbox.write("hardened.toml", format!("{}\n", "a.".repeat(100_000) + "a = 1").as_bytes());
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["error: "]);
    sandbox.write("hardened.toml", b"a = \"\xff\"");
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["hardened.toml"]);
    let sandbox = Sandbox::new("static = true");
    for lock in [&b"\xff\xfe"[..], b"format = 99999999999999999999\n", b"format = -1\n", b"[[[", b"format = 1\nformat = 1\n"] {
        sandbox.write("hardened.lock", lock);
        let ran = sandbox.run(&["build", "-o", "oci:out"]);
        assert!(ran.code == Some(2) && !ran.err.contains("panicked"), "{lock:?}: {:?} {}", ran.code, ran.err);
    }
}
