//! `hardened login`: credentials checked with a registry, and kept where docker and podman keep theirs.

use crate::diagnostic::ExternalError;
use crate::host::Environment;
use crate::net::credentials::{Credential, Credentials, Kept};
use crate::net::{Http, Secret};
use crate::store::registry::Registry;

use super::Failure;

/// Checks a user and password with a registry, and keeps them.
///
/// # Errors
/// When the registry refuses them, or they cannot be kept.
pub fn login(host: &str, user: &str, password: &Secret, http: Http, environment: &Environment) -> Result<Kept, Failure> {
    if host.is_empty() || host.contains(['/', '@', ' ']) {
        let bare = host.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
        return Err(Failure::wrong(format!("`{}` is no host", host.escape_debug()))
            .hint(format!("write the host alone: `{}`", bare.escape_debug())));
    }
    if password.is_empty() {
        return Err(Failure::wrong("standard input holds no password")
            .hint(format!("echo \"$PASSWORD\" | hardened login {host} --username {user} --password-stdin")));
    }
    let credential = Credential::Password { user: user.to_owned(), password: Secret::new(password.reveal()) };
    Registry::new(http, Credentials::given(host, credential)).check(host)?;
    let kept = Credentials::new(environment.clone()).keep(host, user, password);
    Ok(kept.map_err(|fault| ExternalError::new("could not keep the credentials").caused_by(fault))?)
}
