//! What people see: progress, interruptions and results, on a pseudo-terminal, in a file, and where nothing can be written.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened as its users do; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

#[expect(dead_code, reason = "shared with the tests of registries, which need more of it")]
#[path = "../registry/images.rs"]
mod images;
mod output;
mod progress;
#[expect(dead_code, reason = "shared with the tests of whole projects, which need more of it")]
#[path = "../support/project.rs"]
mod project;
#[expect(dead_code, reason = "shared with the tests of registries, which need more of it")]
#[path = "../support/registry.rs"]
mod registry;
#[path = "../registry/sandbox.rs"]
#[expect(dead_code, reason = "shared with the tests of registries, which need more of it")]
mod sandbox;
mod screen;
mod terminal;

use std::thread::sleep;
use std::time::Duration;

use hardened::oci::Digest;
use serde_json::json;

use crate::images::{Entry, Image, LAYER, MANIFEST, gzip, tar};
use crate::registry::{Guard, TestRegistry};
use crate::sandbox::Sandbox;

/// A registry that sends each of the layers of `base:1` after a pause, and a project on that base.
struct SlowBase {
    test: TestRegistry,
    sandbox: Sandbox,
}

impl SlowBase {
    fn new(layers: usize, pause: Duration) -> Self {
        let mut image = Image::new("amd64");
        let mut manifest = image.manifest();
        let mut blobs = vec![image.layer.clone()];
        for number in 1..layers {
            let name: &'static str = Box::leak(format!("srv/{number}").into_boxed_str());
            let plain = tar(&[(name, Entry::File("content"))]);
            let packed = gzip(&plain);
            image.config["rootfs"]["diff_ids"].as_array_mut().unwrap().push(json!(Digest::of(&plain).to_string()));
            let layer = json!({"mediaType": LAYER, "digest": Digest::of(&packed).to_string(), "size": packed.len()});
            manifest["layers"].as_array_mut().unwrap().push(layer);
            blobs.push(packed);
        }
        let config = image.config_bytes();
        manifest["config"]["digest"] = json!(Digest::of(&config).to_string());
        manifest["config"]["size"] = json!(config.len());
        let is_layer = {
            let paths: Vec<String> = blobs.iter().map(|blob| format!("/v2/base/blobs/{}", Digest::of(blob))).collect();
            move |path: &str| paths.iter().any(|layer| layer == path)
        };
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            sleep(if seen.method == "GET" && is_layer(seen.path()) { pause } else { Duration::ZERO });
            None
        });
        blobs.iter().chain([&config]).for_each(|blob| test.put_blob("base", blob));
        test.put_manifest("base", "1", MANIFEST, &serde_json::to_vec(&manifest).unwrap());
        let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
        Self { test, sandbox }
    }

    fn name(&self) -> String {
        format!("{}/base:1", self.test.host())
    }
}
