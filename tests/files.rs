//! Finding the user's files, and reading them as they were found.
#![expect(clippy::unwrap_used, reason = "a test that cannot prepare its files has failed")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::time::{Duration, SystemTime};

#[path = "files/denied.rs"]
mod denied;
#[path = "files/reading.rs"]
mod reading;

use hardened::host::project::{FileFault, Found, LinkFault, Project, Request, Why};
use hardened::recipe::{Destination, Symlinks};
use hardened::rootfs::{Content, Entry, EntryKind, ImagePath, Owner};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

/// A folder with the given files; a name that ends with a slash is a folder.
fn folder(files: &[&str]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for file in files {
        let path = folder.path().join(file);
        if file.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            write(&path, file);
        }
    }
    folder
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

fn request(from: &str, to: &str) -> Request {
    Request::new(from, Destination::new(to).unwrap())
}

fn find(root: &Path, request: &Request) -> Result<Found, Vec<FileFault>> {
    Project::open(root).unwrap().find(request)
}

/// The entries, each in one line.
fn shown(found: &Found) -> Vec<String> {
    let line = |(path, entry): &(ImagePath, Entry)| match &entry.kind {
        EntryKind::Directory => format!("{path}/ {:o}", entry.mode),
        EntryKind::File(content) => format!("{path} {:o} {}", entry.mode, content.size()),
        EntryKind::Symlink(target) => format!("{path} -> {}", target.escape_ascii()),
        EntryKind::HardLink(first) => format!("{path} = {first}"),
    };
    found.entries.iter().map(line).collect()
}

fn paths(found: &Found) -> Vec<String> {
    assert!(found.entries.is_sorted_by(|one, other| one.0 < other.0), "sorted, none twice");
    found.entries.iter().map(|(path, _)| path.to_string()).collect()
}

fn skipped(found: &Found) -> Vec<String> {
    let line = |why: &Why| match why {
        Why::Denied(rule) => format!("rule {rule}"),
        Why::Excluded(pattern) => pattern.clone(),
        Why::Output => "output".to_owned(),
    };
    found.skipped.iter().map(|skipped| format!("{}: {}", skipped.path, line(&skipped.why))).collect()
}

fn faults(result: Result<Found, Vec<FileFault>>) -> Vec<String> {
    result.unwrap_err().iter().map(ToString::to_string).collect()
}

/// All contents, read back.
fn contents(project: &Project, found: &Found) -> Vec<(String, Vec<u8>)> {
    let file = |(path, entry): &(ImagePath, Entry)| {
        let EntryKind::File(content) = &entry.kind else { return None };
        Some((path.to_string(), project.read_head(path, content, usize::MAX).unwrap()))
    };
    found.entries.iter().filter_map(file).collect()
}

#[test]
fn folders_files_and_globs_land_where_they_should() {
    let root = folder(&["dist/a", "dist/b/c", "dist/b/d.js", "dist/b-e.js", "dist/b/empty/", "[id]/x", "top.js"]);
    for (from, to, expected) in [
        ("dist", "/app", &["/app", "/app/a", "/app/b", "/app/b-e.js", "/app/b/c", "/app/b/d.js", "/app/b/empty"][..]),
        ("./dist/b/", "/", &["/c", "/d.js", "/empty"]),
        ("dist/a", "/usr/bin/tool", &["/usr/bin/tool"]),
        ("dist/a", "/usr/bin/", &["/usr/bin/a"]),
        ("dist/a", "/", &["/a"]),
        ("dist/*.js", "/app", &["/app", "/app/b-e.js"]),
        ("dist/**/*.js", "/app", &["/app", "/app/b", "/app/b-e.js", "/app/b/d.js"]),
        ("dist/*", "/app", &["/app", "/app/a", "/app/b", "/app/b-e.js", "/app/b/c", "/app/b/d.js", "/app/b/empty"]),
        ("dist/b*", "/app", &["/app", "/app/b", "/app/b-e.js", "/app/b/c", "/app/b/d.js", "/app/b/empty"]),
        ("*/b/{c,x}", "/app", &["/app", "/app/dist", "/app/dist/b", "/app/dist/b/c"]),
        ("[id]", "/app", &["/app", "/app/x"]),
        ("dist/../top.js", "/app", &["/app"]),
    ] {
        let project = Project::open(root.path()).unwrap();
        let found = project.find(&request(from, to)).unwrap_or_else(|faults| panic!("{from}: {faults:?}"));
        assert_eq!(paths(&found), expected, "{from} to {to}");
        for (path, bytes) in contents(&project, &found) {
            let name = String::from_utf8(bytes).unwrap();
            assert!(path == "/usr/bin/tool" || path == "/app" || name.rsplit('/').next() == path.rsplit('/').next(), "{path} has {name}");
        }
    }
}

#[test]
fn what_is_not_there_is_a_fault_with_a_hint() {
    let root = folder(&["dist/server.js", "src/x.rs"]);
    let build = "create this file or folder first, or correct `from`, which is relative to the recipe's folder, or to `root`";
    let bracket = "`[` begins a class of characters, `[a-z]`; the character itself is written `[[]`";
    for (from, expected, hint) in [
        ("dits", "nothing matches `dits`", "there is `dist`"),
        ("dist/sever.js", "nothing matches `dist/sever.js`", "there is `dist/server.js`"),
        ("dist/*.css", "nothing matches `dist/*.css`", build),
        ("dist/server.js/*", "nothing matches `dist/server.js/*`", build),
        ("../x", "`../x` is outside of the recipe's folder", "to take files from the folder above, write `root = \"..\"` in the recipe"),
        (
            "/etc/passwd",
            "`/etc/passwd` is outside of the recipe's folder",
            "to take files from the folder above, write `root = \"..\"` in the recipe",
        ),
        ("src/[a", "the pattern `[a` is not well formed: ", bracket),
    ] {
        let found = find(root.path(), &request(from, "/app")).unwrap_err();
        assert!(found[0].to_string().starts_with(expected), "{}", found[0]);
        assert_eq!(found[0].hints().join(" "), hint, "{from}");
    }
    let mut wrong = request("src", "/app");
    wrong.exclude = vec!["[z-a]".to_owned()];
    wrong.allow = vec!["gitt".to_owned()];
    assert_eq!(find(root.path(), &wrong).unwrap_err().len(), 2, "all faults at once");
    assert!(Project::open(&root.path().join("none")).is_err());
}

#[test]
fn modes_and_owners_are_ours() {
    let root = folder(&["d/plain", "d/tool", "d/odd", "d/sub/"]);
    let mode = |name: &str, mode| fs::set_permissions(root.path().join(name), fs::Permissions::from_mode(mode)).unwrap();
    mode("d/plain", 0o666);
    mode("d/tool", 0o6775);
    mode("d/odd", 0o604);
    mode("d/sub", 0o1777);
    let mut asked = request("d", "/app");
    let found = find(root.path(), &asked).unwrap();
    assert_eq!(shown(&found), ["/app/ 755", "/app/odd 644 5", "/app/plain 644 7", "/app/sub/ 755", "/app/tool 755 6"]);
    assert_eq!(
        found.notes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["the set-user, set-group or sticky bits of `/app/sub` and 1 more are not kept; set `mode` to keep them"]
    );
    asked.owner = Owner { uid: 7, gid: 8 };
    asked.file_mode = Some(0o4750);
    asked.dir_mode = Some(0o700);
    let found = find(root.path(), &asked).unwrap();
    assert_eq!(shown(&found), ["/app/ 700", "/app/odd 4750 5", "/app/plain 4750 7", "/app/sub/ 700", "/app/tool 4750 6"]);
    assert!(found.notes.is_empty() && found.entries.iter().all(|(_, entry)| entry.owner == asked.owner));
}

#[test]
fn excludes_follow_gitignore_and_are_listed() {
    let root = folder(&["d/a.map", "d/keep.map", "d/s/b.map", "d/s/x", "d/logs/1", "d/logs/2", "d/s/logs/3"]);
    let mut asked = request("d", "/app");
    asked.exclude = ["*.map", "!keep.map", "/logs", "!logs/1"].map(str::to_owned).to_vec();
    let found = find(root.path(), &asked).unwrap();
    assert_eq!(paths(&found), ["/app", "/app/keep.map", "/app/s", "/app/s/logs", "/app/s/logs/3", "/app/s/x"]);
    assert_eq!(skipped(&found), ["d/a.map: *.map", "d/logs: /logs", "d/s/b.map: *.map"]);
    asked.from = "d/*.map".to_owned();
    asked.exclude = vec!["*.map".to_owned()];
    assert_eq!(faults(find(root.path(), &asked)), ["everything that `d/*.map` matches is left out"]);
    asked.from = "d/a.map".to_owned();
    assert_eq!(faults(find(root.path(), &asked)), ["everything that `d/a.map` matches is left out"]);
}

#[test]
fn secrets_are_left_out_and_listed_unless_allowed() {
    let root = folder(&["d/.git/config", "d/.env", "d/.env.example", "d/a/.npmrc", "d/a/id_rsa", "d/.config/gcloud/x", "d/.config/y"]);
    write(&root.path().join("d/server.key"), "-----BEGIN EC PRIVATE KEY-----\n");
    write(&root.path().join("d/ca.pem"), "-----BEGIN CERTIFICATE-----\n");
    let mut asked = request("d", "/app");
    let found = find(root.path(), &asked).unwrap();
    assert_eq!(paths(&found), ["/app", "/app/.config", "/app/.config/y", "/app/.env.example", "/app/a", "/app/ca.pem"]);
    assert_eq!(
        skipped(&found),
        [
            "d/.config/gcloud: rule gcloud",
            "d/.env: rule env",
            "d/.git: rule git",
            "d/a/.npmrc: rule npmrc",
            "d/a/id_rsa: rule private-key",
            "d/server.key: rule private-key"
        ]
    );
    assert_eq!(found.skipped_count, 6);
    asked.allow = ["env", "id_rsa", "server.key"].map(str::to_owned).to_vec();
    let found = find(root.path(), &asked).unwrap();
    assert_eq!(skipped(&found), ["d/.config/gcloud: rule gcloud", "d/.git: rule git", "d/a/.npmrc: rule npmrc"]);
    for (from, rule, named) in [
        ("d/.env", "env", ".env"),
        ("d/.git/config", "git", ".git"),
        ("d/server.key", "private-key", "server.key"),
        ("d/.config/gcloud", "gcloud", ".config/gcloud"),
    ] {
        let mut asked = request(from, "/x/");
        let fault = &find(root.path(), &asked).unwrap_err()[0];
        assert!(fault.to_string().starts_with(&format!("`{from}` is on the deny list, by rule `{rule}`: ")), "{fault}");
        assert_eq!(fault.hints(), [format!("if it must be in the image, write `include-denied = [\"{rule}\"]`")]);
        asked.allow = vec![rule.to_owned()];
        assert!(find(root.path(), &asked).is_ok(), "{from}");
        asked.allow = vec![named.to_owned()];
        assert!(find(root.path(), &asked).is_ok(), "{named}");
    }
    // A harmless name does not hide where a link leads.
    symlink(".env", root.path().join("d/settings")).unwrap();
    assert!(matches!(find(root.path(), &request("d/settings", "/x")).unwrap_err()[0], FileFault::Denied { rule: "env", .. }));
    let mut asked = request("d", "/app");
    asked.symlinks = Symlinks::Follow;
    let found = find(root.path(), &asked).unwrap();
    assert!(skipped(&found).contains(&"d/settings: rule env".to_owned()), "{:?}", found.skipped);
}

#[test]
fn symlinks_are_kept_and_may_not_climb_out_of_the_image() {
    let root = folder(&["d/a/file"]);
    let link = |target: &str, name: &str| symlink(target, root.path().join(name)).unwrap();
    link("file", "d/a/near");
    link("../../top", "d/a/up");
    link("/etc/passwd", "d/absolute");
    link("nowhere", "d/dangling");
    let found = find(root.path(), &request("d", "/app")).unwrap();
    assert_eq!(
        shown(&found)[2..],
        ["/app/a/file 644 8", "/app/a/near -> file", "/app/a/up -> ../../top", "/app/absolute -> /etc/passwd", "/app/dangling -> nowhere"]
    );
    let fault = find(root.path(), &request("d", "/")).unwrap_err();
    assert_eq!(fault[0].to_string(), "the link `d/a/up` to `../../top` leads above the root of the image");
    assert!(matches!(fault[0], FileFault::Link { fault: LinkFault::LeavesImage, .. }));
}

#[test]
fn nothing_outside_is_read_unless_links_are_followed() {
    let outside = folder(&["canary", "tree/inner/x"]);
    let root = folder(&["d/file", "build/out/app"]);
    let link = |target: &Path, name: &str| symlink(target, root.path().join(name)).unwrap();
    link(&outside.path().join("canary"), "secret");
    link(outside.path(), "away");
    link(Path::new("build/out"), "dist");
    link(&outside.path().join("tree"), "d/tree");
    link(Path::new("file"), "d/same");
    let project = Project::open(root.path()).unwrap();
    for from in ["secret", "away", "away/canary", "away/tr*"] {
        let fault = &project.find(&request(from, "/x")).unwrap_err()[0];
        assert!(matches!(fault, FileFault::Link { fault: LinkFault::LeavesRoot, .. }), "{fault}");
    }
    let found = project.find(&request("dist", "/app")).unwrap();
    assert_eq!(contents(&project, &found), [("/app/app".to_owned(), b"build/out/app".to_vec())]);
    assert_eq!(paths(&project.find(&request("d", "/app")).unwrap()), ["/app", "/app/file", "/app/same", "/app/tree"]);
    let follow = |from: &str| {
        let mut asked = request(from, "/app");
        asked.symlinks = Symlinks::Follow;
        let found = project.find(&asked).unwrap();
        paths(&found);
        contents(&project, &found)
            .into_iter()
            .map(|(path, bytes)| format!("{path}: {}", String::from_utf8(bytes).unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(follow("secret"), ["/app: canary"]);
    assert_eq!(follow("away"), ["/app/canary: canary", "/app/tree/inner/x: tree/inner/x"]);
    assert_eq!(follow("d"), ["/app/file: d/file", "/app/same: d/file", "/app/tree/inner/x: tree/inner/x"]);
}

#[test]
fn loops_of_followed_links_end() {
    let root = folder(&["d/a/b/file", "d/c/file"]);
    let mut asked = request("d", "/app");
    asked.symlinks = Symlinks::Follow;
    for (target, name) in [("..", "d/a/b/up"), ("../c", "d/a/c"), ("../a", "d/c/a"), ("self", "d/self"), ("gone", "d/dangling")] {
        symlink(target, root.path().join(name)).unwrap();
    }
    assert_eq!(
        faults(find(root.path(), &asked)),
        [
            "the link `d/a/b/up` to `..` leads to one of its parent folders",
            "the link `d/a/c/a` to `../a` leads to one of its parent folders",
            "the link `d/c/a/b/up` to `..` leads to one of its parent folders",
            "the link `d/c/a/c` to `../c` leads to one of its parent folders",
            "the link `d/dangling` to `gone` leads to nothing",
            "the link `d/self` to `self` leads to one of its parent folders",
        ]
    );
}

#[test]
fn hard_links_are_kept_once() {
    let root = folder(&["d/z", "d/b/own"]);
    for name in ["d/a", "d/b/c", "outside"] {
        fs::hard_link(root.path().join("d/z"), root.path().join(name)).unwrap();
    }
    let found = find(root.path(), &request("d", "/app")).unwrap();
    assert_eq!(shown(&found), ["/app/ 755", "/app/a 644 3", "/app/b/ 755", "/app/b/c = /app/a", "/app/b/own 644 7", "/app/z = /app/a"]);
}

#[test]
fn devices_fifos_and_sockets_are_refused_together_and_never_opened() {
    let root = folder(&["d/file"]);
    mknodat(CWD, root.path().join("d/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let _socket = UnixListener::bind(root.path().join("d/socket")).unwrap();
    let expected = ["`d/fifo` is a FIFO, which cannot be in an image", "`d/socket` is a socket, which cannot be in an image"];
    assert_eq!(faults(find(root.path(), &request("d", "/app"))), expected);
    assert_eq!(faults(find(root.path(), &request("d/fifo", "/app"))), expected[..1]);
    let mut asked = request("d", "/app");
    asked.exclude = ["fifo", "socket"].map(str::to_owned).to_vec();
    assert_eq!(paths(&find(root.path(), &asked).unwrap()), ["/app", "/app/file"]);
    for number in 0..30 {
        mknodat(CWD, root.path().join(format!("d/fifo{number:02}")), FileType::Fifo, Mode::RUSR, 0).unwrap();
    }
    let many = faults(find(root.path(), &request("d", "/app")));
    assert_eq!((many.len(), many[20].as_str()), (21, "and 12 more"));
}

#[test]
fn unreadable_files_and_folders_are_faults() {
    if rustix::process::geteuid().is_root() {
        return;
    }
    let root = folder(&["d/file", "d/closed/x"]);
    for name in ["d/file", "d/closed"] {
        fs::set_permissions(root.path().join(name), fs::Permissions::from_mode(0o000)).unwrap();
    }
    let found = faults(find(root.path(), &request("d", "/app")));
    fs::set_permissions(root.path().join("d/closed"), fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(found, ["`d/closed` cannot be read", "`d/file` cannot be read"]);
}

#[test]
fn strange_names_are_kept_and_shown_safely() {
    let root = folder(&["d/plain", "d/README", "d/readme", "d/Readme"]);
    for name in [&b"\xff\xfe"[..], b"new\nline", b"trailing.", b"\x1b[2J"] {
        fs::write(root.path().join("d").join(OsStr::from_bytes(name)), "x").unwrap();
    }
    let found = find(root.path(), &request("d", "/app")).unwrap();
    let names: Vec<&[u8]> = found.entries.iter().skip(1).map(|(path, _)| path.name()).collect();
    assert_eq!(names, [&b"\x1b[2J"[..], b"README", b"Readme", b"new\nline", b"plain", b"readme", b"trailing.", b"\xff\xfe"]);
    assert_eq!(found.notes.len(), 2, "{:?}", found.notes);
    let mut asked = request("d", "/app");
    asked.exclude = vec!["*".to_owned()];
    let all = skipped(&find(root.path(), &asked).unwrap()).join(" ");
    assert!(all.contains("d/\\u{1b}[2J: *") && all.contains("d/\\xff\\xfe: *"), "{all}");
}

#[test]
fn deep_trees_have_a_limit() {
    let root = folder(&[]);
    let project = Project::open(root.path()).unwrap();
    // One step at a time: the whole path is longer than one call takes.
    let mut here = File::open(root.path()).unwrap();
    for depth in 0..1100 {
        rustix::fs::mkdirat(&here, "deep", Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, "deep", rustix::fs::OFlags::RDONLY, Mode::empty()).unwrap().into();
        if depth == 809 {
            assert_eq!(project.find(&request("deep", "/a")).unwrap().entries.len(), 810);
        }
    }
    let found = project.find(&request("deep", "/a")).unwrap_err();
    assert!(
        found.iter().all(|fault| matches!(fault, FileFault::Name { .. } | FileFault::Unreadable { .. } | FileFault::More(_))),
        "{found:?}"
    );
    // 1,000 folders below each other fit.
    let root = folder(&[]);
    let names = "x/".repeat(1000);
    let mut here = File::open(root.path()).unwrap();
    for _ in names.split_terminator('/') {
        rustix::fs::mkdirat(&here, "x", Mode::RWXU).unwrap();
        here = rustix::fs::openat(&here, "x", rustix::fs::OFlags::RDONLY, Mode::empty()).unwrap().into();
    }
    assert_eq!(find(root.path(), &request("x", "/a")).unwrap().entries.len(), 1000);
}

#[test]
fn nothing_depends_on_the_machine() {
    let build = |names: &[String], mode: u32| {
        let root = folder(&[]);
        for name in names {
            let path = root.path().join("d").join(name);
            write(&path, name);
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let time = SystemTime::UNIX_EPOCH + Duration::from_secs(u64::from(mode) * 1_000_000);
            File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
        }
        shown(&find(root.path(), &request("d", "/app")).unwrap())
    };
    let mut names: Vec<String> = (0..400).map(|number| format!("{}/{}-{number}", number % 7, number % 13)).collect();
    let first = build(&names, 0o600);
    names.reverse();
    assert_eq!(build(&names, 0o666), first);
}

#[test]
fn large_folders_are_found_whole_and_small() {
    let root = folder(&["d/"]);
    for number in 0..40_000 {
        File::create(root.path().join(format!("d/{number}"))).unwrap();
    }
    let found = find(root.path(), &request("d", "/app")).unwrap();
    assert_eq!(found.entries.len(), 40_001);
    paths(&found);
    assert!(size_of::<(ImagePath, Entry)>() <= 64);
    let is_small = |entry: &Entry| matches!(entry.kind, EntryKind::File(Content::Tail { .. }));
    assert!(found.entries.iter().skip(1).all(|(_, entry)| is_small(entry)));
    let mut asked = request("d", "/app");
    asked.exclude = vec!["*1*".to_owned()];
    let found = find(root.path(), &asked).unwrap();
    assert_eq!((found.skipped.len(), found.skipped_count), (Found::LISTED, 40_001 - found.entries.len()));
    assert_eq!(found.skipped[0].path.to_string(), "d/1");
}
