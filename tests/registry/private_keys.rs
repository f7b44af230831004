//! Private keys in the files of a recipe: an error, before anything of the image is sent.

use crate::registry::TestRegistry;
use crate::sandbox::{Sandbox, recipe};

const KEY: &str = "-----BEGIN OPENSSH PRIVATE KEY-----\nMIIB\n-----END OPENSSH PRIVATE KEY-----\n";
const BUILD: [&str; 3] = ["build", "-o", "oci:out"];
const FOLDER: &str = "from = \"t\"\nto = \"/t\"";

/// A recipe with another entry, whose keys are these.
fn with(keys: &str) -> String {
    recipe("static = true").replace("[process]", &format!("[[files]]\n{keys}\n[process]"))
}

#[test]
fn a_private_key_is_refused_whatever_its_name_and_form() {
    let sandbox = Sandbox::of(&with(FOLDER));
    let utf16: Vec<u8> = format!("\u{feff}{KEY}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let json = r#"{"type":"service_account","private_key":"-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n"}"#;
    let der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
    for (name, content, offset, form) in [
        ("id_rsa_work", KEY.as_bytes().to_vec(), 0, "PEM"),
        ("keys/privkey", KEY.as_bytes().to_vec(), 0, "PEM"),
        ("tls.crt", format!("-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n{KEY}").into(), 59, "PEM"),
        ("late", format!("{}\n{KEY}", "#".repeat(5 << 20)).into(), (5 << 20) + 1, "PEM"),
        ("values.yaml", format!("tls:\n  key: |\n    {}", KEY.replace('\n', "\n    ")).into(), 18, "PEM"),
        ("crlf.txt", KEY.replace('\n', "\r\n").into(), 0, "PEM"),
        ("utf16.txt", utf16, 2, "PEM"),
        ("account.json", json.into(), 41, "the value of `private_key`"),
        ("der.bin", [&der[..], &[7; 32]].concat(), 0, "DER"),
    ] {
        sandbox.write(&format!("t/{name}"), &content);
        let message = format!("error: `t/{name}` holds a private key at byte {offset} ({form})");
        let exclude = format!("`exclude = [\"/{name}\"]`");
        let allow = format!("`include-denied = [\"t/{name}\"]`");
        sandbox.run(&BUILD).fails(1, &[&message, "hardened.toml:9:8", &exclude, &allow]);
        assert!(!sandbox.has("out/index.json"), "{name}");
        std::fs::remove_file(sandbox.path(&format!("t/{name}"))).unwrap();
    }
}

#[test]
fn both_ways_out_switch_the_finding_off() {
    let sandbox = Sandbox::of(&with(FOLDER));
    for name in ["deploy", "sub/one", "sub/[two] {x}", "three"] {
        sandbox.write(&format!("t/{name}"), KEY.as_bytes());
    }
    sandbox.write("t/ok", b"x");
    let refused = sandbox.run(&BUILD);
    refused.fails(1, &["`t/deploy` holds", "`t/sub/one` holds", "`t/sub/[two] {x}` holds", "`t/three` holds"]);
    // What was kept of the layers says it again.
    sandbox.run(&BUILD).fails(1, &["`t/deploy` holds", "`t/sub/one` holds", "`t/sub/[two] {x}` holds", "`t/three` holds"]);
    let hints: Vec<&str> = refused.err.lines().filter(|line| line.contains("hint: ")).filter_map(|line| line.split('`').nth(1)).collect();
    assert_eq!(hints.len(), 2, "{hints:?}");
    for (hint, files) in hints.iter().copied().zip([1, 5]).chain([("include-denied = [\"private-key\"]", 5)]) {
        sandbox.write("hardened.toml", with(&format!("{FOLDER}\n{hint}")).as_bytes());
        sandbox.run(&BUILD).succeeds();
        let listed = sandbox.run(&["ls", "oci:out", "--format", "json"]).succeeds().json();
        let taken = listed["images"][0]["files"].as_array().unwrap().iter();
        let taken = taken.filter(|entry| entry["path"].as_str().unwrap().starts_with("/t/") && entry["path"] != "/t/sub").count();
        assert_eq!(taken, files, "{hint}");
    }
    // Allowed for some files, the others are refused still; and without the line, all are.
    sandbox.write("hardened.toml", with(&format!("{FOLDER}\ninclude-denied = [\"deploy\", \"three\"]")).as_bytes());
    sandbox.run(&BUILD).fails(1, &["`t/sub/one` holds", "include-denied = [\"deploy\", \"three\", \"t/sub/"]);
    sandbox.write("hardened.toml", with(FOLDER).as_bytes());
    sandbox.run(&BUILD).fails(1, &["`t/deploy` holds"]);
}

#[test]
fn files_by_name_globs_links_and_texts_are_searched() {
    let sandbox = Sandbox::of(&with("from = \"deploy\"\nto = \"/etc/deploy\""));
    sandbox.write("deploy", KEY.as_bytes());
    sandbox.write("t/a.txt", KEY.as_bytes());
    sandbox.write("l/x", b"x");
    std::os::unix::fs::symlink("../deploy", sandbox.path("l/link")).unwrap();
    sandbox.run(&BUILD).fails(1, &["`deploy` holds", "take the entry out", "include-denied = [\"deploy\"]"]);
    let text = "text = \"\"\"\n-----BEGIN PRIVATE KEY-----\nMIIB\n\"\"\"\nto = \"/etc/key\"";
    for (keys, said) in [
        ("from = \"t/*.txt\"\nto = \"/t\"", "exclude = [\"/a.txt\"]"),
        ("from = \"l\"\nto = \"/t\"\nsymlinks = \"follow\"", "exclude = [\"/link\"]"),
        (text, "the text for `/etc/key` holds a private key at byte 0 (PEM)"),
    ] {
        sandbox.write("hardened.toml", with(keys).as_bytes());
        sandbox.run(&BUILD).fails(1, &["holds a private key at byte 0 (PEM)", said]);
        sandbox.write("hardened.toml", with(&format!("{keys}\ninclude-denied = [\"private-key\"]")).as_bytes());
        sandbox.run(&BUILD).succeeds();
    }
}

#[test]
fn what_only_looks_like_a_key_stays_in() {
    let sandbox = Sandbox::of(&with(FOLDER));
    for (name, content) in [
        ("pem.py", &b"raise ValueError('expected -----BEGIN PRIVATE KEY----- at the start')\n"[..]),
        ("Pem.class", b"\xca\xfe\xba\xbe\x00\x1b-----BEGIN PRIVATE KEY-----\x01\x00\n-----BEGIN PRIVATE KEY-----\x00"),
        ("doc.md", b"```\n-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n```\n"),
        ("ca.crt", b"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n"),
        ("key.pub", b"-----BEGIN PUBLIC KEY-----\nMIIC\n-----END PUBLIC KEY-----\n"),
        (".env.example", b"A=1\n"),
    ] {
        sandbox.write(&format!("t/{name}"), content);
    }
    let built = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds().json();
    assert_eq!(built["skipped-count"], 0);
}

#[test]
fn nothing_with_a_private_key_is_sent() {
    let test = TestRegistry::start();
    let keys = format!("{FOLDER}\ninclude-denied = [\"private-key\"]");
    let name = |recipe: &str| recipe.replace("registry.example.no", test.host());
    let sandbox = Sandbox::of(&name(&with(&keys)));
    sandbox.write("t/deploy", KEY.as_bytes());
    let built = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds().json();
    let layers = built["platforms"][0]["layers"].as_array().unwrap();
    let digest = layers.last().unwrap()["digest"].as_str().unwrap();
    sandbox.write("hardened.toml", name(&with(FOLDER)).as_bytes());
    sandbox.run(&["build", "--push"]).fails(1, &["`t/deploy` holds a private key"]);
    assert!(test.blob("shop/api", digest.parse().unwrap()).is_none());
    assert!(test.writes().iter().all(|line| !line.contains("/manifests/")), "{:?}", test.writes());
}

#[test]
fn the_files_of_all_platforms_are_told_at_once_and_each_once() {
    let text = with("from = \"build/{platform.arch}/t\"\nto = \"/t\"")
        .replace("from = \"app\"", "from = \"build/{platform.arch}/app\"")
        .replace("[base]", "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[base]");
    let sandbox = Sandbox::of(&text.replace("[process]", "[[files]]\nfrom = \"both\"\nto = \"/both\"\n[process]"));
    for (architecture, machine) in [("amd64", 62), ("arm64", 183)] {
        sandbox.write(&format!("build/{architecture}/app"), &crate::project::program(machine));
        sandbox.executable(&format!("build/{architecture}/app"));
        sandbox.write(&format!("build/{architecture}/t/key"), KEY.as_bytes());
    }
    sandbox.write("both", KEY.as_bytes());
    let refused = sandbox.run(&BUILD);
    refused.fails(1, &["`build/amd64/t/key` holds", "`build/arm64/t/key` holds", "`both` holds"]);
    assert_eq!(refused.err.matches("`both` holds").count(), 1, "{}", refused.err);
}
