use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::Deserialize;

use crate::diagnostic::Diagnostic;
use crate::host::{Environment, read_text};
use crate::ops::Failure;

/// The largest settings file in bytes.
const LIMIT: u64 = 1 << 20;

/// The user's settings file, which is read beside arguments and environment variables: `hardened/settings.toml` in `XDG_CONFIG_HOME` or `~/.config`.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct SettingsFile {
    /// Registries that may be reached without TLS.
    pub(super) insecure: Vec<String>,
    /// Files with further CA certificates.
    pub(super) ca_files: Vec<PathBuf>,
    /// Mirrors of Debian's archive.
    pub(super) debian_mirrors: Vec<String>,
    /// Hosts that may be sent a registry's credentials, by registry.
    pub(super) token_realms: BTreeMap<String, String>,
}

impl SettingsFile {
    /// Reads the file; a missing one has no settings.
    pub(super) fn read(environment: &Environment) -> Result<Self, Failure> {
        let absolute = |path: &PathBuf| path.is_absolute();
        let home = || environment.path("HOME").filter(absolute).map(|home| home.join(".config"));
        let Some(folder) = environment.path("XDG_CONFIG_HOME").filter(absolute).or_else(home) else { return Ok(Self::default()) };
        let path = folder.join("hardened/settings.toml");
        let failed = |cause: String| {
            let hint = "the file may have `insecure = [\"HOST\"]`, `ca-files = [\"FILE\"]`, `debian-mirrors = [\"URL\"]` and, under `[token-realms]`, `\"REGISTRY\" = \"HOST\"`";
            let message = format!("could not read the settings in `{}`: {cause}", path.display());
            Failure::from(Diagnostic::error(message).hint(hint))
        };
        match read_text(&path, LIMIT) {
            Ok(text) => Self::parse(&text).map_err(failed),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(Self::default()),
            Err(error) => Err(failed(error.to_string())),
        }
    }

    fn parse(text: &str) -> Result<Self, String> {
        toml::from_str(text).map_err(|fault: toml::de::Error| {
            let line = fault.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            format!("line {line}: {}", fault.message())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_and_faults_have_a_line() {
        let text = "insecure = [\"a.test:5000\"]\nca-files = [\"/ca.pem\"]\n[token-realms]\n\"a.test\" = \"b.test\"\n";
        let settings = SettingsFile::parse(text).unwrap();
        assert_eq!(settings.insecure, ["a.test:5000"]);
        assert_eq!(settings.token_realms["a.test"], "b.test");
        assert!(SettingsFile::parse("insecure = []\ninsecur = []\n").is_err_and(|fault| fault.starts_with("line 2: unknown field")));
        assert_eq!(SettingsFile::read(&Environment::default()).unwrap(), SettingsFile::default());
    }
}
