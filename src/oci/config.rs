use serde_json::{Map, Value};

use super::{Digest, Document, DocumentFault, MediaType, Platform, keys};

/// An image config (image-spec, `config.md`), kept as the JSON object that it is.
///
/// A typed view would drop what it does not know: `Healthcheck`, `Shell` and `OnBuild` of a Docker base, and fields of
/// later tools (oci-spec drops them). So the object is kept, read by getters, and edited by key.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    object: Map<String, Value>,
    platform: Platform,
    diff_ids: Vec<Digest>,
}

impl Config {
    /// Returns a config without layers or settings.
    pub fn new(platform: &Platform) -> Self {
        let mut object = Map::new();
        object.insert("architecture".to_owned(), platform.architecture.clone().into());
        object.insert("os".to_owned(), platform.os.clone().into());
        if let Some(variant) = &platform.variant {
            object.insert("variant".to_owned(), variant.clone().into());
        }
        let mut config = Self { object, platform: platform.clone(), diff_ids: Vec::new() };
        config.replace_diff_ids(Vec::new());
        config
    }

    /// Returns the platform that the config names.
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Returns the digests of the uncompressed layers, bottom first.
    pub fn diff_ids(&self) -> &[Digest] {
        &self.diff_ids
    }

    /// Returns the whole object.
    pub fn object(&self) -> &Map<String, Value> {
        &self.object
    }

    /// Returns a top-level field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.object.get(name)
    }

    /// Returns when the image was created, RFC 3339.
    pub fn created(&self) -> Option<&str> {
        self.field("created").and_then(Value::as_str)
    }

    /// Returns a field of the `config` object, the execution parameters, as it is written. Those that the specification knows have getters.
    pub fn setting(&self, name: &str) -> Option<&Value> {
        self.object.get("config")?.get(name)
    }

    /// Returns a copy with another top-level field, or without it.
    #[must_use]
    pub fn with_field(mut self, name: &str, value: Option<Value>) -> Self {
        put(&mut self.object, name, value);
        self
    }

    /// Returns a copy with another field of the `config` object, or without it.
    #[must_use]
    pub fn with_setting(mut self, name: &str, value: Option<Value>) -> Self {
        let settings = self.object.entry("config").or_insert_with(|| Value::Object(Map::new()));
        if !settings.is_object() {
            *settings = Value::Object(Map::new());
        }
        if let Some(settings) = settings.as_object_mut() {
            put(settings, name, value);
        }
        self
    }

    /// Returns a copy for this variant of its architecture.
    #[must_use]
    pub fn with_variant(mut self, variant: &str) -> Self {
        self.platform.variant = Some(variant.to_owned());
        self.with_field("variant", Some(variant.into()))
    }

    /// Returns a copy with these layers.
    #[must_use]
    pub fn with_diff_ids(mut self, diff_ids: Vec<Digest>) -> Self {
        self.replace_diff_ids(diff_ids);
        self
    }

    fn replace_diff_ids(&mut self, diff_ids: Vec<Digest>) {
        let texts: Vec<Value> = diff_ids.iter().map(|digest| digest.to_string().into()).collect();
        let rootfs = serde_json::json!({ "type": "layers", "diff_ids": texts });
        self.object.insert("rootfs".to_owned(), rootfs);
        self.diff_ids = diff_ids;
    }
}

fn put(object: &mut Map<String, Value>, name: &str, value: Option<Value>) {
    match value {
        Some(value) => object.insert(name.to_owned(), value),
        None => object.remove(name),
    };
}

impl Document for Config {
    const KIND: &'static str = "image config";

    fn accepts(media_type: &MediaType) -> bool {
        media_type.is_config()
    }

    fn view(value: Value, _: &MediaType) -> Result<Self, DocumentFault> {
        value.as_object().map_or(Ok(()), keys::check_config)?;
        // oci-spec holds the specification's types; what it cannot read is no image config.
        let typed: oci_spec::image::ImageConfiguration =
            serde_json::from_value(value.clone()).map_err(|error| DocumentFault::Form(error.to_string()))?;
        let diff_ids = typed.rootfs().diff_ids().iter().map(|text| text.parse()).collect::<Result<Vec<Digest>, _>>()?;
        let Value::Object(object) = value else { return Err(DocumentFault::Form("not an object".to_owned())) };
        let platform = Platform {
            architecture: typed.architecture().to_string(),
            os: typed.os().to_string(),
            os_version: typed.os_version().clone(),
            os_features: typed.os_features().clone().unwrap_or_default(),
            variant: typed.variant().clone(),
        };
        Ok(Self { object, platform, diff_ids })
    }

    fn value(&self) -> Value {
        Value::Object(self.object.clone())
    }
}
