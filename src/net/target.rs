use reqwest::Url;

use super::Nearness;

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
