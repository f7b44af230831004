use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The variables of this program that may hold a password or a token, also within a URL. No program that is started gets them.
pub(crate) const SECRET_VARIABLES: &[&str] =
    &["HARDENED_REGISTRY_USER", "HARDENED_REGISTRY_PASSWORD", "HARDENED_DEBIAN_MIRROR", "HARDENED_VENDORED"];

/// The environment variables, as they were when the program started.
///
/// Its `Debug` form shows names only: values may be credentials.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Takes the environment of this process.
    pub fn of_process() -> Self {
        #[expect(clippy::disallowed_methods, reason = "nothing else reads the environment")]
        Self(std::env::vars_os().collect())
    }

    /// Returns a variable; an empty one counts as absent, as most tools count it.
    pub fn os(&self, name: &str) -> Option<&OsString> {
        self.0.get(&OsString::from(name)).filter(|value| !value.is_empty())
    }

    /// Returns a variable that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.os(name)?.to_str()
    }

    /// Returns a variable that is a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.os(name).map(PathBuf::from)
    }

    /// Returns the variables that a started program gets: all but [`SECRET_VARIABLES`]. Credential helpers need those of their services, as
    /// `AWS_PROFILE`, `GOOGLE_APPLICATION_CREDENTIALS`, `GNUPGHOME` and `DBUS_SESSION_BUS_ADDRESS`.
    pub fn for_programs(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter().filter(|(name, _)| !SECRET_VARIABLES.iter().any(|secret| name.as_os_str() == *secret))
    }

    /// Returns all variables.
    pub fn all(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

impl<Name: Into<OsString>, Value: Into<OsString>> FromIterator<(Name, Value)> for Environment {
    fn from_iter<Pairs: IntoIterator<Item = (Name, Value)>>(pairs: Pairs) -> Self {
        Self(pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_started_program_gets_all_but_our_secrets() {
        let pairs = [
            ("AWS_PROFILE", "shop"),
            ("EMPTY", ""),
            ("HARDENED_CACHE_DIR", "/cache"),
            ("HARDENED_REGISTRY_HOST", "ghcr.io"),
            ("HARDENED_REGISTRY_PASSWORD", "secret"),
            ("HARDENED_REGISTRY_USER", "ci"),
        ];
        let environment: Environment = pairs.into_iter().collect();
        let given: Vec<_> = environment.for_programs().map(|(name, _)| name.to_str().unwrap()).collect();
        assert_eq!(given, ["AWS_PROFILE", "EMPTY", "HARDENED_CACHE_DIR", "HARDENED_REGISTRY_HOST"]);
    }
}
