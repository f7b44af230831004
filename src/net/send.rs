use std::io::{self, Read};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION, RETRY_AFTER};
use reqwest::{Method, StatusCode};

use super::exchange::{Exchange, Feed};
use super::origin::{host_of, is_loopback};
use super::request::{Request, RequestBody};
use super::response::{Body, Response};
use super::retry::retry_after;
use super::target::{Carries, Plain, Target};
use super::{Http, HttpFault, Nearness, Network, Secret, Step, TlsProblem, redact};
use crate::oci::Progress;

/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// What takes longer is no answer in plain HTTP to a TLS handshake.
const DRIP: Duration = Duration::from_secs(2);
/// How much of a body is read at a time.
const PIECE: usize = 256 << 10;

/// What a request and the ones that its redirects lead to have in common.
struct Part<'p> {
    method: &'p Method,
    headers: &'p [(HeaderName, String)],
    authorization: Option<&'p Secret>,
    step: &'p Step,
    patience: Option<Duration>,
}

impl Http {
    /// Sends a request once. Redirects of GET and HEAD are followed; those of other methods are returned.
    ///
    /// It waits while the host has asked for a pause. Any status is an answer.
    ///
    /// # Errors
    /// When there is no answer, or our rules forbid to ask.
    pub fn send(&self, request: Request<'_>) -> Result<Response, HttpFault> {
        let Request { method, mut target, headers, authorization, body, step, patience } = request;
        let step = step.unwrap_or_else(|| self.step());
        let part = Part { method: &method, headers: &headers, authorization: authorization.as_ref(), step: &step, patience };
        let safe = method == Method::GET || method == Method::HEAD;
        let mut body = Some(body);
        for _ in 0..=REDIRECTS {
            let body = body.take().unwrap_or(RequestBody::Empty);
            let response = self.send_once(&part, &target, body)?;
            let location = if safe && is_redirect(response.status) { response.header(LOCATION.as_str()) } else { None };
            match location {
                None => return Ok(response),
                Some(location) => target = response.hop(location)?,
            }
        }
        Err(HttpFault::Forbidden(format!("`{}` redirects more than {REDIRECTS} times", redact::redacted(&target.url))))
    }

    fn send_once(&self, part: &Part<'_>, target: &Target, body: RequestBody<'_>) -> Result<Response, HttpFault> {
        let Part { method, headers, authorization, step, patience } = *part;
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
        self.0.pauses.keep(&host, step)?;
        if let Some(limit) = step.limit().filter(|_| step.is_over()) {
            return Err(HttpFault::OutOfTime { host, limit });
        }
        self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner).insert(host.clone());
        let runtime = &self.runtime()?;
        let exchange = Exchange { runtime, client, timeouts: self.timeouts(), host: &host, step, patience };
        let begun = Instant::now();
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
        let answered = || self.0.answered.lock().unwrap_or_else(PoisonError::into_inner);
        match sent {
            Ok(answer) => {
                answered().insert(host.clone());
                self.received(answer, part, target, host)
            }
            Err(HttpFault::Silent { host, waited, .. }) if !answered().contains(&host) => Err(HttpFault::Unanswered { host, waited }),
            // A server that speaks plain HTTP says so at once: one whose first bytes take long drips.
            Err(HttpFault::Tls { host, problem: TlsProblem::NoTls }) if begun.elapsed() > DRIP => {
                Err(HttpFault::slow_handshake(host, begun.elapsed()))
            }
            Err(HttpFault::Connect { host, detail, timed_out }) => match self.proxies()?.of(&target.url) {
                // The proxy's address may hold a password: only its host and port are shown.
                Some(proxy) => {
                    Err(HttpFault::Connect { detail: format!("through the proxy `{}`: {detail}", host_of(proxy)), host, timed_out })
                }
                None => Err(HttpFault::Connect { host, detail, timed_out }),
            },
            Err(fault) => Err(fault),
        }
    }

    fn received(&self, answer: reqwest::Response, part: &Part<'_>, target: &Target, host: String) -> Result<Response, HttpFault> {
        let status = answer.status();
        let headers = answer.headers().clone();
        if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let value = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok());
            if let Some(pause) = value.and_then(|value| retry_after(value, self.0.settings.retry.longest_pause())) {
                self.0.pauses.ask(&host, pause);
                part.step.asked_for(pause);
            }
        }
        let encoding = headers.get(CONTENT_ENCODING).map(HeaderValue::as_bytes);
        if status.is_success() && *part.method != Method::HEAD && encoding.is_some_and(|name| !name.eq_ignore_ascii_case(b"identity")) {
            let detail = "it has a `Content-Encoding` that was not requested; a proxy may have added it".to_owned();
            return Err(HttpFault::Answer { host, detail });
        }
        let proxied = self.proxies()?.of(&target.url).is_some();
        let nearness = if proxied { None } else { answer.remote_addr().map(|address| Nearness::of(address.ip())) };
        let body = Body::new(self.clone(), host, answer, part.step.clone());
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
            "http" => Err(HttpFault::Forbidden(format!(
                "`{host}` would be used without TLS, which is allowed only for hosts that are named with `--insecure`"
            ))),
            other => Err(HttpFault::Forbidden(format!("`{}` URLs are not supported", redact::escaped(other)))),
        }
    }
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
