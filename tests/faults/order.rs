//! A tag never points to what is not whole, and what was just written may be late.

use std::collections::BTreeSet;

use hardened::oci::{Selector, Store};

use crate::client::{answer, bytes, count, index, push, repository, tag, told};
use crate::registry::{Fault, Guard, Seen, TestRegistry};
use crate::sandbox::Sandbox;

/// Checks that each manifest that was accepted named nothing but what had arrived before.
fn whole_at_each_moment(seen: &[Seen]) {
    let (mut there, mut tags) = (BTreeSet::new(), 0);
    for request in seen.iter().filter(|request| request.method == "PUT") {
        let target = request.target.replace("%3A", ":");
        if let Some((_, digest)) = target.split_once("digest=") {
            there.insert(digest.to_owned());
            continue;
        }
        let manifest: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let parts = ["layers", "manifests"].iter().filter_map(|key| manifest[key].as_array()).flatten().chain(manifest.get("config"));
        for part in parts {
            let digest = part["digest"].as_str().unwrap();
            assert!(there.contains(digest), "{} names {digest}, which has not arrived", request.path());
        }
        there.insert(hardened::oci::Digest::of(&request.body).to_string());
        tags += usize::from(!request.path().contains("sha256:"));
    }
    assert!(tags > 0);
}

#[test]
fn f41_blobs_come_first_then_manifests_then_the_index_and_tags_last() {
    let sandbox = Sandbox::new("static = true");
    sandbox.write("tree/large", &bytes(3_000_000));
    let test = TestRegistry::start();
    let name = format!("{}/shop/api", test.host());
    let tags: Vec<String> = ["1.2", "1"].iter().map(|tag| format!("{name}:{tag}")).collect();
    // Two platforms, so that there is an index.
    for (architecture, machine) in [("amd64", 62), ("arm64", 183)] {
        sandbox.write(&format!("{architecture}/app"), &crate::made::program(machine));
    }
    let recipe = sandbox.read("hardened.toml").replace("from = \"app\"", "from = \"{platform.arch}/app\"\nmode = \"0755\"");
    sandbox.write("both.toml", recipe.replace("[base]", "platforms = [\"linux/amd64\", \"linux/arm64\"]\n[base]").as_bytes());
    let ran = sandbox.run(&["build", "-f", "both.toml", "--push", "-t", &tags[0], "-t", &tags[1]]).succeeds();
    assert!(test.manifest("shop/api", &ran.digest()).is_some());
    whole_at_each_moment(&test.seen());
    // Through a registry that loses answers and breaks connections, in the same order.
    let test = TestRegistry::with(Guard::Open, |seen, before| match (seen.method.as_str(), before) {
        ("PUT", 0) => Some(Fault::LoseAnswer),
        ("POST", 0 | 1) => Some(answer(503, &[], "")),
        ("HEAD", 0) => Some(Fault::ResetBefore),
        _ => None,
    });
    let tags: Vec<String> = ["1.2", "1"].iter().map(|tag| format!("{}/shop/api:{tag}", test.host())).collect();
    sandbox.run(&["build", "--push", "-t", &tags[0], "-t", &tags[1]]).succeeds();
    whole_at_each_moment(&test.seen());
    assert_eq!(test.manifest("shop/api", "1"), test.manifest("shop/api", "1.2"));
}

#[test]
fn f41_where_a_blob_cannot_be_sent_no_tag_moves() {
    let sandbox = Sandbox::new("static = true");
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        (seen.method == "PUT" && seen.path().contains("/uploads/")).then(|| answer(507, &[], "full"))
    });
    sandbox.run(&["build", "--push", "-t", &format!("{}/shop/api:1", test.host())]).fails(3, &["507", "full"]);
    assert_eq!(count(&test, |seen| seen.path().contains("/manifests/") && seen.method == "PUT"), 0);
}

#[test]
fn f42_what_was_just_written_and_is_not_seen_yet_is_asked_for_again() {
    // The registry's other half does not know the blob yet when the manifest comes.
    let late = "{\"errors\":[{\"code\":\"MANIFEST_BLOB_UNKNOWN\",\"message\":\"late\"}]}";
    let test = TestRegistry::with(Guard::Open, move |seen, before| {
        (seen.method == "PUT" && seen.path().contains("/manifests/") && before < 3).then(|| answer(400, &[], late))
    });
    let to = repository(&test);
    push(&to, &bytes(100)).unwrap();
    to.write_manifest(&index("one"), Some(&tag("1"))).map_err(|error| told(&error)).unwrap();
    assert_eq!(test.manifest("shop/api", "1").unwrap(), index("one").bytes);
    // Nor the manifest when it is read back.
    let test = TestRegistry::with(Guard::Open, move |seen, before| {
        (seen.method == "GET" && seen.path().ends_with("/manifests/1") && before < 3).then(|| answer(404, &[], ""))
    });
    let to = repository(&test);
    to.write_manifest(&index("one"), Some(&tag("1"))).unwrap();
    assert_eq!(to.read_manifest(&Selector::Tag(tag("1"))).unwrap(), index("one"));
    // The blob that a HEAD does not show is sent again, and that is all.
    let test = TestRegistry::with(Guard::Open, |seen, before| (seen.method == "HEAD" && before == 1).then(|| answer(404, &[], "")));
    let to = repository(&test);
    push(&to, &bytes(100)).unwrap();
    push(&to, &bytes(100)).unwrap();
    assert_eq!(test.received(), 200);
    // It ends: a registry that never gets there is an error.
    let test = TestRegistry::with(Guard::Open, move |seen, _| (seen.method == "PUT").then(|| answer(400, &[], late)));
    let to = repository(&test);
    assert!(to.write_manifest(&index("one"), Some(&tag("1"))).is_err());
    assert!(count(&test, |seen| seen.method == "PUT") < 10);
}
