//! `hardened build`: what is asked for is what comes out.

use hardened::oci::Compression;
use hardened::recipe::Format;
use serde_json::Value;

use crate::registry::TestRegistry;
use crate::sandbox::{Sandbox, recipe};

#[test]
fn standard_output_is_one_line_and_files_hold_the_rest() {
    let sandbox = Sandbox::new("static = true");
    let arguments = ["build", "-o", "oci:out", "-o", "oci-archive:out.tar", "-o", "docker-archive:docker.tar"];
    let more = ["--digest-file", "digest", "--metadata-file", "built.json", "-t", "a.example/b:c", "--label", "team=shop"];
    let ran = sandbox.run(&[&arguments[..], &more[..]].concat()).succeeds();
    let reference = ran.out.trim_end();
    let digest = reference.strip_prefix("oci:out@").unwrap();
    assert_eq!(sandbox.read("digest").trim_end(), digest);
    let built: Value = serde_json::from_str(&sandbox.read("built.json")).unwrap();
    assert_eq!((built["digest"].as_str(), built["tags"][0].as_str()), (Some(digest), Some("a.example/b:c")));
    let layer = &built["platforms"][0]["layers"][1];
    assert!(layer["diff-id"].as_str().unwrap().starts_with("sha256:") && layer["tar-size"].as_u64() > Some(512));
    for place in ["oci:out", "oci-archive:out.tar"] {
        let seen = sandbox.run(&["inspect", place, "--format", "json"]).succeeds().json();
        assert_eq!(seen["digest"], digest, "{place}");
        assert_eq!(seen["images"][0]["config"]["config"]["Labels"]["team"], "shop");
    }
    assert!(sandbox.run(&["inspect", "docker-archive:docker.tar"]).succeeds().out.contains("\"/app\""));
    assert!(sandbox.run(&["-q", "build", "-o", "oci:out"]).succeeds().err.is_empty());
    assert!(sandbox.run(&["-v", "build", "-o", "oci:out"]).succeeds().err.contains("unchanged: files app -> /app"));
}

#[test]
fn any_key_can_be_set_and_any_recipe_named() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("sub/other.toml", recipe("static = true").replace("[image]", "root = \"..\"\n[image]").as_bytes());
    let set = ["--set", "process.workdir=/srv", "--set", "process.env.A=b", "--set", "user.uid=1000", "--platform", "linux/amd64"];
    sandbox.run(&[&["build", "-f", "sub/other.toml", "-o", "oci:out"][..], &set[..]].concat()).succeeds();
    assert!(sandbox.has("sub/other.lock") && !sandbox.has("hardened.lock"));
    let seen = sandbox.run(&["inspect", "oci:out", "--format", "json"]).succeeds().json();
    let config = &seen["images"][0]["config"]["config"];
    assert_eq!((config["WorkingDir"].as_str(), config["User"].as_str()), (Some("/srv"), Some("1000:1000")));
    assert!(config["Env"].as_array().unwrap().contains(&"A=b".into()));
}

#[test]
fn a_recipe_is_named_by_its_folder_or_its_file() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("services/api/hardened.toml", recipe("static = true").replace("from = \"app\"", "from = \"run\"").as_bytes());
    sandbox.write("services/api/run", &crate::project::program(62));
    sandbox.executable("services/api/run");
    sandbox.write("services/empty/readme", b"");

    let by_option = sandbox.run(&["build", "-f", "services/api/hardened.toml"]).succeeds().out;
    for path in ["services/api", "services/api/", "./services/api", "services/api/hardened.toml"] {
        assert_eq!(sandbox.run(&["build", path]).succeeds().out, by_option, "{path}");
    }
    assert_eq!(sandbox.run(&["build", "-f", "services/api"]).succeeds().out, by_option);
    sandbox.run(&["build", "."]).succeeds();
    sandbox.run(&["lock", "services/api"]).succeeds();
    assert!(sandbox.has("hardened.lock") && sandbox.has("services/api/hardened.lock"));

    sandbox.run(&["build", "services/api", "-f", "hardened.toml"]).fails(2, &["both name the recipe"]);
    sandbox.run(&["lock", ".", "-f", "hardened.toml"]).fails(2, &["both name the recipe"]);
    // The recipe above the folder is not the folder's.
    let missing = ["`services/empty/hardened.toml`", "`hardened init services/empty` writes one"];
    sandbox.run(&["build", "services/empty"]).fails(2, &missing);
    sandbox.run(&["lock", "services/empty"]).fails(2, &missing);
    sandbox.run(&["build", "oci:image"]).fails(2, &["`oci:image`", "`-o oci:image`"]);
}

#[test]
fn an_image_is_pushed_to_every_name_and_tags_move_last() {
    let (one, other) = (TestRegistry::start(), TestRegistry::start());
    let names = format!("names = [\"{0}/shop/api\", \"{0}/mirror/api\", \"{1}/api\"]\ntags = [\"1.4\", \"1\"]", one.host(), other.host());
    let sandbox = Sandbox::of(&recipe("static = true").replace("name = \"registry.example.no/shop/api\"", &names));
    let ran = sandbox.run(&["build", "--push", "--format", "json"]).succeeds().json();
    let digest = ran["digest"].as_str().unwrap();
    let upload = |upload: &Value| format!("{} {}", upload["status"].as_str().unwrap(), upload["destination"].as_str().unwrap());
    let uploads: Vec<String> = ran["uploads"].as_array().unwrap().iter().map(upload).collect();
    assert!(uploads.contains(&format!("uploaded {}/shop/api", one.host())), "{uploads:?}");
    assert!(uploads.contains(&format!("mounted {}/mirror/api", one.host())), "{uploads:?}");
    for (test, repository) in [(&one, "shop/api"), (&one, "mirror/api"), (&other, "api")] {
        let manifest = test.manifest(repository, digest).or_else(|| test.manifest(repository, "1.4")).unwrap();
        assert_eq!(test.manifest(repository, "1.4").as_deref(), Some(&*manifest));
        assert_eq!(test.manifest(repository, "1").as_deref(), Some(&*manifest));
    }
    // What the first repository has, the second mounts.
    let writes = one.writes();
    assert!(writes.iter().filter(|line| line.contains("/mirror/api/blobs/uploads/")).all(|line| line.starts_with("POST")), "{writes:?}");
    for test in [&one, &other] {
        let writes = test.writes();
        let last_blob = writes.iter().rposition(|line| line.contains("/blobs/")).unwrap();
        let first_tag = writes.iter().position(|line| line.contains("/manifests/1")).unwrap();
        assert!(last_blob < first_tag, "{writes:?}");
    }
    let pulled = sandbox.run(&["inspect", &format!("{}/api:1", other.host()), "--format", "json"]).succeeds().json();
    assert_eq!(pulled["digest"], digest);
    let copied = sandbox.run(&["push", &format!("{}/api:1", other.host()), &format!("{}/copy:2", one.host())]).succeeds();
    assert!(copied.out.contains(digest));
}

#[test]
fn what_was_left_out_is_told() {
    let recipe =
        recipe("static = true").replace("[process]", "[[files]]\nfrom = \"dist\"\nto = \"/dist\"\nexclude = [\"*.map\"]\n[process]");
    let sandbox = Sandbox::of(&recipe);
    for name in ["a.js", "a.js.map", ".env", ".git/config", "id_rsa"] {
        sandbox.write(&format!("dist/{name}"), name.as_bytes());
    }
    let built = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds().json();
    let skipped: Vec<&str> = built["skipped"].as_array().unwrap().iter().map(|skip| skip["path"].as_str().unwrap()).collect();
    assert_eq!(skipped, ["dist/.env", "dist/.git", "dist/a.js.map", "dist/id_rsa"]);
}

#[test]
fn platforms_have_their_own_files() {
    let recipe = recipe("static = true")
        .replace("from = \"app\"", "from = \"build/{platform.arch}/app\"")
        .replace("[base]", "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[base]");
    let sandbox = Sandbox::of(&recipe);
    for (architecture, machine) in [("amd64", 62), ("arm64", 183)] {
        sandbox.write(&format!("build/{architecture}/app"), &crate::project::program(machine));
        sandbox.executable(&format!("build/{architecture}/app"));
    }
    let built = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds().json();
    assert_eq!(built["media-type"], crate::images::INDEX);
    let layer = |number: usize| built["platforms"][number]["layers"][1]["digest"].clone();
    assert_ne!(layer(0), layer(1));
    sandbox.run(&["build", "-o", "docker-archive:x.tar"]).fails(2, &["holds one platform", "--platform linux/amd64"]);
    sandbox.write("build/arm64/app", &crate::project::program(62));
    sandbox.run(&["build", "-o", "oci:other"]).fails(1, &["arm64"]);
    assert!(!sandbox.has("other"));
}

/// What a format stands for: the number, a compression and who does it, the digest over the digests of layers, and that of a config.
const GOLDEN: [(u32, Compression, &str, &str, &str); 4] = [
    (
        1,
        Compression::Gzip,
        "libdeflate 1.26",
        "ffd0b594615ccd618c3cbeb285dec2f24f190112d144553947d25feef357c2d5",
        "386db6d33a461f71802e588422f261aa08069d905219ad08ff0e9789e7562b2c",
    ),
    (
        1,
        Compression::Zstd,
        "zstd 1.5.7",
        "376e9ff432e808744cd6c02eb92a2a0a9f9e06f1be712bf4c25f138742fd1f01",
        "386db6d33a461f71802e588422f261aa08069d905219ad08ff0e9789e7562b2c",
    ),
    (
        2,
        Compression::Gzip,
        "libdeflate 1.26",
        "ffd0b594615ccd618c3cbeb285dec2f24f190112d144553947d25feef357c2d5",
        "386db6d33a461f71802e588422f261aa08069d905219ad08ff0e9789e7562b2c",
    ),
    (
        2,
        Compression::Zstd,
        "zstd 1.5.7",
        "376e9ff432e808744cd6c02eb92a2a0a9f9e06f1be712bf4c25f138742fd1f01",
        "386db6d33a461f71802e588422f261aa08069d905219ad08ff0e9789e7562b2c",
    ),
];

/// Equal `format` numbers in a lock mean equal bytes, across releases. A change of a digest or a compressor needs a new format instead.
#[test]
fn the_bytes_of_a_format_never_change() {
    for format in Format::carried() {
        let rows: Vec<_> = GOLDEN.iter().filter(|row| row.0 == format.number()).collect();
        assert_eq!(rows.len(), 2, "the format {} has golden bytes of each compression", format.number());
        for (_, compression, version, _, _) in rows {
            assert_eq!(format.compressor(*compression), *version);
        }
    }
    for (number, compression, _, expected, expected_config) in GOLDEN {
        let compression = if compression == Compression::Zstd { "zstd" } else { "gzip" };
        let base = crate::images::Image::new("amd64");
        let test = TestRegistry::start();
        let digest = base.tag(&test, "base", "1");
        let sandbox = Sandbox::of(&format!(
            "{}ports = [8080]\nenv = {{ MODE = \"live\" }}\n[layers]\ncompression = \"{compression}\"\n",
            recipe(&format!("image = \"{}/base@{digest}\"", test.host()))
            .replace("[image]\n", &format!("[image]\nformat = {number}\n"))
            .replace(
                "[process]",
                "[metadata]\ntitle = \"Shop\"\n[[files]]\nfrom = \"tree\"\nto = \"/srv/tree\"\n[[links]]\npath = \"/usr/bin/app\"\ntarget = \"/app\"\n[process]"
            )
        ));
        for number in 0..200_u32 {
            let content = format!("{number} ").repeat((number * 37 % 900) as usize);
            sandbox.write(&format!("tree/{}/file {number} æ", number % 9), content.as_bytes());
        }
        let large: Vec<u8> = (0..5_000_000_u32).map(|place| u8::try_from((place.wrapping_mul(place) >> 7) % 251).unwrap_or(0)).collect();
        sandbox.write("tree/large", &large);
        let built = sandbox.run(&["build", "-o", "oci:out", "--format", "json"]).succeeds().json();
        // The base's name holds a port that changes, so that layers are compared, and not the manifest.
        let layers: Vec<&str> =
            built["platforms"][0]["layers"].as_array().unwrap().iter().map(|layer| layer["digest"].as_str().unwrap()).collect();
        assert_eq!(hardened::oci::Digest::of(layers[1..].join(" ").as_bytes()).hex(), expected, "{compression}: {layers:?}");
        let config = built["platforms"][0]["config"].as_str().unwrap();
        assert_eq!(config.strip_prefix("sha256:"), Some(expected_config), "{compression}");
    }
}
