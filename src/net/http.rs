use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use reqwest::{Client, Url};
use tokio::runtime::{Builder, Handle, Runtime};

use super::client::client;
use super::origin::split_port;
use super::proxy::Proxies;
use super::retry::Pauses;
use super::secrets_sent::SecretsSent;
use super::{HttpFault, Nearness, Network, RetryPolicy, Secret, Settings, Step, Timeouts};

/// The HTTP client of the whole program. Clones share all state.
///
/// It blocks its callers, who may be many threads; nothing asynchronous is visible outside.
#[derive(Clone)]
pub struct Http(pub(super) Arc<Inner>);

/// What all clones of a client share.
pub(super) struct Inner {
    pub(super) settings: Settings,
    proxies: Result<Proxies, String>,
    runtime: OnceLock<Option<Runtime>>,
    clients: [OnceLock<Result<Client, String>>; 4],
    pub(super) pauses: Pauses,
    pub(super) hosts: Mutex<BTreeSet<String>>,
    pub(super) sent: SecretsSent,
    /// The hosts that have answered anything.
    pub(super) answered: Mutex<BTreeSet<String>>,
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
    pub fn new(mut settings: Settings) -> Self {
        if let Some(limit) = settings.retry.limit() {
            // A connection that does not come about is told as such, before the limit of the whole step is over.
            settings.timeouts.connect = settings.timeouts.connect.min(limit * 3 / 4);
        }
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
            answered: Mutex::default(),
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
        RetryPolicy { unreached: self.0.settings.retry.unreached.min(self.timeouts().connect), ..self.0.settings.retry }
    }

    /// Starts a step, with the limit that the user set.
    pub fn step(&self) -> Step {
        Step::new(self.0.settings.retry.limit(), self.0.settings.on_wait.clone())
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

    /// Notes a secret that is sent in a body or URL.
    pub(crate) fn note_secret(&self, secret: &Secret) {
        self.0.sent.note(secret.reveal());
    }

    /// Returns a foreign text without the secrets that were sent: servers and proxies quote requests in error messages.
    pub(crate) fn hide(&self, text: &str) -> String {
        self.0.sent.hide(text)
    }

    pub(crate) fn is_proxy(&self, host: &str) -> bool {
        self.0.proxies.as_ref().is_ok_and(|proxies| proxies.holds(host))
    }

    pub(crate) fn timeouts(&self) -> Timeouts {
        self.0.settings.timeouts
    }

    pub(crate) fn runtime(&self) -> Result<Handle, HttpFault> {
        let make = || Builder::new_multi_thread().worker_threads(2).thread_name("net").enable_all().build().ok();
        let runtime = self.0.runtime.get_or_init(make).as_ref();
        runtime
            .map(|runtime| runtime.handle().clone())
            .ok_or_else(|| HttpFault::Setup("could not start threads for the network".to_owned()))
    }

    pub(super) fn proxies(&self) -> Result<&Proxies, HttpFault> {
        self.0.proxies.as_ref().map_err(|message| HttpFault::Setup(message.clone()))
    }

    pub(super) fn client(&self, reach: Nearness) -> Result<&Client, HttpFault> {
        let proxies = self.proxies()?;
        // reqwest makes clients inside a runtime only.
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
