//! `hardened.lock`, and working without a network.

use crate::images::Image;
use crate::registry::{Fault, Guard, TestRegistry};
use crate::sandbox::Sandbox;

fn base(test: &TestRegistry) -> String {
    format!("image = \"{}/base:1\"", test.host())
}

#[test]
fn a_tag_is_pinned_until_it_is_moved() {
    let test = TestRegistry::start();
    let first = Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&base(&test));
    sandbox.run(&["build", "--locked", "-o", "oci:out"]).fails(2, &["hardened.lock", "hardened lock"]);
    assert!(!sandbox.has("hardened.lock") && !sandbox.has("out"));
    let digest = sandbox.run(&["build", "-o", "oci:out"]).succeeds().out;
    assert!(sandbox.read("hardened.lock").contains(&first.to_string()));
    // The tag moves, and the image stays until the lock is moved too.
    let mut other = Image::new("amd64");
    other.config["config"]["Env"][1] = "FROM=other".into();
    let second = other.tag(&test, "base", "1");
    assert_eq!(sandbox.run(&["build", "--locked", "-o", "oci:out"]).succeeds().out, digest);
    let moved = sandbox.run(&["lock", "--update"]).succeeds();
    assert!((moved.out.clone() + &moved.err).contains(&second.to_string()), "{}{}", moved.out, moved.err);
    assert_ne!(sandbox.run(&["build", "--locked", "-o", "oci:out"]).succeeds().out, digest);
    // Another base makes the lock stale.
    let recipe = sandbox.read("hardened.toml").replace("/base:1", "/base:2");
    sandbox.write("hardened.toml", recipe.as_bytes());
    sandbox.run(&["build", "--locked", "-o", "oci:out"]).fails(2, &["hardened.lock"]);
}

#[test]
fn a_lock_of_other_terms_keeps_its_pins() {
    let test = TestRegistry::start();
    let first = Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&base(&test));
    let digest = sandbox.run(&["build", "-o", "oci:out"]).succeeds().out;
    // The tag moves: whatever chose the base anew would take this one.
    let mut other = Image::new("amd64");
    other.config["config"]["Env"][1] = "FROM=other".into();
    other.tag(&test, "base", "1");
    let current = sandbox.read("hardened.lock");
    assert!(current.contains("\nformat = 2\ndeny-list = 2\n\n[compressor]\n\"gzip\" = \"libdeflate "), "{current}");
    let commented = current.replace("[base]\n", "\n# Chosen by the shop.\n[base]  # see OPS-12\n") + "# The end.\n";
    let gzip = current.lines().find(|line| line.starts_with("\"gzip\"")).unwrap();
    for (now, before, said) in [
        ("format = 2", "format = 9", "the format was 9, and is now 2"),
        (gzip, "\"gzip\" = \"libdeflate 0.1\"", "the compressor was gzip by libdeflate 0.1, and is now gzip by libdeflate "),
        (gzip, "\"zstd\" = \"zstd 1\"", "the compressor was zstd by zstd 1, and is now gzip by libdeflate "),
        ("deny-list = 2", "deny-list = 9", "the deny list had version 9, and has now version 2"),
    ] {
        let old = commented.replace(now, before);
        for command in [&["lock"][..], &["build", "-o", "oci:out"]] {
            sandbox.write("hardened.lock", old.as_bytes());
            sandbox.run(&["build", "--locked", "-o", "oci:refused"]).fails(2, &["the lock must be renewed", said, "run `hardened lock`"]);
            assert_eq!(sandbox.read("hardened.lock"), old);
            assert!(!sandbox.has("refused"));
            let ran = sandbox.run(command).succeeds();
            assert!(ran.err.contains("is updated, and all its pins are unchanged: ") && ran.err.contains(said), "{}", ran.err);
            assert_eq!(sandbox.read("hardened.lock"), commented, "{said}");
        }
        assert_eq!(sandbox.run(&["build", "--locked", "-o", "oci:out"]).succeeds().out, digest);
    }
    assert!(sandbox.read("hardened.lock").contains(&first.to_string()));
    // What is chosen in the recipe is another compressor as well.
    let zstd = ["build", "--locked", "-o", "oci:refused", "--set", "layers.compression=\"zstd\""];
    sandbox.run(&zstd).fails(2, &["the compressor was gzip by libdeflate", "and is now zstd by zstd"]);
}

#[test]
fn a_format_that_is_not_carried_is_refused_by_number() {
    let sandbox = Sandbox::new("static = true");
    let built = |format: &str| sandbox.run(&["build", "-o", "oci:out", "--set", &format!("image.format={format}")]);
    built("0").fails(2, &["this version of hardened cannot write format 0, only 1 and 2"]);
    assert!(!sandbox.has("hardened.lock") && !sandbox.has("out"));
    let chosen = built("2").succeeds().out;
    assert_eq!(sandbox.run(&["build", "--locked", "-o", "oci:out"]).succeeds().out, chosen);
    // The format before is written as long as the recipe names it.
    built("1").succeeds();
    assert!(sandbox.read("hardened.lock").contains("\nformat = 1\n"));
    sandbox.run(&["build", "--locked", "-o", "oci:out"]).fails(2, &["the format was 1, and is now 2"]);
}

#[test]
fn nothing_is_asked_offline() {
    let test = TestRegistry::start();
    Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&base(&test));
    sandbox.run(&["--offline", "build", "-o", "oci:out"]).fails(3, &["offline"]);
    assert!(test.seen().is_empty());
    let digest = sandbox.run(&["build", "-o", "oci:out"]).succeeds().out;
    let before = test.seen().len();
    assert_eq!(sandbox.run(&["--offline", "build", "--locked", "-o", "oci:out"]).succeeds().out, digest);
    assert_eq!(test.seen().len(), before);
    // With an empty cache the base's documents are not there.
    sandbox.run_with(&sandbox.path("empty"), &["--offline", "build", "-o", "oci:out"]).fails(3, &["offline"]);
    assert_eq!(test.seen().len(), before);
}

#[test]
fn what_is_known_of_a_base_is_not_fetched_again() {
    let test = TestRegistry::start();
    Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&base(&test));
    let target = format!("{}/shop/api:1", test.host());
    sandbox.run(&["build", "--push", "-t", &target]).succeeds();
    let layers = |from: usize| test.seen()[from..].iter().filter(|seen| seen.method == "GET" && seen.path().contains("/blobs/")).count();
    // Config and layer, once each: the layer to learn what is in it. It is mounted, and not sent.
    assert_eq!(layers(0), 2);
    let before = test.seen().len();
    sandbox.write("app", &[crate::project::program(62), vec![0]].concat());
    sandbox.run(&["build", "--push", "-t", &target]).succeeds();
    assert_eq!(layers(before), 0);
}

#[test]
fn a_locked_image_that_is_gone_is_told_with_the_way_on() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    let gone = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&gone);
    let test = TestRegistry::with(Guard::Open, move |seen, _| {
        let asked = seen.path().contains("/manifests/sha256:") && flag.load(Ordering::SeqCst);
        asked.then(|| Fault::Answer(404, vec![], "{}".to_owned()))
    });
    Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&base(&test));
    sandbox.run(&["lock"]).succeeds();
    gone.store(true, Ordering::SeqCst);
    let ran = sandbox.run_with(&sandbox.path("empty"), &["build", "--locked", "-o", "oci:out"]);
    ran.fails(3, &["404", "\nhint: the locked image no longer exists; `hardened lock --update`"]);
    assert!(!sandbox.has("out"));
}
