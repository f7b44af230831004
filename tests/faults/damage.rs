//! Damage to any file of the cache, at any byte, for every kind of base.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use hardened::oci::Digest;

use crate::registry::TestRegistry;
use crate::sandbox::{Image, Sandbox, cached};

#[path = "../support/damage.rs"]
pub(crate) mod shared;

use shared::{DAMAGES, damage, damages_of, files};

/// Builds once, damages each file of the cache in turn, and builds again each time.
fn damage_each_file(sandbox: &Sandbox) {
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    let all = files(&sandbox.path("cache"));
    assert!(all.len() > 5, "{all:?}");
    for file in &all {
        for (name, how) in damages_of(file) {
            if !file.exists() {
                sandbox.run(&["build", "-o", "oci:out"]).succeeds();
            }
            // What is not written again by a build is not read by it.
            if file.exists() {
                damage(file, *how);
            }
            let _ = fs::remove_dir_all(sandbox.path("out"));
            let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
            assert_eq!(ran.digest(), expected, "{name} of {}: {}", file.display(), ran.err);
            sandbox.run(&["inspect", "oci:out"]).succeeds();
        }
    }
    sandbox.run(&["cache", "check"]);
    assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest(), expected);
}

/// Damages a base's layer of which nothing is known, so that a decoder meets the damage first.
fn damage_a_layer_that_is_read(sandbox: &Sandbox, layer: &Digest) {
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    let path = sandbox.path("cache/blobs/sha256").join(&layer.hex()[..2]).join(layer.hex());
    for (name, how) in &DAMAGES {
        for kind in ["facts-3", "found-1"] {
            fs::remove_dir_all(sandbox.path("cache").join(kind)).unwrap();
        }
        damage(&path, *how);
        let ran = sandbox.run(&["build", "-o", "oci:new"]).succeeds();
        assert_eq!(ran.digest(), expected, "{name}: {}", ran.err);
        assert_eq!(ran.err.matches("a file in the cache was damaged").count(), 1, "{name}: {}", ran.err);
        assert!(cached(&sandbox.path("cache")).iter().all(|(_, good)| *good), "{name}");
        fs::remove_dir_all(sandbox.path("new")).unwrap();
    }
}

#[test]
fn f26_damage_to_any_file_is_made_good_by_the_next_build() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("tree/large", &crate::made::Numbers(261).bytes(900_000));
    damage_each_file(&sandbox);
}

#[test]
fn f26_damage_to_any_file_of_an_image_from_a_registry_is_made_good_by_the_next_build() {
    let (test, base) = (TestRegistry::start(), Image::new());
    base.tag(&test, "base", "1");
    damage_each_file(&Sandbox::new(&format!("image = \"{}/base:1\"", test.host())));
}

#[test]
fn f26_damage_that_a_decoder_meets_first_is_made_good_at_once() {
    for compression in ["gzip", "zstd"] {
        let sandbox = Sandbox::new("static = true\n[layers]\nsplit = \"off\"");
        let recipe = sandbox.read("hardened.toml");
        let compressed = |base: &str| {
            recipe.replace("static = true\n[layers]\nsplit = \"off\"", base) + "[layers]\ncompression = \"" + compression + "\"\n"
        };
        sandbox.write("hardened.toml", compressed("static = true").as_bytes());
        sandbox.write("tree/large", &crate::made::Numbers(262).bytes(300_000));
        sandbox.run(&["build", "-o", "oci:base"]).succeeds();
        let base = sandbox.run(&["inspect", "oci:base", "--format", "json"]).succeeds().json();
        let layer: Digest = base["images"][0]["layers"].as_array().unwrap().last().unwrap()["digest"].as_str().unwrap().parse().unwrap();
        sandbox.write("hardened.toml", compressed("layout = \"base\"").replace("to = \"/srv\"", "to = \"/more\"").as_bytes());
        fs::remove_file(sandbox.path("hardened.lock")).unwrap();
        fs::remove_dir_all(sandbox.path("cache")).unwrap();
        damage_a_layer_that_is_read(&sandbox, &layer);
    }
    let (test, base) = (TestRegistry::start(), Image::new());
    base.tag(&test, "base", "1");
    damage_a_layer_that_is_read(&Sandbox::new(&format!("image = \"{}/base:1\"", test.host())), &Digest::of(&base.layer));
}

/// What takes the name of a file, and what makes it.
type Replacement = (&'static str, fn(&Path));

#[test]
fn f26_what_is_no_file_or_cannot_be_read_gives_way() {
    let (test, base) = (TestRegistry::start(), Image::new());
    base.tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    let expected = sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest();
    let replacements: [Replacement; 5] = [
        ("a FIFO", fifo),
        ("a folder", |path| fs::create_dir_all(path.join("in/it")).unwrap()),
        ("a link to a device", |path| std::os::unix::fs::symlink("/dev/zero", path).unwrap()),
        ("a link to nothing", |path| std::os::unix::fs::symlink("nothing", path).unwrap()),
        ("a file without permissions", |path| {
            fs::write(path, b"closed").unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
        }),
    ];
    for file in files(&sandbox.path("cache")) {
        for (name, replace) in &replacements {
            if file.exists() {
                fs::remove_file(&file).unwrap();
            }
            replace(&file);
            let _ = fs::remove_dir_all(sandbox.path("out"));
            let ran = sandbox.run(&["build", "-o", "oci:out"]).succeeds();
            assert_eq!(ran.digest(), expected, "{name} as {}: {}", file.display(), ran.err);
            sandbox.run(&["cache", "check"]);
            assert!(fs::symlink_metadata(&file).is_ok_and(|found| found.is_file()) || !file.exists(), "{name}");
            sandbox.run(&["build", "-o", "oci:out"]).succeeds();
        }
    }
    // A FIFO in place of the lock of a prune, and of a folder for files.
    let lock = sandbox.path("cache/prune");
    let _ = fs::remove_file(&lock);
    fifo(&lock);
    sandbox.run(&["cache", "prune", "--yes"]).succeeds();
    for folder in fs::read_dir(sandbox.path("cache/blobs/sha256")).unwrap().map(|entry| entry.unwrap().path()) {
        fs::remove_dir_all(&folder).unwrap();
        fifo(&folder);
    }
    let _ = fs::remove_dir_all(sandbox.path("out"));
    assert_eq!(sandbox.run(&["build", "-o", "oci:out"]).succeeds().digest(), expected);
}

fn fifo(path: &Path) {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
}

#[test]
fn f26_a_broken_layer_that_is_what_its_digest_says_is_not_called_damaged() {
    let test = TestRegistry::start();
    let base = Image::new();
    let mut broken = base.layer.clone();
    let middle = broken.len() / 2;
    // The checksum of gzip does not hold, and the digest does.
    broken[middle] ^= 1;
    let image = Image { layer: broken.clone(), ..base };
    image.tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    for _ in 0..2 {
        let ran = sandbox.run(&["build", "-o", "oci:out"]);
        ran.fails(3, &["could not read layer"]);
        assert!(!ran.err.contains("damaged"), "{}", ran.err);
    }
    assert!(cached(&sandbox.path("cache")).iter().any(|(digest, good)| *good && *digest == Digest::of(&broken).hex()));
}

#[test]
fn f26_a_damaged_layer_is_made_again_for_an_archive() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("tree/large", &crate::made::Numbers(263).bytes(300_000));
    let expected = sandbox.run(&["build", "-o", "oci-archive:out.tar"]).succeeds().digest();
    for (name, how) in &DAMAGES {
        for file in files(&sandbox.path("cache/blobs")) {
            damage(&file, *how);
        }
        let ran = sandbox.run(&["build", "-o", "oci-archive:out.tar", "-o", "docker-archive:docker.tar"]).succeeds();
        assert_eq!(ran.digest(), expected, "{name}: {}", ran.err);
        assert_eq!(ran.err.matches("a file in the cache was damaged").count(), 1, "{name}: {}", ran.err);
        sandbox.run(&["cat", "oci-archive:out.tar", "/srv/file"]).succeeds();
    }
}

#[test]
fn f26_an_import_takes_again_what_is_damaged_here() {
    let (test, base) = (TestRegistry::start(), Image::new());
    base.tag(&test, "base", "1");
    let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
    sandbox.run(&["build", "-o", "oci:out"]).succeeds();
    sandbox.run(&["cache", "export", "carried.tar"]).succeeds();
    for (name, how) in &DAMAGES {
        for file in files(&sandbox.path("cache/blobs")) {
            damage(&file, *how);
        }
        for kind in ["facts-3", "found-1", "layers-2"] {
            fs::remove_dir_all(sandbox.path("cache").join(kind)).unwrap();
        }
        let ran = sandbox.run(&["cache", "import", "carried.tar"]).succeeds();
        assert!(ran.out.contains("imported 2 layers and 1 of bases") && !ran.out.contains("left out"), "{name}: {}\n{}", ran.out, ran.err);
    }
}
