use std::collections::BTreeSet;
use std::io::{self, Read};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Client, Method, StatusCode, Url};
use tokio::runtime::{Builder, Handle, Runtime};

use super::client::client;
use super::exchange::{Exchange, Feed};
use super::origin::{is_loopback, split_port};
use super::proxy::Proxies;
use super::response::{Body, Carries, Plain, Response, Target};
use super::retry::{Pauses, retry_after};
use super::secrets_sent::SecretsSent;
use super::{HttpFault, Nearness, Network, Patience, RetryPolicy, Secret, Settings, redact};
use crate::oci::Progress;

/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// How much of a body is read at a time.
const PIECE: usize = 256 << 10;

/// A request to be sent.
pub struct Request<'a> {
    /// The method.
    pub method: Method,
    /// Where it goes.
    pub target: Target,
    /// Headers that are no secrets.
    pub headers: Vec<(HeaderName, String)>,
    /// The `Authorization` header. It never leaves the target's origin.
    pub authorization: Option<Secret>,
    /// The body.
    pub body: RequestBody<'a>,
}

/// The body of a request.
pub enum RequestBody<'a> {
    /// None.
    Empty,
    /// Bytes at hand.
    Bytes(Bytes),
    /// A stream that is read on the calling thread.
    Stream {
        /// The bytes.
        reader: Box<dyn Read + Send + 'a>,
        /// How many there are, when that is known.
        length: Option<u64>,
        /// Is told how far it has come.
        progress: &'a dyn Progress,
    },
}

impl<'a> Request<'a> {
    /// Returns a request without headers or body.
    pub fn new(method: Method, target: Target) -> Self {
        Self { method, target, headers: Vec::new(), authorization: None, body: RequestBody::Empty }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, body: RequestBody<'a>) -> Self {
        self.body = body;
        self
    }
}

/// The one way to the network. Clones share everything.
///
/// It blocks its callers, who may be many threads; what is asynchronous stays inside.
#[derive(Clone)]
pub struct Http(Arc<Inner>);

struct Inner {
    settings: Settings,
    proxies: Result<Proxies, String>,
    runtime: OnceLock<Option<Runtime>>,
    clients: [OnceLock<Result<Client, String>>; 4],
    pauses: Pauses,
    hosts: Mutex<BTreeSet<String>>,
    sent: SecretsSent,
    /// The hosts that have answered anything.
    heard: Mutex<BTreeSet<String>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(Some(runtime)) = self.runtime.take() {
            // A name that does not resolve must not keep the program from ending.
            runtime.shutdown_background();
        }
    }
}

impl Http {
    /// Returns a client that has not used the network yet.
    pub fn new(settings: Settings) -> Self {
        let proxies = Proxies::from_environment(&settings.environment);
        let sent = SecretsSent::default();
        proxies.iter().flat_map(Proxies::passwords).for_each(|password| sent.note(&password));
        Self(Arc::new(Inner {
            settings,
            proxies,
            runtime: OnceLock::new(),
            clients: [const { OnceLock::new() }; 4],
            pauses: Pauses::default(),
            hosts: Mutex::default(),
            sent,
            heard: Mutex::default(),
        }))
    }

    /// Returns a client that refuses every request.
    pub fn offline() -> Self {
        Self::new(Settings { network: Network::Offline, ..Settings::new(crate::host::Environment::default()) })
    }

    /// Returns the settings.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// Returns how things are tried again.
    pub fn retry_policy(&self) -> RetryPolicy {
        RetryPolicy { unreached: self.0.settings.retry.unreached.min(self.patience().connect), ..self.0.settings.retry }
    }

    /// Returns every host that was contacted, with its port if it is not the usual one.
    pub fn hosts(&self) -> BTreeSet<String> {
        self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says whether the user named a URL's host as one that needs no TLS.
    pub fn is_insecure(&self, url: &Url) -> bool {
        let host = url.host_str().unwrap_or_default();
        self.0.settings.insecure.iter().any(|entry| {
            let (name, port) = split_port(entry);
            name.eq_ignore_ascii_case(host) && port.is_none_or(|port| Some(port) == url.port_or_known_default())
        })
    }

    /// Sends a request once. Redirects of GET and HEAD are followed; those of other methods are returned.
    ///
    /// It waits while the host has asked for a pause. Any status is an answer.
    ///
    /// # Errors
    /// When there is no answer, or our rules forbid to ask.
    pub fn send(&self, request: Request<'_>) -> Result<Response, HttpFault> {
        let Request { method, mut target, headers, authorization, body } = request;
        let safe = method == Method::GET || method == Method::HEAD;
        let mut body = Some(body);
        for _ in 0..=REDIRECTS {
            let body = body.take().unwrap_or(RequestBody::Empty);
            let response = self.send_once(&method, &target, &headers, authorization.as_ref(), body)?;
            let location = if safe && is_redirect(response.status) { response.header(LOCATION.as_str()) } else { None };
            match location {
                None => return Ok(response),
                Some(location) => target = response.hop(location)?,
            }
        }
        Err(HttpFault::Forbidden(format!("`{}` sends us on more than {REDIRECTS} times", redact::shown(&target.url))))
    }

    fn send_once(
        &self,
        method: &Method,
        target: &Target,
        headers: &[(HeaderName, String)],
        authorization: Option<&Secret>,
        body: RequestBody<'_>,
    ) -> Result<Response, HttpFault> {
        let host = host_of(&target.url);
        self.check(target, &host)?;
        let client = self.client(target.reach)?;
        let mut request = reqwest::Request::new(method.clone(), target.url.clone());
        let bad = |name: &HeaderName| HttpFault::Forbidden(format!("the header `{name}` for `{host}` would hold a control character"));
        for (name, value) in headers {
            request.headers_mut().append(name, HeaderValue::from_str(value).map_err(|_| bad(name))?);
        }
        request.headers_mut().insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        if let (Some(secret), Carries::Credentials) = (authorization, target.carries) {
            let mut value = HeaderValue::from_str(secret.reveal()).map_err(|_| bad(&AUTHORIZATION))?;
            value.set_sensitive(true);
            self.0.sent.note_header(secret);
            request.headers_mut().insert(AUTHORIZATION, value);
        }
        self.0.pauses.keep(&host);
        self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone());
        let exchange = Exchange { runtime: &self.runtime()?, client, patience: self.patience(), host: &host };
        let sent = match body {
            RequestBody::Empty => {
                if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
                    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
                }
                exchange.send(request)
            }
            RequestBody::Bytes(bytes) => {
                *request.body_mut() = Some(bytes.into());
                exchange.send(request)
            }
            RequestBody::Stream { mut reader, length, progress } => {
                if let Some(length) = length {
                    request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(length));
                }
                exchange.send_streamed(request, |feed| pour(reader.as_mut(), length, progress, feed))
            }
        };
        let heard = || self.0.heard.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(answer) => {
                heard().insert(host.clone());
                self.received(answer, method, target, host)
            }
            Err(HttpFault::Silent { host, waited, .. }) if !heard().contains(&host) => Err(HttpFault::Unanswered { host, waited }),
            Err(HttpFault::Connect { host, detail }) => match self.proxies()?.of(&target.url) {
                // The proxy's address may hold a password: only its host and port are shown.
                Some(proxy) => Err(HttpFault::Connect { detail: format!("through the proxy `{}`: {detail}", host_of(proxy)), host }),
                None => Err(HttpFault::Connect { host, detail }),
            },
            Err(fault) => Err(fault),
        }
    }

    fn received(&self, answer: reqwest::Response, method: &Method, target: &Target, host: String) -> Result<Response, HttpFault> {
        let status = answer.status();
        let headers = answer.headers().clone();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            if let Some(pause) = value.and_then(|value| retry_after(value, self.0.settings.retry.longest_pause)) {
                self.0.pauses.ask(&host, pause);
            }
        }
        let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        if status.is_success() && *method != Method::HEAD && encoding.is_some_and(|name| !name.eq_ignore_ascii_case(b"identity")) {
            let detail = "it is encoded (`Content-Encoding`), which was not asked for; a proxy in between may do so".to_owned();
            return Err(HttpFault::Answer { host, detail });
        }
        let proxied = self.proxies()?.of(&target.url).is_some();
        let nearness = if proxied { None } else { answer.remote_addr().map(|address| Nearness::of(address.ip())) };
        let body = Body { http: self.clone(), host, inner: answer, piece: Bytes::new(), waited: Duration::ZERO, received: 0 };
        Ok(Response { status, headers, target: target.clone(), nearness, body })
    }

    /// Checks our rules, before a socket is opened.
    fn check(&self, target: &Target, host: &str) -> Result<(), HttpFault> {
        if self.0.settings.network == Network::Offline {
            return Err(HttpFault::Offline { host: host.to_owned() });
        }
        let url = &target.url;
        let named = is_loopback(url.host_str().unwrap_or_default()) || self.is_insecure(url);
        match url.scheme() {
            "https" => Ok(()),
            "http" if named || target.plain == Plain::Anywhere => Ok(()),
            "http" => Err(HttpFault::Forbidden(format!("`{host}` would be asked without TLS, and was not named as a host without TLS"))),
            other => Err(HttpFault::Forbidden(format!("`{}` URLs are not supported", redact::escaped(other)))),
        }
    }

    /// Notes a secret that is sent otherwise than as a header.
    pub(crate) fn note_secret(&self, secret: &Secret) {
        self.0.sent.note(secret.reveal());
    }

    /// Returns a foreign text without the secrets that were sent: servers and proxies show requests in what they say about them.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.sent.hide(text)
    }

    pub(crate) fn is_proxy(&self, host: &str) -> bool {
        self.0.proxies.as_ref().is_ok_and(|proxies| proxies.holds(host))
    }

    pub(crate) fn patience(&self) -> Patience {
        self.0.settings.patience
    }

    pub(crate) fn runtime(&self) -> Result<Handle, HttpFault> {
        let make = || Builder::new_multi_thread().worker_threads(2).thread_name("net").enable_all().build().ok();
        let runtime = self.0.runtime.get_or_init(make).as_ref();
        runtime
            .map(|runtime| runtime.handle().clone())
            .ok_or_else(|| HttpFault::Setup("could not start threads for the network".to_owned()))
    }

    fn proxies(&self) -> Result<&Proxies, HttpFault> {
        self.0.proxies.as_ref().map_err(|message| HttpFault::Setup(message.clone()))
    }

    fn client(&self, reach: Nearness) -> Result<&Client, HttpFault> {
        let proxies = self.proxies()?;
        // Making a client needs the runtime's presence.
        let runtime = self.runtime()?;
        let slot = match reach {
            Nearness::Public => &self.0.clients[0],
            Nearness::Private => &self.0.clients[1],
            Nearness::Loopback => &self.0.clients[2],
            Nearness::Never => &self.0.clients[3],
        };
        let make = || {
            let _guard = runtime.enter();
            client(&self.0.settings, proxies, reach).map_err(|fault| fault.to_string())
        };
        slot.get_or_init(make).as_ref().map_err(|message| HttpFault::Setup(message.clone()))
    }
}

/// Returns a URL's host, with the port if it is not the scheme's own.
pub(crate) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Reads a stream to its end into a request, and tells how far it has come.
fn pour(reader: &mut dyn Read, length: Option<u64>, progress: &dyn Progress, feed: &mut Feed<'_>) -> io::Result<()> {
    let mut left = length;
    while left != Some(0) {
        let room = left.map_or(PIECE, |left| usize::try_from(left).unwrap_or(PIECE).min(PIECE));
        let mut piece = BytesMut::zeroed(room);
        let mut filled = 0;
        while filled < room {
            match reader.read(&mut piece[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if filled == 0 {
            break;
        }
        piece.truncate(filled);
        feed.push(piece.freeze())?;
        progress.advance(filled as u64);
        left = left.map(|left| left - filled as u64);
    }
    match left {
        Some(left) if left > 0 => Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the source ends {left} bytes early"))),
        // A source that checks itself says at its end whether it was right.
        _ if length.is_some() && reader.read(&mut [0])? != 0 => {
            Err(io::Error::new(io::ErrorKind::InvalidData, "the source is longer than it should be"))
        }
        _ => Ok(()),
    }
}
