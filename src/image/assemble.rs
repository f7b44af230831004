use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Image, ImageFault};
use crate::oci::{Config, Digest, ImageLayer, Manifest, MediaType, Parsed};
use crate::plan::Settings;

/// One line of the image's history for one of our layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What the layer holds.
    pub created_by: String,
}

/// Puts layers on top of a base.
///
/// # Errors
/// When the documents become larger than a registry takes.
pub fn assemble(
    base: (&Config, &[ImageLayer]),
    layers: &[(ImageLayer, History)],
    settings: &Settings,
    annotations: BTreeMap<String, String>,
) -> Result<Image, ImageFault> {
    let (base_config, base_layers) = base;
    let all: Vec<&ImageLayer> = base_layers.iter().chain(layers.iter().map(|(layer, _)| layer)).collect();
    let diff_ids: Vec<Digest> = all.iter().map(|layer| layer.diff_id).collect();
    let history = history(base_config, base_layers.len(), layers, &settings.created);
    let config = apply(base_config.clone(), settings).with_diff_ids(diff_ids).with_field("history", history);
    let config = Parsed::write(config, MediaType::Config)?;
    let manifest = Manifest {
        config: config.descriptor().clone(),
        layers: all.iter().map(|layer| layer.descriptor.clone()).collect(),
        annotations,
        artifact_type: None,
        subject: None,
    };
    Image::open(Parsed::write(manifest, MediaType::Manifest)?, config)
}

fn apply(base: Config, settings: &Settings) -> Config {
    let mut config = base
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

/// The base's variables keep their order; ours replace them, and new ones follow in the order of their names.
fn with_environment(config: Config, environment: &BTreeMap<String, String>) -> Config {
    let mut left = environment.clone();
    let mut lines: Vec<String> = Vec::new();
    for line in config.environment() {
        let name = line.split('=').next().unwrap_or_default();
        match (left.remove(name), environment.contains_key(name)) {
            (Some(value), _) => lines.push(format!("{name}={value}")),
            // The base has it twice: the second would hide ours, since the last counts.
            (None, true) => {}
            (None, false) => lines.push(line.to_owned()),
        }
    }
    lines.extend(left.iter().map(|(name, value)| format!("{name}={value}")));
    if lines.is_empty() { config } else { config.with_setting("Env", Some(json!(lines))) }
}

/// Continues the base's history where it has one that fits its layers; a history that leaves layers out would be wrong.
fn history(base: &Config, base_layers: usize, layers: &[(ImageLayer, History)], created: &str) -> Option<Value> {
    let of_base = base.field("history").and_then(Value::as_array).cloned().unwrap_or_default();
    let filled = of_base.iter().filter(|line| line.get("empty_layer").and_then(Value::as_bool) != Some(true)).count();
    if filled != base_layers {
        return None;
    }
    let ours = layers.iter().map(|(_, history)| json!({ "created": created, "created_by": history.created_by }));
    Some(of_base.into_iter().chain(ours).collect::<Vec<_>>().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::{Compression, Descriptor, Platform};

    fn layer(text: &str) -> ImageLayer {
        let media_type = MediaType::Layer(Compression::Gzip);
        ImageLayer { descriptor: Descriptor::of(media_type, text.as_bytes()), diff_id: Digest::of(text.as_bytes()) }
    }

    fn base() -> Config {
        Config::new(&Platform::default_target())
            .with_setting("Env", Some(json!(["PATH=/bin", "A=1"])))
            .with_setting("Cmd", Some(json!(["old"])))
            .with_setting("Labels", Some(json!({"kept": "yes"})))
            .with_setting("Shell", Some(json!(["/bin/bash"])))
            .with_field("history", Some(json!([{"created_by": "base"}, {"empty_layer": true}])))
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
        let ours = [(layer("app"), History { created_by: "files".to_owned() })];
        let image = assemble((&base(), &[layer("base")]), &ours, &settings(), BTreeMap::new()).unwrap();
        let config: Value = serde_json::from_slice(image.config().bytes()).unwrap();
        assert_eq!(config["config"]["Env"], json!(["PATH=/bin", "A=2", "B=3"]));
        assert_eq!(config["config"]["Entrypoint"], json!(["/app"]));
        assert_eq!(config["config"].get("Cmd"), None);
        assert_eq!(config["config"]["Shell"], json!(["/bin/bash"]));
        assert_eq!(config["config"]["Labels"], json!({"kept": "yes", "own": "1"}));
        assert_eq!(config["config"]["ExposedPorts"], json!({"3000/tcp": {}}));
        assert_eq!(config["moby.buildkit.x"], json!({"unknown": 1}));
        assert_eq!(config["history"].as_array().map(Vec::len), Some(3));
        assert_eq!(image.layers().len(), 2);
        let again = assemble((&base(), &[layer("base")]), &ours, &settings(), BTreeMap::new()).unwrap();
        assert_eq!(again.digest(), image.digest());
    }

    #[test]
    fn a_variable_that_the_base_has_twice_does_not_hide_ours() {
        let base = base().with_setting("Env", Some(json!(["A=0", "C=1", "A=1", "C=2"])));
        let config = apply(base, &settings());
        assert_eq!(config.environment(), ["A=2", "C=1", "C=2", "B=3"]);
        assert_eq!((config.variable("A"), config.variable("C")), (Some("2"), Some("2")));
    }

    #[test]
    fn a_history_that_does_not_fit_is_dropped() {
        let image = assemble((&base(), &[]), &[], &settings(), BTreeMap::new()).unwrap();
        assert_eq!(image.config().view().field("history"), None);
    }
}
