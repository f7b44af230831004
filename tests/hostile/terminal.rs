//! Foreign names and words that speak to the terminal: none arrives there as it came.

use serde_json::json;

use crate::images::{self, Image};
use crate::registry::{Fault, Guard, TestRegistry};
use crate::sandbox::{Sandbox, recipe};

/// What clears the screen, sets the title, writes into the clipboard, turns the writing, ends a line, and moves the cursor: with one byte, with two.
const EVIL: &str = "\u{1b}[2J\u{1b}]0;title\u{7}\u{1b}]52;c;ZXZpbA==\u{7}\u{9b}31m\u{90}q\u{202e}txt\u{2066}\u{61c}\u{200f}\u{2028}\u{2029}\r\n\u{8}\u{b}\u{c}\u{7f}\u{85}\u{0}";

/// Checks that a text holds nothing but what prints, line breaks and tabs.
fn clean(text: &str, place: &str) {
    let bad = |character: char| {
        (character.is_control() && !matches!(character, '\n' | '\t'))
            || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
    };
    assert!(!text.contains(bad), "{place}: {text:?}");
}

fn runs(sandbox: &Sandbox, arguments: &[&str]) {
    for more in [&[][..], &["--format", "json"], &["-v"], &["--color", "never"]] {
        let ran = sandbox.run(&[more, arguments].concat());
        let place = format!("{more:?} {arguments:?}");
        clean(&ran.out, &place);
        clean(&ran.err, &place);
        assert!(!ran.err.contains("panicked") && ran.code != Some(101), "{place}: {}", ran.err);
    }
}

#[test]
fn labels_annotations_and_history() {
    let test = TestRegistry::start();
    let mut image = Image::new("amd64");
    image.config["config"]["Labels"] = json!({EVIL: EVIL});
    image.config["config"]["Env"] = json!([format!("A={EVIL}")]);
    image.config["config"]["Cmd"] = json!([EVIL]);
    image.config["config"]["WorkingDir"] = json!(format!("/{EVIL}"));
    image.config["history"] = json!([{"created_by": EVIL, "comment": EVIL}]);
    image.config["author"] = json!(EVIL);
    image.config[EVIL] = json!(EVIL);
    let mut manifest: serde_json::Value = serde_json::from_slice(&image.store(&test, "base")).unwrap();
    manifest["annotations"] = json!({EVIL: EVIL});
    test.put_manifest("base", "1", images::MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let name = format!("{}/base:1", test.host());
    let sandbox = Sandbox::new(&format!("image = \"{name}\"\ninherit = [\"labels\"]"));
    runs(&sandbox, &["inspect", &name]);
    runs(&sandbox, &["build", "-o", "oci:out"]);
    runs(&sandbox, &["inspect", "oci:out"]);
    // JSON is the same text to its readers, and no other.
    let seen = sandbox.run(&["inspect", &name, "--format", "json"]).succeeds().json();
    assert_eq!(seen["images"][0]["config"]["config"]["Labels"][EVIL], EVIL);
}

#[test]
fn media_types_platforms_and_digests() {
    for change in [
        (|value: &mut serde_json::Value| value["layers"][0]["mediaType"] = json!(EVIL)) as fn(&mut serde_json::Value),
        |value| value["config"]["mediaType"] = json!(EVIL),
        |value| value["mediaType"] = json!(EVIL),
        |value| value["layers"][0]["digest"] = json!(format!("{EVIL}:{EVIL}")),
        |value| value["layers"][0]["digest"] = json!(EVIL),
        |value| value["artifactType"] = json!(EVIL),
        |value| value[format!("Layers{EVIL}")] = json!(1),
        |value| value["schemaVersion"] = json!(EVIL),
    ] {
        let test = TestRegistry::start();
        let image = Image::new("amd64");
        image.store(&test, "base");
        let mut manifest = image.manifest();
        change(&mut manifest);
        test.put_manifest("base", "1", images::MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        let name = format!("{}/base:1", test.host());
        let sandbox = Sandbox::new(&format!("image = \"{name}\""));
        runs(&sandbox, &["build", "-o", "oci:out"]);
        runs(&sandbox, &["inspect", &name]);
    }
    for platform in
        [json!({"os": EVIL, "architecture": EVIL}), json!({"os": "linux", "architecture": format!("arm64{EVIL}"), "variant": EVIL})]
    {
        let test = TestRegistry::start();
        let image = Image::new("arm64");
        let manifest = image.store(&test, "base");
        let digest = hardened::oci::Digest::of(&manifest).to_string();
        let index = json!({"schemaVersion": 2, "mediaType": images::INDEX, "manifests": [
            {"mediaType": images::MANIFEST, "digest": digest, "size": manifest.len(), "platform": platform}]});
        test.put_manifest("base", "1", images::INDEX, &serde_json::to_vec(&index).unwrap());
        let name = format!("{}/base:1", test.host());
        let sandbox = Sandbox::new(&format!("image = \"{name}\""));
        runs(&sandbox, &["build", "-o", "oci:out"]);
        runs(&sandbox, &["inspect", &name]);
        runs(&sandbox, &["inspect", "--platform", "linux/amd64", &name]);
    }
}

#[test]
fn paths_in_layers() {
    for tar in [
        crate::tar_bytes::Tar::new().pax(&[("path", format!("a/{}/../b", EVIL.replace('\0', "")).as_bytes())]).file("x", b""),
        crate::tar_bytes::Tar::new().pax(&[("path", EVIL.replace('\0', "").as_bytes())]).symlink("x", "../../up"),
        crate::tar_bytes::Tar::new().pax(&[("linkpath", EVIL.replace('\0', "").as_bytes())]).hard_link("x", "y"),
        crate::tar_bytes::Tar::new().pax(&[("linkpath", format!("../../{}", EVIL.replace('\0', "")).as_bytes())]).symlink("x", "y"),
        crate::tar_bytes::Tar::new().extension(b'x', format!("{0} {1}=x\n", EVIL.len() + 8, EVIL).as_bytes()).file("x", b""),
        crate::tar_bytes::Tar::new().entry("x", 0x1b, 0, ""),
    ] {
        let test = TestRegistry::start();
        Image::of("amd64", tar.end()).tag(&test, "base", "1");
        let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
        runs(&sandbox, &["build", "-o", "oci:out"]);
        assert!(!sandbox.has("out"));
    }
}

#[test]
fn words_of_registries() {
    let header = "a\u{9b}b\u{a0}\u{ff}".to_owned();
    let json = json!({"errors": [{"code": EVIL, "message": EVIL, "detail": EVIL}]}).to_string();
    for (status, headers, body) in [
        (403, vec![], EVIL.replace('\0', "")),
        (404, vec![], json.clone()),
        (500, vec![("Retry-After".to_owned(), "0".to_owned())], json),
        (
            401,
            vec![("WWW-Authenticate".to_owned(), format!("Bearer realm=\"https://evil.example/{header}\",service=\"{header}\""))],
            String::new(),
        ),
        (401, vec![("WWW-Authenticate".to_owned(), format!("Bearer realm=\"{header}\""))], String::new()),
        (307, vec![("Location".to_owned(), format!("http://user@evil.example/{header}"))], String::new()),
        (307, vec![("Location".to_owned(), format!("{header}://{header}"))], String::new()),
        (200, vec![("Content-Type".to_owned(), header.clone())], "{}".to_owned()),
        (200, vec![("Content-Type".to_owned(), "text/html".to_owned())], EVIL.to_owned()),
        (429, vec![("Retry-After".to_owned(), header.clone())], EVIL.to_owned()),
    ] {
        let test = TestRegistry::with(Guard::Open, move |seen, before| {
            (seen.path() != "/v2/" && before < if status >= 429 { 1 } else { 14 })
                .then(|| Fault::Answer(status, headers.clone(), body.clone()))
        });
        let name = format!("{}/base:1", test.host());
        let sandbox = Sandbox::new("static = true");
        for arguments in [&["inspect", &name][..], &["build", "--push", "-t", &name]] {
            // Four ways to say it would wait for the tries four times.
            let ran = sandbox.run(arguments);
            clean(&ran.out, &format!("{status} {arguments:?}"));
            clean(&ran.err, &format!("{status} {arguments:?}"));
            assert_ne!(ran.code, Some(101), "{}", ran.err);
        }
    }
}

#[test]
fn names_of_files_and_texts_of_recipes() {
    let name = EVIL.replace(['\0', '/'], "");
    let sandbox = Sandbox::of(&recipe("static = true").replace("[process]", "[[files]]\nfrom = \"tree\"\nto = \"/tree\"\n[process]"));
    sandbox.write(&format!("tree/{name}"), b"x");
    sandbox.write(&format!("tree/.env{name}"), b"SECRET=1");
    sandbox.write("tree/.env", b"SECRET=1");
    std::os::unix::fs::symlink(format!("/nowhere/{name}"), sandbox.path("tree/link")).unwrap();
    runs(&sandbox, &["build", "-o", "oci:out"]);
    std::os::unix::fs::symlink(format!("../../../../../../../../{name}"), sandbox.path(&format!("tree/{name}link"))).unwrap();
    runs(&sandbox, &["build", "-o", "oci:out"]);
    runs(&sandbox, &["build", "-o", &format!("oci:{name}")]);
    runs(&sandbox, &["inspect", &name]);
    runs(&sandbox, &["inspect", &format!("oci:{name}")]);
    runs(&sandbox, &["build", &format!("--{name}")]);
    runs(&sandbox, &[&name]);
    runs(&sandbox, &["build", "-f", &name]);
    let escaped: String = EVIL.chars().fold(String::new(), |text, character| text + &format!("\\u{:04X}", u32::from(character)));
    for text in [
        recipe("static = true").replace("/app\"]", &format!("/app{escaped}\"]")),
        recipe("static = true").replace("[base]", &format!("[base]\n\"{escaped}\" = 1")),
        recipe("static = true").replace("registry.example.no/shop/api", &escaped),
        recipe(&format!("image = \"{escaped}\"")),
        recipe(&format!("layout = \"{escaped}\"")),
        format!("{}\u{9b}\u{202e}", recipe("static = true")),
    ] {
        let sandbox = Sandbox::of(&text);
        runs(&sandbox, &["build", "-o", "oci:out"]);
    }
    let sandbox = Sandbox::new("static = true");
    sandbox.write("hardened.lock", format!("format = 1\n{}\n", EVIL.replace('\0', "")).as_bytes());
    runs(&sandbox, &["build", "-o", "oci:out"]);
}

#[test]
fn names_in_layouts() {
    let sandbox = Sandbox::new("static = true");
    sandbox.run(&["build", "-t", "a.example/b:1", "-o", "oci:out:1"]).succeeds();
    let mut index: serde_json::Value = serde_json::from_str(&sandbox.read("out/index.json")).unwrap();
    let mut other = index["manifests"][0].clone();
    other["annotations"] = json!({"org.opencontainers.image.ref.name": EVIL});
    other["digest"] = json!(hardened::oci::Digest::of(b"other").to_string());
    index["manifests"].as_array_mut().unwrap().push(other);
    sandbox.write("out/index.json", &serde_json::to_vec(&index).unwrap());
    runs(&sandbox, &["inspect", "oci:out"]);
    runs(&sandbox, &["inspect", "oci:out:none"]);
}
