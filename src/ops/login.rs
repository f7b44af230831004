//! `hardened login` and `logout`: credentials checked with a registry, kept where docker and podman keep theirs, and removed from there.

use crate::diagnostic::ExternalError;
use crate::host::Environment;
use crate::net::credentials::{Credential, Credentials, Forgotten, Kept};
use crate::net::{Http, Secret};
use crate::oci::StoreFault;
use crate::store::registry::Registry;

use super::Failure;

/// A user of a registry, with the password.
pub struct Account {
    /// The user.
    pub user: String,
    /// The password, or a token in its place.
    pub password: Secret,
}

/// Checks that a text is the host of a registry, with its port if it has one.
///
/// # Errors
/// When it is a URL, a repository or no host.
pub fn check_host(host: &str) -> Result<(), Failure> {
    if !host.is_empty() && !host.contains(['/', '@', ' ']) {
        return Ok(());
    }
    let bare = host.split("://").last().unwrap_or_default().split('/').next().unwrap_or_default();
    Err(Failure::wrong(format!("`{}` is no host", host.escape_debug())).hint(format!("write only the host: `{}`", bare.escape_debug())))
}

/// Checks a user and password with a registry, and keeps them.
///
/// # Errors
/// When the registry refuses them, or they cannot be kept.
pub fn login(host: &str, account: &Account, http: Http, environment: &Environment) -> Result<Kept, Failure> {
    check_host(host)?;
    let Account { user, password } = account;
    let credential = Credential::Password { user: user.clone(), password: Secret::new(password.reveal()) };
    let checked = Registry::new(http, Credentials::given(host, credential)).check(host);
    checked.map_err(|mut error| {
        if matches!(error.fault, StoreFault::Unauthorized | StoreFault::Denied) {
            error.error.hints = vec![format!(
                "check the user `{}` and its password; where a second factor is needed to log in, the registry takes an access token in place of the password",
                user.escape_debug()
            )];
        }
        error
    })?;
    let kept = Credentials::new(environment.clone()).keep(host, user, password);
    Ok(kept.map_err(|fault| ExternalError::new("could not keep the credentials").caused_by(fault))?)
}

/// Removes the credentials for a registry from the files and helpers that keep them. The registry is not asked.
///
/// # Errors
/// When they cannot be removed.
pub fn logout(host: &str, environment: &Environment) -> Result<Forgotten, Failure> {
    check_host(host)?;
    let forgotten = Credentials::new(environment.clone()).forget(host);
    Ok(forgotten.map_err(|fault| ExternalError::new(format!("could not remove the credentials for `{host}`")).caused_by(fault))?)
}
