use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use reqwest::header::{CONTENT_LENGTH, HeaderMap};
use reqwest::{StatusCode, Url};
use tokio::time::timeout;

use super::http::host_of;
use super::origin::{is_loopback, literal};
use super::{Http, HttpFault, Nearness, Origin, redact};

/// Where a request goes, and what it may take along.
#[derive(Debug, Clone)]
pub struct Target {
    pub(crate) url: Url,
    pub(crate) reach: Nearness,
    pub(crate) carries: Carries,
    pub(crate) plain: Plain,
}

/// Whether a request may carry credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Credentials,
    /// It went to another origin once, and never gets them back.
    Nothing,
}

/// Whether a request may go without TLS to a host that the user did not name for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Named,
    Anywhere,
}

impl Target {
    /// Returns a target that the user named, or that we made of what the user named.
    pub fn named(url: Url) -> Self {
        Self { url, reach: Nearness::Never, carries: Carries::Credentials, plain: Plain::Named }
    }

    /// Lets the request go over plain HTTP, without credentials, to any host: for content that carries its own signature.
    #[must_use]
    pub fn over_plain_http(mut self) -> Self {
        self.plain = Plain::Anywhere;
        if self.url.scheme() == "http" {
            self.carries = Carries::Nothing;
        }
        self
    }

    /// Returns a copy that may carry credentials again: for a token service whose host was judged.
    pub(crate) fn with_credentials(mut self) -> Self {
        self.carries = Carries::Credentials;
        self
    }

    /// Says whether credentials go along.
    pub(crate) fn carries_credentials(&self) -> bool {
        self.carries == Carries::Credentials
    }

    /// Returns the URL.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Returns a copy with another pair in the query, and all else as it was.
    #[must_use]
    pub fn with_query(&self, key: &str, value: &str) -> Self {
        let mut target = self.clone();
        // Not `query_pairs_mut`: that writes the rest of the query anew, and a session's state may be signed as it stands.
        let value: String = value.bytes().map(percent).collect();
        let query = match target.url.query() {
            Some(query) if !query.is_empty() => format!("{query}&{key}={value}"),
            _ => format!("{key}={value}"),
        };
        target.url.set_query(Some(&query));
        target
    }
}

fn percent(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' | b'/' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

/// An answer: its head, and its body still to be read.
pub struct Response {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) target: Target,
    pub(crate) nearness: Option<Nearness>,
    pub(crate) body: Body,
}

impl Response {
    /// Returns the status.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// Returns a header that is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Returns all values of a header that are text.
    pub fn headers(&self, name: &str) -> Vec<&str> {
        self.headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect()
    }

    /// Returns the size that the answer claims.
    pub fn length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH.as_str())?.parse().ok()
    }

    /// Returns what a message shows of a text of the server's: escaped, and without the credentials that were sent to it.
    pub fn shown(&self, text: &str) -> String {
        self.body.http.hide(&redact::escaped(text))
    }

    /// Returns the client that got the answer.
    pub(crate) fn http(&self) -> &Http {
        &self.body.http
    }

    /// Returns where the answer came from, after redirects.
    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Returns the body.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Reads a body into memory.
    ///
    /// # Errors
    /// When it is larger than `limit` bytes, or breaks.
    pub fn read_all(mut self, limit: u64) -> Result<Vec<u8>, HttpFault> {
        let large = || HttpFault::Large { host: self.body.host.clone(), limit };
        if self.length().is_some_and(|length| length > limit) {
            return Err(large());
        }
        let large = large();
        let mut bytes = Vec::new();
        while let Some(piece) = self.body.piece()? {
            if bytes.len() as u64 + piece.len() as u64 > limit {
                return Err(large);
            }
            bytes.extend_from_slice(&piece);
        }
        Ok(bytes)
    }

    /// Reads the beginning of the body of a failure, escaped for people; what goes wrong with it is left out.
    pub fn explanation(mut self) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < 64 << 10 {
            match self.body.piece() {
                Ok(Some(piece)) => bytes.extend_from_slice(&piece),
                _ => break,
            }
        }
        bytes.truncate(64 << 10);
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Returns where a `Location` of this answer leads, when it may be followed: [`Http::follow`] says when.
    ///
    /// # Errors
    /// When it is no URL, or our rules forbid it; it names both hosts.
    pub fn hop(&self, location: &str) -> Result<Target, HttpFault> {
        self.body.http.follow(&self.target, self.nearness, location)
    }
}

impl Http {
    /// Returns where a `Location` leads in the answer to what was `asked`, by a server that is as near as `nearness`, when it may be followed.
    ///
    /// To the same origin everything goes along as before. To another one no credentials go, then or later; never
    /// from HTTPS to HTTP; and never nearer to this machine than the answer's own address is, so that a registry on
    /// the internet cannot make us ask a private network. Hosts that the user named as insecure are free of the last rule.
    /// Where a proxy resolves names, only literal addresses can be judged here.
    ///
    /// # Errors
    /// When it is no URL, or our rules forbid it; it names both hosts.
    pub fn follow(&self, asked: &Target, nearness: Option<Nearness>, location: &str) -> Result<Target, HttpFault> {
        let from = &asked.url;
        let named = host_of(from);
        let told = |to: &str, why: &str| HttpFault::Forbidden(format!("`{named}` sends us on to `{}`, {why}", self.hide(to)));
        let forbidden = |why: &str| told(&redact::escaped(&cut(location)), why);
        if location.len() > 16 << 10 || location.chars().any(char::is_control) {
            return Err(forbidden("which is no usable URL"));
        }
        let url = from.join(location).map_err(|_| forbidden("which is no usable URL"))?;
        let why_not = |why: &str| told(&redact::shown(&url), &format!("{why}; this is not followed"));
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(why_not("which is neither HTTPS nor HTTP"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(why_not("which holds a user"));
        }
        if from.scheme() == "https" && url.scheme() == "http" {
            return Err(why_not("away from HTTPS"));
        }
        if Origin::of(from) == Origin::of(&url) {
            return Ok(Target { url, ..asked.clone() });
        }
        let host = url.host_str().unwrap_or_default();
        let reach = if self.is_insecure(&url) || from.host_str() == url.host_str() {
            asked.reach
        } else {
            // What cannot be seen (a proxy in between) is taken for the internet; link-local is never reached.
            let near = nearness.unwrap_or(Nearness::Public).min(Nearness::Loopback);
            asked.reach.min(near)
        };
        let near = literal(host).map(Nearness::of).or_else(|| is_loopback(host).then_some(Nearness::Loopback));
        if near.is_some_and(|near| near > reach) || (self.is_proxy(host) && !self.is_insecure(&url)) {
            return Err(why_not("an address in a private network or on this machine"));
        }
        Ok(Target { url, reach, carries: Carries::Nothing, plain: asked.plain })
    }
}

fn cut(text: &str) -> String {
    redact::without_secrets(text).chars().take(300).collect()
}

/// The body of an answer. Its errors hold an [`HttpFault`].
pub struct Body {
    pub(crate) http: Http,
    pub(crate) host: String,
    pub(crate) inner: reqwest::Response,
    pub(crate) piece: Bytes,
    pub(crate) waited: Duration,
    pub(crate) received: u64,
}

impl Body {
    fn piece(&mut self) -> Result<Option<Bytes>, HttpFault> {
        let (stall, floor) = (self.http.patience().stall, self.http.patience().floor);
        let started = Instant::now();
        let inner = &mut self.inner;
        let read = self.http.runtime()?.block_on(async { timeout(stall, inner.chunk()).await });
        let Ok(read) = read else {
            return Err(HttpFault::Silent { host: self.host.clone(), what: "sent nothing more", waited: stall });
        };
        let piece = read.map_err(|error| HttpFault::of(error, &self.host))?;
        self.waited += started.elapsed();
        self.received += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if self.waited >= floor.0 {
            if piece.is_some() && self.received < floor.1 {
                return Err(HttpFault::Silent { host: self.host.clone(), what: "sent next to nothing", waited: self.waited });
            }
            (self.waited, self.received) = (Duration::ZERO, 0);
        }
        Ok(piece)
    }
}

impl Read for Body {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            if buffer.is_empty() {
                return Ok(0);
            }
            match self.piece() {
                Ok(Some(piece)) => self.piece = piece,
                Ok(None) => return Ok(0),
                Err(fault) => return Err(io::Error::other(fault)),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}
