//! Listing what refers to an image of a registry, and attaching to it: with the referrers API and by the fallback tag.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, MutexGuard};
use std::time::Duration;

use hardened::host::Environment;
use hardened::image::Artifact;
use hardened::net::Http;
use hardened::net::credentials::Credentials;
use hardened::oci::{BlobSource, Descriptor, Digest, MediaType, Progress, RawManifest, Store, StoreFault, Written};
use hardened::store::Publication;
use hardened::store::publish::gate::AcceptAll;
use hardened::store::publish::{Destination, Transaction, Transfer, Watch, Work, Working};
use hardened::store::registry::{Clock, Registry, Repository};
use serde_json::{Value, json};

use super::registry::referrers::ReferrersApi;
use super::registry::{Fault, Guard, Seen, TestRegistry};
use super::sandbox::Sandbox;
use super::{INDEX, index, name, settings, tag, told};

const NOTES: &str = "application/vnd.example.notes";

/// A time that several writers share. It goes on to the end of the next wait when all writers wait or have ended.
#[derive(Default)]
struct SharedClock {
    times: Mutex<Times>,
    changed: Condvar,
}

#[derive(Default)]
struct Times {
    now: Duration,
    running: usize,
    waiting: Vec<Duration>,
}

impl SharedClock {
    fn starting(writers: usize) -> Arc<Self> {
        let clock = Self::default();
        clock.start(writers);
        Arc::new(clock)
    }

    fn start(&self, writers: usize) {
        self.times().running = writers;
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        self.times.lock().unwrap()
    }

    /// One writer waits or has ended.
    fn pause(&self, times: &mut Times) {
        times.running -= 1;
        if let (0, Some(next)) = (times.running, times.waiting.iter().min().copied()) {
            times.now = next;
            let before = times.waiting.len();
            times.waiting.retain(|until| *until > next);
            times.running = before - times.waiting.len();
            self.changed.notify_all();
        }
    }

    fn end(&self) {
        self.pause(&mut self.times());
    }

    fn pass(&self, time: Duration) {
        self.times().now += time;
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Duration {
        self.times().now
    }

    fn wait(&self, time: Duration) {
        let mut times = self.times();
        let until = times.now + time;
        times.waiting.push(until);
        self.pause(&mut times);
        while times.now < until {
            times = self.changed.wait(times).unwrap();
        }
    }
}

fn writer(test: &TestRegistry, clock: &Arc<SharedClock>) -> Repository {
    test.put_blob("shop/api", Artifact::EMPTY);
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Registry::with_clock(Http::new(settings()), Credentials::new(Environment::default()), clock).repository(&name(test.host(), "shop/api"))
}

fn subject() -> Descriptor {
    Descriptor::of(MediaType::Manifest, b"image")
}

fn artifact(subject: &Descriptor, artifact_type: &str, note: &str) -> RawManifest {
    let annotations = BTreeMap::from([("note".to_owned(), note.to_owned())]);
    let artifact = Artifact { artifact_type: artifact_type.to_owned(), layers: vec![], subject: Some(subject.clone()), annotations };
    RawManifest::from(&artifact.manifest().unwrap())
}

fn entry(artifact: &RawManifest, artifact_type: &str, note: &str) -> Descriptor {
    let annotations = BTreeMap::from([("note".to_owned(), note.to_owned())]);
    Descriptor { artifact_type: Some(artifact_type.to_owned()), annotations, ..artifact.descriptor() }
}

fn fallback_tag(subject: &Descriptor) -> String {
    subject.digest.to_string().replace(':', "-")
}

fn is_list(seen: &Seen, method: &str) -> bool {
    seen.method == method && seen.path().contains("/manifests/sha256-")
}

#[test]
fn the_api_lists_all_pages_and_one_type() {
    let test = TestRegistry::start();
    test.answer_referrers(ReferrersApi::Pages(2));
    let clock = SharedClock::starting(1);
    let to = writer(&test, &clock);
    let notes: Vec<RawManifest> = (0..5).map(|number| artifact(&subject(), NOTES, &number.to_string())).collect();
    let other = artifact(&subject(), "application/vnd.example.other", "other");
    to.attach(&notes).unwrap();
    to.attach(std::slice::from_ref(&other)).unwrap();
    // The registry lists them itself: nothing is written but the manifests, and nobody waits.
    let mut expected: Vec<String> =
        notes.iter().chain([&other]).map(|one| format!("PUT /v2/shop/api/manifests/{}", one.descriptor().digest)).collect();
    let mut written = test.writes();
    expected.sort();
    written.sort();
    assert_eq!(written, expected);
    assert_eq!(clock.now(), Duration::ZERO);

    let found = to.referrers(&subject().digest, Some(NOTES)).unwrap();
    assert_eq!(found.len(), 5);
    assert!(found.contains(&entry(&notes[3], NOTES, "3")), "{found:?}");
    assert_eq!(to.referrers(&subject().digest, None).unwrap().len(), 6);
    assert_eq!(to.referrers(&artifact(&subject(), NOTES, "0").descriptor().digest, None).unwrap(), []);
}

#[test]
fn a_type_is_asked_for_and_looked_for_again() {
    let list = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
        entry(&artifact(&subject(), NOTES, "1"), NOTES, "1"), entry(&artifact(&subject(), "a/b", "2"), "a/b", "2")
    ]});
    let test = TestRegistry::with(Guard::Open, move |seen, _| {
        let headers = vec![("Content-Type".to_owned(), INDEX.to_owned())];
        seen.path().contains("/referrers/").then(|| Fault::Answer(200, headers, list.to_string()))
    });
    let found = writer(&test, &SharedClock::starting(1)).referrers(&subject().digest, Some(NOTES)).unwrap();
    assert_eq!(found, [entry(&artifact(&subject(), NOTES, "1"), NOTES, "1")]);
    assert!(test.seen().iter().any(|seen| seen.target.contains("artifactType=application")));
}

#[test]
fn pages_that_lead_in_a_circle_or_elsewhere_are_refused() {
    let elsewhere = TestRegistry::start();
    elsewhere.answer_referrers(ReferrersApi::Pages(2));
    let path = format!("/v2/shop/api/referrers/{}", subject().digest);
    for (link, expected) in [(path.clone(), "form a loop"), (format!("http://{}{path}", elsewhere.host()), "another host")] {
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            let link = ("Link".to_owned(), format!("<{link}>; rel=\"next\""));
            seen.path().contains("/referrers/").then(|| Fault::With(vec![link]))
        });
        test.answer_referrers(ReferrersApi::Pages(2));
        let error = writer(&test, &SharedClock::starting(1)).referrers(&subject().digest, None).unwrap_err();
        assert!(told(&error).contains(expected), "{}", told(&error));
    }
    assert!(elsewhere.seen().is_empty());
}

#[test]
fn a_fallback_tag_that_is_read_as_the_digest_lists_nothing() {
    // GitLab answers with the image itself (oras-project/oras-go#1396): its children are no referrers.
    let test = TestRegistry::start();
    let child = json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": Digest::of(b"child").to_string(), "size": 5});
    let image = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [child]}).to_string();
    let described = Descriptor::of(MediaType::Index, image.as_bytes());
    test.put_manifest("shop/api", &fallback_tag(&described), INDEX, image.as_bytes());
    assert_eq!(writer(&test, &SharedClock::starting(1)).referrers(&described.digest, None).unwrap(), []);
}

#[test]
fn without_the_api_the_fallback_tag_lists_them() {
    for api in [ReferrersApi::Missing, ReferrersApi::Html, ReferrersApi::SubjectOnly] {
        let test = TestRegistry::start();
        test.answer_referrers(api);
        let to = writer(&test, &SharedClock::starting(1));
        assert_eq!(to.referrers(&subject().digest, None).unwrap(), [], "{api:?}");
        let digest = format!("sha512:{}", "0".repeat(128));
        test.put_manifest("shop/api", &digest, "x/y", b"1");
        let foreign = json!({"mediaType": "x/y", "digest": digest, "size": 1, "com.example": [1]});
        let before = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [foreign], "com.example": true});
        test.put_manifest("shop/api", &fallback_tag(&subject()), INDEX, before.to_string().as_bytes());
        let attached = [artifact(&subject(), NOTES, "1"), artifact(&subject(), "a/b", "2")];
        to.attach(&attached).unwrap();
        let list: Value = serde_json::from_slice(&test.manifest("shop/api", &fallback_tag(&subject())).unwrap()).unwrap();
        let entries = [entry(&attached[0], NOTES, "1"), entry(&attached[1], "a/b", "2")];
        assert_eq!(list["manifests"], json!([foreign, entries[0], entries[1]]), "{api:?}");
        assert_eq!(list["com.example"], true);
        // All of one run go in one request.
        assert_eq!(test.seen().iter().filter(|seen| is_list(seen, "PUT")).count(), 1);
        assert_eq!(to.referrers(&subject().digest, Some("a/b")).unwrap(), entries[1..]);
    }
}

#[test]
fn a_busy_registry_is_asked_again_for_its_list() {
    let test = TestRegistry::with(Guard::Open, |seen, before| {
        (seen.path().contains("/referrers/") && before == 0).then(|| Fault::Answer(503, vec![], String::new()))
    });
    test.answer_referrers(ReferrersApi::Pages(2));
    let attached = artifact(&subject(), NOTES, "1");
    let to = writer(&test, &SharedClock::starting(1));
    to.attach(std::slice::from_ref(&attached)).unwrap();
    assert_eq!(test.writes(), [format!("PUT /v2/shop/api/manifests/{}", attached.descriptor().digest)]);
}

/// Watches nothing.
struct Unwatched;

impl Progress for Unwatched {
    fn advance(&self, _: u64) {}
}

impl Transfer for Unwatched {
    fn arrived(&self, _: Written) {}
}

impl Working for Unwatched {
    fn done(&self, _: &str) {}
}

impl Watch for Unwatched {
    fn expect(&self, _: &Destination, _: &Descriptor) {}
    fn begin(&self, _: &Destination, _: &Descriptor) -> Box<dyn Transfer> {
        Box::new(Self)
    }
    fn work(&self, _: Work, _: &Destination, _: Option<u64>) -> Box<dyn Working> {
        Box::new(Self)
    }
    fn complete(&self, _: &str) {}
    fn committed(&self, _: &str, _: &Digest) {}
}

#[test]
fn an_image_is_complete_only_with_what_refers_to_it() {
    for api in [ReferrersApi::Pages(2), ReferrersApi::Missing] {
        let test = TestRegistry::start();
        test.answer_referrers(api);
        let to = writer(&test, &SharedClock::starting(1));
        let destinations = [Destination::repository(to.clone(), vec![tag("1")])];
        let publish = |referrers: Vec<RawManifest>| {
            let transaction = Transaction { destinations: &destinations, gates: &AcceptAll, watch: &Unwatched };
            let empty: Arc<dyn BlobSource> = Arc::new(Artifact::EMPTY.to_vec());
            let blobs = [(Artifact::empty().digest, (Artifact::empty(), empty))].into_iter().collect();
            transaction.publish(&Publication { referrers, ..Publication::single(index("one"), blobs) }).unwrap();
            test.writes()
        };
        let before = publish(vec![]);
        assert_eq!(test.manifest("shop/api", "1").unwrap(), index("one").bytes);
        let image = index("one").descriptor();
        let attached = artifact(&image, NOTES, "1");
        let written = publish(vec![attached.clone()]);
        let put = |name: &str| format!("PUT /v2/shop/api/manifests/{name}");
        assert!(written[before.len()..].contains(&put(&attached.descriptor().digest.to_string())), "{written:?}");
        assert_eq!(written.contains(&put(&fallback_tag(&image))), api == ReferrersApi::Missing, "{written:?}");
        assert_eq!(to.referrers(&image.digest, None).unwrap(), [entry(&attached, NOTES, "1")]);
        assert_eq!(publish(vec![attached]), written, "{api:?}: all of it is there");
    }
}

#[test]
fn inspecting_lists_what_refers_to_an_image() {
    let test = TestRegistry::start();
    let (sandbox, image) = (Sandbox::new("static = true"), format!("{}/shop/api:1", test.host()));
    test.put_manifest("shop/api", "1", INDEX, &index("one").bytes);
    let inspect = |format: &str| sandbox.run(&["inspect", &image, "--format", format]).succeeds();
    assert_eq!(inspect("json").json().get("referrers"), None);
    let attached = artifact(&index("one").descriptor(), NOTES, "1");
    test.answer_referrers(ReferrersApi::Pages(2));
    writer(&test, &SharedClock::starting(1)).attach(std::slice::from_ref(&attached)).unwrap();
    let Descriptor { digest, size, .. } = attached.descriptor();
    assert_eq!(inspect("json").json()["referrers"], json!([{"artifact-type": NOTES, "digest": digest, "size": size}]));
    assert!(inspect("text").out.contains(&format!("referrer: {digest}")), "{}", inspect("text").out);

    test.answer_referrers(ReferrersApi::Missing);
    test.put_manifest("shop/api", &fallback_tag(&index("one").descriptor()), INDEX, b"no list");
    assert_eq!(inspect("json").json().get("referrers"), None);
    assert!(inspect("text").err.contains("could not list the referrers of"), "{}", inspect("text").err);
}

#[test]
fn two_writers_at_once_lose_nothing() {
    const ROUNDS: usize = 200;
    // In every other round, both writers read the list before one of them puts it.
    let should_meet = |path: &str| path.ends_with(['0', '2', '4', '6', '8', 'a', 'c', 'e']);
    let meeting = Barrier::new(2);
    let test = TestRegistry::with(Guard::Open, move |seen, before| {
        if is_list(seen, "GET") && before < 2 && should_meet(seen.path()) {
            meeting.wait();
        }
        None
    });
    let clock = SharedClock::starting(0);
    let writers = [writer(&test, &clock), writer(&test, &clock)];
    let mut collided = 0;
    for round in 0..ROUNDS {
        let subject = Descriptor::of(MediaType::Manifest, round.to_string().as_bytes());
        let attached: Vec<RawManifest> = (0..2).map(|number| artifact(&subject, NOTES, &number.to_string())).collect();
        clock.start(2);
        std::thread::scope(|scope| {
            for (to, artifact) in writers.iter().zip(&attached) {
                let clock = &clock;
                scope.spawn(move || {
                    let outcome = to.attach(std::slice::from_ref(artifact));
                    clock.end();
                    outcome.unwrap();
                });
            }
        });
        let found = writers[0].referrers(&subject.digest, None).unwrap();
        assert!(attached.iter().all(|one| found.iter().any(|entry| entry.digest == one.descriptor().digest)), "round {round}: {found:?}");
        collided += usize::from(should_meet(&fallback_tag(&subject)));
    }
    let puts = test.seen().iter().filter(|seen| is_list(seen, "PUT")).count();
    // One of two that collide puts its list again.
    assert!(collided > 50 && puts >= 2 * ROUNDS + collided, "{puts} puts, {collided} collisions");
}

#[test]
fn a_list_that_was_read_long_ago_is_read_again() {
    let clock = SharedClock::starting(1);
    let times = Arc::clone(&clock);
    let (asked, slow) = (AtomicBool::new(false), AtomicBool::new(false));
    // The first PUT is answered with 401, and the token that it needs takes 3 seconds.
    let test = TestRegistry::with(Guard::Token { uses: 1 }, move |seen, _| {
        asked.fetch_or(is_list(seen, "PUT"), Ordering::Relaxed);
        if seen.path() == "/token" && asked.load(Ordering::Relaxed) && !slow.swap(true, Ordering::Relaxed) {
            times.pass(Duration::from_secs(3));
        }
        None
    });
    writer(&test, &clock).attach(&[artifact(&subject(), NOTES, "1")]).unwrap();
    let seen = test.seen();
    let lists: Vec<&str> = seen.iter().filter(|seen| seen.path().contains("/manifests/sha256-")).map(|seen| seen.method.as_str()).collect();
    let first = lists.iter().position(|method| *method == "PUT").unwrap();
    assert_eq!(lists[first + 1], "GET", "{lists:?}");
}

#[test]
fn a_list_that_never_stays_is_given_up_and_the_manifests_stay() {
    let test = TestRegistry::with(Guard::Open, |seen, _| is_list(seen, "GET").then(|| Fault::Answer(404, vec![], String::new())));
    let clock = SharedClock::starting(1);
    let attached = artifact(&subject(), NOTES, "1");
    let error = writer(&test, &clock).attach(std::slice::from_ref(&attached)).unwrap_err();
    let digest = attached.descriptor().digest.to_string();
    assert_eq!(error.fault, StoreFault::Refused);
    assert!(told(&error).contains(&digest) && told(&error).contains("the manifests are stored"), "{}", told(&error));
    assert_eq!(test.seen().iter().filter(|seen| is_list(seen, "PUT")).count(), 5);
    assert!((25..=35).contains(&clock.now().as_secs()), "{:?}", clock.now());
    assert_eq!(test.manifest("shop/api", &digest).unwrap(), attached.bytes);
}
