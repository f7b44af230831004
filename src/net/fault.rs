use std::error::Error;
use std::io;
use std::time::Duration;

use super::wait::seconds;
use super::{GivenUp, Retry, redact};

/// Why a request got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpFault {
    /// The network may not be used.
    #[error("`{host}` is needed, and the network is off (`--offline`)")]
    Offline {
        /// The host that was wanted.
        host: String,
    },
    /// Our own rules forbid the request; nothing was sent.
    #[error("{0}")]
    Forbidden(String),
    /// The host's name has no address.
    #[error("there is no address for the host `{host}`: {detail}")]
    Name {
        /// The host.
        host: String,
        /// What the resolver says.
        detail: String,
    },
    /// No connection came about.
    #[error("no connection to `{host}`: {detail}")]
    Connect {
        /// The host.
        host: String,
        /// What the system says.
        detail: String,
        /// Whether it took too long, TLS included.
        timed_out: bool,
    },
    /// The host's certificate or its TLS is not right.
    #[error("no secure connection to `{host}`: {problem}")]
    Tls {
        /// The host.
        host: String,
        /// Which problem it is.
        problem: TlsProblem,
    },
    /// No bytes moved for too long.
    #[error("`{host}` is slow or silent: it {what} for {} seconds", seconds(*waited))]
    Silent {
        /// The host.
        host: String,
        /// What it did not do: "did not answer".
        what: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// The host has not answered any request of this run: it may not exist.
    #[error("`{host}` accepts connections, but is slow or silent: it did not send a complete response for {} seconds", seconds(*waited))]
    Unanswered {
        /// The host.
        host: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The host asked for a pause, in an answer to another step, that is longer than this one may take.
    #[error("`{host}` asked not to be asked for {} seconds (`Retry-After`), and this step may take {} seconds (`--retry-for`)", seconds(*left), seconds(*limit))]
    Pause {
        /// The host.
        host: String,
        /// How much of the pause is left.
        left: Duration,
        /// The limit of the step.
        limit: Duration,
    },
    /// The limit of the step was over before the request could be sent.
    #[error("`{host}` was not asked: the {} seconds that this step may take (`--retry-for`) were over", seconds(*limit))]
    OutOfTime {
        /// The host.
        host: String,
        /// The limit of the step.
        limit: Duration,
    },
    /// It is not tried again, though that might help.
    #[error("{fault}; {why}")]
    GivenUp {
        /// The last failure.
        fault: Box<HttpFault>,
        /// Why it is not tried again.
        why: GivenUp,
    },
    /// The connection broke.
    #[error("the connection to `{host}` broke: {detail}")]
    Broken {
        /// The host.
        host: String,
        /// What was seen.
        detail: String,
    },
    /// What was to be sent could not be read.
    #[error("could not read what is to be sent")]
    Source(#[source] io::Error),
    /// The answer is larger than it may be.
    #[error("the answer of `{host}` is larger than {limit} bytes")]
    Large {
        /// The host.
        host: String,
        /// The limit in bytes.
        limit: u64,
    },
    /// The answer is not HTTP as we asked for it.
    #[error("the answer of `{host}` cannot be used: {detail}")]
    Answer {
        /// The host.
        host: String,
        /// What is wrong.
        detail: String,
    },
    /// The client could not be made: a bad certificate file, a bad proxy setting.
    #[error("{0}")]
    Setup(String),
}

/// What is wrong with a host's TLS.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TlsProblem {
    /// No authority that this machine trusts signed the certificate.
    #[error("its certificate is not signed by an authority that this machine trusts")]
    UnknownIssuer,
    /// The certificate has expired.
    #[error("its certificate has expired, or this machine's clock is wrong")]
    Expired,
    /// The certificate is not valid yet.
    #[error("its certificate is not valid yet, or this machine's clock is wrong")]
    NotYet,
    /// The certificate is for another name.
    #[error("its certificate is for another name")]
    WrongName,
    /// The host speaks no TLS at that port.
    #[error("it speaks plain HTTP there, not HTTPS")]
    NoTls,
    /// The host asks for a client certificate.
    #[error("it requires a client certificate")]
    ClientCertificate,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// It will not.
    Never,
    /// Nothing answers: only within the budget for connecting.
    Unreached,
    /// It may.
    Soon,
}

/// What kind of server a request is for, as far as advice depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A registry of images.
    Registry,
    /// An archive of packages, or a mirror of one.
    Archive,
}

impl Retry for HttpFault {
    fn again(&self) -> Again {
        match self {
            Self::Name { .. } | Self::Connect { .. } | Self::Unanswered { .. } => Again::Unreached,
            Self::Silent { .. } | Self::Broken { .. } => Again::Soon,
            _ => Again::Never,
        }
    }

    fn reason(&self) -> String {
        self.to_string()
    }

    fn given_up(self, why: GivenUp) -> Self {
        match self {
            given_up @ Self::GivenUp { .. } => given_up,
            fault => Self::GivenUp { fault: Box::new(fault), why },
        }
    }
}

impl HttpFault {
    /// Returns the fault of a host that was slow with TLS.
    pub(crate) fn slow_handshake(host: String, waited: Duration) -> Self {
        Self::Silent { host, what: "did not complete the TLS handshake", waited }
    }

    /// Returns the exact next steps for a user who reaches this kind of server, if any is known.
    pub fn hints(&self, peer: Peer) -> Vec<String> {
        let (server, other) = match peer {
            Peer::Registry => ("a registry", ""),
            Peer::Archive => ("a mirror of the archive", ", or name another mirror with `--debian-mirror URL`"),
        };
        match self {
            Self::Offline { .. } => vec!["run it again without `--offline`".to_owned()],
            Self::Name { host, .. } => {
                vec![format!(
                    "check how `{host}` is written; if it can be reached only through a proxy, set `HTTPS_PROXY=http://PROXY:PORT`"
                )]
            }
            Self::Connect { host, .. } | Self::Unanswered { host, .. } => {
                vec![format!("check that {server} runs at `{host}`, and that no firewall blocks the connection{other}")]
            }
            Self::GivenUp { fault, why } => why.hint().map_or_else(|| fault.hints(peer), |hint| vec![hint]),
            Self::Pause { .. } | Self::OutOfTime { .. } => vec![GivenUp::LONGER.to_owned()],
            Self::Silent { .. } | Self::Broken { .. } => vec!["run the command again: data that was received is kept".to_owned()],
            Self::Tls { host, problem: TlsProblem::NoTls } if peer == Peer::Registry => {
                vec![format!("if the registry has no TLS and the network to it is safe, add `--insecure {host}`")]
            }
            Self::Tls { problem: TlsProblem::UnknownIssuer, .. } => {
                vec!["add the authority's certificate with `--ca-file FILE.pem`".to_owned()]
            }
            Self::Tls { problem: TlsProblem::WrongName, .. } => vec!["use the host name that is in its certificate".to_owned()],
            _ => Vec::new(),
        }
    }

    /// Sorts a failure of the HTTP library, whose messages may hold a whole URL.
    pub(crate) fn of(error: reqwest::Error, host: &str) -> Self {
        let error = error.without_url();
        let host = host.to_owned();
        let texts = chain(&error);
        let all = texts.join(": ");
        if let Some(problem) = tls_problem(&all) {
            return Self::Tls { host, problem };
        }
        if causes(&error).iter().any(|cause| cause.is::<super::client::ForbiddenAddress>()) {
            return Self::Forbidden(format!("`{host}`, to which a response refers, is in a private network or on this machine"));
        }
        let detail = redact::escaped(texts.last().map_or("", String::as_str));
        if error.is_dns() || all.contains("dns error") {
            return Self::Name { host, detail };
        }
        if error.is_connect() && error.is_timeout() {
            let detail = "it took too long, with TLS if there is any: the host is slow, or something in between closes the way to it";
            return Self::Connect { host, detail: detail.to_owned(), timed_out: true };
        }
        if error.is_connect() {
            return Self::Connect { host, detail, timed_out: false };
        }
        if error.is_builder() {
            return Self::Setup(detail);
        }
        Self::Broken { host, detail }
    }
}

/// Returns the texts of an error and its causes.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> Vec<String> {
    std::iter::once(error.to_string()).chain(causes(error).iter().map(ToString::to_string)).collect()
}

/// Returns the causes of an error, outermost first.
fn causes<'a>(error: &'a (dyn Error + 'static)) -> Vec<&'a (dyn Error + 'static)> {
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        causes.push(cause);
        next = cause.source();
    }
    causes
}

// The TLS library's error types are not reachable from here, so its messages are matched; a test holds them against real ones.
fn tls_problem(text: &str) -> Option<TlsProblem> {
    if text.contains("InvalidContentType") {
        return Some(TlsProblem::NoTls);
    }
    let (_, certificate) = match text.split_once("invalid peer certificate") {
        Some(parts) => parts,
        None if text.contains("CertificateRequired") || text.contains("fatal alert: BadCertificate") => {
            return Some(TlsProblem::ClientCertificate);
        }
        None => {
            let (_, rest) = text.split_once("received fatal alert").or_else(|| text.split_once("peer is incompatible"))?;
            return Some(TlsProblem::Other(format!("the TLS handshake failed{}", redact::escaped(rest))));
        }
    };
    let words = |list: &[&str]| list.iter().any(|word| certificate.contains(word));
    Some(if words(&["UnknownIssuer", "CaUsedAsEndEntity", "BadSignature"]) {
        TlsProblem::UnknownIssuer
    } else if words(&["not valid yet", "NotValidYet"]) {
        TlsProblem::NotYet
    } else if words(&["expired", "Expired"]) {
        TlsProblem::Expired
    } else if words(&["not valid for name", "NotValidForName"]) {
        TlsProblem::WrongName
    } else {
        TlsProblem::Other(format!("its certificate is not valid{}", redact::escaped(certificate)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_is_about_the_server_that_was_asked() {
        let unreached = || HttpFault::Connect { host: "deb.example.no".to_owned(), detail: "refused".to_owned(), timed_out: false };
        let registry = unreached().hints(Peer::Registry).concat();
        assert!(registry.contains("a registry runs at `deb.example.no`") && !registry.contains("mirror"), "{registry}");
        let archive = unreached().hints(Peer::Archive).concat();
        assert!(archive.contains("a mirror of the archive runs at `deb.example.no`") && !archive.contains("registry"), "{archive}");
        assert!(archive.contains("`--debian-mirror URL`"), "{archive}");
        let plain = HttpFault::Tls { host: "deb.example.no".to_owned(), problem: TlsProblem::NoTls };
        assert_eq!((plain.hints(Peer::Registry).len(), plain.hints(Peer::Archive).len()), (1, 0));
    }

    #[test]
    fn each_tls_problem_is_told_apart() {
        for (text, expected) in [
            ("invalid peer certificate: UnknownIssuer", Some(TlsProblem::UnknownIssuer)),
            ("invalid peer certificate: certificate expired: verification time 1 (UNIX)", Some(TlsProblem::Expired)),
            ("invalid peer certificate: certificate not valid yet: verification", Some(TlsProblem::NotYet)),
            ("invalid peer certificate: certificate not valid for name \"a\"; certificate is only", Some(TlsProblem::WrongName)),
            ("received corrupt message of type InvalidContentType", Some(TlsProblem::NoTls)),
            ("received fatal alert: CertificateRequired", Some(TlsProblem::ClientCertificate)),
            ("connection refused", None),
        ] {
            assert_eq!(tls_problem(text), expected, "{text}");
        }
    }
}
