use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{Image, ImageFault};
use crate::oci::{Config, Digest, ImageLayer, Manifest, MediaType, Parsed};

/// One line of the image's history for one of our layers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// What the layer holds.
    pub created_by: String,
}

/// Puts layers on top of a base's. The config is the finished one, with the base's history: `diff_ids` and our history are added.
///
/// # Errors
/// When the documents become larger than a registry takes.
pub fn assemble(
    config: &Config,
    base_layers: &[ImageLayer],
    layers: &[(ImageLayer, History)],
    annotations: BTreeMap<String, String>,
) -> Result<Image, ImageFault> {
    let all: Vec<&ImageLayer> = base_layers.iter().chain(layers.iter().map(|(layer, _)| layer)).collect();
    let diff_ids: Vec<Digest> = all.iter().map(|layer| layer.diff_id).collect();
    let history = history(config, base_layers.len(), layers);
    let config = config.clone().with_diff_ids(diff_ids).with_field("history", history);
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

/// Continues the base's history where it has one that fits its layers; a history that leaves layers out would be wrong.
fn history(config: &Config, base_layers: usize, layers: &[(ImageLayer, History)]) -> Option<Value> {
    let of_base = config.field("history").and_then(Value::as_array).cloned().unwrap_or_default();
    let filled = of_base.iter().filter(|line| line.get("empty_layer").and_then(Value::as_bool) != Some(true)).count();
    if filled != base_layers {
        return None;
    }
    let created = config.created();
    let ours = layers.iter().map(|(_, history)| match created {
        Some(created) => json!({ "created": created, "created_by": history.created_by }),
        None => json!({ "created_by": history.created_by }),
    });
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

    fn config() -> Config {
        Config::new(&Platform::default_target())
            .with_field("created", Some("1970-01-01T00:00:00Z".into()))
            .with_field("history", Some(json!([{"created_by": "base"}, {"empty_layer": true}])))
    }

    #[test]
    fn layers_and_their_history_follow_those_of_the_base() {
        let ours = [(layer("app"), History { created_by: "files".to_owned() })];
        let image = assemble(&config(), &[layer("base")], &ours, BTreeMap::new()).unwrap();
        let config: Value = serde_json::from_slice(image.config().bytes()).unwrap();
        assert_eq!(config["history"][2], json!({"created": "1970-01-01T00:00:00Z", "created_by": "files"}));
        assert_eq!(config["history"].as_array().map(Vec::len), Some(3));
        assert_eq!(config["rootfs"]["diff_ids"], json!([Digest::of(b"base").to_string(), Digest::of(b"app").to_string()]));
        assert_eq!(image.layers().len(), 2);
        let again = assemble(&self::config(), &[layer("base")], &ours, BTreeMap::new()).unwrap();
        assert_eq!(again.digest(), image.digest());
    }

    #[test]
    fn a_history_that_does_not_fit_is_dropped() {
        let image = assemble(&config(), &[], &[], BTreeMap::new()).unwrap();
        assert_eq!(image.config().view().field("history"), None);
    }
}
