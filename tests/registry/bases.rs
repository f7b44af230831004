//! Bases of registries and layouts: what stays, what goes, and what is refused.

use hardened::oci::Digest;
use serde_json::{Value, json};

use crate::images::{self, DOCKER_LIST, Entry, INDEX, Image};
use crate::registry::TestRegistry;
use crate::sandbox::Sandbox;

fn inspected(sandbox: &Sandbox) -> Value {
    sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0].clone()
}

#[test]
fn every_form_of_base_is_taken_byte_for_byte() {
    for docker in [false, true] {
        for listed in [false, true] {
            let test = TestRegistry::start();
            let image = Image { docker, ..Image::new("amd64") };
            let root = if listed {
                let kind = if docker { DOCKER_LIST } else { INDEX };
                images::index(&[("arm64", &Image { docker, ..Image::new("arm64") }), ("amd64", &image)], kind, &test, "base", "1")
            } else {
                image.tag(&test, "base", "1")
            };
            let name = format!("{}/base:1", test.host());
            let sandbox = Sandbox::new(&format!("image = \"{name}\""));
            sandbox.run(&["build", "-o", "oci:out"]).succeeds();
            let seen = inspected(&sandbox);
            assert_eq!(seen["annotations"]["org.opencontainers.image.base.name"], name);
            assert_eq!(seen["annotations"]["org.opencontainers.image.base.digest"], root.to_string());
            assert_eq!(seen["layers"][0]["digest"], Digest::of(&image.layer).to_string());
            assert_eq!(seen["layers"][0]["media-type"], images::LAYER);
            assert_eq!(std::fs::read(sandbox.path(&format!("out/blobs/sha256/{}", Digest::of(&image.layer).hex()))).unwrap(), image.layer);
            assert_eq!(seen["config"]["no.example.unknown"], json!([1, 2]));
            let config = &seen["config"]["config"];
            assert_eq!((&config["Unknown"], &config["StopSignal"]), (&json!(true), &json!("SIGQUIT")));
            assert_eq!(config["WorkingDir"], "/home/nonroot");
            assert_eq!(config["Env"], json!(["PATH=/usr/bin", "FROM=base"]));
            // A new entrypoint clears the command; what speaks of the base alone is not taken over.
            for gone in ["Cmd", "Volumes", "ExposedPorts"] {
                assert!(config[gone].is_null(), "{gone}: {config}");
            }
            assert!(config["Labels"]["base"].is_null());
        }
    }
}

#[test]
fn a_variable_of_the_base_is_written_once_with_its_last_value() {
    let test = TestRegistry::start();
    let mut image = Image::new("amd64");
    image.config["config"]["Env"] = json!(["PATH=/first", "A=1", "PATH=/usr/bin", "NOTHING", "A=2"]);
    image.tag(&test, "base", "1");
    let name = format!("{}/base:1", test.host());
    let sandbox = Sandbox::new(&format!("image = \"{name}\""));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    assert_eq!(inspected(&sandbox)["config"]["config"]["Env"], json!(["PATH=/usr/bin", "A=2"]));
    sandbox.run(&["build", "-o", "oci:out", "--set", "process.env.A=3"]).succeeds();
    assert_eq!(inspected(&sandbox)["config"]["config"]["Env"], json!(["PATH=/usr/bin", "A=3"]));
    let base = sandbox.run(&["inspect", &name]).succeeds().out;
    assert!(base.contains("  env: PATH=/usr/bin\n  env: A=2\n  env without effect: PATH=/first\n"), "{base}");
    assert!(base.contains("  env without effect: NOTHING\n"), "{base}");
}

#[test]
fn what_is_listed_is_inherited() {
    let test = TestRegistry::start();
    Image::new("amd64").tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"\ninherit = [\"labels\", \"volumes\", \"exposed-ports\"]", test.host()));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    let config = inspected(&sandbox)["config"]["config"].clone();
    assert_eq!(config["Labels"]["base"], "label");
    assert_eq!((&config["Volumes"], &config["ExposedPorts"]), (&json!({"/base": {}}), &json!({"1/tcp": {}})));
}

#[test]
fn a_layout_is_a_base_too_and_a_missing_platform_is_told() {
    let test = TestRegistry::start();
    images::index(&[("arm64", &Image::new("arm64")), ("s390x", &Image::new("s390x"))], INDEX, &test, "base", "1");
    let sandbox = Sandbox::new("layout = \"base\"");
    sandbox.run(&["push", &format!("{}/base:1", test.host()), "oci:base"]).succeeds();
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["linux/amd64", "linux/arm64", "linux/s390x"]);
    sandbox.write("app", &crate::project::program(183));
    sandbox.executable("app");
    sandbox.run(&["build", "--platform", "linux/arm64", "-o", "oci:out"]).succeeds();
    assert_eq!(inspected(&sandbox)["annotations"]["org.opencontainers.image.base.name"], "oci:base");
    sandbox.run(&["build", "--set", "base.layout=nowhere", "-o", "oci:out"]).fails(3, &["nowhere"]);
}

/// Builds on a base, which has to fail and to leave nothing.
fn refused(test: &TestRegistry, code: i32, texts: &[&str]) {
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    sandbox.run(&["build", "-o", "oci:out", "-o", "oci-archive:out.tar"]).fails(code, texts);
    assert!(!sandbox.has("out") && !sandbox.has("out.tar"));
    assert!(sandbox.run(&["cache", "check"]).succeeds().out.contains(" 0 of them damaged"));
}

/// Stores an image whose manifest was changed.
fn changed(change: impl Fn(&mut Value)) -> TestRegistry {
    let test = TestRegistry::start();
    let image = Image::new("amd64");
    image.store(&test, "base");
    let mut manifest = image.manifest();
    change(&mut manifest);
    test.put_manifest("base", "1", images::MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    test
}

#[test]
fn documents_that_lie_are_refused() {
    let elsewhere = Digest::of(b"elsewhere").to_string();
    refused(&changed(|manifest| manifest["layers"][0]["digest"] = json!(elsewhere)), 3, &["could not read"]);
    refused(&changed(|manifest| manifest["layers"][0]["size"] = json!(7)), 3, &["could not read layer"]);
    refused(&changed(|manifest| manifest["config"]["size"] = json!(7)), 3, &["could not read the blob", "should have 7"]);
    refused(&changed(|manifest| manifest["manifests"] = json!([])), 3, &["is broken", "manifests"]);
    refused(&changed(|manifest| manifest["mediaType"] = json!(INDEX)), 3, &["is broken", INDEX]);
    refused(&changed(|manifest| manifest["layers"][0]["mediaType"] = json!("application/wasm")), 2, &["application/wasm"]);
    refused(&changed(|manifest| manifest["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json")), 2, &["helm"]);
    refused(&changed(|manifest| manifest["schemaVersion"] = json!(1)), 3, &["schemaVersion"]);
    let huge = TestRegistry::start();
    huge.put_manifest("base", "1", images::MANIFEST, &vec![b' '; 6 << 20]);
    refused(&huge, 3, &["base:1"]);
    let deep = TestRegistry::start();
    deep.put_manifest("base", "1", images::MANIFEST, "[".repeat(100_000).as_bytes());
    refused(&deep, 3, &["is broken"]);
}

#[test]
fn foreign_addresses_of_layers_are_never_followed() {
    let sink = TestRegistry::start();
    let url = format!("http://{}/layer", sink.host());
    let test = changed(|manifest| {
        manifest["layers"][0]["urls"] = json!([url]);
        manifest["layers"][0]["digest"] = json!(Digest::of(b"foreign").to_string());
    });
    refused(&test, 3, &["could not read"]);
    assert!(sink.seen().is_empty());
}

/// Stores a base with this layer.
fn with_layer(tar: Vec<u8>, layer: Vec<u8>) -> TestRegistry {
    let test = TestRegistry::start();
    Image { layer, ..Image::of("amd64", tar) }.tag(&test, "base", "1");
    test
}

#[test]
fn layers_that_lie_are_refused() {
    let good = Image::new("amd64").tar;
    let plain = |tar: Vec<u8>| with_layer(tar.clone(), images::gzip(&tar));
    // Cut in the middle of an entry, and in the middle of the compressed bytes.
    refused(&plain(good[..good.len() / 2 + 100].to_vec()), 3, &["could not read layer"]);
    let compressed = images::gzip(&good);
    refused(&with_layer(good.clone(), compressed[..compressed.len() / 2].to_vec()), 3, &["could not read layer"]);
    refused(&with_layer(good.clone(), b"no gzip at all".to_vec()), 3, &["could not read layer"]);
    // Another tar than the config's `diff_ids` name.
    refused(&with_layer(good.clone(), images::gzip(&images::tar(&[("etc/", Entry::Folder)]))), 3, &["unpacks to"]);
    // A folder with content: some readers see the content as the next entry.
    let mut ambiguous = images::tar(&[("etc/", Entry::Folder), ("etc/file", Entry::File("x"))]);
    let mut header = tar::Header::from_byte_slice(&ambiguous[..512]).clone();
    header.set_size(512);
    header.set_cksum();
    ambiguous[..512].copy_from_slice(header.as_bytes());
    refused(&plain(ambiguous), 3, &["could not read layer"]);
    // Below a link, which some unpackers follow and some replace.
    refused(&plain(images::tar(&[("a", Entry::Link("/tmp")), ("a/b", Entry::File("x"))])), 3, &["could not read layer"]);
    // Zeros without end: more than any real layer unpacks to.
    let bomb = with_layer(good, images::gzip(&vec![0; 64 << 20]).repeat(16));
    refused(&bomb, 3, &["could not read layer"]);
}
