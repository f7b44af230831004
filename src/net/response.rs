use std::io::{self, Read};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes};
use reqwest::StatusCode;
use reqwest::header::{CONTENT_LENGTH, HeaderMap};

use super::step::SLOWEST;
use super::wait::UNSAID;
use super::{Http, HttpFault, Nearness, Step, Target, Wait};

/// How long the words of a failure are waited for: the failure itself is known.
const EXPLANATION: Duration = Duration::from_secs(2);

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
            self.body.step.reached(bytes.len() as u64);
        }
        Ok(bytes)
    }

    /// Reads the beginning of the body of a failure, escaped for people; what goes wrong with it is left out.
    pub fn explanation(mut self) -> String {
        let mut bytes = Vec::new();
        while bytes.len() < 64 << 10 && self.body.waited < EXPLANATION {
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

/// The body of an answer. Its errors hold an [`HttpFault`].
pub struct Body {
    http: Http,
    host: String,
    inner: reqwest::Response,
    piece: Bytes,
    step: Step,
    /// The time that was waited since the speed was last measured, and the bytes that came.
    waited: Duration,
    received: u64,
    /// Whether it was said since then that the body is slow.
    is_said: bool,
}

impl Body {
    pub(crate) fn new(http: Http, host: String, inner: reqwest::Response, step: Step) -> Self {
        Self { http, host, inner, piece: Bytes::new(), step, waited: Duration::ZERO, received: 0, is_said: false }
    }

    /// Returns the step that the body is part of.
    pub fn step(&self) -> &Step {
        &self.step
    }

    fn piece(&mut self) -> Result<Option<Bytes>, HttpFault> {
        let (stall, floor) = (self.http.timeouts().stall, self.http.timeouts().floor);
        let runtime = self.http.runtime()?;
        let begun = Instant::now();
        let read = self.step.wait(&runtime, stall, (&self.host, "has sent no more data"), self.inner.chunk());
        self.waited += begun.elapsed();
        let piece = match read {
            Ok(read) => read.map_err(|error| HttpFault::of(error, &self.host))?,
            // The limit of the step may end the last of many short waits.
            Err(waited) if waited < self.waited / 2 => return Err(self.slow()),
            Err(waited) => return Err(HttpFault::Silent { host: self.host.clone(), what: "sent no more data", waited }),
        };
        self.received += piece.as_ref().map_or(0, |piece| piece.len() as u64);
        if piece.is_some() {
            self.tell_if_slow(floor.0);
        }
        if self.waited >= floor.0 {
            if piece.is_some() && self.received < floor.1 {
                return Err(self.slow());
            }
            (self.waited, self.received, self.is_said) = (Duration::ZERO, 0, false);
        }
        Ok(piece)
    }

    fn slow(&self) -> HttpFault {
        HttpFault::Silent { host: self.host.clone(), what: "sent almost no data", waited: self.waited }
    }

    /// Says that the body comes too slowly, when it does, before it is given up for that after `most`.
    fn tell_if_slow(&mut self, most: Duration) {
        let is_slow = self.waited >= UNSAID && self.received < self.waited.as_secs() * SLOWEST;
        if is_slow && !self.is_said {
            self.is_said = true;
            let most = self.step.limit().map_or(most, |limit| limit.min(most));
            self.step.tell(&Wait::Server { host: self.host.clone(), what: "has sent almost no data", most });
        }
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
