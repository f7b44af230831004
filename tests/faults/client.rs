//! The registry client with short waits, and what tests say of requests.

use std::error::Error;
use std::time::Duration;

use hardened::host::Environment;
use hardened::net::credentials::{Credential, Credentials};
use hardened::net::{Http, RetryPolicy, Secret, Settings};
use hardened::oci::{Compression, Descriptor, ImageName, MediaType, RawManifest, Silent, Store, StoreError, Tag, Written};
use hardened::store::registry::{Registry, Repository};

use crate::registry::{Fault, Seen, TestRegistry};

pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Waits of milliseconds, as many tries as in real life.
pub(crate) fn settings() -> Settings {
    let retry = RetryPolicy {
        base: Duration::from_millis(1),
        cap: Duration::from_millis(5),
        unreached: Duration::from_millis(200),
        ..RetryPolicy::default()
    };
    Settings { retry, ..Settings::new(Environment::default()) }
}

pub(crate) fn name(host: &str, repository: &str) -> ImageName {
    format!("{host}/{repository}").parse().unwrap()
}

pub(crate) fn with(settings: Settings, credentials: Credentials, host: &str) -> Repository {
    Registry::new(Http::new(settings), credentials).repository(&name(host, "shop/api"))
}

pub(crate) fn nobody() -> Credentials {
    Credentials::new(Environment::default())
}

pub(crate) fn somebody(host: &str, password: &str) -> Credentials {
    Credentials::given(host, Credential::Password { user: "user".to_owned(), password: Secret::new(password) })
}

pub(crate) fn repository(test: &TestRegistry) -> Repository {
    with(settings(), nobody(), test.host())
}

/// Bytes without a short period.
pub(crate) fn bytes(size: usize) -> Vec<u8> {
    (0..size).map(|offset| u8::try_from((offset * 7 + offset / 253) % 251).unwrap()).collect()
}

pub(crate) fn layer(content: &[u8]) -> Descriptor {
    Descriptor::of(MediaType::Layer(Compression::Gzip), content)
}

pub(crate) fn push(to: &Repository, content: &[u8]) -> Result<Written, StoreError> {
    to.write_blob(&layer(content), &content.to_vec(), &Silent)
}

pub(crate) fn pull(from: &Repository, content: &[u8]) -> Result<Vec<u8>, String> {
    let blob = from.open_blob(&layer(content)).map_err(|error| told(&error))?;
    blob.read_all(u64::MAX).map_err(|error| causes(&error))
}

/// Returns all that a failure says: message, causes and hints.
pub(crate) fn told(error: &StoreError) -> String {
    error.error.hints.iter().fold(causes(error), |text, hint| text + "\nhint: " + hint)
}

pub(crate) fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(one) = cause {
        text = format!("{text}\ncaused by: {one}");
        cause = one.source();
    }
    text
}

pub(crate) fn index(note: &str) -> RawManifest {
    let text = format!("{{\"schemaVersion\":2,\"mediaType\":\"{INDEX}\",\"manifests\":[],\"annotations\":{{\"note\":\"{note}\"}}}}");
    RawManifest { bytes: text.into_bytes(), media_type: MediaType::Index }
}

pub(crate) fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

pub(crate) fn is_blob_put(seen: &Seen) -> bool {
    seen.method == "PUT" && seen.path().contains("/uploads/")
}

pub(crate) fn is_blob_get(seen: &Seen) -> bool {
    seen.method == "GET" && seen.path().contains("/blobs/sha256:")
}

/// How many requests there were of a kind.
pub(crate) fn count(test: &TestRegistry, which: impl Fn(&Seen) -> bool) -> usize {
    test.seen().iter().filter(|seen| which(seen)).count()
}

/// An answer in place of the registry's own.
pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Fault {
    Fault::Answer(status, headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(), body.to_owned())
}

/// The bytes of an answer, with a length that may be wrong.
pub(crate) fn raw(head: &str, body: &[u8]) -> Fault {
    Fault::Raw([head.replace('\n', "\r\n").as_bytes(), b"\r\n\r\n", body].concat())
}
