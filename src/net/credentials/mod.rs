//! Credentials for registries: from the environment, the auth files of podman and docker, and the helpers that these name.
//!
//! **Invariants.** A credential is found for exactly the host that is asked for. Its source may be named, its value never. What is
//! wrong with a source is a note, which is reported when a registry then refuses the request: a broken helper stops no public pull.
//!
//! **To add a source**: one step in [`Credentials::find`].

mod file;
mod helper;
mod keep;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

pub use keep::{Forgotten, KeepFault, Kept};

use self::file::{Asking, AuthFile};
use super::{Secret, redact};
use crate::host::Environment;

/// What authenticates us at a registry or its token service.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A user and a password, or a personal token in its place.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A refresh token (`identitytoken`), to be exchanged for access tokens.
    Identity(Secret),
    /// An access token for the registry itself (`registrytoken`).
    Bearer(Secret),
}

/// What was found for a registry.
#[derive(Clone, Default)]
pub struct Found {
    /// The credential, and where it comes from.
    pub credential: Option<(Credential, String)>,
    /// What was wrong with the sources that were asked.
    pub notes: Vec<String>,
}

/// A setting for credentials that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialFault {
    /// Some of the variables are set, and others are missing.
    #[error(
        "`{present}` is set and `{absent}` is not: all of `HARDENED_REGISTRY_HOST`, `HARDENED_REGISTRY_USER` and `HARDENED_REGISTRY_PASSWORD` are needed, so that the password is shown to one registry only"
    )]
    Incomplete {
        /// The variable that is set.
        present: &'static str,
        /// The variable that is missing.
        absent: &'static str,
    },
    /// A variable holds what is no text.
    #[error("`{0}` holds bytes that are not UTF-8")]
    NotText(&'static str),
    /// The variable of the host holds something else.
    #[error("`HARDENED_REGISTRY_HOST` holds `{0}`, which is no host of a registry: write the host alone, with its port if it has one")]
    NotHost(String),
}

/// The credentials that this user has. Answers are kept for the life of the process.
pub struct Credentials {
    environment: Environment,
    given: Option<(String, Credential)>,
    found: Mutex<BTreeMap<(String, String), Found>>,
}

const HOST: &str = "HARDENED_REGISTRY_HOST";
const USER: &str = "HARDENED_REGISTRY_USER";
const PASSWORD: &str = "HARDENED_REGISTRY_PASSWORD";

impl Credentials {
    /// Returns the credentials that an environment leads to. Nothing is read yet.
    pub fn new(environment: Environment) -> Self {
        Self { environment, given: None, found: Mutex::default() }
    }

    /// Returns one credential for one registry, that of a login.
    pub fn given(registry: &str, credential: Credential) -> Self {
        Self { environment: Environment::default(), given: Some((canonical(registry), credential)), found: Mutex::default() }
    }

    /// Finds the credential for a repository of a registry.
    ///
    /// The order: the three `HARDENED_REGISTRY_…` variables; `REGISTRY_AUTH_FILE`; podman's `containers/auth.json` in the
    /// run-time and configuration folders; docker's `config.json`. Within a file: `credHelpers` for exactly this
    /// host, the longest fitting key of `auths`, `credsStore`.
    ///
    /// # Errors
    /// When the variables contradict each other.
    pub fn find(&self, registry: &str, repository: &str) -> Result<Found, CredentialFault> {
        if let Some((host, credential)) = &self.given {
            let same = *host == canonical(registry);
            return Ok(Found { credential: same.then(|| (credential.clone(), "this login".to_owned())), notes: Vec::new() });
        }
        if let Some(credential) = self.variables()?.filter(|(host, _)| *host == canonical(registry)).map(|(_, credential)| credential) {
            return Ok(Found { credential: Some((credential, format!("`{USER}` and `{PASSWORD}`"))), notes: Vec::new() });
        }
        // The lock is held while a helper runs: two threads must not ask the user twice.
        let mut known = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = known.entry((registry.to_owned(), repository.to_owned())).or_insert_with(|| self.files(registry, repository));
        Ok(found.clone())
    }

    /// Checks the three `HARDENED_REGISTRY_…` variables: all of them are set and make sense, or none is set.
    ///
    /// # Errors
    /// When they are incomplete, or the host is none.
    pub fn check_variables(&self) -> Result<(), CredentialFault> {
        self.variables().map(drop)
    }

    /// Returns the credential of the variables, and the registry that it is for.
    fn variables(&self) -> Result<Option<(String, Credential)>, CredentialFault> {
        let mut values = Vec::new();
        let names = [HOST, USER, PASSWORD];
        for name in names {
            match self.environment.os(name).map(|value| value.to_str()) {
                Some(Some(value)) => values.push(value),
                Some(None) => return Err(CredentialFault::NotText(name)),
                None => {}
            }
        }
        let is_set = |name: &&str| self.environment.os(name).is_some();
        let [host, user, password] = values[..] else {
            let (present, absent) = (names.into_iter().find(is_set), names.into_iter().find(|name| !is_set(name)));
            return match (present, absent) {
                (Some(present), Some(absent)) => Err(CredentialFault::Incomplete { present, absent }),
                _ => Ok(None),
            };
        };
        let host = canonical(host);
        if host.is_empty()
            || host.contains(|character: char| character.is_whitespace() || character.is_control() || "/@?#".contains(character))
        {
            return Err(CredentialFault::NotHost(redact::escaped(&redact::without_secrets(&host))));
        }
        Ok(Some((host, Credential::Password { user: user.to_owned(), password: Secret::new(password) })))
    }

    fn files(&self, registry: &str, repository: &str) -> Found {
        let mut found = Found::default();
        for path in paths(&self.environment) {
            let file = match AuthFile::read(&path) {
                Ok(Some(file)) => file,
                Ok(None) => continue,
                Err(note) => {
                    found.notes.push(note);
                    continue;
                }
            };
            let mut asking = Asking { environment: &self.environment, notes: &mut found.notes };
            found.credential = file.find(registry, repository, &mut asking);
            if found.credential.is_some() {
                break;
            }
        }
        found
    }
}

/// Reads the entry for a repository in the text of an auth file. No helper is asked.
///
/// # Errors
/// When the text is no such file; its contents are not repeated.
pub fn entry_in(text: &[u8], registry: &str, repository: &str) -> Result<Option<Credential>, String> {
    let file = AuthFile::parse(Path::new("auth.json"), text)?;
    Ok(file.entry(registry, repository, &mut Vec::new()))
}

/// Returns the auth files in the order in which they are asked.
fn paths(environment: &Environment) -> Vec<PathBuf> {
    let home = environment.path("HOME");
    let below_home = |name: &str| home.as_ref().map(|home| home.join(name));
    let podman = |folder: PathBuf| folder.join("containers/auth.json");
    let all = [
        environment.path("REGISTRY_AUTH_FILE"),
        environment.path("XDG_RUNTIME_DIR").map(podman),
        environment.path("XDG_CONFIG_HOME").or_else(|| below_home(".config")).map(podman),
        docker_config(environment),
    ];
    all.into_iter().flatten().collect()
}

fn docker_config(environment: &Environment) -> Option<PathBuf> {
    let folder = environment.path("DOCKER_CONFIG").or_else(|| environment.path("HOME").map(|home| home.join(".docker")));
    folder.map(|folder| folder.join("config.json"))
}

/// Returns the one name of a registry that auth files know under several: without scheme, `/v1/` and the like, and `docker.io` for Docker Hub.
fn canonical(key: &str) -> String {
    let key = key.split_once("://").map_or(key, |(_, rest)| rest).trim_end_matches('/');
    let key = ["/v1", "/v2"].iter().find_map(|end| key.strip_suffix(end)).unwrap_or(key);
    let (host, path) = key.split_once('/').map_or((key, None), |(host, path)| (host, Some(path)));
    let host = match host.to_ascii_lowercase().as_str() {
        "index.docker.io" | "registry-1.docker.io" | "docker.io" => "docker.io".to_owned(),
        host => host.to_owned(),
    };
    path.map_or_else(|| host.clone(), |path| format!("{host}/{path}"))
}

/// Returns the name under which helpers and docker keep a registry.
fn stored_name(registry: &str) -> String {
    if canonical(registry) == "docker.io" { "https://index.docker.io/v1/".to_owned() } else { registry.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_has_one_name() {
        for (key, expected) in [
            ("https://index.docker.io/v1/", "docker.io"),
            ("registry-1.docker.io", "docker.io"),
            ("ghcr.io", "ghcr.io"),
            ("https://GHCR.io/v2/", "ghcr.io"),
            ("localhost:5000", "localhost:5000"),
            ("quay.io/team/a", "quay.io/team/a"),
        ] {
            assert_eq!(canonical(key), expected);
        }
    }

    #[test]
    fn variables_are_bound_to_one_host() {
        let with = |pairs: &[(&str, &str)]| Credentials::new(pairs.iter().copied().collect());
        let all = with(&[(HOST, "a.example"), (USER, "u"), (PASSWORD, "p")]);
        assert!(all.find("a.example", "x").unwrap().credential.is_some());
        assert!(all.find("b.example", "x").unwrap().credential.is_none());
        assert!(with(&[(USER, "u"), (PASSWORD, "p")]).find("a.example", "x").is_err());
        assert!(with(&[]).find("a.example", "x").unwrap().credential.is_none());
    }
    #[test]
    fn variables_are_complete_or_wrong() {
        let check = |pairs: &[(&str, &str)]| Credentials::new(pairs.iter().copied().collect()).check_variables();
        assert!(check(&[]).is_ok() && check(&[(HOST, ""), (USER, ""), (PASSWORD, "")]).is_ok());
        assert!(check(&[(HOST, "https://A.example:5000/v2/"), (USER, "u"), (PASSWORD, "p")]).is_ok());
        for (pairs, present, absent) in [
            (&[(USER, "u")][..], USER, HOST),
            (&[(PASSWORD, "p")], PASSWORD, HOST),
            (&[(HOST, "a.example")], HOST, USER),
            (&[(HOST, "a.example"), (USER, "u")], HOST, PASSWORD),
            (&[(HOST, "a.example"), (USER, "u"), (PASSWORD, "")], HOST, PASSWORD),
            (&[(HOST, "a.example"), (PASSWORD, "p")], HOST, USER),
            (&[(USER, "u"), (PASSWORD, "p")], USER, HOST),
        ] {
            assert_eq!(check(pairs), Err(CredentialFault::Incomplete { present, absent }), "{pairs:?}");
        }
        for host in ["a.example/team", "user@a.example", "a example", "https://"] {
            assert!(matches!(check(&[(HOST, host), (USER, "u"), (PASSWORD, "p")]), Err(CredentialFault::NotHost(_))), "{host}");
        }
    }
}
