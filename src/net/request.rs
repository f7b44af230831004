use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::HeaderName;

use super::{Secret, Step, Target};
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
    /// The step that it is part of; without one it is a step of its own.
    pub step: Option<Step>,
    /// How long its answer is waited for, if that is less than usual.
    pub patience: Option<Duration>,
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
        Self { method, target, headers: Vec::new(), authorization: None, body: RequestBody::Empty, step: None, patience: None }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Makes it a part of a step.
    #[must_use]
    pub fn within(mut self, step: &Step) -> Self {
        self.step = Some(step.clone());
        self
    }

    /// Leaves half of its step's time for what comes after it, when it may be in vain.
    #[must_use]
    pub fn as_trial(mut self) -> Self {
        self.patience = self.step.as_ref().and_then(Step::rest).map(|rest| rest / 2);
        self
    }

    /// Gives it a body.
    #[must_use]
    pub fn body(mut self, body: RequestBody<'a>) -> Self {
        self.body = body;
        self
    }
}
