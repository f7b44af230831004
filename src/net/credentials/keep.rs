use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use serde_json::{Map, Value};

use super::file::{AuthFile, BASE64};
use super::{Credentials, docker_config, helper, paths, stored_name};
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
    #[error("there is no folder to keep it in: none of `REGISTRY_AUTH_FILE`, `DOCKER_CONFIG` and `HOME` is set")]
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
            helper::keep(name, registry, user, password).map_err(KeepFault::Helper)?;
            return Ok(Kept::Helper(format!("docker-credential-{name}")));
        }
        let key = file.exact_key(registry).map_or_else(|| stored_name(registry), str::to_owned);
        let mut object = file.object;
        let entry = serde_json::json!({ "auth": BASE64.encode(format!("{user}:{}", password.reveal())) });
        let auths = object.entry("auths").or_insert_with(|| Value::Object(Map::new()));
        let auths = auths.as_object_mut().ok_or_else(|| KeepFault::Unreadable(format!("`auths` in `{}` is no object", path.display())))?;
        auths.insert(key, entry);
        replace(&path, &Value::Object(object)).map_err(|source| KeepFault::Write { path: path.clone(), source })?;
        self.found.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clear();
        Ok(Kept::File(path))
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
}
