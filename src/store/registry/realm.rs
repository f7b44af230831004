use crate::net::{Http, Origin, Response, Target, Url, is_loopback, literal};

use super::fault::Fault;
use crate::oci::StoreFault;

/// Second-level names under which anybody may register, beside the short ones of countries.
const SHARED: &[&str] = &[
    "amazonaws.com",
    "appspot.com",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "azureedge.net",
    "azurefd.net",
    "azurewebsites.net",
    "cloudapp.net",
    "cloudfront.net",
    "digitaloceanspaces.com",
    "fly.dev",
    "github.io",
    "gitlab.io",
    "googleapis.com",
    "herokuapp.com",
    "netlify.app",
    "ngrok.io",
    "nip.io",
    "onrender.com",
    "pages.dev",
    "pkg.dev",
    "r2.dev",
    "run.app",
    "sslip.io",
    "vercel.app",
    "web.app",
    "windows.net",
    "workers.dev",
];

/// Decides whether a registry may send us to a token service with its credentials, and how the service is reached.
///
/// `WWW-Authenticate` is written by whoever answers, so a realm is followed only to the registry's own host or domain, to
/// the one known foreign pair, and to what the user listed (CVE-2026-33540 and its siblings).
pub(super) fn target(http: &Http, registry: &str, response: &Response, realm: &str) -> Result<Target, Fault> {
    let refuse = |message: String| Fault::Refused { fault: StoreFault::Refused, message, hints: Vec::new() };
    let url: Url = realm.parse().map_err(|_| refuse(format!("the registry `{registry}` names a token service that is no URL")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(format!("the registry `{registry}` names a token service with a user in its URL; nothing was sent there")));
    }
    let api = response.target().url();
    let host = url.host_str().unwrap_or_default().to_owned();
    let listed = http.settings().token_realms.iter().any(|(name, realm)| name == registry && names(realm, &url));
    let plain = url.scheme() == "http" && api.scheme() == "http" && (api.host_str() == url.host_str() || is_loopback(&host));
    if url.scheme() != "https" && !plain {
        let message = format!("the registry `{registry}` names a token service without TLS, at `{host}`; no credentials were sent");
        return Err(refuse(message));
    }
    if !listed && !belongs(api, &url) {
        let named = url.port().map_or_else(|| host.clone(), |port| format!("{host}:{port}"));
        let message = format!(
            "the registry `{registry}` asks to get a token from `{named}`, which is not one of its own hosts; nothing was sent there"
        );
        let hints = vec![format!(
            "if that host may see the credentials for `{registry}`, add `--token-realm {registry}={named}`, set `HARDENED_TOKEN_REALMS={registry}={named}`, or write `\"{registry}\" = \"{named}\"` under `[token-realms]` in `~/.config/hardened/settings.toml`"
        )];
        return Err(Fault::Refused { fault: StoreFault::Refused, message, hints });
    }
    let target = if listed { Target::named(url) } else { response.hop(realm)? };
    Ok(target.with_credentials())
}

/// Says whether a listed `host` or `host:port` is that of a URL.
fn names(listed: &str, url: &Url) -> bool {
    let (host, port) = crate::net::split_port(listed);
    url.host_str().is_some_and(|name| name.eq_ignore_ascii_case(host)) && port.is_none_or(|port| Some(port) == url.port_or_known_default())
}

fn belongs(api: &Url, realm: &Url) -> bool {
    let (Some(registry), Some(host)) = (api.host_str(), realm.host_str()) else { return false };
    if literal(registry).is_some() || literal(host).is_some() {
        return Origin::of(api) == Origin::of(realm) || (is_loopback(registry) && is_loopback(host));
    }
    if registry.eq_ignore_ascii_case(host) {
        return true;
    }
    match (domain(registry), domain(host)) {
        (Some(left), Some(right)) => left.eq_ignore_ascii_case(&right),
        _ => false,
    }
}

/// Returns the domain that somebody registered, or `None` when that is not sure.
fn domain(host: &str) -> Option<String> {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    if labels.iter().any(|label| label.is_empty()) || labels.len() < 2 {
        return None;
    }
    let last = labels[labels.len() - 2..].join(".").to_ascii_lowercase();
    let (second, top) = last.split_once('.')?;
    // `co.uk`, `com.au`, `or.jp`: under a country's name, a short second level is mostly not somebody's own.
    let shared = SHARED.contains(&last.as_str()) || (top.len() == 2 && second.len() <= 3 && !OWN.contains(&last.as_str()));
    if !shared {
        return Some(last);
    }
    (labels.len() >= 3).then(|| labels[labels.len() - 3..].join(".").to_ascii_lowercase())
}

/// Short names under a two-letter top-level domain that belong to one registry each.
const OWN: &[&str] = &["gcr.io", "icr.io", "ocp.io"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_realm_belongs_to_its_registry_or_not() {
        for (api, realm, expected) in [
            ("https://registry-1.docker.io/v2/", "https://auth.docker.io/token", true),
            ("https://registry.gitlab.com/v2/", "https://gitlab.com/jwt/auth", true),
            ("https://ghcr.io/v2/", "https://ghcr.io/token", true),
            ("https://ghcr.io/v2/", "https://evil.example/token", false),
            ("https://ghcr.io/v2/", "https://ghcr.io.evil.example/token", false),
            ("https://a.azurecr.io/v2/", "https://b.azurecr.io/token", false),
            ("https://r.a.azurecr.io/v2/", "https://t.a.azurecr.io/token", true),
            ("https://registry.shop.co.uk/v2/", "https://evil.co.uk/token", false),
            ("https://registry.shop.co.uk/v2/", "https://auth.shop.co.uk/token", true),
            ("https://a.eu/v2/", "https://b.eu/token", false),
            ("https://eu.gcr.io/v2/", "https://gcr.io/token", true),
            ("https://localhost/v2/", "https://otherhost/token", false),
            ("https://ghcr.io/v2/", "https://169.254.169.254/token", false),
            ("https://10.0.0.1:5000/v2/", "https://10.0.0.1:5000/token", true),
            ("https://10.0.0.1:5000/v2/", "https://10.0.0.1:6000/token", false),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:6000/token", true),
            ("https://evil.example/v2/", "http://127.0.0.1:6000/token", false),
        ] {
            assert_eq!(belongs(&api.parse().unwrap(), &realm.parse().unwrap()), expected, "{api} {realm}");
        }
    }
}
