//! Pushing what a registry has.

use serde_json::Value;
use tempfile::TempDir;

use crate::project::made::Numbers;
use crate::project::{Project, settle};
use crate::registry::TestRegistry;

#[test]
fn an_image_that_a_registry_has_costs_one_request() {
    let test = TestRegistry::start();
    let project = Project::new("split = \"auto\"\n");
    let mut numbers = Numbers(5);
    for number in 0..90 {
        project.write(&format!("file-{number}"), &numbers.bytes(400_000));
    }
    settle();
    let cache = TempDir::new().unwrap();
    let name = format!("{}/shop/api:1", test.host());
    let push = ["--push", "-t", &name];
    let first = project.build(cache.path(), &push);
    let before = test.seen().len();
    assert_eq!(project.build(cache.path(), &push)["digest"], first["digest"]);
    let seen: Vec<String> = test.seen()[before..].iter().map(|seen| format!("{} {}", seen.method, seen.path())).collect();
    assert_eq!(seen, ["GET /v2/shop/api/manifests/1"]);
    // One file changes: only its layer is sent.
    project.write("file-7", b"changed");
    settle();
    let (received, writes) = (test.received(), test.writes().len());
    project.build(cache.path(), &push);
    let sent = test.received() - received;
    assert!(sent < 3_000_000, "{sent} bytes");
    let uploads = test.writes()[writes..].iter().filter(|line| line.starts_with("PUT") && line.contains("/uploads/")).count();
    assert_eq!(uploads, 2, "the layer and the config");
    let manifest = test.manifest("shop/api", "1").unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        let digest = layer["digest"].as_str().unwrap().parse().unwrap();
        assert!(test.blob("shop/api", digest).is_some());
    }
}

#[test]
fn a_cache_is_carried_by_the_registry_of_the_image() {
    let test = TestRegistry::start();
    let project = Project::new("");
    let mut numbers = Numbers(8);
    for number in 0..10 {
        project.write(&format!("file-{number}"), &numbers.bytes(400_000));
    }
    let (here, there) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let (name, carried) = (format!("{}/shop/api:1", test.host()), format!("{}/shop/api:cache", test.host()));
    let built = project.build(here.path(), &["--push", "-t", &name]);
    let received = test.received();
    project.run(here.path(), &["cache", "export", &carried]);
    let sent = test.received() - received;
    assert!(sent < 20_000, "{sent} bytes: the layers are there already");
    project.run(there.path(), &["cache", "import", &carried]);
    assert_eq!(project.build(there.path(), &[])["digest"], built["digest"]);
}
