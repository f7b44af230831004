use serde_json::Value;

use crate::net::{Again, GivenUp, HttpFault, Peer, Response, Retry, StatusCode, redact};
use crate::oci::{StoreError, StoreFault};

/// Why a step at a registry failed, before the step is named.
#[derive(Debug)]
pub(super) enum Fault {
    /// There was no usable answer.
    Http(HttpFault),
    /// The registry answered with an error status.
    Status(Box<Answer>),
    /// This program refuses to go on, or the registry keeps refusing.
    Refused { fault: StoreFault, message: String, hints: Vec<String> },
}

/// An answer with an error status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) host: String,
    pub(super) status: StatusCode,
    /// The codes of the registry's error document (distribution-spec, "Error Codes").
    pub(super) codes: Vec<String>,
    /// What the registry says, escaped.
    pub(super) words: String,
    /// Which credentials were sent, and what was wrong with other sources.
    pub(super) credentials: Option<String>,
    /// Why it is not asked again, though that might help.
    pub(super) given_up: Option<GivenUp>,
}

impl From<HttpFault> for Fault {
    fn from(fault: HttpFault) -> Self {
        Self::Http(fault)
    }
}

impl Retry for Fault {
    fn again(&self) -> Again {
        match self {
            Self::Http(fault) => fault.again(),
            Self::Status(answer) => Again::after_status(answer.status.as_u16()),
            Self::Refused { .. } => Again::Never,
        }
    }

    fn reason(&self) -> String {
        match self {
            Self::Http(fault) => fault.reason(),
            Self::Status(answer) => format!("`{}` answered {}", answer.host, answer.status),
            Self::Refused { message, .. } => message.clone(),
        }
    }

    fn given_up(self, why: GivenUp) -> Self {
        match self {
            Self::Http(fault) => Self::Http(fault.given_up(why)),
            Self::Status(mut answer) => {
                answer.given_up = answer.given_up.or(Some(why));
                Self::Status(answer)
            }
            refused @ Self::Refused { .. } => refused,
        }
    }
}

impl Fault {
    /// Returns the fault for an answer with an error status.
    pub(super) fn of(response: Response) -> Self {
        let status = response.status();
        let url = response.target().url();
        let host = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let http = response.http().clone();
        let (codes, words) = read(&response.explanation());
        let words = http.hide(&words);
        Self::Status(Box::new(Answer { host, status, codes, words, credentials: None, given_up: None }))
    }

    /// Returns a fault about content that is not what it should be.
    pub(super) fn corrupt(message: impl Into<String>) -> Self {
        Self::Refused { fault: StoreFault::Corrupt, message: message.into(), hints: Vec::new() }
    }

    /// Returns the answer's status.
    pub(super) fn status(&self) -> Option<u16> {
        match self {
            Self::Status(answer) => Some(answer.status.as_u16()),
            _ => None,
        }
    }

    /// Says whether the registry does not know a blob or child that a manifest names.
    pub(super) fn is_unknown_part(&self) -> bool {
        const CODES: [&str; 3] = ["MANIFEST_BLOB_UNKNOWN", "BLOB_UNKNOWN", "MANIFEST_UNKNOWN"];
        matches!(self, Self::Status(answer) if answer.codes.iter().any(|code| CODES.contains(&code.as_str())))
    }

    /// Turns it into the error of a step: "could not read `registry.example.no/a/b:c`".
    pub(super) fn at(self, registry: &str, step: &str) -> StoreError {
        match self {
            Self::Http(HttpFault::Source(source)) => {
                let wrong = source.kind() == std::io::ErrorKind::InvalidData;
                StoreError::new(if wrong { StoreFault::Corrupt } else { StoreFault::Disk }, step).caused_by(source)
            }
            Self::Http(fault) => {
                let kind = match &fault {
                    HttpFault::Offline { .. } => StoreFault::Offline,
                    HttpFault::Forbidden(_) | HttpFault::Setup(_) | HttpFault::Answer { .. } => StoreFault::Refused,
                    HttpFault::Large { .. } => StoreFault::Corrupt,
                    _ => StoreFault::Unreachable,
                };
                let hints = fault.hints(Peer::Registry);
                hints.into_iter().fold(StoreError::new(kind, step).caused_by(fault), StoreError::hint)
            }
            Self::Refused { fault, message, hints } => {
                hints.into_iter().fold(StoreError::new(fault, step).caused_by(message), StoreError::hint)
            }
            Self::Status(answer) => (*answer).at(registry, step),
        }
    }
}

impl Answer {
    fn at(self, registry: &str, step: &str) -> StoreError {
        let login = format!("log in with `hardened login {registry} --username USER --password-stdin`");
        let (fault, hint) = match self.status.as_u16() {
            401 => (StoreFault::Unauthorized, Some(login)),
            403 => (StoreFault::Denied, self.credentials.is_none().then_some(login)),
            404 => (StoreFault::Missing, None),
            408 | 425 | 429 | 499 | 500..=599 => (
                StoreFault::Unreachable,
                Some(
                    "the registry is busy or has a fault: run the command again later; content that it received is not sent again"
                        .to_owned(),
                ),
            ),
            _ => (StoreFault::Refused, None),
        };
        let words = if self.words.is_empty() { String::new() } else { format!(": {}", self.words) };
        let credentials = self.credentials.map(|sent| format!(" ({sent})")).unwrap_or_default();
        let given_up = self.given_up.map(|why| format!("; {why}")).unwrap_or_default();
        let cause = format!("`{}` answered {}{credentials}{words}{given_up}", self.host, self.status);
        self.given_up.and_then(GivenUp::hint).or(hint).into_iter().fold(StoreError::new(fault, step).caused_by(cause), StoreError::hint)
    }
}

/// Reads the registry's error document; anything else is shown as it is, escaped.
fn read(text: &str) -> (Vec<String>, String) {
    let document: Option<Value> = serde_json::from_str(text).ok();
    let errors = document.as_ref().and_then(|document| document.get("errors")).and_then(Value::as_array);
    let Some(errors) = errors else { return (Vec::new(), redact::escaped(text)) };
    let field = |error: &Value, name: &str| error.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let codes: Vec<_> = errors.iter().take(16).map(|error| field(error, "code")).collect();
    let words: Vec<_> = errors.iter().take(16).map(|error| format!("{} {}", field(error, "code"), field(error, "message"))).collect();
    (codes, redact::escaped(&words.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_registry_says_is_read_and_escaped() {
        let (codes, words) = read(r#"{"errors":[{"code":"DENIED","message":"no\u001b[31m way"}]}"#);
        assert_eq!((codes, words.as_str()), (vec!["DENIED".to_owned()], "DENIED no\\u{1b}[31m way"));
        assert_eq!(read("<html>\u{7}").1, "<html>\\u{7}");
        assert!(read(&"x".repeat(1 << 20)).1.len() < 5000);
    }
}
