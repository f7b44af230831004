//! What users get wrong, and what the world gets wrong: one clear message, the right exit code, and nothing half-written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::UnixListener;

use crate::registry::{Guard, TestRegistry};
use crate::sandbox::{Sandbox, recipe};

fn with_files(entry: &str) -> Sandbox {
    let sandbox = Sandbox::of(&recipe("static = true").replace("[process]", &format!("[[files]]\n{entry}\n[process]")));
    sandbox.write("dist/index.js", b"x");
    sandbox
}

const DIST: &str = "from = \"dist\"\nto = \"/dist\"";

#[test]
fn files_that_cannot_be_taken() {
    let sandbox = with_files("from = \"dost\"\nto = \"/dist\"");
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["`dost`", "dist", "hardened.toml"]);
    let sandbox = with_files(DIST);
    let _socket = UnixListener::bind(sandbox.path("dist/socket")).unwrap();
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["dist/socket", "socket"]);
    for target in ["../../../../../../../../../../etc/passwd", "/dist/../../../up", "../app/../../.."] {
        let sandbox = with_files(DIST);
        symlink(target, sandbox.path("dist/link")).unwrap();
        let ran = sandbox.run(&["build", "-o", "oci:out"]);
        assert!(ran.code == Some(2) || target.starts_with('/'), "{target}: {}", ran.err);
    }
    let sandbox = with_files("from = \"../outside\"\nto = \"/dist\"");
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["../outside"]);
    let sandbox = with_files("from = \"app\"\nto = \"/app\"");
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["two entries for `/app`", "replace = true"]);
    assert!(!sandbox.has("out"));
}

#[test]
fn programs_that_could_not_start() {
    for (content, mode, texts) in [
        (crate::project::program(183), 0o755, ["arm64", "linux/amd64"]),
        (crate::project::program(62), 0o644, ["/app", "execut"]),
        (b"#!/bin/sh\n".to_vec(), 0o755, ["`/bin/sh`, which is not in the image", "hint: choose a base that has `/bin/sh`"]),
        (b"text".to_vec(), 0o755, ["not a program", "#!"]),
    ] {
        let sandbox = Sandbox::new("static = true");
        sandbox.write("app", &content);
        fs::set_permissions(sandbox.path("app"), fs::Permissions::from_mode(mode)).unwrap();
        sandbox.run(&["build", "-o", "oci:out"]).fails(1, &texts);
        assert!(!sandbox.has("out"));
    }
    let sandbox = Sandbox::of(&recipe("static = true").replace("[\"/app\"]", "[\"/ap\"]"));
    sandbox.run(&["build", "-o", "oci:out"]).fails(1, &["`/ap` is not in the image", "hardened.toml:9:14"]);
}

#[test]
fn flags_and_places_that_are_wrong() {
    let sandbox = Sandbox::new("static = true");
    for (arguments, texts) in [
        (&["build", "-o", "oci:"][..], &["oci:PATH"][..]),
        (&["build", "-o", "tar:x.tar"], &["tar"]),
        (&["build", "-o", "localhost:5000/a:b"], &["--push"]),
        (&["build", "-f", "nowhere.toml"], &["nowhere.toml", "hardened init"]),
        (&["build", "-t", "A/B"], &["A/B", "-t"]),
        (&["build", "--platform", "linux/vax"], &["linux/vax"]),
        (&["build", "--bogus"], &["--bogus"]),
        (&["push", "oci:nowhere", "-o"], &["-o"]),
        (&["init", "--template", "cobol"], &["cobol", "python"]),
        (&["--token-realm", "x", "inspect", "a.example/b"], &["REGISTRY=HOST"]),
    ] {
        sandbox.run(arguments).fails(2, texts);
    }
    sandbox.run(&["inspect", "oci:nowhere"]).fails(3, &["nowhere", "hint: name the folder that holds `oci-layout`"]);
    sandbox.run(&["inspect", "oci-archive:nowhere.tar"]).fails(3, &["nowhere.tar", "hint: name a file that exists"]);
    sandbox.run(&["build", "-o", "oci-archve:image"]).fails(2, &["oci-archve:image", "\nhint: or `oci-archive:` is meant"]);
    sandbox.run(&["build", "-q", "-o", "oci:two:first"]).succeeds();
    let seen = sandbox.run(&["inspect", "oci:two"]).succeeds().out;
    assert!(seen.contains("\n  annotation: org.opencontainers.image.created=1970-01-01T00:00:00Z\n"), "{seen}");
    sandbox.run(&["inspect", "oci:two", "--platform", "linux/arm64"]).fails(2, &["`linux/arm64`", "hint: it has `linux/amd64`"]);
    sandbox.run(&["inspect", "oci:two", "--platform", "arm"]).fails(2, &["`--platform`", "hint: write for example `linux/amd64`"]);
    sandbox.run(&["inspect", "oci:two:last"]).fails(3, &["no image `:last`", "hint: it has `:first`"]);
    sandbox.run(&["init"]).fails(2, &["hardened.toml"]);
    sandbox.write("full/file", b"x");
    sandbox.run(&["build", "-o", "oci:full"]).fails(3, &["holds other files"]);
}

#[test]
fn a_disk_that_is_full_and_a_folder_that_is_read_only() {
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-o", "docker-archive:/dev/full/x"]).fails(3, &["/dev/full/x"]);
    sandbox.run(&["build", "-o", "oci:/proc/nowhere"]).fails(3, &["/proc/nowhere"]);
    // A cache that cannot be written is replaced for the run.
    let ran = sandbox.run_with(&sandbox.path("app/cache"), &["build", "-o", "oci:out"]).succeeds();
    assert!(ran.err.contains("lasts for this run only"), "{}", ran.err);
}

#[test]
fn a_result_that_could_not_be_written_is_told_before_anything_is_built() {
    let test = TestRegistry::start();
    let sandbox = Sandbox::new("static = true");
    let name = format!("{}/shop/api:1", test.host());
    for file in ["--digest-file", "--metadata-file"] {
        sandbox.run(&["build", "--push", "-t", &name, file, "nowhere/file"]).fails(2, &["nowhere/file", "hint: name a file in a folder"]);
    }
    assert!(test.seen().is_empty());
}

#[test]
fn a_damaged_cache_is_an_answer_of_no() {
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-q"]).succeeds();
    sandbox.run(&["cache", "check"]).succeeds();
    let blobs = fs::read_dir(sandbox.path("cache/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path());
    let blob = blobs.flat_map(|folder| fs::read_dir(folder).unwrap()).next().unwrap().unwrap().path();
    let mut bytes = fs::read(&blob).unwrap();
    bytes[0] ^= 1;
    fs::write(&blob, bytes).unwrap();
    let ran = sandbox.run(&["cache", "check", "--format", "json"]);
    assert_eq!((ran.code, ran.json()["removed"].as_array().map(Vec::len)), (Some(1), Some(1)), "{}", ran.err);
    assert!(ran.err.contains("error: 1 of the files in the cache were damaged") && ran.err.contains("hint: build again"), "{}", ran.err);
    sandbox.run(&["cache", "check"]).succeeds();
}

#[test]
fn registries_that_refuse_or_are_not_there() {
    let test = TestRegistry::with(Guard::Basic("dXNlcjpjYW5hcnk="), |_, _| None);
    let name = format!("{}/shop/api:1", test.host());
    let mut sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "--push", "-t", &name]).fails(3, &[test.host(), "hardened login"]);
    sandbox.set("HARDENED_REGISTRY_HOST", test.host());
    sandbox.set("HARDENED_REGISTRY_USER", "user");
    sandbox.set("HARDENED_REGISTRY_PASSWORD", "canary-wrong");
    for more in [&["-v"][..], &["--format", "json"]] {
        let ran = sandbox.run(&[&["build", "--push", "-t", &name][..], more].concat());
        ran.fails(3, &[test.host(), "HARDENED_REGISTRY_PASSWORD"]);
        // `user:canary-wrong` in base64 is no less a password.
        assert!(!ran.err.contains("canary-wrong") && !ran.err.contains("dXNlcjpjYW5hcnktd3Jvbmc"), "{}", ran.err);
    }
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "--push", "-t", "127.0.0.1:1/a/b:c"]).fails(3, &["127.0.0.1:1", "Connection refused"]);
    sandbox.run(&["inspect", "registry.invalid/a/b:c"]).fails(3, &["registry.invalid", "hint: check how `registry.invalid` is written"]);
    let open = TestRegistry::start();
    let missing = format!("{}/a/b:c", open.host());
    sandbox.run(&["inspect", &missing]).fails(3, &["404", &format!("hardened login {}", open.host())]);
    assert!(test.manifest("shop/api", "1").is_none());
}

#[test]
fn addresses_are_shown_without_their_queries() {
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        let to = "http://127.0.0.1:1/blob?signature=canary-signature".to_owned();
        (seen.method == "GET" && seen.path().contains("/blobs/"))
            .then(|| crate::registry::Fault::Answer(307, vec![("Location".to_owned(), to.clone())], String::new()))
    });
    crate::images::Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    let ran = sandbox.run(&["-v", "build", "-o", "oci:out"]);
    ran.fails(3, &["127.0.0.1:1"]);
    assert!(!ran.err.contains("canary-signature"), "{}", ran.err);
}

#[test]
fn pages_are_printed() {
    let sandbox = Sandbox::new("static = true");
    for (arguments, text) in [
        (&["schema"][..], "\"$schema\""),
        (&["man"], ".TH hardened-cache-prune 1"),
        (&["completions", "bash"], "hardened"),
        (&["--version"], "hardened "),
        (&["build", "--help"], "Examples:"),
        (&["init", "--help"], "node, python, java, nginx, site or static"),
    ] {
        assert!(sandbox.run(arguments).succeeds().out.contains(text), "{arguments:?}");
    }
    let verbs =
        ["init", "lock", "build", "push", "inspect", "login", "logout", "cache", "schema", "completions", "man"].map(|verb| vec![verb]);
    let of_cache = ["show", "check", "export", "import", "prune"].map(|verb| vec!["cache", verb]);
    for verb in verbs.into_iter().chain(of_cache) {
        let help = sandbox.run(&[&verb[..], &["--help"]].concat()).succeeds().out;
        assert!(
            help.contains(&format!("  hardened {}", verb.join(" "))) || verb == ["login"] && help.contains("| hardened login"),
            "{help}"
        );
    }
    let planned = sandbox.run(&["build", "--dry-run", "--format", "json"]).succeeds().json();
    assert_eq!((&planned[0]["platform"], &planned[0]["layers"][1]["compression"]), (&"linux/amd64".into(), &"gzip".into()));
    let sandbox = Sandbox::new("static = true");
    fs::remove_file(sandbox.path("hardened.toml")).unwrap();
    sandbox.run(&["init", "--template", "static"]).succeeds();
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
}

#[test]
fn a_prune_of_everything_asks_and_a_size_has_a_unit() {
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-q"]).succeeds();
    let blobs = || sandbox.run(&["cache", "show", "--format", "json"]).succeeds().json()["blobs"].as_u64().unwrap();
    let before = blobs();
    assert!(before > 0);
    sandbox.run(&["cache", "prune"]).fails(2, &["error: this removes all ", "no terminal to ask at", "hint: `hardened cache prune --yes`"]);
    sandbox.run(&["cache", "prune", "--keep", "5"]).fails(2, &["`--keep 5` has no unit", "hint: write for example `500MB` or `5GB`"]);
    sandbox.run(&["cache", "prune", "--keep", "5", "--yes"]).fails(2, &["has no unit"]);
    sandbox.run(&["cache", "prune", "--keep", "x"]).fails(2, &["`--keep x` cannot be read"]);
    sandbox.run(&["cache", "prune", "--older-than", "5"]).fails(2, &["`--older-than 5` has no unit", "`14d`"]);
    sandbox.run(&["cache", "prune", "--keep", "5GB"]).succeeds();
    assert_eq!(blobs(), before);
    let ran = sandbox.run(&["cache", "prune", "--yes"]).succeeds();
    assert!(ran.out.starts_with("removed "), "{}", ran.out);
    assert_eq!(blobs(), 0);
}

#[test]
fn a_fifo_or_device_in_place_of_a_file_is_refused_without_waiting() {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-q"]).succeeds();
    let fifo = |name: &str| {
        let path = sandbox.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&path);
        mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    };
    let device = |name: &str| {
        fs::remove_file(sandbox.path(name)).unwrap();
        symlink("/dev/zero", sandbox.path(name)).unwrap();
    };
    let lock = sandbox.read("hardened.lock");
    for (make, what) in [(&fifo as &dyn Fn(&str), "it is a FIFO"), (&device, "it is a device")] {
        make("hardened.lock");
        for verb in [&["build", "-q"][..], &["build", "-q", "--locked"], &["lock", "--update"]] {
            sandbox.run(verb).fails(2, &["could not read the lock `hardened.lock`", what]);
        }
    }
    fs::remove_file(sandbox.path("hardened.lock")).unwrap();
    sandbox.write("hardened.lock", lock.as_bytes());
    let recipe = sandbox.read("hardened.toml");
    for (make, what) in [(&fifo as &dyn Fn(&str), "it is a FIFO"), (&device, "it is a device")] {
        make("hardened.toml");
        sandbox.run(&["build", "-q"]).fails(2, &["could not read the recipe `hardened.toml`", what]);
    }
    fs::remove_file(sandbox.path("hardened.toml")).unwrap();
    sandbox.write("hardened.toml", recipe.as_bytes());
    fifo("home/.config/hardened/settings.toml");
    sandbox.run(&["build", "-q"]).fails(2, &["could not read the settings in", "it is a FIFO"]);
    fs::remove_file(sandbox.path("home/.config/hardened/settings.toml")).unwrap();
    fifo("certificates.pem");
    let test = TestRegistry::start();
    let name = format!("{}/shop/api:1", test.host());
    sandbox.run(&["inspect", &name, "--ca-file", "certificates.pem"]).fails(3, &["certificates.pem", "it is a FIFO"]);
    fifo("home/.docker/config.json");
    let ran = sandbox.run(&["inspect", &name]);
    assert!(ran.code == Some(3) && !ran.err.contains("panicked"), "{}", ran.err);
    fifo("image.tar");
    sandbox.run(&["inspect", "oci-archive:image.tar"]).fails(3, &["image.tar", "it is a FIFO"]);
    sandbox.run(&["cache", "import", "image.tar"]).fails(3, &["image.tar", "it is a FIFO"]);
}
