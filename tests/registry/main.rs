//! The registry client, and the verbs, against a strict registry that fails, lies and lures.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened as its users do; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod accounts;
mod again;
mod bases;
mod building;
#[path = "../../src/rootfs/elf/writer.rs"]
mod elf;
mod findings;
mod folders;
mod forms;
mod images;
mod init;
mod input;
mod locking;
mod login;
mod opened;
mod outputs;
mod private_keys;
mod programs;
#[path = "../support/project.rs"]
mod project;
mod proof;
mod readme;
mod referrers;
mod refused;
#[path = "../support/registry.rs"]
#[expect(dead_code, reason = "the faults suite lets it fail in more ways")]
mod registry;
mod sandbox;
#[path = "../support/shapes.rs"]
mod shapes;
mod transaction;
mod typed;

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use hardened::host::Environment;
use hardened::net::credentials::{Credential, Credentials};
use hardened::net::{Http, Network, RetryPolicy, Secret, Settings, Timeouts};
use hardened::oci::{
    BlobSource, Compression, Descriptor, Digest, ImageName, MediaType, RawManifest, Selector, Silent, Store, StoreError, StoreFault, Tag,
    Written,
};
use hardened::store::registry::{Registry, Repository};
use registry::{Fault, Guard, Seen, TestRegistry};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn settings() -> Settings {
    let retry = RetryPolicy {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(10),
        unreached: Duration::from_millis(200),
        ..RetryPolicy::default()
    };
    Settings { retry, ..Settings::new(Environment::default()) }
}

fn client(credentials: Credentials) -> Registry {
    Registry::new(Http::new(settings()), credentials)
}

fn nobody() -> Registry {
    client(Credentials::new(Environment::default()))
}

fn name(host: &str, repository: &str) -> ImageName {
    format!("{host}/{repository}").parse().unwrap()
}

fn repository(test: &TestRegistry) -> Repository {
    nobody().repository(&name(test.host(), "shop/api"))
}

/// Bytes without a short period.
fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|offset| u8::try_from((offset * 7 + offset / 253) % 251).unwrap()).collect()
}

fn layer(content: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::Layer(Compression::Gzip), content)
}

fn push(to: &Repository, content: &[u8]) -> Result<Written, StoreError> {
    to.write_blob(&layer(content), &content.to_vec(), &Silent)
}

fn pull(from: &Repository, content: &[u8]) -> Result<Vec<u8>, String> {
    let blob = from.open_blob(&layer(content)).map_err(|error| told(&error))?;
    blob.read_all(u64::MAX).map_err(|error| format!("{error:?}"))
}

/// Returns all that a failure says: message, causes and hints.
fn told(error: &StoreError) -> String {
    let mut text = error.error.message.clone();
    let mut cause = error.error.source.as_deref().map(|source| source as &dyn std::error::Error);
    while let Some(one) = cause {
        text.push_str("\ncaused by: ");
        text.push_str(&one.to_string());
        cause = one.source();
    }
    error.error.hints.iter().fold(text, |text, hint| text + "\nhint: " + hint)
}

fn index(note: &str) -> RawManifest {
    let text = format!("{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[],\"annotations\":{{\"note\":\"{note}\"}}}}");
    RawManifest { bytes: text.into_bytes(), media_type: MediaType::Index }
}

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn is_put(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.path().contains("/uploads/")
}

fn is_blob_get(seen: &Seen) -> bool {
    seen.method == "GET" && seen.path().contains("/blobs/sha256:")
}

#[test]
fn what_was_pushed_is_pulled_and_not_pushed_again() {
    let test = TestRegistry::start();
    let to = repository(&test);
    let content = bytes(3_000_000);
    assert_eq!(push(&to, &content).unwrap(), Written::Uploaded);
    to.write_manifest(&index("one"), Some(&tag("1"))).unwrap();
    assert_eq!(test.manifest("shop/api", "1").unwrap(), index("one").bytes);
    assert_eq!(to.read_manifest(&Selector::Tag(tag("1"))).unwrap(), index("one"));
    assert_eq!(to.read_manifest(&Selector::Digest(index("one").descriptor().digest)).unwrap(), index("one"));
    assert_eq!(pull(&to, &content).unwrap(), content);
    let before = test.writes().len();
    assert_eq!(push(&to, &content).unwrap(), Written::Present);
    to.write_manifest(&index("one"), Some(&tag("1"))).unwrap();
    assert_eq!(test.writes()[before..], Vec::<String>::new());
    assert!(to.read_manifest(&Selector::Tag(tag("2"))).is_err_and(|error| error.fault == StoreFault::Missing));
}

struct From(Vec<u8>, ImageName);

impl BlobSource for From {
    fn open(&self) -> std::io::Result<Box<dyn Read + Send>> {
        self.0.open()
    }
    fn origin(&self) -> Option<&ImageName> {
        Some(&self.1)
    }
}

#[test]
fn blobs_are_mounted_where_the_registry_can_and_sent_where_it_cannot() {
    let content = bytes(1000);
    for (there, refused, expected, received) in
        [(true, false, Written::Mounted, 0), (false, false, Written::Uploaded, 1000), (true, true, Written::Uploaded, 1000)]
    {
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            (refused && seen.target.contains("mount=")).then(|| Fault::Answer(405, vec![], String::new()))
        });
        if there {
            test.put_blob("other/base", &content);
        }
        let source = From(content.clone(), name(test.host(), "other/base"));
        let written = repository(&test).write_blob(&layer(&content), &source, &Silent).unwrap();
        assert_eq!((written, test.received()), (expected, received));
        assert!(test.blob("shop/api", Digest::of(&content)).is_some());
        // A registry that declines to mount opens a session, and that one is used.
        let posts = test.writes().iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 1 + usize::from(refused));
    }
}

#[test]
fn an_upload_that_breaks_goes_on_where_it_broke() {
    let content = bytes(2_000_000);
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        let first = is_put(seen) && seen.headers.get("content-length").is_some_and(|length| length == "2000000");
        first.then_some(Fault::ResetBody(1_500_000))
    });
    assert_eq!(push(&repository(&test), &content).unwrap(), Written::Uploaded);
    assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content);
    assert_eq!(test.received(), 2_000_000);
}

#[test]
fn a_lost_answer_is_not_sent_twice() {
    let content = bytes(500_000);
    let test = TestRegistry::with(Guard::Open, |seen, before| (is_put(seen) && before == 0).then_some(Fault::LoseAnswer));
    push(&repository(&test), &content).unwrap();
    assert_eq!(test.received(), 500_000);
}

#[test]
fn a_session_that_is_forgotten_is_replaced() {
    let content = bytes(500_000);
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        let first = is_put(seen) && seen.path().ends_with("session-1");
        first.then(|| Fault::Answer(404, vec![], String::new()))
    });
    push(&repository(&test), &content).unwrap();
    assert!(test.blob("shop/api", Digest::of(&content)).is_some());
}

#[test]
fn a_download_that_breaks_goes_on_where_it_broke() {
    let content = bytes(2_000_000);
    for ranges in [true, false] {
        let test = TestRegistry::with(Guard::Open, move |seen, before| match (is_blob_get(seen), before) {
            (true, 0) => Some(Fault::Truncate(1_200_000)),
            (true, _) if !ranges => Some(Fault::IgnoreRange),
            _ => None,
        });
        test.put_blob("shop/api", &content);
        assert!(pull(&repository(&test), &content).unwrap() == content);
        let gets: Vec<Seen> = test.seen().into_iter().filter(is_blob_get).collect();
        assert!(gets.len() == 2 && gets[1].headers.contains_key("range"), "{gets:?}");
    }
}

#[test]
fn wrong_content_is_refused() {
    let content = bytes(1000);
    let test = TestRegistry::start();
    let from = repository(&test);
    for wrong in [bytes(999), [bytes(999), vec![255]].concat(), bytes(1001)] {
        let body = String::from_utf8_lossy(&wrong).into_owned();
        let lying = TestRegistry::with(Guard::Open, move |seen, _| is_blob_get(seen).then(|| Fault::Answer(200, vec![], body.clone())));
        assert!(pull(&repository(&lying), &content).is_err());
    }
    let digest = index("one").descriptor().digest;
    test.put_manifest("shop/api", &digest.to_string(), INDEX, &index("other").bytes);
    assert!(from.read_manifest(&Selector::Digest(digest)).is_err_and(|error| error.fault == StoreFault::Corrupt));
    test.put_manifest("shop/api", "huge", INDEX, &vec![b' '; 5 << 20]);
    assert!(from.read_manifest(&Selector::Tag(tag("huge"))).is_err());
    assert!(push(&from, &content).is_ok());
    assert!(from.write_blob(&layer(&content[1..]), &content, &Silent).is_err());
}

#[test]
fn busy_and_broken_registries_are_asked_again() {
    for (status, headers) in
        [(503, vec![]), (500, vec![]), (429, vec![("Retry-After".to_owned(), "0".to_owned())]), (502, vec![]), (499, vec![])]
    {
        let test = TestRegistry::with(Guard::Open, move |seen, before| {
            (seen.path() != "/v2/" && before < 3).then(|| Fault::Answer(status, headers.clone(), "busy".to_owned()))
        });
        push(&repository(&test), &bytes(1000)).unwrap();
        assert!(test.blob("shop/api", Digest::of(&bytes(1000))).is_some(), "{status}");
    }
    let test = TestRegistry::with(Guard::Open, |seen, before| {
        (seen.method == "HEAD" && before == 0).then(|| Fault::Answer(429, vec![("Retry-After".to_owned(), "1".to_owned())], String::new()))
    });
    let begun = Instant::now();
    push(&repository(&test), &bytes(10)).unwrap();
    assert!(begun.elapsed() >= Duration::from_secs(1));
}

#[test]
fn connections_that_break_before_an_answer_are_tried_again() {
    let test = TestRegistry::with(Guard::Open, |_, before| (before < 2).then_some(Fault::ResetBefore));
    push(&repository(&test), &bytes(100_000)).unwrap();
}

#[test]
fn tokens_are_fetched_kept_and_renewed() {
    let test = TestRegistry::with(Guard::Token { uses: 3 }, |_, _| None);
    let to = repository(&test);
    for number in 1..5 {
        push(&to, &bytes(number * 1000)).unwrap();
    }
    let tokens = test.seen().iter().filter(|seen| seen.path() == "/token").count();
    let requests = test.seen().len();
    assert!(tokens >= 3 && tokens < requests / 2, "{tokens} tokens for {requests} requests");
}

#[test]
fn a_token_that_ends_is_followed_by_what_the_registry_asks_for_then() {
    let user = |password: &str| Credential::Password { user: "user".to_owned(), password: Secret::new(password) };
    let to = |test: &TestRegistry, credentials| client(credentials).repository(&name(test.host(), "shop/api"));
    let shown = |test: &TestRegistry, scheme: &str| {
        test.seen()
            .iter()
            .filter(|seen| seen.path() != "/token" && seen.headers.get("authorization").is_some_and(|given| given.starts_with(scheme)))
            .count()
    };
    // Harbor asks for Basic wherever a token has ended, and takes the password.
    let test = TestRegistry::with(Guard::Harbor { uses: 2, basic: Some("dXNlcjpzZWNyZXQ=") }, |_, _| None);
    let all = to(&test, Credentials::given(test.host(), user("secret")));
    std::thread::scope(|scope| {
        for number in 1..9 {
            let all = &all;
            scope.spawn(move || push(all, &bytes(number * 1000)).unwrap());
        }
    });
    assert!((1..9).all(|number| test.blob("shop/api", Digest::of(&bytes(number * 1000))).is_some()));
    assert!(shown(&test, "Basic") > 0 && shown(&test, "Bearer") > 0);
    // One that takes no password: its tokens are renewed, with a password and without one.
    for credentials in [Credentials::given("other.example", user("secret")), Credentials::new(Environment::default())] {
        let test = TestRegistry::with(Guard::Harbor { uses: 3, basic: None }, |_, _| None);
        let anonymous = to(&test, credentials);
        for number in 1..5 {
            push(&anonymous, &bytes(number * 1000)).unwrap();
        }
        assert_eq!(shown(&test, "Basic"), 0);
    }
    let test = TestRegistry::with(Guard::Harbor { uses: 3, basic: None }, |_, _| None);
    let refused = to(&test, Credentials::given(test.host(), user("hunter2")));
    for number in 1..5 {
        push(&refused, &bytes(number * 1000)).unwrap();
    }
    assert!(shown(&test, "Basic") > 0);
    // Nothing helps: it ends, and says so.
    let test = TestRegistry::with(Guard::Harbor { uses: 0, basic: None }, |_, _| None);
    let error = push(&to(&test, Credentials::given(test.host(), user("hunter2"))), &bytes(10)).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unauthorized);
    assert!(test.seen().len() < 9 && !told(&error).contains("hunter2"), "{}", told(&error));
}

#[test]
fn a_password_is_not_given_where_the_registry_sends_us() {
    // On its own host as well: what answers behind a redirect may be another program.
    let test = TestRegistry::with(Guard::Open, |seen, _| {
        let ask = || Fault::Answer(401, vec![("WWW-Authenticate".to_owned(), "Basic realm=\"x\"".to_owned())], String::new());
        let to = |status| Fault::Answer(status, vec![("Location".to_owned(), "/elsewhere".to_owned())], String::new());
        match seen.path() {
            "/elsewhere" => Some(ask()),
            _ if is_blob_get(seen) => Some(to(307)),
            _ if seen.method == "PUT" => Some(to(307)),
            _ => None,
        }
    });
    let credential = Credential::Password { user: "user".to_owned(), password: Secret::new("secret") };
    let at = client(Credentials::given(test.host(), credential)).repository(&name(test.host(), "shop/api"));
    assert!(pull(&at, &bytes(10)).is_err() && push(&at, &bytes(20)).is_err());
    let seen = test.seen();
    assert!(seen.iter().any(|seen| seen.path() == "/elsewhere" && seen.method == "PUT"), "{seen:?}");
    assert!(seen.iter().all(|seen| !seen.headers.contains_key("authorization")), "{seen:?}");
}

#[test]
fn a_registry_of_this_machine_without_tls_is_heard() {
    // It answers 400 to everything, and to the beginning of TLS as well.
    let test = TestRegistry::with(Guard::Open, |_, _| {
        Some(Fault::Answer(400, vec![], "{\"errors\":[{\"code\":\"NAME_INVALID\",\"message\":\"no such project\"}]}".to_owned()))
    });
    let error = repository(&test).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    let said = told(&error);
    assert!(said.contains("answered 400 Bad Request: NAME_INVALID no such project") && !said.contains("TLS"), "{said}");
    // A push asks first with HEAD, whose answer has no words of its own.
    let said = told(&push(&repository(&test), &bytes(10)).unwrap_err());
    assert!(said.contains("answered 400 Bad Request: NAME_INVALID no such project") && !said.contains("TLS"), "{said}");
    // It did so once only: what follows is asked in plain HTTP too.
    let test = TestRegistry::with(Guard::Open, |_, before| (before == 0).then(|| Fault::Answer(400, vec![], "not yet".to_owned())));
    let to = repository(&test);
    assert!(told(&to.read_manifest(&Selector::Tag(tag("1"))).unwrap_err()).contains("not yet"));
    assert_eq!(to.read_manifest(&Selector::Tag(tag("1"))).unwrap_err().fault, StoreFault::Missing);
}

#[test]
fn a_password_is_given_to_its_registry_only() {
    let test = TestRegistry::with(Guard::Basic("dXNlcjpzZWNyZXQ="), |_, _| None);
    let credential = || Credential::Password { user: "user".to_owned(), password: Secret::new("secret") };
    let to = client(Credentials::given(test.host(), credential())).repository(&name(test.host(), "shop/api"));
    push(&to, &bytes(10)).unwrap();
    let error = push(&repository(&test), &bytes(20)).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unauthorized);
    assert!(told(&error).contains("hardened login"), "{}", told(&error));
    let wrong = Credential::Password { user: "user".to_owned(), password: Secret::new("hunter2") };
    let error = push(&client(Credentials::given(test.host(), wrong)).repository(&name(test.host(), "shop/api")), &bytes(20)).unwrap_err();
    assert!(!told(&error).contains("hunter2") && !format!("{error:?}").contains("hunter2"));
}

#[test]
fn a_foreign_token_service_gets_nothing() {
    let sink = TestRegistry::start();
    let realm = format!("https://tokens.evil.example:{}/token", sink.host().rsplit(':').next().unwrap());
    for realm in [realm, "http://169.254.169.254/latest".to_owned(), "https://0.0.0.0/token".to_owned()] {
        let test = TestRegistry::with(Guard::ForeignRealm(realm.clone()), |_, _| None);
        let credential = Credential::Password { user: "user".to_owned(), password: Secret::new("secret") };
        let to = client(Credentials::given(test.host(), credential)).repository(&name(test.host(), "shop/api"));
        let error = push(&to, &bytes(10)).unwrap_err();
        let host = realm.split("//").nth(1).unwrap().split([':', '/']).next().unwrap().to_owned();
        assert!(told(&error).contains(&host) && told(&error).contains(test.host()), "{}", told(&error));
        assert!(test.seen().iter().all(|seen| seen.headers.get("authorization").is_none_or(|value| !value.contains("secret"))));
    }
    assert!(sink.seen().is_empty());
}

#[test]
fn redirects_and_locations_elsewhere_get_no_credentials() {
    let content = bytes(10_000);
    let sink = Arc::new(TestRegistry::start());
    sink.put_blob("store", &content);
    let (host, digest) = (sink.host().to_owned(), Digest::of(&content));
    let (download, upload) =
        (format!("http://{host}/v2/store/blobs/{digest}?signature=x"), format!("http://{host}/v2/store/blobs/uploads/"));
    let test = TestRegistry::with(Guard::Basic("dXNlcjpzZWNyZXQ="), move |seen, _| {
        let allowed = seen.headers.contains_key("authorization");
        let to = |status, url: &String| Some(Fault::Answer(status, vec![("Location".to_owned(), url.clone())], String::new()));
        match seen.method.as_str() {
            "GET" if is_blob_get(seen) && allowed => to(307, &download),
            "POST" if allowed => to(202, &upload),
            _ => None,
        }
    });
    let credential = Credential::Password { user: "user".to_owned(), password: Secret::new("secret") };
    let to = client(Credentials::given(test.host(), credential)).repository(&name(test.host(), "shop/api"));
    assert!(pull(&to, &content).unwrap() == content);
    let _ = push(&to, &bytes(77));
    assert!(!sink.seen().is_empty());
    for seen in sink.seen() {
        assert!(!seen.headers.contains_key("authorization") && !seen.target.contains("secret"), "{seen:?}");
    }
}

#[test]
fn a_helper_that_fails_does_not_keep_a_public_image_away() {
    let test = TestRegistry::start();
    test.put_blob("shop/api", &bytes(10));
    let folder = tempfile::tempdir().unwrap();
    let config = format!("{{\"credHelpers\":{{\"{}\":\"does-not-exist\"}}}}", test.host());
    std::fs::write(folder.path().join("config.json"), config).unwrap();
    let environment: Environment = [("DOCKER_CONFIG", folder.path())].into_iter().collect();
    let from = client(Credentials::new(environment)).repository(&name(test.host(), "shop/api"));
    assert_eq!(pull(&from, &bytes(10)).unwrap(), bytes(10));
}

#[test]
fn what_a_registry_says_is_shown_in_bounds_and_escaped() {
    let body = format!("{{\"errors\":[{{\"code\":\"DENIED\",\"message\":\"\\u001b[2Jno {}\"}}]}}", "x".repeat(1 << 20));
    let test = TestRegistry::with(Guard::Open, move |seen, _| {
        (seen.method == "HEAD" || seen.method == "POST").then(|| Fault::Answer(403, vec![], body.clone()))
    });
    let error = push(&repository(&test), &bytes(10)).unwrap_err();
    let shown = told(&error);
    assert!(
        error.fault == StoreFault::Denied && shown.len() < 10_000 && !shown.contains('\u{1b}'),
        "{} bytes: {:?}",
        shown.len(),
        error.fault
    );
}

#[test]
fn nothing_is_asked_offline() {
    let test = TestRegistry::start();
    let http = Http::new(Settings { network: Network::Offline, ..settings() });
    let from = Registry::new(http, Credentials::new(Environment::default())).repository(&name(test.host(), "shop/api"));
    let error = from.read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert_eq!(error.fault, StoreFault::Offline);
    assert!(test.seen().is_empty());
}

#[test]
fn a_host_that_refuses_is_given_up_soon() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let begun = Instant::now();
    let error = nobody().repository(&name(&free.to_string(), "a/b")).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unreachable);
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[test]
fn a_host_that_takes_connections_and_never_answers_is_given_up() {
    // Nobody accepts: the system takes the connections, and they stay without a word.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (connect, answer) = (Duration::from_millis(50), Duration::from_millis(150));
    let timeouts = Timeouts { connect, answer, ..Timeouts::default() };
    let http = Http::new(Settings { timeouts, ..settings() });
    let at = name(&silent.local_addr().unwrap().to_string(), "a/b");
    let from = Registry::new(http, Credentials::new(Environment::default())).repository(&at);
    let error = from.read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    assert_eq!(error.fault, StoreFault::Unreachable);
    assert!(
        told(&error).contains("did not send a complete response") && told(&error).contains("hint: check that a registry runs at"),
        "{}",
        told(&error)
    );
    silent.set_nonblocking(true).unwrap();
    let tries = std::iter::from_fn(|| silent.accept().ok()).count();
    assert!((1..=4).contains(&tries), "{tries} connections");
}

#[test]
fn a_proxy_that_is_not_there_is_named_without_its_password() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let proxy = format!("http://user:canary-password@{free}");
    let environment: Environment = [("HTTPS_PROXY", proxy.as_str())].into_iter().collect();
    let http = Http::new(Settings { environment, ..settings() });
    let from = Registry::new(http, Credentials::new(Environment::default())).repository(&name("registry.invalid", "a/b"));
    let shown = told(&from.read_manifest(&Selector::Tag(tag("1"))).unwrap_err());
    assert!(shown.contains(&format!("no connection to `registry.invalid`: through the proxy `{free}`")), "{shown}");
    assert!(!shown.contains("canary"), "{shown}");
}
