use crate::net::{Http, Origin, Response, Target, Url, is_loopback, literal};

use super::fault::Fault;
use super::suffixes;
use crate::oci::StoreFault;

/// Names under which anybody may get one of his own, at whatever depth: there, only the very same host is one's own. The public suffix list, which is
/// asked as well, does not know registries.
const SHARED: &[&str] = &[
    "akamaized.net",
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
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
    "container-registry.ovh.net",
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
    "volces.com",
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
    let url: Url = realm.parse().map_err(|_| refuse(format!("the registry `{registry}` names a token service with an invalid URL")))?;
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
    let (registry, host) = (registry.trim_end_matches('.').to_ascii_lowercase(), host.trim_end_matches('.').to_ascii_lowercase());
    // Both have to agree: registries are not in the public suffix list, and what is in it is not all in ours.
    same(domain(&registry), domain(&host)) && same(owner(&registry), owner(&host)) || is_token_service_of(&registry, &host)
}

fn same(left: Option<String>, right: Option<String>) -> bool {
    matches!((left, right), (Some(left), Some(right)) if left == right)
}

/// Returns the registered domain of a host by the public suffix list, or `None` when it has none.
fn domain(host: &str) -> Option<String> {
    let last = last_labels(host, 2)?;
    if OWN.contains(&last) { Some(last.to_owned()) } else { suffixes::registered(host) }
}

/// Returns the part of a host's name that one owner has, as far as our lists know: all of it below a name of [`SHARED`].
fn owner(host: &str) -> Option<String> {
    let is_shared = |above: &str| SHARED.contains(&above);
    if is_shared(host) {
        return None;
    }
    if host.match_indices('.').any(|(dot, _)| is_shared(&host[dot + 1..])) {
        return Some(host.to_owned());
    }
    let two = last_labels(host, 2)?;
    if two != "aliyuncs.com" {
        return Some(two.to_owned());
    }
    // Alibaba's registries and their token services share a region; below `cr`, each customer has a name of his own.
    let three = last_labels(host, 3)?;
    Some(if three == ALIBABA_INSTANCES { host.to_owned() } else { three.to_owned() })
}

/// Returns the last labels of a host; `None` when it has fewer.
fn last_labels(host: &str, count: usize) -> Option<&str> {
    let dots: Vec<usize> = host.rmatch_indices('.').map(|(at, _)| at).take(count).collect();
    match dots.get(count - 1) {
        Some(dot) => Some(&host[dot + 1..]),
        None if dots.len() + 1 == count => Some(host),
        None => None,
    }
}

/// Says whether a host gives the tokens for an instance of Alibaba's registry: `NAME.REGION.cr.aliyuncs.com`, or `NAME.REGION.personal.cr.aliyuncs.com`,
/// sends to `dockerauth.REGION.aliyuncs.com` or `dockerauth-ee.REGION.aliyuncs.com`, each with `-vpc` inside of the cloud.
fn is_token_service_of(registry: &str, host: &str) -> bool {
    let instance = registry.strip_suffix(ALIBABA_INSTANCES).and_then(|rest| rest.strip_suffix('.'));
    let instance = instance.map(|rest| rest.strip_suffix(".personal").unwrap_or(rest));
    let Some((name, region)) = instance.and_then(|rest| rest.rsplit_once('.')) else { return false };
    let service = host.strip_suffix(".aliyuncs.com").and_then(|rest| rest.strip_suffix(region)).and_then(|rest| rest.strip_suffix('.'));
    !name.is_empty() && matches!(service, Some("dockerauth" | "dockerauth-ee" | "dockerauth-vpc" | "dockerauth-ee-vpc"))
}

/// The name below which each instance of Alibaba's registry has its own.
const ALIBABA_INSTANCES: &str = "cr.aliyuncs.com";

/// Names that belong to one registry each, whatever the public suffix list may say of them.
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

    /// What the registries themselves answer with, and what somebody beside them could.
    #[test]
    fn the_registries_that_people_use_reach_their_token_services_and_no_other() {
        for (api, realm, expected) in [
            ("https://index.docker.io/v2/", "https://auth.docker.io/token", true),
            ("https://registry-1.docker.io/v2/", "https://auth.docker.com/token", false),
            ("https://registry.gitlab.com/v2/", "https://evil.gitlab.io/jwt/auth", false),
            ("https://registry.git.shop.example/v2/", "https://git.shop.example/jwt/auth", true),
            ("https://registry.shop.com.au/v2/", "https://gitlab.shop.com.au/jwt/auth", true),
            ("https://registry.shop.com.au/v2/", "https://gitlab.evil.com.au/jwt/auth", false),
            ("https://containers.ghcr.io/v2/", "https://ghcr.io/token", true),
            ("https://ghcr.io/v2/", "https://me.github.io/token", false),
            ("https://quay.io/v2/", "https://quay.io/v2/auth", true),
            ("https://quay.io/v2/", "https://quay.io.evil.example/v2/auth", false),
            ("https://harbor.shop.example/v2/", "https://harbor.shop.example/service/token", true),
            ("https://harbor.shop.example/v2/", "https://harbor.evil.example/service/token", false),
            ("https://1.dkr.ecr.eu-north-1.amazonaws.com/v2/", "https://1.dkr.ecr.eu-north-1.amazonaws.com/token", true),
            ("https://1.dkr.ecr.eu-north-1.amazonaws.com/v2/", "https://2.dkr.ecr.eu-north-1.amazonaws.com/token", false),
            ("https://1.dkr.ecr.cn-north-1.amazonaws.com.cn/v2/", "https://2.dkr.ecr.cn-north-1.amazonaws.com.cn/token", false),
            ("https://1.dkr.ecr.cn-north-1.amazonaws.com.cn/v2/", "https://s3.cn-north-1.amazonaws.com.cn/token", false),
            ("https://1.dkr-ecr.eu-north-1.on.aws/v2/", "https://2.dkr-ecr.eu-north-1.on.aws/token", false),
            ("https://1.dkr.ecr.eusc-de-east-1.amazonaws.eu/v2/", "https://2.dkr.ecr.eusc-de-east-1.amazonaws.eu/token", false),
            ("https://a.c1.gra9.container-registry.ovh.net/v2/", "https://b.c1.gra9.container-registry.ovh.net/service/token", false),
            ("https://public.ecr.aws/v2/", "https://public.ecr.aws/token/", true),
            ("https://public.ecr.aws/v2/", "https://evil.on.aws/token/", false),
            ("https://shop.azurecr.io/v2/", "https://shop.azurecr.io/oauth2/token", true),
            ("https://shop.azurecr.io/v2/", "https://evil.azurecr.io/oauth2/token", false),
            ("https://shop.azurecr.io/v2/", "https://evil.azurewebsites.net/oauth2/token", false),
            ("https://europe-north1-docker.pkg.dev/v2/", "https://europe-north1-docker.pkg.dev/v2/token", true),
            ("https://europe-north1-docker.pkg.dev/v2/", "https://evil.pkg.dev/v2/token", false),
            ("https://us.gcr.io/v2/", "https://eu.gcr.io/v2/token", true),
            ("https://de.icr.io/v2/", "https://icr.io/oauth/token", true),
            ("https://a-registry.cn-beijing.cr.aliyuncs.com/v2/", "https://dockerauth-ee.cn-beijing.aliyuncs.com/auth", true),
            ("https://a-registry-vpc.cn-beijing.cr.aliyuncs.com/v2/", "https://dockerauth-ee-vpc.cn-beijing.aliyuncs.com/auth", true),
            ("https://crpi-1.cn-beijing.personal.cr.aliyuncs.com/v2/", "https://dockerauth.cn-beijing.aliyuncs.com/auth", true),
            ("https://a-registry.cn-beijing.cr.aliyuncs.com/v2/", "https://b-registry.cn-beijing.cr.aliyuncs.com/auth", false),
            ("https://crpi-1.cn-beijing.personal.cr.aliyuncs.com/v2/", "https://crpi-2.cn-beijing.personal.cr.aliyuncs.com/auth", false),
            ("https://a-registry.cn-beijing.cr.aliyuncs.com/v2/", "https://dockerauth-ee.cn-beijing.evil.example/auth", false),
            ("https://a-registry.cn-beijing.cr.aliyuncs.com/v2/", "https://evil.cn-beijing.aliyuncs.com/auth", false),
            ("https://a-registry.cn-beijing.cr.aliyuncs.com/v2/", "https://dockerauth-ee.oss-cn-beijing.aliyuncs.com/auth", false),
            ("https://rg.fr-par.scw.cloud/v2/", "https://rg.fr-par.scw.cloud/token", true),
            ("https://rg.fr-par.scw.cloud/v2/", "https://evil.functions.fnc.fr-par.scw.cloud/token", false),
            ("https://rg.fr-par.scw.cloud/v2/", "https://evil.fr-par.scw.cloud/token", false),
            ("https://registry.digitalocean.com/v2/", "https://api.digitalocean.com/v2/registry/auth", true),
            ("https://registry.digitalocean.com/v2/", "https://evil.ondigitalocean.app/v2/registry/auth", false),
            ("https://a.ondigitalocean.app/v2/", "https://b.ondigitalocean.app/token", false),
            ("https://a.fra1.digitaloceanspaces.com/v2/", "https://b.fra1.digitaloceanspaces.com/token", false),
        ] {
            assert_eq!(belongs(&api.parse().unwrap(), &realm.parse().unwrap()), expected, "{api} {realm}");
        }
    }

    #[test]
    fn the_public_suffix_list_judges_names_of_every_spelling() {
        for (api, realm, expected) in [
            // What the length of a second level does not tell.
            ("https://registry.a.gouv.fr/v2/", "https://auth.b.gouv.fr/token", false),
            ("https://registry.a.kyoto.jp/v2/", "https://auth.b.kyoto.jp/token", false),
            ("https://registry.a.asso.fr/v2/", "https://auth.a.asso.fr/token", true),
            ("https://registry.bmw.de/v2/", "https://auth.bmw.de/token", true),
            ("https://registry.ab.no/v2/", "https://ab.no/token", true),
            ("https://registry.nrk.no/v2/", "https://auth.nrk.no/token", true),
            ("https://a.kommune.no/v2/", "https://b.kommune.no/token", false),
            ("https://a.ck/v2/", "https://b.ck/token", false),
            ("https://a.www.ck/v2/", "https://www.ck/token", true),
            // Private suffixes that our own list lacks.
            ("https://a.pages.gay/v2/", "https://b.pages.gay/token", false),
            ("https://a.fly.dev/v2/", "https://b.fly.dev/token", false),
            // Capitals, a dot at the end, international names in both forms.
            ("https://Registry.SHOP.Example/v2/", "https://auth.shop.example/token", true),
            ("https://registry.shop.co.uk./v2/", "https://AUTH.shop.co.uk/token", true),
            ("https://shop.azurecr.io./v2/", "https://shop.azurecr.io/token", true),
            ("https://a.azurecr.io./v2/", "https://b.azurecr.io/token", false),
            ("https://registry.bücher.example/v2/", "https://auth.xn--bcher-kva.example/token", true),
            ("https://registry.食狮.公司.cn/v2/", "https://auth.xn--85x722f.xn--55qx5d.cn/token", true),
            ("https://a.公司.cn/v2/", "https://b.xn--55qx5d.cn/token", false),
            ("https://a.個人.香港/v2/", "https://b.個人.香港/token", false),
            // Suffixes themselves, names without a domain, addresses.
            ("https://co.uk/v2/", "https://evil.co.uk/token", false),
            ("https://github.io/v2/", "https://me.github.io/token", false),
            ("https://registry/v2/", "https://auth/token", false),
            ("https://registry.corp/v2/", "https://auth.corp/token", false),
            ("https://registry.site.corp/v2/", "https://auth.site.corp/token", true),
            ("https://10.0.0.1/v2/", "https://10.0.0.2/token", false),
            ("https://0x7f.1/v2/", "https://127.0.0.1:8443/token", false),
            ("https://1.2.3.4./v2/", "https://5.6.3.4/token", false),
            ("https://[::1]:5000/v2/", "https://[::1]:6000/token", false),
            ("https://[2001:db8::1]/v2/", "https://[2001:db8:0::1]/token", true),
        ] {
            assert_eq!(belongs(&api.parse().unwrap(), &realm.parse().unwrap()), expected, "{api} {realm}");
        }
    }
}
