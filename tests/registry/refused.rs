//! What is refused or fails leaves nothing behind: no lock, no output, no file with a result, and what was there is as it was.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};

use crate::registry::{Guard, TestRegistry};
use crate::sandbox::{Ran, Sandbox, recipe};

const LOCK: &str = "hardened.lock";

/// Builds with all kinds of results asked for.
const BUILD: &[&str] = &["build", "-o", "oci:out", "-o", "oci-archive:out.tar", "--digest-file", "digest", "--metadata-file", "metadata"];

/// Checks that a run left nothing, and `lock` as it was.
fn left_nothing(sandbox: &Sandbox, lock: Option<&str>, what: &str) {
    for name in ["out", "out.tar", "digest", "metadata"] {
        assert!(!sandbox.has(name), "{what}: `{name}` is there");
    }
    let now = sandbox.has(LOCK).then(|| sandbox.read(LOCK));
    assert_eq!(now.as_deref(), lock, "{what}");
    let left = |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().starts_with(".hardened-new-");
    assert!(!fs::read_dir(sandbox.path(".")).unwrap().any(left), "{what}: an unfinished file is there");
}

/// Runs in a folder without a lock, and in one with a lock of another release, which this one would write anew.
fn leaves_nothing(what: &str, recipe: &str, arguments: &[&str], code: i32) {
    for lock in [None, Some("format = 1\n[base]\nkind = \"static\"\ndata = \"2001.01\"\n")] {
        let sandbox = Sandbox::of(recipe);
        if let Some(text) = lock {
            sandbox.write(LOCK, text.as_bytes());
        }
        sandbox.write("t/.env", b"A=b");
        sandbox.write("foreign/file", b"x");
        let _socket = UnixListener::bind(sandbox.path("t/socket")).unwrap();
        let ran = sandbox.run(arguments);
        assert_eq!(ran.code, Some(code), "{what}: {}", ran.err);
        left_nothing(&sandbox, lock, what);
    }
}

#[test]
fn a_refused_build_leaves_neither_a_lock_nor_an_output() {
    let with = |entry: &str| recipe("static = true").replace("[process]", &format!("{entry}\n[process]"));
    for (what, recipe, code) in [
        ("an entrypoint that is not there", recipe("static = true").replace("[\"/app\"]", "[\"/nope\"]"), 1),
        ("a program of another architecture", recipe("static = true").replace("[base]", "platforms = [\"linux/arm64\"]\n[base]"), 1),
        ("the second platform", recipe("static = true").replace("[base]", "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[base]"), 1),
        ("two entries for one path", with("[[files]]\ntext = \"x\"\nto = \"/app\""), 2),
        ("a missing file", with("[[files]]\nfrom = \"gone\"\nto = \"/x\""), 2),
        ("a denied file", with("[[files]]\nfrom = \"t/.env\"\nto = \"/x\""), 2),
        ("a socket", with("[[files]]\nfrom = \"t\"\nto = \"/t\""), 2),
        ("a root that is not there", format!("root = \"gone\"\n{}", recipe("static = true")), 2),
        ("a fault of the recipe", recipe("static = true").replace("[base]", "x = 1\n[base]"), 2),
        ("a variable that the base does not have", recipe("static = true") + "env = { A = \"{image.env.GONE}\" }\n", 2),
        ("a layout that is not there", recipe("layout = \"gone\""), 3),
        ("a registry that is not there", recipe("image = \"127.0.0.1:1/a/b:c\""), 3),
    ] {
        leaves_nothing(what, &recipe, &[BUILD, &["--retry-for", "0"]].concat(), code);
    }
}

#[test]
fn a_destination_that_fails_leaves_neither_a_lock_nor_a_name() {
    let recipe = recipe("static = true");
    for (what, more, code) in [
        ("a folder of others", &["-o", "oci:foreign"][..], 3),
        ("an archive in no folder", &["-o", "oci-archive:gone/x.tar"], 2),
        ("a registry that is not there", &["--push", "-t", "127.0.0.1:1/a/b:c", "--retry-for", "0"], 3),
        ("a result in no folder", &["--metadata-file", "gone/x"], 2),
    ] {
        let sandbox = Sandbox::of(&recipe);
        sandbox.write("foreign/file", b"x");
        let arguments = [&["build", "-o", "oci-archive:out.tar", "--digest-file", "digest"], more].concat();
        let ran = sandbox.run(&arguments);
        assert_eq!(ran.code, Some(code), "{what}: {}", ran.err);
        left_nothing(&sandbox, None, what);
    }
    let test = TestRegistry::with(Guard::Basic("dXNlcjpvdGhlcg=="), |_, _| None);
    let sandbox = Sandbox::of(&recipe);
    let name = format!("{}/shop/api:1", test.host());
    assert_eq!(sandbox.run(&["build", "--push", "-t", &name, "-o", "oci-archive:out.tar"]).code, Some(3));
    left_nothing(&sandbox, None, "a registry that refuses");
}

#[test]
fn other_verbs_that_fail_leave_no_lock() {
    let unreachable = recipe("image = \"127.0.0.1:1/a/b:c\"");
    for (what, recipe, arguments, code) in [
        ("lock", &unreachable, &["lock", "--retry-for", "0"][..], 3),
        ("lock --update", &unreachable, &["lock", "--update", "--retry-for", "0"], 3),
        ("vendor", &unreachable, &["vendor", "oci:out", "--retry-for", "0"], 3),
        ("build --dry-run", &recipe("static = true").replace("[\"/app\"]", "[\"/nope\"]"), &["build", "--dry-run"], 1),
    ] {
        if what != "vendor" {
            leaves_nothing(what, recipe, arguments, code);
        }
        let sandbox = Sandbox::of(recipe);
        assert_eq!(sandbox.run(arguments).code, Some(code), "{what}");
        left_nothing(&sandbox, None, what);
    }
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["vendor", "oci:out"]).fails(2, &["there is nothing to copy"]);
    left_nothing(&sandbox, None, "vendor of what is in the program");
    sandbox.run(&["build", "-q", "-o", "oci:out"]).succeeds();
    assert!(sandbox.read(LOCK).contains("kind = \"static\""));
}

#[test]
fn an_interrupted_build_leaves_neither_a_lock_nor_an_output() {
    // It accepts and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    for (what, recipe, more) in [
        ("while the base is fetched", recipe(&format!("image = \"{address}/a/b:c\"")), vec!["--insecure".to_owned(), address.to_string()]),
        (
            "while the image is pushed",
            recipe("static = true"),
            vec!["--push".to_owned(), "-t".to_owned(), format!("{address}/a/b:c"), "--insecure".to_owned(), address.to_string()],
        ),
    ] {
        let sandbox = Sandbox::of(&recipe);
        let arguments: Vec<&str> = BUILD.iter().copied().chain(more.iter().map(String::as_str)).collect();
        let child = sandbox.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let _connection = silent.accept().unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let ran = Ran::of(child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(130), "{what}: {}", ran.err);
        assert!(!sandbox.has(LOCK) && !sandbox.has("out.tar") && !sandbox.has("digest") && !sandbox.has("out/index.json"), "{what}");
    }
}
