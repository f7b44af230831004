use super::origin::{host_of, is_loopback, literal};
use super::target::{Carries, Target};
use super::{Http, HttpFault, Nearness, Origin, redact};

impl Http {
    /// Returns the target of a `Location`, in the answer to the request `asked` by a server that is as close as `nearness`, when it may be followed.
    ///
    /// Within the same origin, credentials are kept. To another origin none are sent, then or later. It may not lead
    /// from HTTPS to HTTP, nor closer to this machine than the answer's own address, so that a registry on the
    /// internet cannot direct requests into a private network. Hosts that the user named as insecure are free of the last rule.
    /// Where a proxy resolves names, only literal addresses can be judged here.
    ///
    /// # Errors
    /// When it is no URL, or our rules forbid it; it names both hosts.
    pub fn follow(&self, asked: &Target, nearness: Option<Nearness>, location: &str) -> Result<Target, HttpFault> {
        let from = &asked.url;
        let named = host_of(from);
        let told = |to: &str, why: &str| HttpFault::Forbidden(format!("`{named}` redirects to `{}`, {why}", self.hide(to)));
        let forbidden = |why: &str| told(&redact::escaped(&cut(location)), why);
        if location.len() > 16 << 10 || location.chars().any(char::is_control) {
            return Err(forbidden("which is not a usable URL"));
        }
        let url = from.join(location).map_err(|_| forbidden("which is not a usable URL"))?;
        let why_not = |why: &str| told(&redact::redacted(&url), &format!("{why}; hardened does not follow this redirect"));
        if !matches!(url.scheme(), "https" | "http") || url.host_str().is_none() {
            return Err(why_not("which is neither HTTPS nor HTTP"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(why_not("which contains a user"));
        }
        if from.scheme() == "https" && url.scheme() == "http" {
            return Err(why_not("which is not HTTPS"));
        }
        if Origin::of(from) == Origin::of(&url) {
            return Ok(Target { url, ..asked.clone() });
        }
        let host = url.host_str().unwrap_or_default();
        let reach = if self.is_insecure(&url) || from.host_str() == url.host_str() {
            asked.reach
        } else {
            // What cannot be seen (a proxy in between) is taken for the internet; link-local is never reached.
            let near = nearness.unwrap_or(Nearness::Public).min(Nearness::Loopback);
            asked.reach.min(near)
        };
        let near = literal(host).map(Nearness::of).or_else(|| is_loopback(host).then_some(Nearness::Loopback));
        if near.is_some_and(|near| near > reach) || (self.is_proxy(host) && !self.is_insecure(&url)) {
            return Err(why_not("an address in a private network or on this machine"));
        }
        Ok(Target { url, reach, carries: Carries::Nothing, plain: asked.plain })
    }
}

fn cut(text: &str) -> String {
    redact::without_secrets(text).chars().take(300).collect()
}
