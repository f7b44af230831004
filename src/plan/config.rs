use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Settings;
use crate::base::BaseImage;
use crate::oci::Config;

/// Returns the config of an image: what the base sets, unless the recipe sets it. The base's `history` and `diff_ids` stay as they are.
pub(super) fn finish(base: &Config, settings: &Settings) -> Config {
    let mut config = base
        .clone()
        .with_field("created", Some(settings.created.clone().into()))
        .with_setting("User", Some(settings.user.clone().into()))
        .with_members("ExposedPorts", settings.ports.iter().map(|port| (port.clone(), json!({}))))
        .with_members("Volumes", settings.volumes.iter().map(|path| (path.clone(), json!({}))))
        .with_members("Labels", settings.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())));
    config = with_environment(config, &settings.environment);
    if let Some(author) = &settings.author {
        config = config.with_field("author", Some(author.clone().into()));
    }
    if let Some(entrypoint) = &settings.entrypoint {
        config = config.with_setting("Entrypoint", Some(json!(entrypoint))).with_setting("Cmd", None);
    }
    if let Some(command) = &settings.command {
        config = config.with_setting("Cmd", Some(json!(command)));
    }
    let texts = [("WorkingDir", &settings.working_directory), ("StopSignal", &settings.stop_signal)];
    for (name, value) in texts {
        if let Some(value) = value {
            config = config.with_setting(name, Some(value.clone().into()));
        }
    }
    if let Some(healthcheck) = &settings.healthcheck {
        config = config.with_setting("Healthcheck", Some(json!(healthcheck)));
    }
    config
}

/// The base's variables keep their order, each once with the value that counts; ours replace them, and new ones follow in the order of
/// their names. Entries of the base that set nothing are left out, since runtimes refuse them.
fn with_environment(config: Config, environment: &BTreeMap<String, String>) -> Config {
    let mut left = environment.clone();
    let own = |line: &str| {
        let name = line.split('=').next().unwrap_or_default();
        left.remove(name).map_or_else(|| line.to_owned(), |value| format!("{name}={value}"))
    };
    let mut lines: Vec<String> = config.environment().into_iter().map(own).collect();
    lines.extend(left.iter().map(|(name, value)| format!("{name}={value}")));
    let is_empty = config.setting("Env").and_then(Value::as_array).is_none_or(Vec::is_empty);
    if lines.is_empty() && is_empty { config } else { config.with_setting("Env", Some(json!(lines))) }
}

/// Returns the annotations of the manifest: the recipe's, what the base was, and when the image counts as created.
pub(super) fn annotations(base: &BaseImage, settings: &Settings) -> BTreeMap<String, String> {
    let mut annotations = settings.annotations.clone();
    annotations.extend(base.annotations.clone());
    annotations.entry("org.opencontainers.image.created".to_owned()).or_insert_with(|| settings.created.clone());
    annotations
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Document as _, Platform};

    fn base() -> Config {
        Config::new(&Platform::default_target())
            .with_setting("Env", Some(json!(["PATH=/bin", "A=1"])))
            .with_setting("Cmd", Some(json!(["old"])))
            .with_setting("Labels", Some(json!({"kept": "yes"})))
            .with_setting("Shell", Some(json!(["/bin/bash"])))
            .with_field("moby.buildkit.x", Some(json!({"unknown": 1})))
    }

    fn settings() -> Settings {
        Settings {
            user: "65532:65532".to_owned(),
            environment: BTreeMap::from([("A".to_owned(), "2".to_owned()), ("B".to_owned(), "3".to_owned())]),
            entrypoint: Some(vec!["/app".to_owned()]),
            ports: vec!["3000/tcp".to_owned()],
            labels: BTreeMap::from([("own".to_owned(), "1".to_owned())]),
            created: "1970-01-01T00:00:00Z".to_owned(),
            ..Settings::default()
        }
    }

    #[test]
    fn what_is_not_set_stays_and_an_entrypoint_clears_the_command() {
        let config = finish(&base(), &settings()).value();
        assert_eq!(config["created"], "1970-01-01T00:00:00Z");
        assert_eq!(config["config"]["User"], "65532:65532");
        assert_eq!(config["config"]["Env"], json!(["PATH=/bin", "A=2", "B=3"]));
        assert_eq!(config["config"]["Entrypoint"], json!(["/app"]));
        assert_eq!(config["config"].get("Cmd"), None);
        assert_eq!(config["config"]["Shell"], json!(["/bin/bash"]));
        assert_eq!(config["config"]["Labels"], json!({"kept": "yes", "own": "1"}));
        assert_eq!(config["config"]["ExposedPorts"], json!({"3000/tcp": {}}));
        assert_eq!(config["moby.buildkit.x"], json!({"unknown": 1}));
    }

    #[test]
    fn a_command_without_an_entrypoint_is_behind_that_of_the_base() {
        let base = base().with_setting("Entrypoint", Some(json!(["/start"])));
        let with = |entrypoint: Option<&str>, command: Option<&str>| {
            let words = |word: &str| vec![word.to_owned()];
            let settings = Settings { entrypoint: entrypoint.map(words), command: command.map(words), ..settings() };
            finish(&base, &settings).arguments().join(" ")
        };
        assert_eq!(with(None, None), "/start old");
        assert_eq!(with(None, Some("new")), "/start new");
        assert_eq!(with(Some("/app"), None), "/app");
        assert_eq!(with(Some("/app"), Some("new")), "/app new");
    }

    #[test]
    fn what_nobody_sets_is_not_written() {
        let config = finish(&Config::new(&Platform::default_target()), &Settings::default()).value();
        let names: Vec<&String> = config["config"].as_object().into_iter().flat_map(serde_json::Map::keys).collect();
        assert_eq!(names, ["User"], "{config}");
        assert_eq!(config.get("author").and_then(Value::as_str), None);
    }

    #[test]
    fn a_variable_that_the_base_has_twice_is_written_once() {
        let with = |entries: Value, settings: &Settings| {
            let config = finish(&base().with_setting("Env", Some(entries)), settings);
            config.value()["config"]["Env"].clone()
        };
        let twice = json!(["A=0", "C=1", "A=1", "C=2"]);
        assert_eq!(with(twice.clone(), &settings()), json!(["A=2", "C=2", "B=3"]));
        assert_eq!(with(twice, &Settings::default()), json!(["A=1", "C=2"]));
        // What sets nothing is refused by runtimes.
        assert_eq!(with(json!(["A", "B", "=x", "C=1", "C"]), &settings()), json!(["C=1", "A=2", "B=3"]));
        assert_eq!(with(json!(["A", "=x"]), &Settings::default()), json!([]));
    }

    #[test]
    fn annotations_say_when_and_from_what() {
        let annotations_of = |own: &str| {
            let settings = Settings { annotations: BTreeMap::from([(own.to_owned(), "own".to_owned())]), ..settings() };
            let base = BTreeMap::from([(crate::oci::ANNOTATION_BASE_NAME.to_owned(), "base".to_owned())]);
            let base = BaseImage { config: self::base(), layers: vec![], written: vec![], annotations: base, dropped: vec![] };
            annotations(&base, &settings).into_iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
        };
        let name = crate::oci::ANNOTATION_BASE_NAME;
        assert_eq!(annotations_of("a"), format!("a=own {name}=base org.opencontainers.image.created=1970-01-01T00:00:00Z"));
        assert_eq!(annotations_of("org.opencontainers.image.created"), format!("{name}=base org.opencontainers.image.created=own"));
    }
}
