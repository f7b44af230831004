use std::net::IpAddr;

use reqwest::Url;

use super::origin::{is_loopback, literal, split_port};
use crate::host::Environment;

/// The proxies that the environment names, and the hosts that do without.
///
/// It is read from the environment that was handed down, so that no library reads the process's own.
#[derive(Clone, Default)]
pub(crate) struct Proxies {
    http: Option<Url>,
    https: Option<Url>,
    except: Vec<String>,
}

impl Proxies {
    /// Reads `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY`, in either case.
    pub(crate) fn from_environment(environment: &Environment) -> Result<Self, String> {
        let text = |name: &str| environment.text(&name.to_ascii_lowercase()).or_else(|| environment.text(name));
        let proxy = |name: &str| -> Result<Option<Url>, String> {
            let Some(value) = text(name).or_else(|| text("ALL_PROXY")) else { return Ok(None) };
            let value = value.trim();
            let whole = if value.contains("://") { value.to_owned() } else { format!("http://{value}") };
            // The value may hold a password, so it is not shown.
            let url: Url = whole.parse().map_err(|_| format!("`{name}` is not the URL of a proxy"))?;
            match url.scheme() {
                "http" | "https" => Ok(Some(url)),
                other => Err(format!("`{name}` names a `{other}` proxy, and only `http` and `https` proxies are supported")),
            }
        };
        // A CGI server puts the header `Proxy:` of a request there (CVE-2016-5385).
        let http = if environment.os("REQUEST_METHOD").is_some() { None } else { proxy("HTTP_PROXY")? };
        let except = text("NO_PROXY").unwrap_or_default().split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Self { http, https: proxy("HTTPS_PROXY")?, except: except.map(str::to_ascii_lowercase).collect() })
    }

    /// Returns the proxy for a URL.
    pub(crate) fn of(&self, url: &Url) -> Option<&Url> {
        let proxy = if url.scheme() == "https" { self.https.as_ref() } else { self.http.as_ref() }?;
        let host = url.host_str()?.to_ascii_lowercase();
        let direct = is_loopback(&host) || self.except.iter().any(|entry| excepts(entry, &host, url.port_or_known_default()));
        (!direct).then_some(proxy)
    }

    /// Returns the passwords of the proxies, as they are written and as they are meant.
    pub(crate) fn passwords(&self) -> Vec<String> {
        let written = self.http.iter().chain(&self.https).filter_map(Url::password);
        written.flat_map(|password| [password.to_owned(), decoded(password)]).collect()
    }

    /// Says whether a host is one of the proxies.
    pub(crate) fn holds(&self, host: &str) -> bool {
        self.http.iter().chain(&self.https).any(|proxy| proxy.host_str().is_some_and(|name| name.eq_ignore_ascii_case(host)))
    }
}

/// Returns a text without percent signs and the digits behind them.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|_| *first == b'%').and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &after[2..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Says whether an entry of `NO_PROXY` covers a host: `*`, a domain and what is below it, an address, a network, each with a port if need be.
fn excepts(entry: &str, host: &str, port: Option<u16>) -> bool {
    if entry == "*" {
        return true;
    }
    if let (Some((network, length)), Some(address)) = (entry.split_once('/'), literal(host)) {
        return network.parse().ok().zip(length.parse().ok()).is_some_and(|(network, length)| holds(network, length, address));
    }
    let (name, wanted) = split_port(entry);
    if wanted.is_some() && wanted != port {
        return false;
    }
    if let (Some(left), Some(right)) = (literal(name), literal(host)) {
        return left == right;
    }
    let name = name.trim_start_matches('*').trim_start_matches('.');
    host == name || host.strip_suffix(name).is_some_and(|rest| !name.is_empty() && rest.ends_with('.'))
}

fn holds(network: IpAddr, length: u32, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) if length <= 32 => {
            let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        (IpAddr::V6(network), IpAddr::V6(address)) if length <= 128 => {
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            network.to_bits() & mask == address.to_bits() & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_which_proxy_is_used() {
        let environment: Environment = [
            ("https_proxy", "http://user:secret@proxy.example:3128"),
            ("HTTP_PROXY", "plain.example:8080"),
            ("NO_PROXY", "internal.example,.lan, 10.0.0.0/8,exact.example:8443"),
        ]
        .into_iter()
        .collect();
        let proxies = Proxies::from_environment(&environment).unwrap();
        for (url, expected) in [
            ("https://registry.example/", Some("proxy.example")),
            ("http://registry.example/", Some("plain.example")),
            ("https://internal.example/", None),
            ("https://a.internal.example/", None),
            ("https://notinternal.example/", Some("proxy.example")),
            ("https://registry.lan/", None),
            ("https://10.2.3.4/", None),
            ("https://11.2.3.4/", Some("proxy.example")),
            ("https://exact.example:8443/", None),
            ("https://exact.example/", Some("proxy.example")),
            ("https://localhost/", None),
            ("http://127.0.0.1:5000/", None),
        ] {
            let url: Url = url.parse().unwrap();
            assert_eq!(proxies.of(&url).and_then(Url::host_str), expected, "{url}");
        }
        assert_eq!(proxies.passwords(), ["secret", "secret"]);
        assert_eq!(decoded("a%2Fb%zz%"), "a/b%zz%");
        let bad: Environment = [("HTTPS_PROXY", "socks5://user:secret@x")].into_iter().collect();
        let message = Proxies::from_environment(&bad).err().unwrap();
        assert!(message.contains("socks5") && !message.contains("secret"));
    }
}
