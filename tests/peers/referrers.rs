//! What refers to an image, in registries that others wrote. Neither Debian's docker-registry nor `crane registry serve` has the
//! referrers API.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use hardened::host::Environment;
use hardened::image::Artifact;
use hardened::net::credentials::Credentials;
use hardened::net::{Http, Settings};
use hardened::oci::{Descriptor, MediaType, RawManifest, Silent, Store};
use hardened::store::registry::{Registry as Client, Repository};

use crate::registry::Registry;

const NOTES: &str = "application/vnd.example.notes";

fn repository(registry: &Registry) -> Repository {
    let http = Http::new(Settings::new(Environment::default()));
    let client = Client::new(http, Credentials::new(Environment::default()));
    client.repository(&format!("{}/shop/api", registry.address()).parse().unwrap())
}

fn artifact(subject: &Descriptor, artifact_type: &str, note: &str) -> RawManifest {
    let annotations = BTreeMap::from([("note".to_owned(), note.to_owned())]);
    let artifact = Artifact { artifact_type: artifact_type.to_owned(), layers: vec![], subject: Some(subject.clone()), annotations };
    RawManifest::from(&artifact.manifest().unwrap())
}

/// Two clients attach at once, in rounds, and everything is listed. Returns how long it took.
fn attached(registry: &Registry, rounds: usize) -> Duration {
    let writers = [repository(registry), repository(registry)];
    writers[0].write_blob(&Artifact::empty(), &Artifact::EMPTY.to_vec(), &Silent).unwrap();
    let index = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;
    let image = RawManifest { bytes: index.to_vec(), media_type: MediaType::Index };
    writers[0].write_manifest(&image, None).unwrap();
    let (subject, begun) = (image.descriptor(), Instant::now());
    for round in 0..rounds {
        std::thread::scope(|scope| {
            for (number, to) in writers.iter().enumerate() {
                let one = artifact(&subject, NOTES, &format!("{round} {number}"));
                let other = artifact(&subject, "application/vnd.example.other", &format!("{round} {number}"));
                scope.spawn(move || to.attach(&[one, other]).unwrap());
            }
        });
    }
    let time = begun.elapsed();
    let found = writers[1].referrers(&subject.digest, Some(NOTES)).unwrap();
    assert_eq!(found.len(), 2 * rounds, "{found:?}");
    assert!(found.iter().all(|one| one.artifact_type.as_deref() == Some(NOTES) && one.annotations.contains_key("note")), "{found:?}");
    assert_eq!(writers[1].referrers(&subject.digest, None).unwrap().len(), 4 * rounds);
    time
}

fn listed_by_the_fallback_tag(registry: &Registry) {
    let time = attached(registry, 1);
    assert!(time >= Duration::from_secs(5), "the list was not looked at again: {time:?}");
    assert!(registry.requests().iter().any(|request| request.starts_with("PUT /v2/shop/api/manifests/sha256-")));
}

#[test]
fn docker_registry_lists_by_the_fallback_tag() {
    let Some(registry) = Registry::distribution() else { return };
    listed_by_the_fallback_tag(&registry);
}

#[test]
fn crane_registry_lists_by_the_fallback_tag() {
    let Some(registry) = Registry::crane() else { return };
    listed_by_the_fallback_tag(&registry);
}
