use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::{Map, Value};

use super::{Credential, canonical, helper};
use crate::host::{Environment, open_regular};
use crate::net::Secret;
use crate::oci::{JsonFault, strict_json};

/// How many characters of a key are repeated in a message; the name of a host has no more.
const KEY: usize = 253;
/// How large an auth file may be.
const LIMIT: u64 = 4 << 20;

/// Tools write the padding, people forget it.
pub(super) const BASE64: GeneralPurpose =
    GeneralPurpose::new(&STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// What is needed to ask a file for a credential.
pub(super) struct Asking<'a> {
    /// The environment of helpers.
    pub(super) environment: &'a Environment,
    /// What was wrong with the sources that were asked.
    pub(super) notes: &'a mut Vec<String>,
}

/// An auth file of docker or podman (containers-auth.json(5)).
pub(super) struct AuthFile {
    pub(super) path: PathBuf,
    pub(super) object: Map<String, Value>,
}

impl AuthFile {
    /// Reads a file; none is `None`. The note for a bad one does not show its contents.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, String> {
        let mut bytes = Vec::new();
        let read = open_regular(path).and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes));
        match read {
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
            // The null device is an empty file: it is how one names no credentials.
            Err(_) if fs::canonicalize(path).is_ok_and(|real| real == Path::new("/dev/null")) => Self::parse(path, &[]).map(Some),
            Err(error) => Err(format!("could not read `{}`: {error}", path.display())),
            Ok(_) if bytes.len() as u64 > LIMIT => Err(format!("`{}` is larger than {LIMIT} bytes", path.display())),
            Ok(_) => Self::parse(path, &bytes).map(Some),
        }
    }

    /// Takes the text of a file apart.
    pub(super) fn parse(path: &Path, bytes: &[u8]) -> Result<Self, String> {
        // What `mktemp` made, or a login that was cut off.
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(Self { path: path.to_owned(), object: Map::new() });
        }
        match strict_json(bytes) {
            Ok(Value::Object(object)) => Ok(Self { path: path.to_owned(), object }),
            Ok(_) => Err(format!("`{}` is not a JSON object", path.display())),
            // Which of the two counts depends on the reader, so neither is shown to a registry.
            Err(JsonFault::DoubledKey { key, line, .. }) => Err(format!(
                "`{}` has the key `{}` twice, the second time in line {line}; remove one of them",
                path.display(),
                key.escape_debug().take(KEY).collect::<String>()
            )),
            Err(JsonFault::Form(_)) => Err(format!("`{}` is not valid JSON", path.display())),
        }
    }

    /// Finds the credential for a repository, and says where it is from.
    pub(super) fn find(&self, registry: &str, repository: &str, asking: &mut Asking<'_>) -> Option<(Credential, String)> {
        if let Some(name) = self.helper_of(registry)
            && let Some(found) = self.ask(name, registry, asking)
        {
            return Some(found);
        }
        if let Some(credential) = self.entry(registry, repository, asking.notes) {
            return Some((credential, format!("`{}`", self.path.display())));
        }
        let store = self.object.get("credsStore")?.as_str().filter(|name| !name.is_empty())?;
        self.ask(store, registry, asking)
    }

    /// Returns the helper for exactly this registry.
    pub(super) fn helper_of(&self, registry: &str) -> Option<&str> {
        let helpers = self.object.get("credHelpers")?.as_object()?;
        helpers.iter().find(|(key, _)| canonical(key) == canonical(registry))?.1.as_str().filter(|name| !name.is_empty())
    }

    /// Returns the key of the entry for exactly this registry.
    pub(super) fn exact_key(&self, registry: &str) -> Option<&str> {
        let entries = self.object.get("auths")?.as_object()?;
        entries.keys().find(|key| canonical(key) == canonical(registry)).map(String::as_str)
    }

    /// Removes all entries for exactly this registry. Says whether one of them held a credential; `None` when there was no entry.
    pub(super) fn remove_entries(&mut self, registry: &str) -> Option<bool> {
        let entries = self.object.get_mut("auths")?.as_object_mut()?;
        let keys: Vec<String> = entries.keys().filter(|key| canonical(key) == canonical(registry)).cloned().collect();
        let removed: Vec<Value> = keys.iter().filter_map(|key| entries.remove(key)).collect();
        (!removed.is_empty()).then(|| removed.iter().any(|entry| !matches!(credential(entry), Ok(None))))
    }

    fn ask(&self, name: &str, registry: &str, asking: &mut Asking<'_>) -> Option<(Credential, String)> {
        match helper::find(name, registry, asking.environment) {
            Ok(found) => {
                found.map(|credential| (credential, format!("the helper `docker-credential-{name}` of `{}`", self.path.display())))
            }
            Err(note) => {
                asking.notes.push(note);
                None
            }
        }
    }

    pub(super) fn entry(&self, registry: &str, repository: &str, notes: &mut Vec<String>) -> Option<Credential> {
        let entries = self.object.get("auths")?.as_object()?;
        let wanted = format!("{}/{repository}", canonical(registry));
        let covers = |key: &str| wanted.strip_prefix(key).is_some_and(|rest| rest.starts_with('/') || rest.is_empty());
        let mut fitting: Vec<_> = entries.iter().map(|(key, value)| (canonical(key), value)).filter(|(key, _)| covers(key)).collect();
        fitting.sort_by_key(|(key, _)| std::cmp::Reverse(key.len()));
        for (key, value) in fitting {
            match credential(value) {
                Ok(Some(credential)) => return Some(credential),
                // `docker login` leaves an empty entry where a helper keeps the password (spotify/docker-client#1143).
                Ok(None) => {}
                Err(()) => notes.push(format!("the entry for `{}` in `{}` cannot be read", key.escape_debug(), self.path.display())),
            }
        }
        None
    }
}

fn credential(entry: &Value) -> Result<Option<Credential>, ()> {
    let text = |name: &str| entry.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(token) = text("identitytoken") {
        return Ok(Some(Credential::Identity(Secret::new(token))));
    }
    if let Some(token) = text("registrytoken") {
        return Ok(Some(Credential::Bearer(Secret::new(token))));
    }
    let (user, password) = match (text("auth"), text("username"), text("password")) {
        (Some(auth), ..) => {
            let bytes = BASE64.decode(auth.trim()).map_err(drop)?;
            let pair = String::from_utf8(bytes).map_err(drop)?;
            let (user, password) = pair.split_once(':').ok_or(())?;
            (user.to_owned(), password.trim_end_matches('\0').to_owned())
        }
        (None, Some(user), Some(password)) => (user.to_owned(), password.to_owned()),
        _ => return Ok(None),
    };
    Ok(Some(Credential::Password { user, password: Secret::new(password) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(text: &str, registry: &str, repository: &str) -> (Option<String>, usize) {
        let Ok(Value::Object(object)) = strict_json(text.as_bytes()) else { panic!("{text}") };
        let mut notes = Vec::new();
        let found = AuthFile { path: "auth.json".into(), object }.find(
            registry,
            repository,
            &mut Asking { environment: &Environment::of_process(), notes: &mut notes },
        );
        let user = found.map(|(credential, _)| match credential {
            Credential::Password { user, .. } => user,
            Credential::Identity(_) => "identity".to_owned(),
            Credential::Bearer(_) => "bearer".to_owned(),
        });
        (user, notes.len())
    }

    #[test]
    fn the_longest_key_of_the_same_host_decides() {
        let auth = |user: &str| BASE64.encode(format!("{user}:p:w"));
        let text = format!(
            r#"{{"auths":{{"quay.io":{{"auth":"{}"}},"quay.io/team":{{"auth":"{}"}},"https://index.docker.io/v1/":{{"auth":"{}"}},
               "id.example":{{"identitytoken":"t","auth":"{}"}},"empty.example":{{}},"bad.example":{{"auth":"***"}}}}}}"#,
            auth("all"),
            auth("team"),
            auth("hub"),
            auth("x"),
        );
        for (registry, repository, expected, notes) in [
            ("quay.io", "other/a", Some("all"), 0),
            ("quay.io", "team/a", Some("team"), 0),
            ("quay.io", "teamwork/a", Some("all"), 0),
            ("docker.io", "library/nginx", Some("hub"), 0),
            ("id.example", "a", Some("identity"), 0),
            ("empty.example", "a", None, 0),
            ("bad.example", "a", None, 1),
            ("evilquay.io", "team/a", None, 0),
            ("quay.io.evil.example", "team/a", None, 0),
        ] {
            assert_eq!(user(&text, registry, repository), (expected.map(str::to_owned), notes), "{registry}/{repository}");
        }
    }

    #[test]
    fn a_key_that_stands_twice_is_named() {
        let told = |text: &str| AuthFile::parse(Path::new("config.json"), text.as_bytes()).err().unwrap_or_default();
        for (text, key, line) in [
            ("{\"auths\": {},\n \"auths\": {\"a.example\": {\"auth\": \"dTpw\"}}}", "auths", 2),
            ("{\"auths\": {\n\"ghcr.io\": {\"auth\": \"dTpw\"},\n\"ghcr.io\": {}}}", "ghcr.io", 3),
            ("{\"auths\": {\"a\": {\"auth\": \"dTpw\", \"auth\": \"dTpx\"}}}", "auth", 1),
        ] {
            let expected = format!("`config.json` has the key `{key}` twice, the second time in line {line}; ");
            assert!(told(text).starts_with(&expected) && !told(text).contains("dTp"), "{}", told(text));
        }
        let long = "x".repeat(1000);
        assert!(told(&format!("{{\"{long}\": 1, \"{long}\": 2}}")).len() < 400);
        assert_eq!(told("{"), "`config.json` is not valid JSON");
    }

    #[test]
    fn an_absent_helper_is_a_note() {
        let text = r#"{"credHelpers":{"a.example":"no-such-helper-here"},"auths":{"a.example":{"auth":"dTpw"}}}"#;
        assert_eq!(user(text, "a.example", "x"), (Some("u".to_owned()), 1));
        assert_eq!(user(text, "b.example", "x"), (None, 0));
    }
}
