//! Names as file systems hold them: any bytes, and as long as they go.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use crate::sandbox::Sandbox;

/// Lists the paths of all layers that are gzip, as another library reads them.
fn paths(sandbox: &Sandbox) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(sandbox.path("out/blobs/sha256")).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        if bytes.starts_with(&[0x1f, 0x8b]) {
            let mut archive = tar::Archive::new(flate2::read::MultiGzDecoder::new(&bytes[..]));
            found.extend(archive.entries().unwrap().map(|entry| entry.unwrap().path_bytes().into_owned()));
        }
    }
    found
}

#[test]
fn f32_names_keep_their_bytes_and_speak_to_no_terminal() {
    let sandbox = Sandbox::new("static = true");
    let names: [&[u8]; 9] = [
        b"\xff\xfe not text",
        b"line\nbreak",
        b"\x1b[2J\x07bell",
        "e\u{301}".as_bytes(),
        "\u{e9}".as_bytes(),
        b"Same",
        b"same",
        b"dots...",
        b" space ",
    ];
    let mut made = Vec::new();
    for name in names {
        // File systems that hold text only refuse the first of them.
        if fs::write(sandbox.path("tree").join(OsStr::from_bytes(name)), b"x").is_ok() {
            made.push([b"srv/", name].concat());
        }
    }
    let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    let found = paths(&sandbox);
    for name in &made {
        assert!(found.contains(name), "{:?} is not in {found:?}", String::from_utf8_lossy(name));
    }
    assert!(ran.err.contains("differ only in case") && ran.err.contains("Same"), "{}", ran.err);
    for (place, text) in [("stdout", &ran.out), ("stderr", &ran.err)] {
        assert!(!text.chars().any(|character| character.is_control() && character != '\n'), "{place}: {text:?}");
    }
    // Told where something is wrong with them, too.
    rustix::fs::mknodat(
        rustix::fs::CWD,
        sandbox.path("tree").join(OsStr::from_bytes(b"pipe\x1b[31m\xff")),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    let ran = sandbox.run(&["build", "-o", "oci:out"]);
    ran.fails(2, &["pipe", "FIFO"]);
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
}

#[test]
fn f36_paths_of_every_length_are_read_back() {
    let sandbox = Sandbox::new("static = true");
    let mut expected = Vec::new();
    for length in [95, 96, 97, 99, 100, 101, 155, 156, 200, 240, 255] {
        let name = "n".repeat(length);
        sandbox.write(&format!("tree/{name}"), b"x");
        expected.push(format!("srv/{name}"));
        let folder = "f".repeat(length);
        sandbox.write(&format!("tree/{folder}/file"), b"x");
        expected.push(format!("srv/{folder}/file"));
    }
    // Together they come close to the longest path that Linux opens.
    let long = format!("{}{}", format!("{}/", "l".repeat(250)).repeat(14), "end".repeat(30));
    sandbox.write(&format!("tree/{long}"), b"x");
    expected.push(format!("srv/{long}"));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    let found = paths(&sandbox);
    for path in expected {
        assert!(found.contains(&path.clone().into_bytes()), "a path of {} bytes was lost", path.len());
    }
}

#[test]
fn f36_a_path_that_no_image_can_hold_is_refused() {
    let sandbox = Sandbox::new("static = true");
    // Below a deep target, what is allowed here is too long there.
    let target = format!("/{}", format!("{}/", "t".repeat(200)).repeat(19));
    let recipe = sandbox.read("hardened.toml").replace("to = \"/srv\"", &format!("to = \"{}\"", target.trim_end_matches('/')));
    sandbox.write("hardened.toml", recipe.as_bytes());
    sandbox.write(&format!("tree/{}/{}", "a".repeat(250), "b".repeat(250)), b"x");
    let ran = sandbox.run(&["build", "-o", "oci:out"]);
    ran.fails(2, &["tree/", "aaa"]);
    assert!(ran.err.contains("4096") || ran.err.contains("long"), "{}", ran.err);
}
