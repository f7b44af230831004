//! What hints tell to write is written into the recipe, and the recipe then builds.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use crate::project::program;
use crate::sandbox::Sandbox;

/// The end of the line that a hint is about.
const MARK: &str = "#hint";

fn sandbox(recipe: &str) -> Sandbox {
    let sandbox = Sandbox::with(recipe, &program(62));
    sandbox.write("t/sub/keep", b"x");
    sandbox
}

fn recipe(files: &str, more: &str) -> String {
    format!(
        "[image]\nname = \"a.example/b\"\n[base]\nstatic = true\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[[files]]\n{files}\n[process]\n\
         entrypoint = [\"/app\"]\n{more}\n"
    )
}

/// Returns the texts between backquotes of hints that assign a value of TOML to a key.
fn snippets(said: &str) -> Vec<String> {
    let hints = said.lines().filter(|line| line.contains("hint: "));
    let quoted = hints.flat_map(|line| line.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>());
    quoted.filter(|text| text.contains(" = ") && toml::from_str::<toml::Table>(text).is_ok()).collect()
}

/// Builds, and builds again with the marked line replaced by what the first hint says. Returns that.
fn mended(sandbox: &Sandbox) -> String {
    let ran = sandbox.run(&["build", "-o", "oci:out"]);
    assert!(matches!(ran.code, Some(1 | 2)), "{:?}\n{}", ran.code, ran.err);
    let snippet = snippets(&ran.err).into_iter().next().unwrap_or_else(|| panic!("no hint to be pasted in:\n{}", ran.err));
    let recipe = sandbox.read("hardened.toml");
    let lines: Vec<&str> = recipe.lines().map(|line| if line.ends_with(MARK) { snippet.as_str() } else { line }).collect();
    assert_ne!(lines.join("\n").trim_end(), recipe.trim_end(), "no line is marked");
    sandbox.write("hardened.toml", lines.join("\n").as_bytes());
    let again = sandbox.run(&["build", "-o", "oci:out"]);
    assert_eq!(again.code, Some(0), "with `{snippet}`:\n{}", again.err);
    snippet
}

/// Returns how many files the image has in a folder.
fn count(sandbox: &Sandbox, folder: &str) -> usize {
    let listed = sandbox.run(&["ls", "oci:out", "--format", "json"]).succeeds().json();
    let is_file = |entry: &&serde_json::Value| entry["path"].as_str().is_some_and(|path| path.starts_with(folder));
    listed["images"][0]["files"].as_array().unwrap().iter().filter(is_file).count()
}

const NAMES: &[&[u8]] = &[
    b"f",
    b"[slug]",
    b"[!a]*",
    b"a{b",
    b"{a,b}",
    b"{image.env.X}",
    b"{{x}}",
    b"!n",
    b"#c",
    b"q\"t",
    b"it's \"q\" \\",
    b"back\\s",
    b"trail ",
    b"trail  ",
    b"trail\t",
    b" lead",
    b"new\nline",
    b"end\n",
    b"back`quote",
    b"a:b@c",
    b"**",
    b"?",
    b"\x1b[2J",
    b"\xff\xfe",
    b"a\xe2\x80\xaeb",
    b"blank\xe3\x80\x80",
    b"-x",
    b"~",
    b"$HOME",
];

#[test]
fn what_cannot_be_in_an_image_is_left_out_by_the_hinted_line_and_nothing_else_is() {
    for name in NAMES {
        let name = OsStr::from_bytes(name);
        let sandbox = sandbox(&recipe("from = \"t\"\nto = \"/t\"\n#hint", ""));
        fs::write(sandbox.path("t/sub").join(name), "kept").unwrap();
        let _socket = UnixListener::bind(sandbox.path("t").join(name)).unwrap();
        let snippet = mended(&sandbox);
        assert_eq!(count(&sandbox, "/t/sub/"), 2, "{snippet}");
    }
}

#[test]
fn a_hinted_exclude_keeps_what_the_entry_has() {
    let entry = "from = \"t\"\nto = \"/t\"\nexclude = [\"*.{platform.arch}\", '!x'] #hint";
    let leave_out = "exclude = [\"*.{platform.arch}\", '!x', \"/a/gone\", \"/b\"]";
    let sandbox = sandbox(&recipe(entry, ""));
    sandbox.write("t/lib.amd64", b"x");
    sandbox.write("t/a/y", b"x");
    let _one = UnixListener::bind(sandbox.path("t/b")).unwrap();
    symlink("../../../../../gone", sandbox.path("t/a/gone")).unwrap();
    assert_eq!(mended(&sandbox), leave_out);
    assert_eq!(count(&sandbox, "/t/lib"), 0);
}

#[test]
fn hinted_values_are_what_was_meant() {
    let text = "text = \"x\"\nto = \"/x\"";
    for (files, more, expected) in [
        ("from = \"t/.env\"\nto = \"/x\"\n#hint", "", "include-denied = [\"env\"]"),
        ("from = \"t/.env\"\nto = \"/x\"\ninclude-denied = ['git'] #hint", "", "include-denied = ['git', \"env\"]"),
        (text, "command = \"-c {{ x\" #hint", "command = [\"-c\", \"{{\", \"x\"]"),
        (text, "command = \"it's\" #hint", "command = [\"it's\"]"),
        (text, "command = 'a \"b\\c\"' #hint", "command = ['a \"b\\c\"']"),
        (text, "command = \"a`b\\u0007\" #hint", "command = [\"a\\u0060b\\u0007\"]"),
        (text, "[process.env]\nA = 1 #hint", "A = \"1\""),
        (text, "[process.env]\n\"A.B\" = true #hint", "\"A.B\" = \"true\""),
        (text, "[metadata.labels]\n\"no.example.team\" = 1.5 #hint", "\"no.example.team\" = \"1.5\""),
        (text, "[metadata]\nversion = 1 #hint", "version = \"1\""),
        (text, "writable = \"/a b\" #hint", "writable = [\"/a b\"]"),
        (text, "workdir = \"a\\tb\" #hint", "workdir = \"/a\\tb\""),
        ("text = \"x\"\nto = \"./../a\\\"b\" #hint", "", "to = '/a\"b'"),
        ("text = \"x\"\nto = \"/x\"\nmode = 644 #hint", "", "mode = \"0644\""),
    ] {
        let sandbox = sandbox(&recipe(files, more));
        sandbox.write("t/.env", b"x");
        assert_eq!(mended(&sandbox), expected);
    }
}
