use std::collections::BTreeMap;

use crate::oci::Healthcheck;

/// What a recipe sets in the config; what it does not name stays as the base has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `User`, numerically: `65532:65532`.
    pub user: String,
    /// Variables, added to the base's or replacing them.
    pub environment: BTreeMap<String, String>,
    /// `Entrypoint`; setting it clears the base's `Cmd`.
    pub entrypoint: Option<Vec<String>>,
    /// `Cmd`.
    pub command: Option<Vec<String>>,
    /// `WorkingDir`.
    pub working_directory: Option<String>,
    /// `StopSignal`.
    pub stop_signal: Option<String>,
    /// `ExposedPorts`: `3000/tcp`.
    pub ports: Vec<String>,
    /// `Volumes`.
    pub volumes: Vec<String>,
    /// `Labels`.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest and the index, beside those that name the base.
    pub annotations: BTreeMap<String, String>,
    /// `Healthcheck`.
    pub healthcheck: Option<Healthcheck>,
    /// The author of the image.
    pub author: Option<String>,
    /// When the image counts as created, RFC 3339.
    pub created: String,
}
