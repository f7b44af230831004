use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value};

use super::arguments::{Format, Global};
use super::location::vendored_location;
use super::screen::{Reporter, Screen};
use super::settings_file::SettingsFile;
use crate::diagnostic::{ExternalError, is_hostile};
use crate::feed::{Feed, Mirror};
use crate::host::Environment;
use crate::host::cache::Cache;
use crate::net::credentials::{CredentialFault, Credentials};
use crate::net::{Http, Network, RetryPolicy, Settings, Timeouts, WaitListener};
use crate::ops::{Failure, Observer, Run, Tools};
use crate::store::Location;
use crate::store::registry::Registry;

/// One invocation of the program: its global arguments, the environment, and its output.
pub(super) struct Invocation {
    global: Global,
    pub(super) environment: Environment,
    pub(super) screen: Screen,
    reporter: Reporter,
    /// What was found before a failure, for the report of it.
    found: RefCell<Map<String, Value>>,
}

impl Invocation {
    pub(super) fn new(global: Global, environment: Environment, screen: Screen, reporter: Reporter) -> Self {
        Self { global, environment, screen, reporter, found: RefCell::default() }
    }

    /// Returns who is told what happens.
    pub(super) fn observer(&self) -> &dyn Observer {
        &self.reporter
    }

    /// Returns a run of a verb with these tools.
    pub(super) fn run<'a>(&'a self, tools: &'a Tools) -> Run<'a> {
        Run { tools, observer: self.observer() }
    }

    /// Renders a result by `--format`: as JSON, or as the text.
    pub(super) fn render<T: serde::Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<String, Failure> {
        match self.global.format {
            Format::Text => Ok(text()),
            Format::Json => json(value),
        }
    }

    /// Writes the result of a verb that fails because of it: as text at once, as JSON within the report of the failure.
    ///
    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn found<T: serde::Serialize>(&self, value: &T, text: impl FnOnce() -> String) -> Result<(), Failure> {
        match self.global.format {
            Format::Text => self.screen.result(&text())?,
            Format::Json => {
                let failed = |error| ExternalError::new("could not write the result as JSON").caused_by(error);
                if let Value::Object(fields) = serde_json::to_value(value).map_err(failed)? {
                    *self.found.borrow_mut() = fields;
                }
            }
        }
        Ok(())
    }

    /// Returns what was found before a failure.
    pub(super) fn take_found(&self) -> Map<String, Value> {
        self.found.take()
    }

    pub(super) fn http(&self) -> Result<Http, Failure> {
        self.http_by(&SettingsFile::read(&self.environment)?)
    }

    fn http_by(&self, file: &SettingsFile) -> Result<Http, Failure> {
        let token_realms = self.global.token_realm.iter().map(|pair| {
            let parts = pair.split_once('=').filter(|(registry, host)| !registry.is_empty() && !host.is_empty());
            let wrong = || Failure::wrong(format!("`--token-realm {}` is not `REGISTRY=HOST`", pair.escape_debug()));
            parts.map(|(registry, host)| (registry.to_owned(), host.to_owned())).ok_or_else(wrong)
        });
        let token_realms: Vec<_> = token_realms.collect::<Result<_, _>>()?;
        let reporter = self.reporter.clone();
        Ok(Http::new(Settings {
            network: if self.global.offline { Network::Offline } else { Network::Allowed },
            insecure: self.global.insecure.iter().chain(&file.insecure).cloned().collect(),
            certificate_files: self.global.ca_file.iter().chain(&file.ca_files).cloned().collect(),
            token_realms: token_realms.into_iter().chain(file.token_realms.clone()).collect(),
            timeouts: Timeouts { stall: Duration::from_secs(self.global.stall_timeout), ..Timeouts::default() },
            retry: RetryPolicy { deadline: Some(Duration::from_secs(self.global.retry_for)), ..RetryPolicy::default() },
            on_wait: Some(WaitListener::new(move |wait| reporter.wait(wait))),
            environment: self.environment.clone(),
        }))
    }

    pub(super) fn cache(&self) -> Result<Cache, Failure> {
        let opened = Cache::open_for(&self.environment, self.global.cache_dir.as_deref());
        let (cache, note) = opened.map_err(|fault| {
            ExternalError::new("could not open the cache").caused_by(fault).hint("name a folder that can be written: `--cache-dir DIR`")
        })?;
        if let Some(note) = note {
            self.observer().note(&note.0);
        }
        Ok(cache)
    }

    pub(super) fn tools(&self, threads: Option<NonZeroUsize>) -> Result<Tools, Failure> {
        let file = SettingsFile::read(&self.environment)?;
        let http = self.http_by(&file)?;
        let credentials = Credentials::new(self.environment.clone());
        credentials.check_variables().map_err(|fault| match fault {
            CredentialFault::Incomplete { .. } => Failure::wrong(fault.to_string()).hint("set all three of them, or none"),
            other => Failure::wrong(other.to_string()),
        })?;
        let registry = Registry::new(http.clone(), credentials);
        let threads = threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
        let cache = self.cache()?;
        let feed = Feed::new(http, cache.clone());
        let (debian_mirrors, vendored) = (self.debian_mirrors(&file)?, self.vendored()?);
        Ok(Tools { environment: self.environment.clone(), cache, registry, feed, debian_mirrors, vendored, threads })
    }

    fn debian_mirrors(&self, file: &SettingsFile) -> Result<Vec<String>, Failure> {
        let words = self.global.debian_mirror.iter().flat_map(|text| text.split([',', ' ', '\n'])).filter(|word| !word.is_empty());
        let mirror = |word: &str| match Mirror::new(word) {
            Some(mirror) => Ok(mirror.to_string()),
            None => Err(Failure::wrong("a mirror of Debian's archive is not an `http` or `https` URL, or has a user or a query")
                .hint("write the URL of the folder that contains `dists`: `--debian-mirror https://HOST/debian`")),
        };
        let named: Vec<String> = words.map(mirror).collect::<Result<_, _>>()?;
        if !named.is_empty() {
            return Ok(named);
        }
        file.debian_mirrors.iter().map(|word| mirror(word)).collect()
    }

    fn vendored(&self) -> Result<Option<Location>, Failure> {
        let Some(text) = &self.global.vendored else { return Ok(None) };
        vendored_location(text).map(Some)
    }
}

/// Writes a value as JSON. Control characters and the like are written as `\u…`, which is the same text to every reader of JSON.
pub(super) fn json<T: serde::Serialize>(value: &T) -> Result<String, Failure> {
    let failed = |error| ExternalError::new("could not write the result as JSON").caused_by(error);
    let text = serde_json::to_string_pretty(value).map_err(failed)?;
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        // All hostile characters are within 16 bits.
        match character {
            '\n' => escaped.push('\n'),
            hostile if is_hostile(hostile) => escaped.extend(format!("\\u{:04x}", u32::from(hostile)).chars()),
            other => escaped.push(other),
        }
    }
    Ok(escaped)
}
