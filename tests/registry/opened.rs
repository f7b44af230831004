//! An image is opened alike wherever it is, down to its files.

use serde_json::{Value, json};
use tempfile::TempDir;

use hardened::oci::Digest;

use crate::images::{CONFIG, Image, LAYER, MANIFEST, gzip, tar};
use crate::registry::TestRegistry;
use crate::sandbox::Sandbox;

/// A layer with a program that has capabilities, a device, and a folder.
fn lower() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    let header = |kind: tar::EntryType, mode: u32, size: usize| {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_size(size as u64);
        header
    };
    let capability: &[u8] = &[1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    builder.append_pax_extensions([("SCHILY.xattr.security.capability", capability)]).unwrap();
    builder.append_data(&mut header(tar::EntryType::Regular, 0o755, 4), "usr/bin/ping", &b"ping"[..]).unwrap();
    let mut device = header(tar::EntryType::Char, 0o666, 0);
    device.set_device_major(1).unwrap();
    device.set_device_minor(3).unwrap();
    builder.append_data(&mut device, "dev/null", &b""[..]).unwrap();
    for (path, content) in [("etc/secret", "password"), ("etc/kept", "kept"), ("opt/a/b", "b"), ("replaced", "old")] {
        builder.append_data(&mut header(tar::EntryType::Regular, 0o600, content.len()), path, content.as_bytes()).unwrap();
    }
    builder.into_inner().unwrap()
}

/// Stores a base of two layers, of which the upper one hides files of the lower one.
fn base(test: &TestRegistry) {
    let upper = tar(&[
        ("etc/.wh.secret", crate::images::Entry::File("")),
        ("opt/.wh..wh..opq", crate::images::Entry::File("")),
        ("replaced", crate::images::Entry::File("new")),
    ]);
    let tars = [lower(), upper];
    let mut image = Image::of("amd64", tars[0].clone());
    image.config["rootfs"]["diff_ids"] = tars.iter().map(|tar| Digest::of(tar).to_string()).collect::<Vec<_>>().into();
    let config = image.config_bytes();
    let layers: Vec<Vec<u8>> = tars.iter().map(|tar| gzip(tar)).collect();
    layers.iter().chain([&config]).for_each(|blob| test.put_blob("team/base", blob));
    let described =
        |media_type: &str, blob: &[u8]| json!({"mediaType": media_type, "digest": Digest::of(blob).to_string(), "size": blob.len()});
    let layers: Vec<Value> = layers.iter().map(|layer| described(LAYER, layer)).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": described(CONFIG, &config), "layers": layers});
    test.put_manifest("team/base", "1", MANIFEST, &serde_json::to_vec(&manifest).unwrap());
}

fn inspected(sandbox: &Sandbox, cache: &TempDir, image: &str) -> Value {
    sandbox.run_with(cache.path(), &["ls", image, "--format", "json"]).succeeds().json()
}

#[test]
fn the_files_of_an_image_are_the_same_wherever_it_is() {
    let test = TestRegistry::start();
    base(&test);
    let sandbox = Sandbox::new(&format!("image = \"{}/team/base:1\"", test.host()));
    let name = format!("{}/shop/api:1", test.host());
    let outputs = ["-o", "oci:layout", "-o", "oci-archive:image.tar", "-o", "docker-archive:docker.tar"];
    sandbox.run(&[&["build", "--platform", "linux/amd64", "--push", "-t", &name], &outputs[..]].concat()).succeeds();
    // Each with a cache of its own: each reads the layers itself.
    let of = |image: &str| inspected(&sandbox, &TempDir::new().unwrap(), image)["images"][0].clone();
    let layout = of("oci:layout");
    for image in ["oci-archive:image.tar", &name] {
        assert_eq!(of(image), layout, "{image}");
    }
    // A Docker archive has a manifest of its own, and the same layers uncompressed or not.
    let docker = of("docker-archive:docker.tar");
    assert_eq!((&docker["files"], &docker["hidden"]), (&layout["files"], &layout["hidden"]));
    let find = |list: &str, path: &str| -> Value {
        let files = layout[list].as_array().unwrap();
        files.iter().find(|file| file["path"] == path).cloned().unwrap_or_else(|| panic!("{path} is not in {files:?}"))
    };
    let ping = find("files", "/usr/bin/ping");
    assert_eq!(ping["attributes"], json!(["security.capability=0100000200040000000000000000000000000000"]));
    assert_eq!((&ping["digest"], &ping["layer"]), (&Digest::of(b"ping").to_string().into(), &0.into()));
    assert_eq!(find("files", "/dev/null")["device"], json!({"major": 1, "minor": 3}));
    assert_eq!((&find("files", "/replaced")["size"], &find("files", "/replaced")["layer"]), (&3.into(), &1.into()));
    assert_eq!(find("files", "/app")["layer"], 3);
    for (path, by) in [("/etc/secret", 1), ("/opt/a/b", 1), ("/opt/a", 1), ("/replaced", 1)] {
        assert_eq!(find("hidden", path)["hidden-by"], by, "{path}");
    }
    assert!(layout["files"].as_array().unwrap().iter().all(|file| file["path"] != "/etc/secret"));
}

#[test]
fn layers_are_read_once_and_only_for_what_is_not_known() {
    let test = TestRegistry::start();
    base(&test);
    let sandbox = Sandbox::new("");
    let (cache, name) = (TempDir::new().unwrap(), format!("{}/team/base:1", test.host()));
    let blobs = || test.seen().iter().filter(|seen| seen.method == "GET" && seen.path().contains("/blobs/")).count();
    let plain = sandbox.run_with(cache.path(), &["inspect", &name, "--format", "json"]).succeeds().json();
    assert!(plain["images"][0].get("files").is_none());
    assert_eq!(blobs(), 1, "the config");
    let first = inspected(&sandbox, &cache, &name);
    assert_eq!(blobs(), 3, "both layers: the config is kept");
    assert_eq!(inspected(&sandbox, &cache, &name), first);
    assert_eq!(blobs(), 3);
    let listed = sandbox.run_with(cache.path(), &["ls", &name, "--hidden"]).succeeds().out;
    for line in ["c0666          0:0          1, 3    0  /dev/null", "/etc/secret  (hidden by layer 1)"] {
        assert!(listed.contains(line), "{line} is not in:\n{listed}");
    }
}

#[test]
fn what_a_carried_cache_says_of_a_base_is_learned_from_the_bytes() {
    let test = TestRegistry::start();
    base(&test);
    let sandbox = Sandbox::new(&format!("image = \"{}/team/base:1\"", test.host()));
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let arguments = ["build", "--platform", "linux/amd64", "--format", "json"];
    let built = sandbox.run_with(here.path(), &arguments).succeeds().json();
    let exported = sandbox.run_with(here.path(), &["cache", "export", "carried.tar", "--format", "json"]).succeeds().json();
    assert_eq!((&exported["layers"], &exported["foreign"]), (&2.into(), &2.into()));
    let imported = sandbox.run_with(there.path(), &["cache", "import", "carried.tar", "--format", "json"]).succeeds().json();
    assert_eq!(imported, exported);
    // The base is not asked for again.
    let before = test.seen().len();
    assert_eq!(sandbox.run_with(there.path(), &arguments).succeeds().json()["digest"], built["digest"]);
    assert_eq!(test.seen().len(), before);
}

#[test]
fn files_are_listed_with_their_packages_and_printed() {
    use crate::images::Entry::{File, Folder, Link};
    let test = TestRegistry::start();
    let lists = [
        ("usr/", Folder),
        ("usr/bin/", Folder),
        ("bin", Link("usr/bin")),
        ("usr/bin/tool", File("tool")),
        ("usr/bin/other", File("good")),
        ("usr/bin/same", Link("tool")),
        ("var/lib/dpkg/info/tool:amd64.list", File("/.\n/bin\n/bin/tool\n/usr/bin/same\n")),
        ("var/lib/dpkg/status.d/other.md5sums", File("d41d8cd98f00b204e9800998ecf8427e  usr/bin/other\n")),
    ];
    Image::of("amd64", tar(&lists)).tag(&test, "team/base", "1");
    let sandbox = Sandbox::new("");
    let image = format!("{}/team/base:1", test.host());
    let listed = sandbox.run(&["ls", &image, "/bin"]).succeeds().out;
    let rows: Vec<Vec<&str>> = listed.lines().map(|line| line.split_whitespace().collect()).collect();
    let names: Vec<String> = rows.iter().map(|row| format!("{} {}", row[row.len() - 2], row[row.len() - 1])).collect();
    assert_eq!(names[..3], ["- /usr/bin", "other /usr/bin/other", "-> tool"], "{listed}");
    assert!(listed.contains("tool   /usr/bin/same -> tool\n") && listed.contains("tool   /usr/bin/tool\n"), "{listed}");
    let json = sandbox.run(&["ls", &image, "/usr/bin/tool", "--format", "json"]).succeeds().json();
    assert_eq!(json["images"][0]["files"].as_array().unwrap().len(), 1);
    assert_eq!(json["images"][0]["files"][0]["package"], "tool");
    for (path, content) in [("/usr/bin/tool", "tool"), ("/bin/same", "tool"), ("usr/bin/other", "good")] {
        assert_eq!(sandbox.run(&["cat", &image, path]).succeeds().out, content, "{path}");
    }
    sandbox.run(&["cat", &image, "/none"]).fails(2, &["has no `/none`", "`hardened ls"]);
    sandbox.run(&["cat", &image, "/usr"]).fails(2, &["`/usr` in", "is not a regular file"]);
    sandbox.run(&["ls", &image, "/none"]).fails(2, &["has no `/none`"]);
}

#[test]
fn a_file_of_an_image_with_several_platforms_is_printed_of_one() {
    let sandbox = Sandbox::new("static = true");
    let both =
        ["build", "-o", "oci:out", "--platform", "linux/amd64,linux/arm64", "--set", "files=[{from=\"{platform.arch}\",to=\"/app\"}]"];
    for (architecture, machine) in [("amd64", 62), ("arm64", 183)] {
        sandbox.write(architecture, &crate::project::program(machine));
        sandbox.executable(architecture);
    }
    sandbox.run(&both).succeeds();
    let listed = sandbox.run(&["ls", "oci:out", "/app"]).succeeds().out;
    assert!(listed.starts_with("linux/amd64  sha256:") && listed.contains("\nlinux/arm64  sha256:"), "{listed}");
    sandbox.run(&["cat", "oci:out", "/app"]).fails(2, &["has images for 2 platforms", "`--platform linux/arm64`"]);
    let printed = sandbox.command(&["cat", "oci:out", "/app", "--platform", "linux/arm64"]).output().unwrap();
    assert_eq!(printed.stdout, crate::project::program(183));
}
