//! What must be a folder is one, links stay inside, and what a base's config may not have is told.

use serde_json::{Value, json};

use crate::images::{self, Entry, INDEX, Image};
use crate::registry::TestRegistry;
use crate::sandbox::{Sandbox, recipe};

const STATIC: &str = "static = true";

/// A base with a file, a loop, and links to a folder, to a file and to nothing.
fn base() -> Image {
    let passwd =
        "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\nfile:x:7:7::/base/file:/\n";
    let mut image = Image::of(
        "amd64",
        images::tar(&[
            ("etc/", Entry::Folder),
            ("etc/passwd", Entry::File(passwd)),
            ("etc/group", Entry::File("root:x:0:\nnonroot:x:65532:\nfile:x:7:\n")),
            ("home/nonroot/", Entry::Folder),
            ("base/", Entry::Folder),
            ("base/file", Entry::File("x")),
            ("base/loop", Entry::Link("pool")),
            ("base/pool", Entry::Link("/base/loop")),
            ("base/folder", Entry::Link("../home")),
            ("base/gone", Entry::Link("/run/gone")),
            ("base/to-file", Entry::Link("file")),
        ]),
    );
    image.config["config"]["Volumes"] = Value::Null;
    image
}

fn sandbox(base: &str, process: &str, rest: &str) -> Sandbox {
    Sandbox::of(&format!("{}{process}\n{rest}\n", recipe(base)))
}

fn link(path: &str, target: &str) -> String {
    format!("[[links]]\npath = \"{path}\"\ntarget = \"{target}\"\n")
}

#[test]
fn what_must_be_a_folder_and_is_none_is_refused() {
    let test = TestRegistry::start();
    base().tag(&test, "base", "1");
    let image = &format!("image = \"{}/base:1\"", test.host());
    let links = &[link("/loop", "pool"), link("/pool", "/loop"), link("/gone", "/nowhere"), link("/to-app", "/app")].concat();
    let file = "is a file";
    for (base, path, expected) in [
        (STATIC, "/app", file),
        (STATIC, "/etc/passwd", file),
        (STATIC, "/app/x/y", "is below `/app`, which is a file"),
        (STATIC, "/loop", "is part of a loop of symbolic links"),
        (STATIC, "/loop/x", "is part of a loop of symbolic links"),
        (STATIC, "/gone", "leads to `/nowhere` by the link `/gone`, and nothing is there"),
        (STATIC, "/to-app", "leads to `/app`, which is a file"),
        (image, "/base/file", file),
        (image, "/base/file/x", "is below `/base/file`, which is a file"),
        (image, "/base/to-file", "leads to `/base/file`, which is a file"),
        (image, "/base/loop", "is part of a loop of symbolic links"),
    ] {
        let what = [
            (format!("workdir = \"{path}\""), "working folder"),
            (format!("writable = [\"/tmp\", \"{path}\"]"), "writable folder"),
            (format!("volumes = [\"{path}\"]"), "volume"),
            (format!("[user]\nhome = \"{path}\""), "home folder"),
        ];
        for (written, subject) in what {
            // The embedded base has the home itself: there the recipe's own file is what cannot be.
            if base == STATIC && subject == "home folder" {
                continue;
            }
            let sandbox = sandbox(base, &written, if base == STATIC { links } else { "" });
            let ran = sandbox.run(&["build", "-o", "oci:out"]);
            ran.fails(1, &[&format!("the {subject} `{path}` {expected}"), "hardened.toml:", "hint: "]);
            assert!(!sandbox.has("out"), "{written}");
        }
    }
    // The account is the base's, and so is its home; the config names the folders as well.
    sandbox(image, "", "[user]\nname = \"file\"\nuid = 7")
        .run(&["build", "-o", "oci:out"])
        .fails(1, &["the home folder `/base/file` is a file"]);
    let mut config = base();
    config.config["config"]["WorkingDir"] = "/base/file".into();
    config.config["config"]["Volumes"] = json!({"/base/loop": {}});
    config.tag(&test, "base", "2");
    let other = format!("image = \"{}/base:2\"\ninherit = [\"volumes\"]", test.host());
    let texts =
        ["the working folder `/base/file` is a file", "workdir = \"/\"", "the volume `/base/loop` is part of a loop of symbolic links"];
    sandbox(&other, "", "").run(&["build", "-o", "oci:out"]).fails(1, &texts);
    for (base, path) in
        [(STATIC, "/etc/passwd"), (STATIC, "/etc/passwd/x"), (STATIC, "/app/x"), (image, "/base/loop/x"), (image, "/base/file/x")]
    {
        let sandbox = sandbox(base, "", &format!("[[directories]]\npath = \"{path}\""));
        assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).code, Some(2), "{path}");
        assert!(!sandbox.has("out"), "{path}");
    }
}

#[test]
fn a_folder_that_one_platform_lacks_is_refused_before_anything_is_written() {
    let test = TestRegistry::start();
    let arm = images::tar(&[("etc/", Entry::Folder), ("work", Entry::File("x"))]);
    images::index(&[("amd64", &Image::new("amd64")), ("arm64", &Image::of("arm64", arm))], INDEX, &test, "base", "1");
    let sandbox = sandbox(&format!("image = \"{}/base:1\"", test.host()), "workdir = \"/work\"", "");
    std::fs::write(sandbox.path("app-arm64"), crate::project::program(183)).unwrap();
    std::fs::copy(sandbox.path("app"), sandbox.path("app-amd64")).unwrap();
    sandbox.executable("app-arm64");
    let arguments = ["build", "-o", "oci:out", "--platform", "linux/amd64,linux/arm64", "--set", "files[0].from=app-{platform.arch}"];
    sandbox.run(&arguments).fails(1, &["the working folder `/work` is a file"]);
    assert!(!sandbox.has("out"));
}

#[test]
fn links_to_folders_and_missing_folders_are_folders() {
    let test = TestRegistry::start();
    base().tag(&test, "base", "1");
    let image = &format!("image = \"{}/base:1\"", test.host());
    let links = &[link("/w", "srv/./work"), link("/mount", "/mnt/given"), link("/a/b/up", "../../srv")].concat();
    let folder = format!("{links}[[directories]]\npath = \"/srv/work\"");
    for (base, process, rest, made) in [
        (STATIC, "workdir = \"/w\"", folder.as_str(), "/srv/work"),
        (STATIC, "workdir = \"/w/new\"", &folder, "/srv/work/new"),
        (STATIC, "writable = [\"/a/b/up/new\"]", &folder, "/srv/new"),
        (STATIC, "volumes = [\"/new/volume\"]", &folder, "/new/volume"),
        (STATIC, "workdir = \"/\"\nwritable = [\"/tmp\"]", &folder, "/srv/work"),
        (image, "workdir = \"/base/folder/x\"", "", "/home/x"),
        // What a link of the base leads to is made.
        (image, "writable = [\"/base/gone\"]", "", "/run/gone"),
    ] {
        let sandbox = sandbox(base, process, rest);
        sandbox.run(&["build", "-o", "oci:out"]).succeeds();
        let listed = sandbox.run(&["ls", "oci:out", made]).succeeds().out;
        assert!(listed.starts_with('d') || !listed.is_empty(), "{made}: {listed}");
    }
}

#[test]
fn a_link_of_the_recipe_ends_inside_of_the_image() {
    for (links, expected) in [
        (link("/a", "/a"), "the link `/a` is part of a loop of symbolic links"),
        (link("/a", "b/c") + &link("/b", "/a"), "the link `/a` is part of a loop of symbolic links"),
        (link("/a", "../app"), "the link `/a` leads out of the image"),
        (link("/x/a", "../../app"), "the link `/x/a` leads out of the image"),
        (link("/x/a", "/../app"), "the link `/x/a` leads out of the image"),
    ] {
        let sandbox = sandbox(STATIC, "", &links);
        sandbox.run(&["build", "-o", "oci:out"]).fails(1, &[expected, "hardened.toml:", "target"]);
    }
    for links in [link("/x/a", "../app"), link("/x/a", "../mnt/given/later"), link("/x/a", "./../x/../app")] {
        sandbox(STATIC, "", &links).run(&["build", "-o", "oci:out"]).succeeds();
    }
}

#[test]
fn what_a_base_may_not_set_is_left_out_and_told() {
    let test = TestRegistry::start();
    let mut image = base();
    image.config["author"] = "\u{1b}[2J".into();
    image.config["config"]["Env"] = json!(["PATH=/usr/bin", "NOTHING", "=x", "A=\u{7}", "LD_PRELOAD=", "KEPT=a\nb"]);
    image.config["config"]["WorkingDir"] = "../etc".into();
    image.config["config"]["Labels"] = json!({"good": "1", "bad": "x\u{1b}"});
    image.config["config"]["Volumes"] = json!({"/data": {}, "data": {}});
    image.tag(&test, "base", "1");
    let inherit = "inherit = [\"labels\", \"volumes\"]";
    let sandbox = sandbox(&format!("image = \"{}/base:1\"\n{inherit}", test.host()), "", "");
    let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    for text in [
        "`Env` of the base",
        "left out: `NOTHING`, `=x`, `A`",
        "`WorkingDir` of the base",
        "left out: `../etc`",
        "`Labels` of the base",
        "left out: `bad`",
        "left out: `data`",
        "`author` of the base",
    ] {
        assert!(ran.err.contains(text), "`{text}` is not in:\n{}", ran.err);
    }
    let seen = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0]["config"].clone();
    assert_eq!(seen["config"]["Env"], json!(["PATH=/usr/bin", "LD_PRELOAD=", "KEPT=a\nb"]));
    assert_eq!((&seen["config"]["WorkingDir"], &seen["author"]), (&Value::Null, &Value::Null));
    assert_eq!((&seen["config"]["Labels"], &seen["config"]["Volumes"]), (&json!({"good": "1"}), &json!({"/data": {}})));
    // What the recipe sets is not told.
    let set = ["build", "-o", "oci:out", "--set", "process.workdir=/", "--set", "process.env={ NOTHING = \"1\", A = \"2\" }"];
    let told = sandbox.run(&set).succeeds().err;
    assert!(!told.contains("WorkingDir") && told.contains("left out: `=x`\n"), "{told}");
    // A program cannot be left out.
    image.config["config"]["Entrypoint"] = json!(["/app", "\u{1b}[2J"]);
    image.tag(&test, "base", "1");
    let set = ["build", "-o", "oci:out", "--set", "process={ command = [\"x\"] }"];
    std::fs::remove_file(sandbox.path("hardened.lock")).unwrap();
    sandbox.run(&set).fails(1, &["the entrypoint `/app` or an argument of it holds control characters"]);
}

#[test]
fn variables_of_a_base_that_load_code_are_told() {
    let test = TestRegistry::start();
    let mut image = base();
    image.config["config"]["Env"] = json!(["PATH=/usr/bin", "LD_LIBRARY_PATH=/opt/lib", "LD_AUDIT=/opt/audit.so"]);
    image.tag(&test, "base", "1");
    let sandbox = sandbox(&format!("image = \"{}/base:1\"", test.host()), "", "");
    let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    for text in ["sets `LD_LIBRARY_PATH` to `/opt/lib`", "sets `LD_AUDIT` to `/opt/audit.so`", "LD_AUDIT = \"{image.env.LD_AUDIT}\""] {
        assert!(ran.err.contains(text), "`{text}` is not in:\n{}", ran.err);
    }
    let written = "process.env={ LD_AUDIT = \"\", LD_LIBRARY_PATH = \"{image.env.LD_LIBRARY_PATH}\" }";
    let ran = sandbox.run(&["build", "-o", "oci:out", "--set", written]).succeeds();
    assert!(!ran.err.contains("warning"), "{}", ran.err);
    let seen = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0]["config"]["config"].clone();
    assert_eq!(seen["Env"], json!(["PATH=/usr/bin", "LD_LIBRARY_PATH=/opt/lib", "LD_AUDIT="]));
}
