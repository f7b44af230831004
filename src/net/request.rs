use std::io::Read;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderName;

use super::{Secret, Target};
use crate::oci::Progress;

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
