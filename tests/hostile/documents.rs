//! Manifests, indexes, configs and their neighbours that lie, or that two readers read in two ways.

use std::time::Duration;

use hardened::host::Environment;
use hardened::net::credentials::Credentials;
use hardened::net::{Http, RetryPolicy, Settings, Tries};
use hardened::oci::{
    Config, Descriptor, Digest, DocumentFault, ImageReference, Index, Manifest, MediaType, Parsed, Platform, Selector, Store, StoreFault,
    strict_json,
};
use hardened::store::registry::{Registry, Repository};
use serde_json::{Value, json};

use crate::images::{self, Image};
use crate::registry::{Fault, Guard, TestRegistry};
use crate::sandbox::{Sandbox, recipe};

fn manifest() -> Value {
    let digest = Digest::of(b"x").to_string();
    json!({
        "schemaVersion": 2, "mediaType": images::MANIFEST,
        "config": {"mediaType": images::CONFIG, "digest": digest, "size": 1},
        "layers": [{"mediaType": images::LAYER, "digest": digest, "size": 1}]
    })
}

fn read(value: &Value) -> Result<Parsed<Manifest>, DocumentFault> {
    Parsed::read(&serde_json::to_vec(value).unwrap(), &MediaType::Manifest)
}

fn with(change: impl FnOnce(&mut Value)) -> Value {
    let mut value = manifest();
    change(&mut value);
    value
}

fn repository(test: &TestRegistry) -> Repository {
    let retry = RetryPolicy { attempts: 2, base: Duration::from_millis(1), cap: Duration::from_millis(2), ..RetryPolicy::default() };
    let settings = Settings { retry, ..Settings::new(Environment::default()) };
    let registry = Registry::new(Http::new(settings), Credentials::new(Environment::default()));
    registry.repository(&format!("{}/base", test.host()).parse().unwrap())
}

#[test]
fn one_body_for_two_kinds() {
    assert!(read(&manifest()).is_ok());
    for key in ["manifests", "Manifests", "MANIFESTS", "manife\u{17f}ts"] {
        let both = with(|value| value[key] = json!([]));
        assert!(matches!(read(&both), Err(DocumentFault::Ambiguous(_))), "{key}");
    }
    let index = |more: &str| format!("{{\"schemaVersion\":2,\"mediaType\":\"{}\",\"manifests\":[]{more}}}", images::INDEX);
    let read_index = |text: &str| Parsed::<Index>::read(text.as_bytes(), &MediaType::Index);
    assert!(read_index(&index("")).is_ok());
    for more in [",\"layers\":[]", ",\"config\":{}", ",\"LAYERS\":[]", ",\"Config\":{}"] {
        assert!(matches!(read_index(&index(more)), Err(DocumentFault::Ambiguous(_))), "{more}");
    }
    // The body, the registry and the descriptor say the same kind, or nothing is read.
    let other = with(|value| value["mediaType"] = json!(images::INDEX));
    assert!(matches!(read(&other), Err(DocumentFault::MediaType { .. })));
    assert!(matches!(Parsed::<Manifest>::read(b"{}", &MediaType::Index), Err(DocumentFault::Kind { .. })));
    assert!(read(&with(|value| value["schemaVersion"] = json!(1))).is_err());
    assert!(read(&with(|value| drop(value.as_object_mut().unwrap().remove("schemaVersion")))).is_err());
}

#[test]
fn a_key_twice() {
    for text in [
        r#"{"a":1,"a":1}"#,
        r#"{"layers":[],"layers":[{"evil":1}]}"#,
        r#"{"a":{"b":[{"c":1,"c":2}]}}"#,
        "{\"a\":1,\"\\u0061\":2}",
        r#"{"a":1}{"a":2}"#,
        r#"{"a":1} x"#,
        "{\"a\":1}\0",
        "\u{feff}{\"a\":1}",
        "{\"a\":\"\u{1}\"}",
        r#"{"a":01}"#,
        r#"{"a":NaN}"#,
        "{'a':1}",
        r#"{"a":1,}"#,
        r#"{"a":"\ud800"}"#,
        "{\"a\":1}//",
    ] {
        assert!(strict_json(text.as_bytes()).is_err(), "{text}");
    }
    assert!(strict_json(b"{\"a\":\"\xff\"}").is_err());
    assert!(strict_json(format!("{}1{}", "[".repeat(65), "]".repeat(65)).as_bytes()).is_err());
    assert!(strict_json("[".repeat(3_000_000).as_bytes()).is_err());
    assert!(strict_json("{\"a\":".repeat(100_000).as_bytes()).is_err());
}

#[test]
fn keys_in_other_letters() {
    // Docker, containerd and podman match keys without case, and take the last: beside our `User` they would obey this one.
    for change in [
        (|config: &mut Value| config["config"]["user"] = json!("0:0")) as fn(&mut Value),
        |config| config["config"]["uSER"] = json!("0"),
        |config| config["config"]["entrypoint"] = json!(["/evil"]),
        |config| config["config"]["env"] = json!(["LD_PRELOAD=/evil.so"]),
        |config| config["config"]["labels"] = json!({"evil": "1"}),
        |config| config["config"]["onbuild"] = json!(["RUN evil"]),
        |config| config["config"]["healthcheck"] = json!({"Test": ["CMD", "/evil"]}),
        |config| config["config"]["workin\u{67}dir"] = json!("/evil"),
        |config| config["config"]["U\u{17f}er"] = json!("0"),
        |config| config["confi\u{47}"] = json!({"User": "0"}),
        |config| config["Config"] = json!({"User": "0"}),
        |config| config["RootFS"] = json!({"type": "layers", "diff_ids": []}),
        |config| config["rootfs"]["Diff_IDs"] = json!([]),
    ] {
        let test = TestRegistry::start();
        let mut image = Image::new("amd64");
        change(&mut image.config);
        image.tag(&test, "base", "1");
        let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
        sandbox.run(&["build", "-o", "oci:out"]).fails(3, &["is misspelt"]);
        assert!(!sandbox.has("out"));
        sandbox.run(&["inspect", &format!("{}/base:1", test.host())]).fails(3, &["is misspelt"]);
    }
    for change in [
        (|value: &mut Value| value["Layers"] = json!([])) as fn(&mut Value),
        |value| value["layers"][0]["Digest"] = json!("sha256:0"),
        |value| value["layers"][0]["SIZE"] = json!(5),
        |value| value["config"]["mediatype"] = json!("x"),
        |value| value["Subject"] = json!({}),
        |value| value["layer\u{17f}"] = json!([]),
    ] {
        assert!(read(&with(change)).is_err_and(|fault| fault.to_string().contains("misspelt")));
    }
    // Names of somebody's own are nobody's business, and stay.
    assert!(read(&with(|value| value["layers"][0]["annotations"] = json!({"Size": "1", "size": "2"}))).is_ok());
}

#[test]
fn digests_that_are_paths() {
    let hex = "a".repeat(64);
    for text in [
        "sha256:../../../../etc/passwd".to_owned(),
        format!("sha256:{}/../x", &hex[..60]),
        format!("sha256:{}", hex.to_uppercase()),
        format!("SHA256:{hex}"),
        format!("md5:{}", &hex[..32]),
        format!("sha512:{hex}"),
        format!("sha256:{hex}\n"),
        format!(" sha256:{hex}"),
        format!("sha256:{}", &hex[..63]),
        format!("sha256:{}\u{ff41}", &hex[..63]),
        "../x:../y".to_owned(),
        hex.clone(),
        String::new(),
    ] {
        assert!(text.parse::<Digest>().is_err(), "{text}");
        assert!(read(&with(|value| value["layers"][0]["digest"] = json!(text))).is_err(), "{text}");
        assert!(read(&with(|value| value["config"]["digest"] = json!(text))).is_err(), "{text}");
        assert!(format!("a.example/b@{text}").parse::<ImageReference>().is_err(), "{text}");
        let config = json!({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [text]}});
        assert!(Parsed::<Config>::read(&serde_json::to_vec(&config).unwrap(), &MediaType::Config).is_err(), "{text}");
    }
}

#[test]
fn another_manifest_for_a_pinned_digest() {
    let test = TestRegistry::start();
    let good = serde_json::to_vec(&manifest()).unwrap();
    let evil = serde_json::to_vec(&with(|value| value["annotations"] = json!({"evil": "1"}))).unwrap();
    let pinned = Digest::of(&good);
    // The registry agrees with itself: its header says the digest of what it sends.
    test.put_manifest("base", &pinned.to_string(), images::MANIFEST, &evil);
    let error = repository(&test).read_manifest(&Selector::Digest(pinned)).unwrap_err();
    assert_eq!(error.fault, StoreFault::Corrupt);
    assert!(crate::told(&error).contains(&Digest::of(&evil).to_string()), "{}", crate::told(&error));
    // And one that lies in the header as well.
    let (body, header) = (String::from_utf8(evil).unwrap(), pinned.to_string());
    let test = TestRegistry::with(Guard::Open, move |seen, _| {
        let headers = vec![("Docker-Content-Digest".to_owned(), header.clone()), ("Content-Type".to_owned(), images::MANIFEST.to_owned())];
        seen.path().contains("/manifests/").then(|| Fault::Answer(200, headers, body.clone()))
    });
    assert_eq!(repository(&test).read_manifest(&Selector::Digest(pinned)).unwrap_err().fault, StoreFault::Corrupt);
}

#[test]
fn sizes_that_lie() {
    for size in [
        "-1",
        "9223372036854775807",
        "9223372036854775808",
        "18446744073709551615",
        "1e3",
        "1.5",
        "\"1\"",
        "null",
        "99999999999999999999999",
    ] {
        let text = serde_json::to_string(&manifest()).unwrap().replace("\"size\":1", &format!("\"size\":{size}"));
        assert!(Parsed::<Manifest>::read(text.as_bytes(), &MediaType::Manifest).is_err(), "{size}");
    }
    // A blob that is said to be huge: what is kept follows the bytes that come.
    let test = TestRegistry::start();
    test.put_blob("base", b"x");
    let claimed = Descriptor::new(MediaType::Config, Digest::of(b"x"), 1 << 52);
    let from = repository(&test);
    assert!(from.open_blob(&claimed).is_err(), "the registry's own length says otherwise");
    let unsaid = Descriptor::new(MediaType::Config, Digest::of(b"x"), 1 << 50);
    let lying =
        TestRegistry::with(Guard::Open, |seen, _| seen.path().contains("/blobs/").then(|| Fault::Answer(200, vec![], "x".to_owned())));
    assert!(
        repository(&lying).open_blob(&unsaid).map(|blob| blob.read_all(1 << 20)).is_ok_and(|read| read.is_err())
            || repository(&lying).open_blob(&unsaid).is_err()
    );
    let many = with(|value| value["layers"] = json!(vec![value["layers"][0].clone(); 5000]));
    assert!(read(&many).is_err_and(|fault| fault.to_string().contains("5000")));
    let large = serde_json::to_vec(&with(|value| value["annotations"] = json!({"a": "x".repeat(5 << 20)}))).unwrap();
    assert!(matches!(Parsed::<Manifest>::read(&large, &MediaType::Manifest), Err(DocumentFault::Size(_))));
}

#[test]
fn names_from_the_network_are_no_paths() {
    let test = TestRegistry::start();
    let image = Image::new("amd64");
    let mut manifest = serde_json::from_slice::<Value>(&image.store(&test, "base")).unwrap();
    let evil = "../../../evil";
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": evil, "org.opencontainers.image.title": "/tmp/evil"});
    manifest["layers"][0]["annotations"] = json!({"org.opencontainers.image.title": evil, "io.deis.oras.content.unpack": "true"});
    test.put_manifest("base", "1", images::MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    sandbox.run(&["push", &format!("{}/base:1", test.host()), "oci:below/copied", "oci-archive:below/copied.tar"]);
    sandbox.run(&["build", "-o", "oci:below/out"]).succeeds();
    let mut names: Vec<String> =
        std::fs::read_dir(sandbox.path("")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert!(
        names.iter().all(|name| ["app", "below", "cache", "hardened.lock", "hardened.toml", "home"].contains(&name.as_str())),
        "{names:?}"
    );
    assert!(!std::path::Path::new("/tmp/evil").exists() && !sandbox.path("").parent().unwrap().join("evil").exists());
}

#[test]
fn what_a_base_says_of_itself_is_dropped() {
    let test = TestRegistry::start();
    let mut image = Image::new("amd64");
    image.config["config"]["Labels"] = json!({"io.containerd.image-verifier": "off", "com.example.run": "$(reboot)", "a\nb: c": "yaml"});
    image.config["config"]["OnBuild"] = json!(["RUN evil"]);
    image.config["config"]["Healthcheck"] = json!({"Test": ["CMD-SHELL", "evil"]});
    image.config["config"]["Volumes"] = json!({"/etc": {}});
    image.config["config"]["ExposedPorts"] = json!({"22/tcp": {}});
    image.config["config"]["User"] = json!("4294967296");
    image.config["author"] = json!("them");
    let bytes = image.store(&test, "base");
    let mut manifest = serde_json::from_slice::<Value>(&bytes).unwrap();
    manifest["annotations"] = json!({"evil": "annotation"});
    manifest["layers"][0]["annotations"] = json!({"evil": "annotation"});
    manifest["layers"][0]["urls"] = json!(["https://evil.example/layer"]);
    test.put_manifest("base", "1", images::MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    let seen = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0].clone();
    let settings = &seen["config"]["config"];
    for gone in ["OnBuild", "Healthcheck", "Volumes", "ExposedPorts"] {
        assert!(settings[gone].is_null(), "{gone}: {settings}");
    }
    let all = seen.to_string();
    assert!(!all.contains("containerd") && !all.contains("com.example.run") && !all.contains("evil"), "{all}");
    // The user is ours, whatever the base says.
    assert_eq!(settings["User"], "65532:65532");
    let index = std::fs::read_to_string(sandbox.path("out/index.json")).unwrap();
    assert!(!index.contains("evil"));
}

#[test]
fn users_that_are_none() {
    for uid in ["2147483648", "4294967296", "-1", "99999999999999999999"] {
        let sandbox = Sandbox::of(&format!("{}[user]\nuid = {uid}\n", recipe("static = true")));
        let ran = sandbox.run(&["build", "-o", "oci:out"]);
        assert!(ran.code == Some(2) && !sandbox.has("out"), "{uid}: {}", ran.err);
    }
    for name in ["0", "root:root", "a b", "65532:0", "../x", "a\\u0000"] {
        let sandbox = Sandbox::of(&format!("{}[user]\nname = \"{name}\"\n", recipe("static = true")));
        assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).code, Some(2), "{name}");
    }
    let sandbox = Sandbox::of(&format!("{}[user]\nuid = 0\n", recipe("static = true")));
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["would run as root"]);
    let sandbox = Sandbox::of(&format!("{}[user]\nuid = 2147483647\n", recipe("static = true")));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
}

#[test]
fn what_was_pulled_is_no_result_of_a_build() {
    // A cold cache, and one that knows the base and an image of another health check, give the same.
    let test = TestRegistry::start();
    Image::new("amd64").tag(&test, "base", "1");
    let base = format!("image = \"{}/base:1\"", test.host());
    let check = "healthcheck = { command = [\"/app\", \"check\"] }\n";
    let (with, without) = (Sandbox::of(&format!("{}{check}", recipe(&base))), Sandbox::new(&base));
    let cache = without.path("shared-cache");
    let plain = without.run_with(&cache, &["build", "-o", "oci:out"]).succeeds().digest();
    let checked = with.run_with(&cache, &["build", "-o", "oci:out"]).succeeds().digest();
    assert_ne!(plain, checked);
    assert_eq!(checked, with.run_with(&with.path("cold"), &["build", "-o", "oci:cold-out"]).succeeds().digest());
    let settings = with.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json()["images"][0]["config"]["config"].clone();
    assert!(!settings["Healthcheck"].is_null(), "{settings}");
}

#[test]
fn addresses_with_zones_and_names_that_are_none() {
    for name in [
        "[fe80::1%25eth0]:5000/a",
        "[fe80::1%eth0]/a",
        "fe80::1/a",
        "a..example/b",
        "-a.example/b",
        "a.example:x/b",
        "a.example:/b",
        "a_b.example/c",
        "b\u{fc}cher.example/c",
    ] {
        assert!(name.parse::<ImageReference>().is_err(), "{name}");
    }
    for platform in ["linux/amd64\u{1b}[2J", "linux/amd64 ", "linux//", "../linux/amd64"] {
        assert!(platform.parse::<Platform>().is_err(), "{platform:?}");
    }
}

#[test]
fn registries_that_never_stop() {
    // Redirects without end, challenges without end, and answers without end.
    let test = TestRegistry::with(Guard::Open, |seen, before| {
        let to = format!("{}?again={before}", seen.path());
        (seen.method == "GET" && seen.path().contains("/manifests/"))
            .then(|| Fault::Answer(307, vec![("Location".to_owned(), to)], String::new()))
    });
    let error = repository(&test).read_manifest(&Selector::Tag("1".parse().unwrap())).unwrap_err();
    assert!(crate::told(&error).contains("more than 10 times"), "{}", crate::told(&error));
    let test = TestRegistry::with(Guard::Open, |_, _| {
        Some(Fault::Answer(401, vec![("WWW-Authenticate".to_owned(), "Basic realm=\"x\"".to_owned())], String::new()))
    });
    assert!(repository(&test).read_manifest(&Selector::Tag("1".parse().unwrap())).is_err());
    assert!(test.seen().len() < 10, "{}", test.seen().len());
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        seen.path().contains("/manifests/").then(|| Fault::Answer(200, vec![], "x".repeat(6 << 20)))
    });
    assert!(repository(&test).read_manifest(&Selector::Tag("1".parse().unwrap())).is_err());
    // What a step may try is counted, progress or not.
    let policy = RetryPolicy { base: Duration::ZERO, ..RetryPolicy::default() };
    let mut tries = Tries::new(policy);
    let ended = (0..1000).find(|_| {
        tries.progressed();
        tries.next((), hardened::net::Again::Soon).is_err()
    });
    assert!(ended.is_some());
}

#[test]
fn an_archive_that_is_no_image() {
    use hardened::store::archive::Archive;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.tar");
    let open = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        Archive::open(&path).map(|_| ()).map_err(|error| crate::told(&error))
    };
    let tar = || crate::tar_bytes::Tar::new().file("oci-layout", b"{\"imageLayoutVersion\":\"1.0.0\"}");
    assert!(open(&tar().file("index.json", b"{}").end()).is_ok());
    assert!(open(&tar().end()).unwrap_err().contains("not an OCI archive"));
    assert!(open(&tar().file("index.json", b"{}").file("index.json", b"[]").end()).unwrap_err().contains("twice"));
    assert!(open(&tar().file("index.json", b"{}").symlink("blobs", "../../..").file("blobs/x", b"").end()).is_ok());
    let many = (0..9000).fold(tar(), |tar, number| tar.pax(&[("path", format!("{}{number}", "n".repeat(200)).as_bytes())]).file("a", b""));
    assert!(open(&many.clone().file("index.json", b"{}").end()).is_ok());
    let long =
        (0..9000).fold(tar(), |tar, number| tar.pax(&[("path", format!("{number}/{}x", "n/".repeat(2000)).as_bytes())]).file("a", b""));
    assert!(open(&long.file("index.json", b"{}").end()).unwrap_err().contains("names"));
    let linked = tar().file("x", b"{}").symlink("index.json", "/etc/passwd").end();
    assert!(open(&linked).is_err());
}
