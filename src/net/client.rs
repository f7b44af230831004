use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Proxy};

use super::proxy::Proxies;
use super::{HttpFault, Nearness, Settings};
use crate::host::read_bytes;

/// The error for a name whose addresses are all closer to this machine than the request may go.
#[derive(Debug, thiserror::Error)]
#[error("its addresses belong to a private network or to this machine")]
pub(crate) struct ForbiddenAddress;

/// Resolves names, and leaves out the addresses that are closer to this machine than the request may go.
///
/// The check sits here, and not before the request, because a name can have another address when it is resolved again (DNS rebinding).
struct FilteringResolver {
    reach: Nearness,
    proxies: Proxies,
}

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        // The proxy is the user's choice, wherever it is.
        let reach = if self.proxies.holds(name.as_str()) { Nearness::Never } else { self.reach };
        Box::pin(async move {
            let found: Vec<_> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::from(io::ErrorKind::NotFound).into());
            }
            let allowed: Vec<_> = found.into_iter().filter(|address| Nearness::of(address.ip()) <= reach).collect();
            if allowed.is_empty() {
                return Err(Box::new(ForbiddenAddress) as Box<dyn Error + Send + Sync>);
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

/// Makes the client for hosts as near as `reach`. Each reach has a client of its own, so that no pooled connection bypasses the rule.
pub(crate) fn client(settings: &Settings, proxies: &Proxies, reach: Nearness) -> Result<Client, HttpFault> {
    let setup = |error: reqwest::Error| HttpFault::of(error, "");
    let own = certificates(&settings.certificate_files)?;
    let start =
        || builder(settings).dns_resolver(Arc::new(FilteringResolver { reach, proxies: proxies.clone() })).proxy(via(proxies.clone()));
    // Where this machine has no certificate authorities (an empty image), making the client fails, and Mozilla's list is used.
    match start().build() {
        Ok(client) if own.is_empty() => Ok(client),
        Ok(_) => start().tls_certs_merge(own).build().map_err(setup),
        Err(_) => {
            let built_in = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().filter_map(|der| Certificate::from_der(der).ok());
            start().tls_certs_merge(own.into_iter().chain(built_in)).build().map_err(setup)
        }
    }
}

/// Returns what all our clients have in common.
pub(crate) fn builder(settings: &Settings) -> ClientBuilder {
    unconfigured()
        .user_agent(concat!("hardened/", env!("CARGO_PKG_VERSION")))
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        .connect_timeout(settings.timeouts.connect)
        .pool_idle_timeout(std::time::Duration::from_secs(20))
        .http2_adaptive_window(true)
        .no_proxy()
}

/// Returns a builder with nothing set but the provider of cryptography, which every client of this process must have.
pub(crate) fn unconfigured() -> ClientBuilder {
    // The first call in a process decides; later ones change nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder()
}

fn via(proxies: Proxies) -> Proxy {
    Proxy::custom(move |url| proxies.of(url).cloned())
}

/// The largest file with certificates in bytes.
const CERTIFICATES_LIMIT: u64 = 64 << 20;

fn certificates(files: &[PathBuf]) -> Result<Vec<Certificate>, HttpFault> {
    let mut all = Vec::new();
    for file in files {
        let bytes = read_bytes(file, CERTIFICATES_LIMIT)
            .map_err(|error| HttpFault::Setup(format!("could not read `{}`: {error}", file.display())))?;
        let some = Certificate::from_pem_bundle(&bytes).unwrap_or_default();
        if some.is_empty() {
            return Err(HttpFault::Setup(format!("`{}` holds no PEM certificate", file.display())));
        }
        all.extend(some);
    }
    Ok(all)
}
