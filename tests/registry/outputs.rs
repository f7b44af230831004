//! What hardened writes: it is in no image, and its names are those of the recipe.

use serde_json::Value;

use crate::sandbox::{Sandbox, recipe};

/// A recipe that takes the whole project.
fn whole_project() -> String {
    recipe("static = true").replace("from = \"app\"\nto = \"/app\"", "from = \".\"\nto = \"/srv\"").replace("[\"/app\"]", "[\"/srv/app\"]")
}

#[test]
fn outputs_below_from_are_left_out_and_named() {
    let sandbox = Sandbox::of(&whole_project());
    sandbox.write("dist/kept", b"kept");
    let outputs =
        ["build", "-o", "oci:image", "-o", "oci-archive:dist/new/a.tar", "--digest-file", "dist/digest", "--metadata-file", "built.json"];
    std::fs::create_dir(sandbox.path("dist/new")).unwrap();
    let first = sandbox.run(&outputs).succeeds();
    // The lock is written at the end, so the first build finds none.
    assert!(first.err.contains("left out cache: written by hardened"), "{}", first.err);
    for _ in 0..2 {
        let again = sandbox.run(&outputs).succeeds();
        assert_eq!(again.out, first.out);
        for name in ["built.json", "dist/digest", "dist/new/a.tar", "hardened.lock", "image"] {
            assert!(again.err.contains(name) && sandbox.has(name), "{name}: {}", again.err);
        }
    }
    // A layout of an earlier run is known by its mark, whatever it is called and wherever it was moved to.
    std::fs::rename(sandbox.path("image"), sandbox.path("dist/moved")).unwrap();
    for name in ["built.json", "dist/digest", "dist/new/a.tar"] {
        std::fs::remove_file(sandbox.path(name)).unwrap();
    }
    std::fs::remove_dir(sandbox.path("dist/new")).unwrap();
    let moved = sandbox.run(&["build"]).succeeds();
    assert_eq!(moved.digest(), first.digest());
    assert!(moved.err.contains("left out cache, dist/moved, hardened.lock: written by hardened"), "{}", moved.err);
    let seen = sandbox.run(&["build", "--format", "json"]).succeeds().json();
    assert!(seen["skipped"].as_array().unwrap().contains(&serde_json::json!({"path": "dist/moved", "why": "output"})), "{seen}");
    // One of another tool is what the user wants in the image.
    let index = sandbox.read("dist/moved/index.json").replace("vnd.hardened.layout", "other");
    sandbox.write("dist/moved/index.json", index.as_bytes());
    assert_ne!(sandbox.run(&["build"]).succeeds().digest(), first.digest());
}

#[test]
fn a_cache_or_a_vendored_folder_below_from_is_left_out() {
    let sandbox = Sandbox::of(&whole_project());
    let plain = sandbox.run(&["build"]).succeeds();
    std::fs::remove_dir_all(sandbox.path("cache")).unwrap();
    sandbox.write("kept/vendor/file", b"vendored");
    let ran = sandbox.run(&["build", "--cache-dir", "sub/cache", "--vendored", "oci:kept/vendor"]).succeeds();
    assert!(ran.err.contains("sub/cache"), "{}", ran.err);
    assert!(ran.err.contains("kept/vendor"), "{}", ran.err);
    assert_eq!(ran.out, plain.out);
}

#[test]
fn what_is_or_lies_inside_of_an_output_is_refused() {
    let sandbox = Sandbox::new("static = true");
    let base = sandbox.read("hardened.toml");
    std::fs::create_dir_all(sandbox.path("image/blobs/app")).unwrap();
    sandbox.write("store/cache/file", b"x");
    sandbox.write("result/digest", b"x");
    for (from, arguments) in [
        ("image", ["-o", "oci:image"]),
        ("image/blobs/*", ["-o", "oci:image"]),
        ("image/blobs/app", ["-o", "oci:image"]),
        ("store/cache", ["--vendored", "oci:store/cache"]),
        ("result/digest", ["--digest-file", "result/digest"]),
        ("cache", ["-o", "oci:elsewhere"]),
        ("hardened.lock", ["-o", "oci:elsewhere"]),
    ] {
        sandbox
            .write("hardened.toml", base.replace("[process]", &format!("[[files]]\nfrom = \"{from}\"\nto = \"/x\"\n[process]")).as_bytes());
        let ran = sandbox.run(&[&["build"][..], &arguments].concat());
        ran.fails(2, &["is written by hardened, or is inside a folder that hardened writes", "name another `from`"]);
    }
}

#[test]
fn layouts_and_archives_carry_the_full_name() {
    let sandbox = Sandbox::of(&recipe("static = true").replace("[base]", "tags = [\"1.4\", \"1\"]\n[base]"));
    sandbox.run(&["build", "-o", "oci:out", "-o", "oci:named:dev", "-o", "oci-archive:out.tar"]).succeeds();
    let names = |index: &str| -> Vec<(String, String)> {
        let index: Value = serde_json::from_str(index).unwrap();
        let text = |entry: &Value, key: &str| entry["annotations"][key].as_str().unwrap_or_default().to_owned();
        let manifests = index["manifests"].as_array().unwrap();
        manifests.iter().map(|entry| (text(entry, "org.opencontainers.image.ref.name"), text(entry, "io.containerd.image.name"))).collect()
    };
    let name = |tag: &str| (tag.to_owned(), format!("registry.example.no/shop/api:{tag}"));
    assert_eq!(names(&sandbox.read("out/index.json")), [name("1.4"), name("1")]);
    assert_eq!(names(&sandbox.read("named/index.json")), [name("dev")]);
    let archive = std::fs::read(sandbox.path("out.tar")).unwrap();
    let start = archive.windows(21).position(|window| window == b"{\"annotations\":{\"vnd.").unwrap();
    let end = start + archive[start..].iter().position(|byte| *byte == 0).unwrap();
    assert_eq!(names(std::str::from_utf8(&archive[start..end]).unwrap()), [name("1.4"), name("1")]);
}

#[test]
fn names_of_whiteouts_are_refused_wherever_they_are_written() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("folder/.wh.app", b"x");
    sandbox.write("folder/.wh..wh..opq", b"x");
    let base = sandbox.read("hardened.toml");
    for (entry, path) in [
        ("[[files]]\nfrom = \"folder\"\nto = \"/srv\"", "`/srv/.wh..wh..opq`, and 1 more like it cannot be in an image"),
        ("[[files]]\nfrom = \"folder/.wh.app\"\nto = \"/srv/\"", "`/srv/.wh.app`"),
        ("[[files]]\nfrom = \"app\"\nto = \"/.wh.app\"", "`/.wh.app`"),
        ("[[files]]\nfrom = \"app\"\nto = \"/.wh.srv/app\"", "`/.wh.srv/app`"),
        ("[[files]]\ntext = \"x\"\nto = \"/srv/.wh.x\"", "`/srv/.wh.x`"),
        ("[[links]]\npath = \"/srv/.wh.app\"\ntarget = \"/app\"", "`/srv/.wh.app`"),
        ("[[directories]]\npath = \"/srv/.wh..wh..opq\"", "`/srv/.wh..wh..opq`"),
    ] {
        sandbox.write("hardened.toml", base.replace("[process]", &format!("{entry}\n[process]")).as_bytes());
        sandbox.run(&["build", "-o", "oci:out"]).fails(2, &[path, "hides a file of the layers below"]);
    }
    for key in ["workdir = \"/.wh.srv\"", "writable = [\"/srv/.wh.app\"]", "volumes = [\"/.wh.app\"]"] {
        sandbox.write("hardened.toml", format!("{base}{key}\n").as_bytes());
        sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["hides a file of the layers below"]);
    }
}

#[test]
fn an_image_with_more_layers_than_runtimes_mount_is_refused() {
    let sandbox = Sandbox::new("static = true");
    let base = sandbox.read("hardened.toml");
    let with = |count: usize| {
        let entry = |number: usize| format!("[[files]]\ntext = \"{number}\"\nto = \"/data/{number}\"\n");
        let entries: String = (0..count).map(entry).collect();
        sandbox.write("hardened.toml", base.replace("[process]", &format!("{entries}[process]")).as_bytes());
        sandbox.run(&["build", "-o", "oci:out"])
    };
    assert!(!with(108).succeeds().err.contains("warning"));
    assert!(with(109).succeeds().err.contains("warning: the image has 111 layers"));
    with(123).succeeds();
    with(124).fails(2, &["the image would have 126 layers", "`layer = \"NAME\"`"]);
}
