//! Images in the forms in which other tools write them: they are read as containerd reads them.

use std::fs;

use hardened::oci::Digest;
use serde_json::{Value, json};

use crate::images::{self, DOCKER_CONFIG, DOCKER_MANIFEST, INDEX, Image, MANIFEST};
use crate::registry::TestRegistry;
use crate::sandbox::Sandbox;

/// A layout that is written by hand.
struct Layout<'a> {
    sandbox: &'a Sandbox,
    name: &'a str,
}

impl Layout<'_> {
    fn blob(&self, bytes: &[u8]) -> Digest {
        let digest = Digest::of(bytes);
        self.sandbox.write(&format!("{}/blobs/sha256/{}", self.name, digest.hex()), bytes);
        digest
    }

    /// Stores a document, and describes it with more fields.
    fn document(&self, media_type: &str, document: &Value, more: &Value) -> Value {
        let bytes = serde_json::to_vec(document).unwrap();
        let mut descriptor = json!({"mediaType": media_type, "digest": self.blob(&bytes).to_string(), "size": bytes.len()});
        descriptor.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        descriptor
    }

    fn image(&self, image: &Image, more: &Value) -> Value {
        self.blob(&image.layer);
        self.blob(&image.config_bytes());
        self.document(image.media_type(), &image.manifest(), more)
    }

    fn list(&self, manifests: &[Value]) {
        self.sandbox.write(&format!("{}/oci-layout", self.name), br#"{"imageLayoutVersion":"1.0.0"}"#);
        self.sandbox.write(&format!("{}/index.json", self.name), &serde_json::to_vec(&index(manifests)).unwrap());
    }
}

fn index(manifests: &[Value]) -> Value {
    json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests})
}

fn platform(architecture: &str) -> Value {
    json!({"platform": {"os": "linux", "architecture": architecture}})
}

fn named(name: &str) -> Value {
    json!({"annotations": {"org.opencontainers.image.ref.name": name}})
}

/// An image that is told from others by a label.
fn labelled(architecture: &str, label: &str) -> Image {
    let mut image = Image::new(architecture);
    image.config["config"]["Labels"] = json!({"which": label});
    image
}

fn sandbox(base: &str) -> Sandbox {
    Sandbox::new(&format!("{base}\ninherit = [\"labels\"]"))
}

/// Builds, and returns the label of the base that the image is on.
fn built_on(sandbox: &Sandbox, more: &[&str]) -> Value {
    sandbox.run(&[&["build", "-o", "oci:out"], more].concat()).succeeds();
    let inspected = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json();
    let label = inspected["images"][0]["config"]["config"]["Labels"]["which"].clone();
    fs::remove_dir_all(sandbox.path("out")).unwrap();
    let _ = fs::remove_file(sandbox.path("hardened.lock"));
    label
}

#[test]
fn docker_layers_of_every_form_are_kept_under_the_name_of_the_same_form() {
    let form = |compress: fn(&[u8]) -> Vec<u8>| compress;
    for (ending, compress, oci) in [
        ("tar", form(<[u8]>::to_vec), "application/vnd.oci.image.layer.v1.tar"),
        ("tar.gzip", form(images::gzip), "application/vnd.oci.image.layer.v1.tar+gzip"),
        ("tar.zstd", form(|tar| zstd::encode_all(tar, 3).unwrap()), "application/vnd.oci.image.layer.v1.tar+zstd"),
    ] {
        let test = TestRegistry::start();
        let tar = Image::new("amd64").tar;
        let image = Image { docker: true, layer: compress(&tar), ..Image::new("amd64") };
        image.store(&test, "base");
        let mut manifest = image.manifest();
        manifest["layers"][0]["mediaType"] = json!(format!("application/vnd.docker.image.rootfs.diff.{ending}"));
        test.put_manifest("base", "1", DOCKER_MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
        sandbox.run(&["build", "-o", "oci:out"]).succeeds();
        let layer = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0]["layers"][0].clone();
        assert_eq!((&layer["media-type"], &layer["digest"]), (&json!(oci), &json!(Digest::of(&image.layer).to_string())));
    }
}

#[test]
fn a_config_that_is_only_called_a_document_is_read() {
    for media_type in ["application/octet-stream", "application/json", "text/html", DOCKER_CONFIG] {
        let test = TestRegistry::start();
        let image = Image::new("amd64");
        image.store(&test, "base");
        let mut manifest = image.manifest();
        manifest["config"]["mediaType"] = json!(media_type);
        test.put_manifest("base", "1", MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
        sandbox.run(&["build", "-o", "oci:out"]).succeeds();
        // What calls itself something else is that.
        manifest["artifactType"] = json!("application/spdx+json");
        test.put_manifest("base", "2", MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        let ran = sandbox.run(&["build", "-o", "oci:out", "--set", &format!("base.image={}/base:2", test.host())]);
        let code = if media_type == DOCKER_CONFIG { Some(0) } else { Some(2) };
        assert_eq!((ran.code, ran.err.contains("the base is not a container image")), (code, code == Some(2)), "{media_type}: {}", ran.err);
    }
}

#[test]
fn a_layout_that_holds_several_images_is_asked_by_tag_or_digest() {
    let sandbox = sandbox("layout = \"base\"");
    let layout = Layout { sandbox: &sandbox, name: "base" };
    let one = layout.image(&labelled("amd64", "one"), &named("1"));
    let two = layout.image(&labelled("amd64", "two"), &named("2.0"));
    let other = layout.image(&labelled("amd64", "other"), &json!({}));
    layout.list(&[one, two, other.clone()]);
    let digest = other["digest"].as_str().unwrap();
    sandbox
        .run(&["build", "-o", "oci:out"])
        .fails(3, &["holds 3 images", "`:1`, `:2.0`", &format!("`@{digest}`"), "`layout = \"base:TAG\"`"]);
    sandbox.run(&["inspect", "oci:base"]).fails(3, &["holds 3 images"]);
    let by_digest = format!("base@{digest}");
    for (name, expected) in [("base:1", "one"), ("base:2.0", "two"), (by_digest.as_str(), "other")] {
        assert_eq!(built_on(&sandbox, &["--set", &format!("base.layout={name}")]), expected);
        assert!(sandbox.run(&["inspect", &format!("oci:{name}")]).succeeds().out.contains(&format!("which={expected}")));
    }
    sandbox.run(&["build", "-o", "oci:out", "--set", "base.layout=base:3"]).fails(3, &["no image `:3`", "it has `:1`, `:2.0`"]);
    // The lock names the image; another one under the tag is not taken without being asked for.
    let locked = ["build", "-o", "oci:out", "--set", "base.layout=base:1"];
    sandbox.run(&locked).succeeds();
    layout.list(&[layout.image(&labelled("amd64", "new"), &named("1"))]);
    sandbox.run(&locked).succeeds();
    sandbox.run(&["push", &format!("oci:{by_digest}"), &format!("oci:copy@{digest}")]).fails(2, &["names a digest"]);
    sandbox.run(&["push", &format!("oci:{by_digest}"), "oci:copy:x"]).succeeds();
    // A folder may itself be called like that.
    fs::rename(sandbox.path("copy"), sandbox.path("copy:1")).unwrap();
    assert_eq!(built_on(&sandbox, &["--set", "base.layout=copy:1"]), "other");
}

#[test]
fn artifacts_in_a_layout_are_no_choice() {
    let sandbox = sandbox("layout = \"base\"");
    let layout = Layout { sandbox: &sandbox, name: "base" };
    // crane gives an image the type of its config.
    let image = layout.image(&labelled("amd64", "image"), &json!({"artifactType": images::CONFIG}));
    let subject = json!({"mediaType": MANIFEST, "digest": image["digest"], "size": image["size"]});
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": layout.blob(b"{}").to_string(), "size": 2});
    // cosign's signatures have the config of an image, and refer to one; others have a type of their own, here or in the manifest.
    let mut signature = labelled("amd64", "signature").manifest();
    signature["subject"] = subject.clone();
    let sbom = json!({"schemaVersion": 2, "artifactType": "application/spdx+json", "config": empty, "layers": [empty]});
    let plain = json!({"schemaVersion": 2, "config": {"mediaType": "application/vnd.cncf.helm.config.v1+json", "digest": empty["digest"], "size": 2}, "layers": []});
    let artifacts = [
        layout.document(MANIFEST, &signature, &json!({})),
        layout.document(MANIFEST, &sbom, &named("sbom")),
        layout.document(MANIFEST, &plain, &named("chart")),
    ];
    layout.list(&[&artifacts[..], &[image]].concat());
    assert_eq!(built_on(&sandbox, &[]), "image");
    assert!(sandbox.run(&["inspect", "oci:base"]).succeeds().out.contains("which=image"));
    sandbox.run(&["build", "-o", "oci:out", "--set", "base.layout=base:chart"]).fails(2, &["the base is not a container image", "helm"]);
}

#[test]
fn a_flat_list_of_platforms_is_a_choice_by_platform() {
    let sandbox = sandbox("layout = \"base\"");
    sandbox.write("app", &crate::project::program(183));
    sandbox.executable("app");
    let layout = Layout { sandbox: &sandbox, name: "base" };
    let all = [
        layout.image(&labelled("amd64", "amd64"), &platform("amd64")),
        layout.image(&labelled("arm64", "arm64"), &platform("arm64")),
        layout.image(&labelled("s390x", "s390x"), &json!({"artifactType": images::CONFIG})),
    ];
    layout.list(&all);
    assert_eq!(built_on(&sandbox, &["--platform", "linux/arm64"]), "arm64");
    sandbox.run(&["build", "-o", "oci:out", "--platform", "linux/riscv64"]).fails(2, &["no image for `linux/riscv64`", "`linux/s390x`"]);
    // What is locked is found again.
    sandbox.run(&["build", "-o", "oci:out", "--platform", "linux/arm64"]).succeeds();
    sandbox.run(&["build", "-o", "oci:out", "--platform", "linux/arm64", "--locked"]).succeeds();
    let inspected = sandbox.run(&["inspect", "oci:base", "--format", "json"]).succeeds().json();
    assert_eq!(inspected["images"].as_array().map(Vec::len), Some(3));
    let test = TestRegistry::start();
    sandbox.run(&["push", "oci:base", &format!("{}/base:1", test.host())]).succeeds();
    // Two that nothing tells apart.
    fs::remove_file(sandbox.path("hardened.lock")).unwrap();
    layout.list(&[layout.image(&labelled("arm64", "a"), &json!({})), layout.image(&labelled("arm64", "b"), &json!({}))]);
    sandbox.run(&["build", "-o", "oci:out", "--platform", "linux/arm64"]).fails(2, &["two images for `linux/arm64`", "DIR@sha256:"]);
}

#[test]
fn an_index_inside_of_an_index_and_entries_without_a_platform_are_read() {
    let test = TestRegistry::start();
    let entry = |image: &Image, more: &Value| {
        let manifest = image.store(&test, "base");
        let mut entry = json!({"mediaType": MANIFEST, "digest": Digest::of(&manifest).to_string(), "size": manifest.len()});
        entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        entry
    };
    let put = |tag: &str, manifests: &[Value]| {
        let bytes = serde_json::to_vec(&index(manifests)).unwrap();
        for name in [tag.to_owned(), Digest::of(&bytes).to_string()] {
            test.put_manifest("base", &name, INDEX, &bytes);
        }
        json!({"mediaType": INDEX, "digest": Digest::of(&bytes).to_string(), "size": bytes.len()})
    };
    let amd64 = entry(&labelled("amd64", "amd64"), &json!({}));
    let inner = put("inner", &[entry(&labelled("arm64", "arm64"), &platform("arm64")), amd64]);
    let unknown = entry(&labelled("amd64", "attestation"), &json!({"platform": {"os": "unknown", "architecture": "unknown"}}));
    put("nested", &[unknown.clone(), inner.clone()]);
    put("stated", &[inner.clone(), entry(&labelled("amd64", "stated"), &platform("amd64"))]);
    put(
        "elsewhere",
        &[json!({"mediaType": INDEX, "digest": inner["digest"], "size": inner["size"], "platform": platform("arm64")["platform"]})],
    );
    let base = |tag: &str| format!("base.image={}/base:{tag}", test.host());
    let sandbox = sandbox(&format!("image = \"{}/base:nested\"", test.host()));
    assert_eq!(built_on(&sandbox, &[]), "amd64");
    // An entry that names the platform goes first, and an index for another platform is none for ours.
    assert_eq!(built_on(&sandbox, &["--set", &base("stated")]), "stated");
    sandbox.run(&["build", "-o", "oci:out", "--set", &base("elsewhere")]).fails(2, &["no image for `linux/amd64`"]);
    let inspected = sandbox.run(&["inspect", &format!("{}/base:nested", test.host()), "--format", "json"]).succeeds().json();
    assert_eq!(inspected["images"].as_array().map(Vec::len), Some(2));
    // Copied whole: a strict registry takes an index only after what it names.
    let copy = TestRegistry::start();
    sandbox.run(&["push", &format!("{}/base:nested", test.host()), &format!("{}/copy:1", copy.host())]).succeeds();
    assert!(copy.manifest("copy", inner["digest"].as_str().unwrap()).is_some());
    // Deeper than any tool writes.
    let deep = (0..12).fold(inner, |inner, number| put(&format!("deep-{number}"), &[inner]));
    assert!(deep["digest"].is_string());
    sandbox.run(&["build", "-o", "oci:out", "--set", &base("deep-11")]).fails(3, &["is broken", "indexes that are nested"]);
}

#[test]
fn a_base_that_promises_less_is_taken_and_told() {
    let test = TestRegistry::start();
    images::index(&[("amd64", &labelled("amd64", "plain"))], INDEX, &test, "base", "index");
    labelled("amd64", "single").tag(&test, "base", "single");
    for (tag, expected) in [("index", "plain"), ("single", "single")] {
        let sandbox = sandbox(&format!("image = \"{}/base:{tag}\"", test.host()));
        let ran = sandbox.run(&["build", "-o", "oci:out", "--platform", "linux/amd64/v2"]).succeeds();
        assert!(ran.err.contains("for `linux/amd64`, which has fewer CPU features than `linux/amd64/v2`"), "{}", ran.err);
        let image = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0].clone();
        assert_eq!((&image["platform"], &image["config"]["config"]["Labels"]["which"]), (&json!("linux/amd64/v2"), &json!(expected)));
        // Both together are two platforms.
        sandbox.run(&["build", "-o", "oci:both", "--platform", "linux/amd64", "--platform", "linux/amd64/v2"]).succeeds();
        let images = sandbox.run(&["inspect", "oci:both", "--format", "json"]).succeeds().json()["images"].clone();
        assert_eq!((&images[0]["platform"], &images[1]["platform"]), (&json!("linux/amd64"), &json!("linux/amd64/v2")));
    }
    // One that promises more is no image for less.
    let mut newer = Image::new("amd64");
    newer.config["variant"] = json!("v3");
    newer.tag(&test, "base", "newer");
    let sandbox = sandbox(&format!("image = \"{}/base:newer\"", test.host()));
    sandbox.run(&["build", "-o", "oci:out", "--platform", "linux/amd64/v2"]).fails(2, &["for `linux/amd64/v3`, not for `linux/amd64/v2`"]);
}

/// What makes a manifest say something wrong.
type Lie = fn(&mut Value);

#[test]
fn documents_that_lie_are_refused_whatever_the_cache_holds() {
    let test = TestRegistry::start();
    let image = Image::new("amd64");
    image.tag(&test, "base", "good");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:good\"", test.host()));
    let build = |tag: &str| {
        let _ = fs::remove_file(sandbox.path("hardened.lock"));
        sandbox.run(&["build", "-o", "oci:out", "--set", &format!("base.image={}/base:{tag}", test.host())])
    };
    let lies: [(&str, Lie); 4] = [
        ("size", |manifest| manifest["layers"][0]["size"] = json!(7)),
        ("config", |manifest| manifest["config"]["size"] = json!(7)),
        ("plain", |manifest| manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar")),
        ("zstd", |manifest| manifest["layers"][0]["mediaType"] = json!("application/vnd.oci.image.layer.v1.tar+zstd")),
    ];
    for (tag, lie) in lies {
        let mut manifest = image.manifest();
        lie(&mut manifest);
        test.put_manifest("base", tag, MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    }
    // An index that calls a manifest something else, which does not say itself what it is; and one that lies about its size.
    let mut unsaid = image.manifest();
    unsaid.as_object_mut().unwrap().remove("mediaType");
    let bytes = serde_json::to_vec(&unsaid).unwrap();
    test.put_manifest("base", &Digest::of(&bytes).to_string(), MANIFEST, &bytes);
    let entry = |media_type: &str, size: usize| json!({"mediaType": media_type, "digest": Digest::of(&bytes).to_string(), "size": size, "platform": {"os": "linux", "architecture": "amd64"}});
    for (tag, entry) in
        [("honest", entry(MANIFEST, bytes.len())), ("called", entry(DOCKER_MANIFEST, bytes.len())), ("length", entry(MANIFEST, 7))]
    {
        test.put_manifest("base", tag, INDEX, &serde_json::to_vec(&index(&[entry])).unwrap());
    }
    let bad = ["size", "config", "plain", "zstd", "called", "length"];
    let cold: Vec<(Option<i32>, String)> = bad.iter().map(|tag| build(tag)).map(|ran| (ran.code, ran.err)).collect();
    assert!(cold.iter().all(|(code, _)| *code == Some(3)), "{cold:?}");
    build("good").succeeds();
    build("honest").succeeds();
    let warm: Vec<(Option<i32>, String)> = bad.iter().map(|tag| build(tag)).map(|ran| (ran.code, ran.err)).collect();
    assert_eq!(warm, cold);
    // And what is right stays right without the network.
    build("honest").succeeds();
    sandbox.run(&["build", "--offline", "-o", "oci:out", "--set", &format!("base.image={}/base:honest", test.host())]).succeeds();
}

#[test]
fn a_docker_archive_with_compressed_layers_is_read_by_its_bytes() {
    let sandbox = Sandbox::new("static = true");
    let image = labelled("amd64", "crane");
    for (form, layer) in
        [("gzip", image.layer.clone()), ("zstd", zstd::encode_all(&image.tar[..], 3).unwrap()), ("plain", image.tar.clone())]
    {
        let config = image.config_bytes();
        let manifest = json!([{"Config": "sha256:config", "RepoTags": ["a/b:1"], "Layers": ["layer.tar.gz"]}]).to_string();
        let mut tar = tar::Builder::new(Vec::new());
        for (name, bytes) in [("sha256:config", &config[..]), ("layer.tar.gz", &layer), ("manifest.json", manifest.as_bytes())] {
            let mut header = tar::Header::new_ustar();
            header.set_size(bytes.len() as u64);
            header.set_mode(0o644);
            tar.append_data(&mut header, name, bytes).unwrap();
        }
        sandbox.write("image.tar", &tar.into_inner().unwrap());
        let image_of =
            |verb: &str| sandbox.run(&[verb, "docker-archive:image.tar", "--format", "json"]).succeeds().json()["images"][0].clone();
        let (seen, listed) = (image_of("inspect"), image_of("ls"));
        assert_eq!(seen["layers"][0]["digest"], if form == "plain" { Digest::of(&image.tar) } else { Digest::of(&layer) }.to_string());
        assert!(listed["files"].as_array().unwrap().iter().any(|file| file["path"] == "/etc/passwd"), "{form}");
        sandbox.run(&["push", "docker-archive:image.tar", &format!("oci:{form}:1")]).succeeds();
    }
    // What was copied is a base.
    for form in ["gzip", "zstd", "plain"] {
        sandbox.write("hardened.toml", crate::sandbox::recipe(&format!("layout = \"{form}:1\"")).as_bytes());
        sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    }
}
