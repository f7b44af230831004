use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;

use base64::Engine;
use serde_json::{Map, Value};

use super::file::{AuthFile, BASE64};
use super::{Credentials, canonical, docker_config, helper, paths, stored_name};
use crate::net::Secret;

/// Where a credential was kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In a file, readable by its owner only.
    File(PathBuf),
    /// With a helper: the program's name.
    Helper(String),
}

/// Why a credential was not kept.
#[derive(Debug, thiserror::Error)]
pub enum KeepFault {
    /// No folder for it is known.
    #[error("there is no folder in which to store the credentials: none of `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG` and `HOME` is set")]
    NoFolder,
    /// The file that should hold it cannot be understood, and is left as it is.
    #[error("{0}")]
    Unreadable(String),
    /// The helper did not take it.
    #[error("{0}")]
    Helper(String),
    /// The file could not be written.
    #[error("could not write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl Credentials {
    /// Keeps a user and password for a registry where [`Credentials::find`] will find them first: in the file that
    /// has an entry already, in `REGISTRY_AUTH_FILE`, or in docker's `config.json`, or with the helper that the file names.
    ///
    /// # Errors
    /// When there is no file to keep them in, or writing fails. The file is then as it was.
    pub fn keep(&self, registry: &str, user: &str, password: &Secret) -> Result<Kept, KeepFault> {
        let holder = paths(&self.environment).into_iter().find(|path| {
            AuthFile::read(path).ok().flatten().is_some_and(|file| file.exact_key(registry).is_some() || file.helper_of(registry).is_some())
        });
        let path = holder.or_else(|| self.environment.path("REGISTRY_AUTH_FILE")).or_else(|| docker_config(&self.environment));
        let path = path.ok_or(KeepFault::NoFolder)?;
        let file = AuthFile::read(&path).map_err(KeepFault::Unreadable)?;
        let file = file.unwrap_or_else(|| AuthFile { path: path.clone(), object: Map::new() });
        let store = file.object.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty());
        if let Some(name) = file.helper_of(registry).or(store) {
            helper::keep(name, registry, user, password, &self.environment).map_err(KeepFault::Helper)?;
            return Ok(Kept::Helper(format!("docker-credential-{name}")));
        }
        let key = file.exact_key(registry).map_or_else(|| stored_name(registry), str::to_owned);
        let mut object = file.object;
        let entry = serde_json::json!({ "auth": BASE64.encode(format!("{user}:{}", password.reveal())) });
        let auths = object.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        let auths =
            auths.as_object_mut().ok_or_else(|| KeepFault::Unreadable(format!("`auths` in `{}` is not an object", path.display())))?;
        auths.insert(key, entry);
        replace(&path, &Value::Object(object)).map_err(|source| KeepFault::Write { path: path.clone(), source })?;
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(Kept::File(path))
    }
}

/// Where credentials were removed, and where others are left that this program does not remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Where they were removed.
    pub removed: Vec<Kept>,
    /// What still gives credentials for the registry.
    pub left: Vec<String>,
}

impl Credentials {
    /// Removes what [`Credentials::keep`] kept for a registry: the entry of exactly this registry in each auth file, and what the helpers that the files
    /// name for it have. Entries for single repositories stay.
    ///
    /// # Errors
    /// When a file cannot be understood or written, or a helper fails. What was removed before stays removed.
    pub fn forget(&self, registry: &str) -> Result<Forgotten, KeepFault> {
        let mut forgotten = Forgotten::default();
        for path in paths(&self.environment) {
            let Some(mut file) = AuthFile::read(&path).map_err(KeepFault::Unreadable)? else { continue };
            let store = file.object.get("credsStore").and_then(Value::as_str).filter(|name| !name.is_empty());
            let helpers: BTreeSet<String> = file.helper_of(registry).into_iter().chain(store).map(str::to_owned).collect();
            for name in helpers {
                if helper::erase(&name, registry, &self.environment).map_err(KeepFault::Helper)? {
                    forgotten.removed.push(Kept::Helper(format!("docker-credential-{name}")));
                }
            }
            let had_entry = file.remove_entries(registry);
            if let Some(is_credential) = had_entry {
                replace(&path, &Value::Object(file.object)).map_err(|source| KeepFault::Write { path: path.clone(), source })?;
                if is_credential {
                    forgotten.removed.push(Kept::File(path));
                }
            }
        }
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clear();
        if let Ok(Some((host, _))) = self.variables()
            && host == canonical(registry)
        {
            forgotten.left.push("the variables `HARDENED_REGISTRY_USER` and `HARDENED_REGISTRY_PASSWORD`".to_owned());
        }
        Ok(forgotten)
    }
}

/// Writes a file beside the old one and puts it in its place; only its owner can read it.
fn replace(path: &Path, value: &Value) -> io::Result<()> {
    // A link to a file elsewhere (a managed home folder) stays a link.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut file = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o600)).tempfile_in(folder)?;
    let mut text = serde_json::to_vec_pretty(value)?;
    text.push(b'\n');
    file.write_all(&text)?;
    file.as_file().sync_all()?;
    file.persist(&path).map_err(|error| error.error).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::credentials::Credential;

    #[test]
    fn a_kept_credential_is_found_and_the_rest_of_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, r#"{"HttpHeaders":{"A":"b"},"auths":{"other.example":{"auth":"dTpw"}}}"#).unwrap();
        let credentials = Credentials::new([("DOCKER_CONFIG", folder.path())].into_iter().collect());
        assert!(credentials.find("a.example:5000", "x").unwrap().credential.is_none());
        let kept = credentials.keep("a.example:5000", "user", &Secret::new("pass:word")).unwrap();
        assert_eq!(kept, Kept::File(path.clone()));
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (credential, source) = credentials.find("a.example:5000", "x").unwrap().credential.unwrap();
        assert!(credential == Credential::Password { user: "user".to_owned(), password: Secret::new("pass:word") });
        assert!(source.contains("config.json"));
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("HttpHeaders") && text.contains("other.example"));
        credentials.keep("docker.io", "hub", &Secret::new("p")).unwrap();
        assert!(fs::read_to_string(&path).unwrap().contains("https://index.docker.io/v1/"));
        fs::write(&path, "{broken").unwrap();
        assert!(matches!(credentials.keep("a.example", "u", &Secret::new("p")), Err(KeepFault::Unreadable(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{broken");
    }
    #[test]
    fn a_credential_that_is_forgotten_is_gone_and_the_rest_of_the_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let text = r#"{"HttpHeaders":{"A":"b"},"auths":{"other.example":{"auth":"dTpw"},"https://index.docker.io/v1/":{"auth":"dTpw"},"docker.io":{"auth":"dTpw"},"a.example/team":{"auth":"dTpw"},"empty.example":{}}}"#;
        fs::write(&path, text).unwrap();
        let credentials = Credentials::new([("DOCKER_CONFIG", folder.path())].into_iter().collect());
        assert!(credentials.find("docker.io", "x").unwrap().credential.is_some());
        assert_eq!(credentials.forget("docker.io").unwrap().removed, [Kept::File(path.clone())]);
        assert!(credentials.find("docker.io", "x").unwrap().credential.is_none());
        for registry in ["docker.io", "unknown.example", "a.example", "empty.example"] {
            assert_eq!(credentials.forget(registry).unwrap(), Forgotten::default(), "{registry}");
        }
        let kept = fs::read_to_string(&path).unwrap();
        assert!(kept.contains("HttpHeaders") && kept.contains("other.example") && kept.contains("a.example/team"), "{kept}");
        fs::write(&path, "{broken").unwrap();
        assert!(matches!(credentials.forget("other.example"), Err(KeepFault::Unreadable(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "{broken");
    }
}
