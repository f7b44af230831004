//! Registries (distribution-spec 1.1): reading and writing manifests and blobs over HTTP.
//!
//! **Invariants.** What was asked for by digest has that digest: bodies are hashed, headers are not believed. A blob that the
//! registry has is not sent; one that it can mount is mounted; one that breaks is continued where it broke. Every step is tried again
//! while that may help, and each try opens its source anew. Credentials are sent only when a registry asks for them, and only to it
//! and to the token service that belongs to it. A layer's foreign `urls` are never followed.

mod call;
mod challenge;
mod clock;
mod download;
mod fault;
mod manifest;
mod realm;
mod referrers;
mod suffixes;
mod token;
mod upload;

pub use challenge::{Challenge, challenges};
pub use clock::{Clock, SystemClock};
pub use download::content_range;
pub use upload::received;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use self::call::{Action, Call};
use self::fault::Fault;
use self::token::{Scheme, Tokens};
use crate::net::credentials::Credentials;
use crate::net::{Again, Http, HttpFault, Method, Request, Response, Step, Target, TlsProblem, Tries, Url, is_loopback, split_port};
use crate::oci::{
    BlobSource, Descriptor, Digest, ImageName, Progress, RawManifest, Selector, Store, StoreError, StoreFault, Tag, Verified, Written,
};

/// All registries, as one process talks to them: tokens and what was learned are shared. Clones are the same one.
#[derive(Clone)]
pub struct Registry(Arc<Inner>);

struct Inner {
    http: Http,
    credentials: Credentials,
    tokens: Tokens,
    schemes: Mutex<BTreeMap<String, Scheme>>,
    bases: Mutex<BTreeMap<String, Url>>,
    /// Registries of this machine that are assumed to speak plain HTTP, until their first answer.
    assumed: Mutex<BTreeSet<String>>,
    /// Repositories that this process wrote to: what is missing there may only not be visible yet.
    written: Mutex<BTreeSet<ImageName>>,
    /// The clock for the wait before a list of referrers is read again.
    clock: Arc<dyn Clock>,
}

impl Registry {
    /// Returns the registries that these credentials are for.
    pub fn new(http: Http, credentials: Credentials) -> Self {
        Self::with_clock(http, credentials, Arc::new(SystemClock::default()))
    }

    /// As [`Registry::new`], with another clock for the lists of referrers of registries that have no referrers API.
    pub fn with_clock(http: Http, credentials: Credentials, clock: Arc<dyn Clock>) -> Self {
        Self(Arc::new(Inner {
            http,
            credentials,
            tokens: Tokens::default(),
            schemes: Mutex::default(),
            bases: Mutex::default(),
            assumed: Mutex::default(),
            written: Mutex::default(),
            clock,
        }))
    }

    /// Returns a repository. No request is sent yet.
    pub fn repository(&self, name: &ImageName) -> Repository {
        Repository { registry: self.clone(), name: name.clone(), step: self.0.http.step() }
    }

    /// Checks that a registry accepts the credentials (distribution-spec, "Determining Support").
    ///
    /// # Errors
    /// When it cannot be reached, or refuses our credentials.
    pub fn check(&self, registry: &str) -> Result<(), StoreError> {
        let step = self.0.http.step();
        let ask = || {
            let target = Target::named(self.url(registry, "", &step)?);
            let response = self.call(registry, "", &Call::new(Method::GET, target, Action::Pull), &step)?;
            if response.status().is_success() { Ok(()) } else { Err(Fault::of(response)) }
        };
        self.retried(&step, ask).map_err(|fault| fault.at(registry, &format!("could not log in to `{registry}`")))
    }

    fn scheme(&self, registry: &str) -> Option<Scheme> {
        self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner).get(registry).cloned()
    }

    fn remember(&self, registry: &str, scheme: Scheme) {
        self.0.schemes.lock().unwrap_or_else(PoisonError::into_inner).insert(registry.to_owned(), scheme);
    }

    /// Returns the URL of something below `/v2/`.
    fn url(&self, registry: &str, path: &str, step: &Step) -> Result<Url, Fault> {
        let known = self.0.bases.lock().unwrap_or_else(PoisonError::into_inner).get(registry).cloned();
        let base = match known {
            Some(base) => base,
            None => self.base(registry, step)?,
        };
        base.join(path).map_err(|_| Fault::corrupt(format!("`{registry}` and `{path}` make no URL")))
    }

    /// Returns the base URL of a registry. Only this machine and hosts that the user named are reached without TLS.
    fn base(&self, registry: &str, step: &Step) -> Result<Url, Fault> {
        let host = if registry == "docker.io" { "registry-1.docker.io" } else { registry };
        let url = |scheme: &str| {
            let url = Url::parse(&format!("{scheme}://{host}/v2/"));
            url.map_err(|_| Fault::corrupt(format!("`{registry}` is not a registry host")))
        };
        let (secure, plain) = (url("https")?, url("http")?);
        let ask = |url: &Url| self.0.http.send(Request::new(Method::GET, Target::named(url.clone())).within(step).as_trial());
        let base = if is_loopback(split_port(host).0) {
            // The first answer tells whether this is right, so that no request is sent for that alone.
            self.0.assumed.lock().unwrap_or_else(PoisonError::into_inner).insert(registry.to_owned());
            plain
        } else if self.0.http.is_insecure(&secure) || self.0.http.is_insecure(&plain) {
            match ask(&secure) {
                Err(HttpFault::Tls { problem: TlsProblem::NoTls, .. }) => plain,
                Err(HttpFault::Connect { .. } | HttpFault::Silent { .. } | HttpFault::Unanswered { .. })
                    if split_port(host).1.is_none() =>
                {
                    plain
                }
                Err(fault) => return Err(fault.into()),
                Ok(_) => secure,
            }
        } else {
            secure
        };
        self.0.bases.lock().unwrap_or_else(PoisonError::into_inner).insert(registry.to_owned(), base.clone());
        Ok(base)
    }
}

/// What the first answer of a registry of this machine says about its scheme.
#[expect(clippy::large_enum_variant, reason = "there is one at a time, and it is taken apart at once")]
enum Checked {
    /// It is the answer, or the reason why there is none.
    Answer(Result<Response, HttpFault>),
    /// The registry speaks TLS: the target to use instead.
    Secure(Target),
}

impl Registry {
    /// Says whether plain HTTP to a registry is assumed, and not known.
    fn is_assumed(&self, registry: &str, target: &Target) -> bool {
        let assumed = self.0.assumed.lock().unwrap_or_else(PoisonError::into_inner);
        target.url().scheme() == "http" && assumed.contains(registry)
    }

    /// Checks the first answer of a registry that was assumed to speak plain HTTP.
    fn corrected(&self, registry: &str, target: &Target, answer: Result<Response, HttpFault>, step: &Step) -> Checked {
        if !self.is_assumed(registry, target) {
            return Checked::Answer(answer);
        }
        let settle = || self.0.assumed.lock().unwrap_or_else(PoisonError::into_inner).remove(registry);
        match &answer {
            // Go servers answer 400 to plain HTTP at a TLS port (golang/go#23689). An error document is a registry's, which understood the request.
            Ok(response) if response.status() != 400 || is_error_document(response) => {
                settle();
                return Checked::Answer(answer);
            }
            Ok(_) | Err(HttpFault::Broken { .. } | HttpFault::Silent { .. } | HttpFault::Unanswered { .. }) => {}
            Err(_) => return Checked::Answer(answer),
        }
        let (Ok(secure), Ok(url)) = (Url::parse(&format!("https://{registry}/v2/")), with_tls(target.url())) else {
            return Checked::Answer(answer);
        };
        let broke = matches!(answer, Err(HttpFault::Broken { .. }));
        let begun = Instant::now();
        match self.0.http.send(Request::new(Method::GET, Target::named(secure.clone())).within(step).as_trial()) {
            // Something that speaks TLS answered, whatever it answered.
            Ok(_) => {}
            Err(HttpFault::Tls { problem, .. }) if problem != TlsProblem::NoTls => {}
            // What broke in plain HTTP is a TLS server's alert, perhaps: that it is slow says more.
            Err(slow @ (HttpFault::Silent { .. } | HttpFault::Unanswered { .. })) if broke => return Checked::Answer(Err(slow)),
            // It took a connection a moment ago, so that TLS is what it was slow with.
            Err(HttpFault::Connect { host, timed_out: true, .. }) if broke => {
                return Checked::Answer(Err(HttpFault::slow_handshake(host, begun.elapsed())));
            }
            // What broke took as long as a step may.
            Err(HttpFault::OutOfTime { host, limit }) if broke => {
                return Checked::Answer(Err(HttpFault::Silent { host, what: "did not answer in full", waited: limit }));
            }
            // It answers in plain HTTP even to TLS: its own answer is what there is to say.
            Err(fault) => {
                if answer.is_ok() || matches!(fault, HttpFault::Tls { .. }) {
                    settle();
                }
                return Checked::Answer(answer);
            }
        }
        settle();
        self.0.bases.lock().unwrap_or_else(PoisonError::into_inner).insert(registry.to_owned(), secure);
        Checked::Secure(Target::named(url))
    }
}

fn with_tls(url: &Url) -> Result<Url, ()> {
    let mut url = url.clone();
    url.set_scheme("https")?;
    Ok(url)
}

/// Says whether an answer has the form of a registry's errors (distribution-spec, "Error Codes").
fn is_error_document(response: &Response) -> bool {
    response.header("content-type").is_some_and(|value| value.starts_with("application/json"))
}

/// One repository of a registry.
#[derive(Clone)]
pub struct Repository {
    registry: Registry,
    name: ImageName,
    /// The step that all requests are part of.
    step: Step,
}

impl Repository {
    /// Returns the repository's name.
    pub fn image_name(&self) -> &ImageName {
        &self.name
    }

    /// Returns the same repository for the next step: each starts with the whole limit.
    fn next_step(&self) -> Self {
        Self { step: self.registry.0.http.step(), ..self.clone() }
    }

    fn target(&self, path: &str) -> Result<Target, Fault> {
        self.registry.url(self.name.registry(), &format!("{}/{path}", self.name.repository()), &self.step).map(Target::named)
    }

    fn call(&self, call: &Call<'_>) -> Result<Response, Fault> {
        self.registry.call(self.name.registry(), self.name.repository(), call, &self.step)
    }

    fn retried<T>(&self, attempt: impl FnMut() -> Result<T, Fault>) -> Result<T, Fault> {
        self.registry.retried(&self.step, attempt)
    }

    fn tries(&self) -> Tries {
        self.registry.tries(&self.step)
    }

    fn note_written(&self) {
        self.registry.0.written.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name.clone());
    }

    fn was_written(&self) -> bool {
        self.registry.0.written.lock().unwrap_or_else(PoisonError::into_inner).contains(&self.name)
    }

    /// Returns what to ask for when something is read: where this process wrote, it has a token for more than reading already.
    fn reading(&self) -> Action {
        if self.was_written() { Action::Push } else { Action::Pull }
    }

    /// Says whether the repository has a blob. One that this process may just have written is asked for again when it is not there yet.
    fn has_by_now(&self, digest: &Digest, size: u64) -> Result<bool, Fault> {
        let mut tries = self.tries();
        loop {
            let has = self.has(digest, size, self.reading())?;
            if has || !self.was_written() || tries.failed() >= manifest::LATE || tries.next((), Again::Soon).is_err() {
                return Ok(has);
            }
        }
    }

    fn error(&self, fault: Fault, step: &str) -> StoreError {
        fault.at(self.name.registry(), step)
    }

    /// Says whether the repository has a blob, for reading it or before sending it.
    fn has(&self, digest: &Digest, size: u64, action: Action) -> Result<bool, Fault> {
        self.retried(|| self.has_once(digest, size, action))
    }

    fn has_once(&self, digest: &Digest, size: u64, action: Action) -> Result<bool, Fault> {
        let target = self.target(&format!("blobs/{digest}"))?;
        let response = self.call(&Call::new(Method::HEAD, target.clone(), action))?;
        let hopped = response.target().url().host_str() != target.url().host_str();
        match response.status().as_u16() {
            // A proxy may drop the length; another length means another content.
            200 => Ok(response.length().is_none_or(|length| length == size)),
            201..=299 => Ok(true),
            404 => Ok(false),
            // A presigned URL of S3 is valid for GET only (ghcr.io in containerd/stargz-snapshotter#167, pulp/pulp_container#579).
            400..=499 if hopped => {
                let call = Call::new(Method::GET, target, action).header(crate::net::header::RANGE, "bytes=0-0");
                let response = self.call(&call)?;
                match response.status().as_u16() {
                    200 | 206 | 416 => Ok(true),
                    404 => Ok(false),
                    _ => Err(Fault::of(response)),
                }
            }
            400..=499 => Err(self.in_words(response, target, action)),
            _ => Err(Fault::of(response)),
        }
    }

    /// Returns the fault for an answer to HEAD, which has no words: the same is asked with GET, once.
    fn in_words(&self, response: Response, target: Target, action: Action) -> Fault {
        let call = Call::new(Method::GET, target, action).header(crate::net::header::RANGE, "bytes=0-0");
        match self.call(&call) {
            Ok(told) if told.status() == response.status() => Fault::of(told),
            _ => Fault::of(response),
        }
    }
}

impl Store for Repository {
    fn name(&self) -> String {
        self.name.to_string()
    }

    fn read_manifest(&self, selector: &Selector) -> Result<RawManifest, StoreError> {
        self.next_step().get_manifest(selector).map_err(|fault| {
            let error = self.error(fault, &format!("could not read `{}{selector}`", self.name));
            if error.fault != StoreFault::Missing {
                return error;
            }
            let registry = self.name.registry();
            error.hint(format!(
                "check the name and the tag; a registry also answers this if you have no access to an image: `hardened login {registry} --username USER --password-stdin`"
            ))
        })
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        let step = || format!("could not ask `{}` for the blob {}", self.name, descriptor.digest);
        self.next_step().has_by_now(&descriptor.digest, descriptor.size).map_err(|fault| self.error(fault, &step()))
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn std::io::Read + Send>>, StoreError> {
        let body = download::Download::start(&self.next_step(), descriptor)
            .map_err(|fault| self.error(fault, &format!("could not read the blob {} of `{}`", descriptor.digest, self.name)))?;
        Ok(Verified::new(Box::new(body), descriptor))
    }

    fn write_blob(&self, descriptor: &Descriptor, source: &dyn BlobSource, progress: &dyn Progress) -> Result<Written, StoreError> {
        let repository = self.next_step();
        let written = upload::Upload::new(&repository, descriptor, source, progress).run();
        written.map_err(|fault| self.error(fault, &format!("could not send the blob {} to `{}`", descriptor.digest, self.name)))
    }

    fn is_named(&self, manifest: &RawManifest, tags: &[Tag]) -> bool {
        // A registry takes a manifest only once it has all that the manifest names.
        let named = |selector: &Selector| self.next_step().names(selector, &manifest.bytes);
        match tags {
            [] => named(&Selector::Digest(Digest::of(&manifest.bytes))),
            tags => tags.iter().all(|tag| named(&Selector::Tag(tag.clone()))),
        }
    }

    fn write_manifest(&self, manifest: &RawManifest, tag: Option<&Tag>) -> Result<(), StoreError> {
        let digest = Digest::of(&manifest.bytes);
        let selector = tag.map_or(Selector::Digest(digest), |tag| Selector::Tag(tag.clone()));
        self.next_step().put_manifest(manifest, &selector).map_err(|fault| match fault {
            fault @ Fault::Status(_) if fault.status() == Some(404) => {
                let mut error = self.error(fault, &format!("could not write `{}{selector}`", self.name));
                error.fault = StoreFault::Refused;
                error
            }
            fault => self.error(fault, &format!("could not write `{}{selector}`", self.name)),
        })
    }

    fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, StoreError> {
        let step = || format!("could not list the referrers of `{}@{subject}`", self.name);
        self.next_step().list_referrers(subject, artifact_type).map_err(|fault| self.error(fault, &step()))
    }

    fn attach(&self, artifacts: &[RawManifest]) -> Result<(), StoreError> {
        self.attach_all(artifacts)
    }
}
