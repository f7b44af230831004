use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::oci::{Config, Descriptor, Digest, ImageLayer, Platform};
use crate::recipe::Inherit;
use crate::rootfs::Changeset;

use super::config_text::{DroppedValues, cleaned};

/// The image that ours starts from, for one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct BaseImage {
    /// The config: what of it an image inherits is left, the rest is gone.
    pub config: Config,
    /// The layers, bottom first.
    pub layers: Vec<ImageLayer>,
    /// Layers that are written anew instead of taken as a registry's blobs: those of the embedded base and of Debian packages.
    pub written: Vec<WrittenLayer>,
    /// The annotations that say what the base was.
    pub annotations: BTreeMap<String, String>,
    /// What the config had that no image should have.
    pub dropped: Vec<DroppedValues>,
}

/// What a base is called.
#[derive(Debug, Clone, Copy)]
pub struct BaseSource<'a> {
    /// The reference by which the recipe calls it.
    pub name: &'a str,
    /// The digest that the reference has: the index's, if it is one.
    pub root: Digest,
}

/// A layer of a base that we write ourselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenLayer {
    /// What it holds, for people.
    pub name: String,
    /// Its files.
    pub changeset: Changeset,
}

/// The parts of a base's config that are dropped unless the recipe lists them, by their names in configs. `OnBuild` and `Healthcheck`
/// are fields of Docker's.
const DROPPED: [(Inherit, &str); 5] = [
    (Inherit::Labels, "Labels"),
    (Inherit::Volumes, "Volumes"),
    (Inherit::OnBuild, "OnBuild"),
    (Inherit::ExposedPorts, "ExposedPorts"),
    (Inherit::Healthcheck, "Healthcheck"),
];

/// Why a base cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BaseFault {
    /// It has no image for the platform.
    #[error("the base has no image for `{wanted}`, only for {}", listed(found))]
    Platform {
        /// The platform that was asked for.
        wanted: Box<Platform>,
        /// The platforms that it has.
        found: Vec<Platform>,
    },
    /// The config of a single image names another platform.
    #[error("the base is an image for `{found}`, not for `{wanted}`")]
    ConfigPlatform {
        /// The platform that was asked for.
        wanted: Box<Platform>,
        /// The platform that the config names.
        found: Box<Platform>,
    },
    /// Two images are for the same platform.
    #[error("the base has two images for `{0}`")]
    Twice(Box<Platform>),
    /// A layer is of a type that cannot be read or pushed.
    #[error("layer {number} of the base has the media type `{media_type}`, which is not a layer type that hardened supports")]
    LayerType {
        /// Which layer, counted from 1.
        number: usize,
        /// Its media type, escaped.
        media_type: String,
    },
    /// The manifest is that of an artifact, or its config is no image config.
    #[error("the base is not a container image: its config has the media type `{0}`")]
    Artifact(String),
}

fn listed(platforms: &[Platform]) -> String {
    let names: Vec<String> = platforms.iter().map(|platform| format!("`{platform}`")).collect();
    if names.is_empty() { "no platform".to_owned() } else { names.join(", ") }
}

impl BaseImage {
    /// Takes an image that was read from a registry or a layout.
    ///
    /// # Errors
    /// When it is none for the platform, or has layers that cannot be read.
    pub fn new(
        config: &Config,
        layers: &[ImageLayer],
        wanted: &Platform,
        inherit: &BTreeSet<Inherit>,
        source: BaseSource<'_>,
    ) -> Result<Self, BaseFault> {
        // Many images for arm leave the variant out of the config; the index that led here named it.
        let own = config.platform();
        let is_unsaid = own.variant.is_none() && own.os == wanted.os && own.architecture == wanted.architecture;
        let distance = own.distance_below(wanted);
        if distance.is_none() && !is_unsaid {
            return Err(BaseFault::ConfigPlatform { wanted: wanted.clone().into(), found: own.clone().into() });
        }
        let (mut config, dropped) = cleaned(inherited(config, inherit));
        if let (Some(1..), Some(variant)) = (distance, &wanted.variant) {
            // What is put on top may need what is wanted.
            config = config.with_variant(variant);
        }
        let layers = layers.iter().enumerate().map(|(index, ImageLayer { descriptor, diff_id })| {
            let media_type = descriptor.media_type.to_oci();
            let foreign =
                || BaseFault::LayerType { number: index + 1, media_type: descriptor.media_type.as_str().escape_debug().to_string() };
            media_type.layer_compression().ok_or_else(foreign)?;
            // Annotations and foreign addresses of a base's layer say nothing about our image.
            let descriptor = Descriptor::new(media_type, descriptor.digest, descriptor.size);
            Ok(ImageLayer { descriptor, diff_id: *diff_id })
        });
        let annotations = BTreeMap::from([
            (crate::oci::ANNOTATION_BASE_NAME.to_owned(), source.name.to_owned()),
            (crate::oci::ANNOTATION_BASE_DIGEST.to_owned(), source.root.to_string()),
        ]);
        Ok(Self { config, layers: layers.collect::<Result<_, _>>()?, written: Vec::new(), annotations, dropped })
    }

    /// Returns a base of layers that are written here, with its environment in order, and its entrypoint.
    pub fn of_layers(platform: &Platform, layers: Vec<WrittenLayer>, environment: &[(String, String)], entrypoint: &[String]) -> Self {
        let environment: Vec<Value> = environment.iter().map(|(name, value)| format!("{name}={value}").into()).collect();
        let config = Config::new(platform).with_setting("Env", Some(environment.into())).with_setting("WorkingDir", Some("/".into()));
        let entrypoint = (!entrypoint.is_empty()).then(|| entrypoint.to_vec().into());
        let config = config.with_setting("Entrypoint", entrypoint);
        Self { config, layers: Vec::new(), written: layers, annotations: BTreeMap::new(), dropped: Vec::new() }
    }
}

fn inherited(config: &Config, inherit: &BTreeSet<Inherit>) -> Config {
    let dropped = DROPPED.iter().filter(|(part, _)| !inherit.contains(part));
    dropped.fold(config.clone(), |config, (_, name)| if config.setting(name).is_some() { config.with_setting(name, None) } else { config })
}
