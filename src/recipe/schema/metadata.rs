use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// Information about the image. Each key becomes the label and the annotation `org.opencontainers.image.<key>`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::recipe) struct MetadataKeys {
    /// A human-readable name of the image.
    #[schemars(example = &"Shop API")]
    pub(in crate::recipe) title: Option<String>,
    /// What the software in the image does.
    #[schemars(example = &"Answers the shop's requests")]
    pub(in crate::recipe) description: Option<String>,
    /// Where the source code is.
    #[schemars(example = &"https://git.example.no/shop/api")]
    pub(in crate::recipe) source: Option<String>,
    /// Where to find more information about the image.
    #[schemars(example = &"https://shop.example.no")]
    pub(in crate::recipe) url: Option<String>,
    /// Where the documentation is.
    #[schemars(example = &"https://docs.example.no/shop")]
    pub(in crate::recipe) documentation: Option<String>,
    /// The version of the software in the image.
    #[schemars(example = &"1.4.2")]
    pub(in crate::recipe) version: Option<String>,
    /// The revision of the source code.
    #[schemars(example = &"{git.revision}")]
    pub(in crate::recipe) revision: Option<String>,
    /// The licences of all that is in the image, as an SPDX expression.
    #[schemars(example = &"Apache-2.0 OR MIT")]
    pub(in crate::recipe) licenses: Option<String>,
    /// Who distributes the image.
    #[schemars(example = &"Example AS")]
    pub(in crate::recipe) vendor: Option<String>,
    /// The contact for the image.
    #[schemars(example = &"Shop team <shop@example.no>")]
    pub(in crate::recipe) authors: Option<String>,
    /// Further labels of the image's configuration.
    #[schemars(example = serde_json::json!({"no.example.team": "shop"}))]
    pub(in crate::recipe) labels: Option<BTreeMap<String, String>>,
    /// Further annotations of the manifest and the index.
    #[schemars(example = serde_json::json!({"no.example.ticket": "OPS-12"}))]
    pub(in crate::recipe) annotations: Option<BTreeMap<String, String>>,
}

impl MetadataKeys {
    /// Returns the keys with a meaning of their own: name, and value if there is one.
    pub(in crate::recipe) fn named(&self) -> [(&'static str, Option<&String>); 10] {
        [
            ("title", self.title.as_ref()),
            ("description", self.description.as_ref()),
            ("source", self.source.as_ref()),
            ("url", self.url.as_ref()),
            ("documentation", self.documentation.as_ref()),
            ("version", self.version.as_ref()),
            ("revision", self.revision.as_ref()),
            ("licenses", self.licenses.as_ref()),
            ("vendor", self.vendor.as_ref()),
            ("authors", self.authors.as_ref()),
        ]
    }
}
