use std::path::PathBuf;
use std::time::Duration;

use super::{RetryPolicy, WaitListener};
use crate::host::Environment;

/// What the user decided about the network.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The environment, for proxies.
    pub environment: Environment,
    /// Whether the network may be used.
    pub network: Network,
    /// Hosts, with or without a port, that may be spoken to without TLS and that others may send us to.
    pub insecure: Vec<String>,
    /// Files of further certificate authorities, PEM.
    pub certificate_files: Vec<PathBuf>,
    /// Pairs of a registry and the foreign host that may give tokens for it.
    pub token_realms: Vec<(String, String)>,
    /// How often and how patiently things are tried again.
    pub retry: RetryPolicy,
    /// The timeouts of a connection.
    pub timeouts: Timeouts,
    /// Who is told of long waits.
    pub on_wait: Option<WaitListener>,
}

impl Settings {
    /// Returns the defaults, with an environment.
    pub fn new(environment: Environment) -> Self {
        Self {
            environment,
            network: Network::Allowed,
            insecure: Vec::new(),
            certificate_files: Vec::new(),
            token_realms: Vec::new(),
            retry: RetryPolicy::default(),
            timeouts: Timeouts::default(),
            on_wait: None,
        }
    }
}

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// It may.
    Allowed,
    /// It may not: every request fails before a socket is opened.
    Offline,
}

/// The timeouts of a connection. A transfer that makes progress may last as long as it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// For a connection, the name's resolution and TLS included; also the budget for trying an unreachable host again.
    pub connect: Duration,
    /// For the answer, after the request was sent.
    pub answer: Duration,
    /// For the next bytes of a body, in either direction.
    pub stall: Duration,
    /// The slowest transfer: so many bytes must arrive in so much time of waiting.
    pub floor: (Duration, u64),
}

impl Default for Timeouts {
    fn default() -> Self {
        // 1 KiB a second, over a minute.
        let floor = (Duration::from_mins(1), 60 << 10);
        Self { connect: Duration::from_secs(10), answer: Duration::from_mins(1), stall: Duration::from_secs(30), floor }
    }
}
