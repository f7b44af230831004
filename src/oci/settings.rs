use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Config;

/// How an engine asks a container whether it is well: Docker's field, which image-spec reserves (`config.md`). Times are nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    /// The kind of test, `CMD`, `CMD-SHELL` or `NONE`, and behind it the command.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub test: Vec<String>,
    /// The time between two checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<u64>,
    /// How long one check may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u64>,
    /// How long the process may take to start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<u64>,
    /// The time between two checks while it starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_interval: Option<u64>,
    /// How many checks must fail in a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<u32>,
}

/// Returns the entries of `Env` that have an effect: of each name the last one, where the name first stands.
///
/// So it is in runc (`prepareEnv`), podman and umoci. An entry without `=` or without a name sets nothing: runc and umoci refuse it.
pub fn effective_variables<'a>(entries: &[&'a str]) -> Vec<&'a str> {
    let mut found: Vec<&str> = Vec::new();
    let mut positions: BTreeMap<&str, usize> = BTreeMap::new();
    for entry in entries {
        let Some((name, _)) = entry.split_once('=').filter(|(name, _)| !name.is_empty()) else { continue };
        let position = *positions.entry(name).or_insert(found.len());
        if position == found.len() {
            found.push(entry);
        } else {
            found[position] = entry;
        }
    }
    found
}

/// The execution parameters (image-spec, `config.md`). What a config does not set, or sets to `null`, is empty.
impl Config {
    /// Returns `User`, as a name or number, with a group behind a colon or without.
    pub fn user(&self) -> Option<&str> {
        self.text("User")
    }

    /// Returns the variables of `Env` that a process gets, each as name, `=` and value: see [`effective_variables`].
    pub fn environment(&self) -> Vec<&str> {
        effective_variables(&self.texts("Env"))
    }

    /// Returns the value of a variable that a process gets.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.environment().into_iter().find_map(|line| line.strip_prefix(name)?.strip_prefix('='))
    }

    /// Returns `Entrypoint`.
    pub fn entrypoint(&self) -> Vec<&str> {
        self.texts("Entrypoint")
    }

    /// Returns `Cmd`.
    pub fn command(&self) -> Vec<&str> {
        self.texts("Cmd")
    }

    /// Returns what a runtime executes when it is told nothing else: `Entrypoint`, and `Cmd` behind it.
    pub fn arguments(&self) -> Vec<&str> {
        [self.entrypoint(), self.command()].concat()
    }

    /// Returns `ExposedPorts`, sorted: `3000/tcp`.
    pub fn ports(&self) -> Vec<&str> {
        self.keys("ExposedPorts")
    }

    /// Returns `Volumes`, sorted.
    pub fn volumes(&self) -> Vec<&str> {
        self.keys("Volumes")
    }

    /// Returns `WorkingDir`.
    pub fn working_directory(&self) -> Option<&str> {
        self.text("WorkingDir")
    }

    /// Returns `StopSignal`.
    pub fn stop_signal(&self) -> Option<&str> {
        self.text("StopSignal")
    }

    /// Returns `Healthcheck`; `None` also where it is not of Docker's form.
    pub fn healthcheck(&self) -> Option<Healthcheck> {
        serde_json::from_value(self.setting("Healthcheck")?.clone()).ok()
    }

    /// Returns `Shell`, which Docker starts for commands that are one text.
    pub fn shell(&self) -> Vec<&str> {
        self.texts("Shell")
    }

    /// Returns `Labels`.
    pub fn labels(&self) -> BTreeMap<&str, &str> {
        let labels = self.setting("Labels").and_then(Value::as_object).into_iter().flatten();
        labels.filter_map(|(name, value)| Some((name.as_str(), value.as_str()?))).collect()
    }

    /// Returns a copy with more members in one of the settings that are objects: `Labels`, `ExposedPorts`, `Volumes`. Those that are
    /// there stay, or get the new value. Without new members nothing changes.
    #[must_use]
    pub fn with_members(self, name: &str, members: impl IntoIterator<Item = (String, Value)>) -> Self {
        let mut members = members.into_iter().peekable();
        if members.peek().is_none() {
            return self;
        }
        let mut object: Map<String, Value> = self.setting(name).and_then(Value::as_object).cloned().unwrap_or_default();
        object.extend(members);
        self.with_setting(name, Some(object.into()))
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.setting(name).and_then(Value::as_str).filter(|text| !text.is_empty())
    }

    fn texts(&self, name: &str) -> Vec<&str> {
        let items = self.setting(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect()
    }

    fn keys(&self, name: &str) -> Vec<&str> {
        self.setting(name).and_then(Value::as_object).into_iter().flatten().map(|(key, _)| key.as_str()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Document as _, MediaType};

    fn read(settings: &Value) -> Config {
        let document = serde_json::json!({
            "architecture": "amd64", "os": "linux", "config": settings, "rootfs": {"type": "layers", "diff_ids": []}, "x.unknown": [1]
        });
        Config::view(document, &MediaType::Config).unwrap()
    }

    #[test]
    fn every_parameter_has_a_getter_and_unknown_fields_stay() {
        let config = read(&serde_json::json!({
            "User": "65532:65532", "Env": ["PATH=/bin", "A=1"], "Entrypoint": ["/app"], "Cmd": ["--serve"],
            "ExposedPorts": {"80/tcp": {}, "443/tcp": {}}, "Volumes": {"/data": {}}, "WorkingDir": "/work", "StopSignal": "SIGINT",
            "Healthcheck": {"Test": ["CMD", "/app", "check"], "Interval": 5_000_000_000_u64, "Retries": 3},
            "Labels": {"b": "2", "a": "1"}, "x.unknown": {"kept": true}
        }));
        assert_eq!(config.user(), Some("65532:65532"));
        assert_eq!(config.environment(), ["PATH=/bin", "A=1"]);
        assert_eq!((config.entrypoint(), config.command()), (vec!["/app"], vec!["--serve"]));
        assert_eq!(config.arguments(), ["/app", "--serve"]);
        assert_eq!((config.ports(), config.volumes()), (vec!["443/tcp", "80/tcp"], vec!["/data"]));
        assert_eq!((config.working_directory(), config.stop_signal()), (Some("/work"), Some("SIGINT")));
        let check = config.healthcheck().unwrap();
        let test = ["CMD", "/app", "check"].map(str::to_owned).to_vec();
        assert_eq!(check, Healthcheck { test, interval: Some(5_000_000_000), retries: Some(3), ..Healthcheck::default() });
        assert_eq!(serde_json::to_value(&check).ok().as_ref(), config.setting("Healthcheck"));
        assert_eq!(config.labels().into_iter().collect::<Vec<_>>(), [("a", "1"), ("b", "2")]);
        let written = config.with_members("Labels", [("c".to_owned(), "3".into())]).with_members("Volumes", []).value();
        assert_eq!(written["config"]["Labels"], serde_json::json!({"a": "1", "b": "2", "c": "3"}));
        assert_eq!((&written["config"]["x.unknown"]["kept"], &written["x.unknown"][0]), (&true.into(), &1.into()));
    }

    #[test]
    fn what_is_not_set_is_empty() {
        for settings in [serde_json::json!({}), Value::Null, serde_json::json!({"Env": null, "Labels": null, "User": "", "WorkingDir": ""})]
        {
            let config = read(&settings);
            assert_eq!((config.user(), config.working_directory(), config.stop_signal()), (None, None, None), "{settings}");
            assert!(config.arguments().is_empty() && config.environment().is_empty() && config.labels().is_empty(), "{settings}");
            assert!(config.ports().is_empty() && config.healthcheck().is_none(), "{settings}");
            let untouched = config.clone().with_members("Labels", []);
            assert_eq!(untouched, config, "{settings}");
        }
    }

    #[test]
    fn of_a_variable_that_is_there_twice_the_last_counts() {
        let config = read(&serde_json::json!({"Env": ["A=1", "AB=2", "A=3=4", "B", "C=", "=x", "AB=", "A"]}));
        assert_eq!(config.environment(), ["A=3=4", "AB=", "C="]);
        assert_eq!((config.variable("A"), config.variable("AB")), (Some("3=4"), Some("")));
        assert_eq!((config.variable("B"), config.variable("C"), config.variable("D")), (None, Some(""), None));
        assert_eq!(config.variable(""), None);
    }
}
