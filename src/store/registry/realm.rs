use crate::net::{Http, Origin, Response, Target, Url, is_loopback, literal};

use super::fault::Fault;
use crate::oci::StoreFault;

/// Names under which anybody may get one of his own, at whatever depth: there, only the very same host is one's own.
const SHARED: &[&str] = &[
    "akamaized.net",
    "amazonaws.com",
    "amplifyapp.com",
    "appdomain.cloud",
    "appspot.com",
    "azure.com",
    "azurecr.cn",
    "azurecr.io",
    "azurecr.us",
    "azureedge.net",
    "azurefd.net",
    "azurewebsites.net",
    "backblazeb2.com",
    "bitbucket.io",
    "cloudapp.net",
    "cloudfront.net",
    "co.com",
    "codeberg.page",
    "ddns.net",
    "de.com",
    "dedyn.io",
    "deno.dev",
    "digitaloceanspaces.com",
    "duckdns.org",
    "eu.org",
    "fastly.net",
    "firebaseapp.com",
    "fly.dev",
    "github.dev",
    "github.io",
    "gitlab.io",
    "glitch.me",
    "googleapis.com",
    "herokuapp.com",
    "hf.space",
    "hopto.org",
    "jfrog.io",
    "koyeb.app",
    "linodeobjects.com",
    "myhuaweicloud.com",
    "netlify.app",
    "ngrok-free.app",
    "ngrok-free.dev",
    "ngrok.app",
    "ngrok.dev",
    "ngrok.io",
    "nip.io",
    "no-ip.org",
    "on.aws",
    "onrender.com",
    "openshiftapps.com",
    "oraclecloud.com",
    "pages.dev",
    "pkg.dev",
    "r2.dev",
    "railway.app",
    "repl.co",
    "replit.app",
    "run.app",
    "scw.cloud",
    "sslip.io",
    "surge.sh",
    "tencentcloudcr.com",
    "trycloudflare.com",
    "ts.net",
    "uk.com",
    "us.com",
    "vercel.app",
    "vultrobjects.com",
    "web.app",
    "windows.net",
    "workers.dev",
];

/// Decides whether a registry may send us to a token service with its credentials, and how the service is reached.
///
/// Anyone who answers can write `WWW-Authenticate`, so a realm is followed only to the registry's own host or domain, to
/// the one known foreign pair, and to what the user listed (CVE-2026-33540 and its siblings).
pub(super) fn target(http: &Http, registry: &str, response: &Response, realm: &str) -> Result<Target, Fault> {
    let refuse = |message: String| Fault::Refused { fault: StoreFault::Refused, message, hints: Vec::new() };
    let url: Url = realm.parse().map_err(|_| refuse(format!("the registry `{registry}` names a token service that is no URL")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse(format!("the registry `{registry}` names a token service with a user in its URL; nothing was sent there")));
    }
    let api = response.target().url();
    let host = url.host_str().unwrap_or_default().to_owned();
    let listed = is_listed(http, registry, &url);
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
        return Err(Fault::Refused { fault: StoreFault::Refused, message, hints: vec![listing(registry, &named)] });
    }
    let target = if listed { Target::named(url) } else { response.hop(realm)? };
    Ok(target.with_credentials())
}

/// Decides whether an upload may go on where a registry says (`Location`): to its own hosts, and to those that the user listed. An
/// image is sent nowhere else: the answer that asks for it may not be from the registry (CVE-2026-50151).
pub(super) fn check_upload(http: &Http, registry: &str, api: &Url, next: &Url) -> Result<(), Fault> {
    if belongs(api, next) || is_listed(http, registry, next) {
        return Ok(());
    }
    let host = next.host_str().unwrap_or_default();
    let named = next.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    let message =
        format!("the registry `{registry}` wants the upload at `{named}`, which is not one of its own hosts; nothing was sent there");
    Err(Fault::Refused { fault: StoreFault::Refused, message, hints: vec![listing(registry, &named)] })
}

/// Says whether the user listed a URL's host as one that a registry may send us to.
fn is_listed(http: &Http, registry: &str, url: &Url) -> bool {
    http.settings().token_realms.iter().any(|(name, listed)| name == registry && names(listed, url))
}

fn listing(registry: &str, host: &str) -> String {
    format!(
        "if that host may see the credentials for `{registry}`, add `--token-realm {registry}={host}`, set `HARDENED_TOKEN_REALMS={registry}={host}`, or write `\"{registry}\" = \"{host}\"` under `[token-realms]` in `~/.config/hardened/settings.toml`"
    )
}

/// Says whether a listed `host` or `host:port` is that of a URL.
fn names(listed: &str, url: &Url) -> bool {
    let (host, port) = crate::net::split_port(listed);
    url.host_str().is_some_and(|name| name.eq_ignore_ascii_case(host)) && port.is_none_or(|port| Some(port) == url.port_or_known_default())
}

/// Says whether a URL has the same owner as the registry: the same origin, or the same registered domain. For an address, or a name without
/// a domain such as `localhost`, only the origin counts: another port may be another service.
pub(super) fn belongs(api: &Url, other: &Url) -> bool {
    if Origin::of(api) == Origin::of(other) {
        return true;
    }
    let (Some(registry), Some(host)) = (api.host_str(), other.host_str()) else { return false };
    if literal(registry).is_some() || literal(host).is_some() {
        return false;
    }
    matches!((domain(registry), domain(host)), (Some(left), Some(right)) if left == right)
}

/// Returns the registered domain of a host, or `None` when it has none.
fn domain(host: &str) -> Option<String> {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    if labels.iter().any(|label| label.is_empty()) || labels.len() < 2 {
        return None;
    }
    let last = labels[labels.len() - 2..].join(".");
    let (second, top) = last.split_once('.')?;
    if SHARED.contains(&last.as_str()) {
        return (labels.len() > 2).then_some(host);
    }
    // `co.uk`, `com.au`, `or.jp`: under a country's name, a short second level is mostly shared.
    // Alibaba's registries and their token services share a region.
    let regional = last == "aliyuncs.com";
    if regional || top.len() == 2 && second.len() <= 3 && !OWN.contains(&last.as_str()) {
        return (labels.len() > 2).then(|| labels[labels.len() - 3..].join("."));
    }
    Some(last)
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
            ("https://a.azurecr.io/v2/", "https://a.azurecr.io:8443/oauth2/token", true),
            ("https://r.a.azurecr.io/v2/", "https://t.a.azurecr.io/token", false),
            ("https://1.dkr.ecr.eu-north-1.amazonaws.com/v2/", "https://evil.execute-api.eu-north-1.amazonaws.com/token", false),
            ("https://a.blob.core.windows.net/v2/", "https://b.blob.core.windows.net/token", false),
            ("https://a-x.a.run.app/v2/", "https://b-x.a.run.app/token", false),
            ("https://registry.cn-hangzhou.aliyuncs.com/v2/", "https://dockerauth.cn-hangzhou.aliyuncs.com/auth", true),
            ("https://registry.cn-hangzhou.aliyuncs.com/v2/", "https://evil.oss-cn-hangzhou.aliyuncs.com/auth", false),
            ("https://acme.jfrog.io/v2/", "https://evil.jfrog.io/token", false),
            ("https://ghcr.io/v2/", "https://ghcr.io@evil.example/token", false),
            ("https://ghcr.io/v2/", "https://evilghcr.io/token", false),
            ("https://ghcr.io/v2/", "https://ghçr.io/token", false),
            ("https://registry.shop.example/v2/", "https://shop.example./token", true),
            ("https://registry.shop.example/v2/", "https://shop.example.evil.example/token", false),
            ("http://localhost:5000/v2/", "http://localhost:6000/token", false),
            ("http://registry:5000/v2/", "http://registry:6000/token", false),
            ("https://registry.shop.co.uk/v2/", "https://evil.co.uk/token", false),
            ("https://registry.shop.co.uk/v2/", "https://auth.shop.co.uk/token", true),
            ("https://a.eu/v2/", "https://b.eu/token", false),
            ("https://eu.gcr.io/v2/", "https://gcr.io/token", true),
            ("https://localhost/v2/", "https://otherhost/token", false),
            ("https://ghcr.io/v2/", "https://169.254.169.254/token", false),
            ("https://10.0.0.1:5000/v2/", "https://10.0.0.1:5000/token", true),
            ("https://10.0.0.1:5000/v2/", "https://10.0.0.1:6000/token", false),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:6000/token", false),
            ("http://127.0.0.1:5000/v2/", "http://127.0.0.1:5000/token", true),
            ("https://evil.example/v2/", "http://127.0.0.1:6000/token", false),
        ] {
            assert_eq!(belongs(&api.parse().unwrap(), &realm.parse().unwrap()), expected, "{api} {realm}");
        }
    }
}
