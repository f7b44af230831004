//! The accounts of a base are kept, wherever they lie and whatever is in them, or the base is refused: no user is lost without a word.

use hardened::oci::Digest;
use serde_json::{Value, json};

use crate::images::{self, Image, LAYER, MANIFEST};
use crate::registry::TestRegistry;
use crate::sandbox::{Sandbox, recipe};

const OURS: &str = "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
const PASSWD: &[u8] = b"root:x:0:0:root:/root:/bin/sh\npostgres:x:70:70::/var/lib:/bin/sh\n";

enum Kind {
    File(Vec<u8>),
    Link(&'static str),
    HardLink(&'static str),
    Special(tar::EntryType),
    Folder,
}

fn file(bytes: &[u8]) -> Kind {
    Kind::File(bytes.to_vec())
}

fn tar(entries: &[(&str, Kind)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, kind) in entries {
        let mut header = tar::Header::new_ustar();
        header.set_mode(0o644);
        header.set_size(0);
        match kind {
            Kind::File(bytes) => {
                header.set_size(bytes.len() as u64);
                tar.append_data(&mut header, name, &bytes[..]).unwrap();
            }
            Kind::Link(target) => {
                header.set_entry_type(tar::EntryType::Symlink);
                tar.append_link(&mut header, name, target).unwrap();
            }
            Kind::HardLink(target) => {
                header.set_entry_type(tar::EntryType::Link);
                tar.append_link(&mut header, name, target).unwrap();
            }
            Kind::Special(kind) => {
                header.set_entry_type(*kind);
                header.set_device_major(1).unwrap();
                header.set_device_minor(3).unwrap();
                tar.append_data(&mut header, name, &[][..]).unwrap();
            }
            Kind::Folder => {
                header.set_mode(0o755);
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, name, &[][..]).unwrap();
            }
        }
    }
    tar.into_inner().unwrap()
}

/// Stores a base of these layers.
fn base(layers: &[Vec<u8>]) -> (TestRegistry, Sandbox) {
    let test = TestRegistry::start();
    let mut image = Image::of("amd64", layers[0].clone());
    image.config["rootfs"]["diff_ids"] = layers.iter().map(|tar| json!(Digest::of(tar).to_string())).collect();
    image.config["history"] = json!([]);
    image.store(&test, "base");
    let mut manifest = image.manifest();
    let stored = layers.iter().map(|tar| {
        let layer = images::gzip(tar);
        test.put_blob("base", &layer);
        json!({"mediaType": LAYER, "digest": Digest::of(&layer).to_string(), "size": layer.len()})
    });
    manifest["layers"] = stored.collect();
    test.put_manifest("base", "1", MANIFEST, &serde_json::to_vec(&manifest).unwrap());
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    (test, sandbox)
}

/// Returns what a container sees at a path of the image that was built.
fn seen(sandbox: &Sandbox, path: &str) -> Value {
    let inspected = sandbox.run(&["ls", "oci:out", "--format", "json"]).succeeds().json();
    let files = inspected["images"][0]["files"].as_array().unwrap().clone();
    files.into_iter().find(|file| file["path"] == path).unwrap_or_default()
}

/// Checks that the accounts of a base, which are at `real`, are kept there, and that ours follows them.
fn kept(layers: &[Vec<u8>], real: &str, before: &[u8]) {
    let (_test, sandbox) = base(layers);
    let expected = json!(Digest::of(&[before, OURS.as_bytes()].concat()).to_string());
    // The first run reads the layers, the second knows them.
    for arguments in [&["build", "-o", "oci:out"][..], &["build", "--offline", "-o", "oci:out"]] {
        sandbox.run(arguments).succeeds();
        assert_eq!(seen(&sandbox, real)["digest"], expected, "{real}");
        std::fs::remove_dir_all(sandbox.path("out")).unwrap();
    }
}

#[test]
fn accounts_behind_links_are_kept_where_runtimes_read_them() {
    kept(&[tar(&[("etc/passwd", file(PASSWD))])], "/etc/passwd", PASSWD);
    let link = |target| ("etc/passwd", Kind::Link(target));
    kept(&[tar(&[("usr/share/passwd", file(PASSWD)), link("../usr/share/passwd")])], "/usr/share/passwd", PASSWD);
    kept(&[tar(&[("data/passwd", file(PASSWD)), ("data/link", Kind::Link("/data/passwd")), link("/data/link")])], "/data/passwd", PASSWD);
    // Up and out: inside of the image that is its root, for every runtime.
    kept(&[tar(&[("passwd", file(PASSWD)), link("/../../passwd")])], "/passwd", PASSWD);
    // The other name of a file of the same layer, once more by a link, and of another folder.
    kept(&[tar(&[("usr/passwd", file(PASSWD)), ("etc/passwd", Kind::HardLink("usr/passwd"))])], "/etc/passwd", PASSWD);
    let twice = [("a", file(PASSWD)), ("b", Kind::HardLink("a")), ("usr/x", Kind::HardLink("b")), link("/usr/x")];
    kept(&[tar(&twice)], "/usr/x", PASSWD);
    // A folder that is a link of a lower layer.
    let lower = tar(&[("usr/etc", Kind::Folder), ("etc", Kind::Link("usr/etc"))]);
    kept(&[lower.clone(), tar(&[("etc/passwd", file(PASSWD))])], "/usr/etc/passwd", PASSWD);
    let named_twice = tar(&[("etc/accounts", file(PASSWD)), ("etc/passwd", Kind::HardLink("etc/accounts"))]);
    kept(&[lower, named_twice], "/usr/etc/passwd", PASSWD);
    // A link to nothing: no user is lost, and ours is where the link leads.
    kept(&[tar(&[link("/run/passwd")])], "/run/passwd", b"root:x:0:0:root:/root:/sbin/nologin\n");

    // The link itself stays, and groups are no different.
    let group = b"root:x:0:\ndocker:x:999:me\n";
    let layer = tar(&[link("/a"), ("a", file(PASSWD)), ("etc/group", Kind::Link("../b")), ("b", file(group))]);
    let (_test, sandbox) = base(&[layer]);
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    assert_eq!(seen(&sandbox, "/etc/passwd")["target"], "/a");
    assert_eq!(seen(&sandbox, "/etc/group")["target"], "../b");
    assert_eq!(seen(&sandbox, "/b")["digest"], Digest::of(&[&group[..], b"nonroot:x:65532:\n"].concat()).to_string());
}

#[test]
fn accounts_that_are_large_or_not_utf8_are_kept_byte_for_byte() {
    let latin = b"root:x:0:0:root:/root:/bin/sh\nj\xfcrg:x:7:7:J\xfcrg M\xfcller:/home/j:/bin/sh\n";
    kept(&[tar(&[("etc/passwd", file(latin))])], "/etc/passwd", latin);
    let line = |number: u32| format!("user{number}:x:{}:100::/home/{number}:/bin/sh\n", number + 100_000);
    let many = (0..20_000).fold(String::new(), |text, number| text + &line(number));
    let many = [PASSWD, many.as_bytes()].concat();
    assert!(many.len() > 512 << 10);
    kept(&[tar(&[("etc/passwd", file(&many))])], "/etc/passwd", &many);
    // A user that the base has needs no line, wherever it is.
    let with_ours = [latin, OURS.as_bytes()].concat();
    let layer = tar(&[("etc/passwd", Kind::Link("/a")), ("a", file(&with_ours)), ("etc/group", file(b"root:x:0:\nnonroot:x:65532:\n"))]);
    let (_test, sandbox) = base(&[layer]);
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    assert_eq!(seen(&sandbox, "/a")["layer"], 0);
}

#[test]
fn accounts_that_cannot_be_known_are_an_error() {
    let large = vec![b'\n'; (16 << 20) + 1];
    let refusals: [(Vec<(&str, Kind)>, &str); 5] = [
        (vec![("etc/passwd", Kind::Link("passwd"))], "symbolic links form a loop"),
        (vec![("etc/passwd/x", file(b""))], "`/etc/passwd` is a folder"),
        (vec![("dev/null", Kind::Special(tar::EntryType::Char)), ("etc/passwd", Kind::Link("/dev/null"))], "`/dev/null` is a device"),
        (vec![("etc/passwd", Kind::Special(tar::EntryType::Fifo))], "`/etc/passwd` is a FIFO"),
        (vec![("etc/passwd", file(&large))], "16777217 bytes; at most 16777216 are read"),
    ];
    for (entries, reason) in refusals {
        let (test, sandbox) = base(&[tar(&entries)]);
        sandbox
            .run(&["build", "-o", "oci:out"])
            .fails(2, &["accounts in `/etc/passwd` of the base could not be read", reason, "[[files]]"]);
        if reason.contains("folder") {
            continue;
        }
        // What the recipe writes itself need not be known.
        let own = "[[files]]\ntext = \"me:x:1:1::/:/bin/sh\\n\"\nto = \"/etc/passwd\"\n[process]";
        let written = recipe(&format!("image = \"{}/base:1\"", test.host())).replace("[process]", own);
        sandbox.write("hardened.toml", written.as_bytes());
        sandbox.run(&["build", "-o", "oci:out"]).succeeds();
        assert_eq!(seen(&sandbox, "/etc/passwd")["digest"], Digest::of(b"me:x:1:1::/:/bin/sh\n").to_string());
    }
    // Also where `/etc` itself is a link.
    let behind = tar(&[("usr/etc/passwd", Kind::Link("passwd")), ("etc", Kind::Link("usr/etc"))]);
    let (test, sandbox) = base(&[behind]);
    let own = "[[files]]\ntext = \"me:x:1:1::/:/bin/sh\\n\"\nto = \"/etc/passwd\"\n[process]";
    let written = recipe(&format!("image = \"{}/base:1\"", test.host())).replace("[process]", own);
    sandbox.run(&["build", "-o", "oci:out"]).fails(2, &["symbolic links form a loop"]);
    sandbox.write("hardened.toml", written.as_bytes());
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    let both = tar(&[("a", file(PASSWD)), ("etc/passwd", Kind::Link("/a")), ("etc/group", Kind::Link("/a"))]);
    base(&[both]).1.run(&["build", "-o", "oci:out"]).fails(2, &["are the same file, `/a`"]);
}
