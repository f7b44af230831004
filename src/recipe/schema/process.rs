use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

/// What is started, and how.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(in crate::recipe) struct ProcessKeys {
    /// The program and its fixed arguments, as a list, because no shell splits a line into words.
    #[schemars(example = ["/usr/bin/node", "/app/server.js"])]
    pub(in crate::recipe) entrypoint: Option<Vec<String>>,
    /// Further arguments, which can be replaced when a container is started.
    #[schemars(example = ["--port", "8080"])]
    pub(in crate::recipe) command: Option<Vec<String>>,
    /// Environment variables, added to those of the base. Never credentials: everybody who has the image can read them.
    /// Nothing expands `$NAME`; `{image.env.NAME}` is a variable of the base.
    #[schemars(example = serde_json::json!({"NODE_ENV": "production", "PATH": "/app/bin:{image.env.PATH}"}))]
    pub(in crate::recipe) env: Option<BTreeMap<String, String>>,
    /// The folder in which the process starts; if it is not set, that of the base.
    #[schemars(example = &"/app")]
    pub(in crate::recipe) workdir: Option<String>,
    /// The ports on which the process listens: numbers, or `"53/udp"`.
    #[schemars(example = serde_json::json!([8080, "53/udp"]))]
    pub(in crate::recipe) ports: Option<Vec<PortKey>>,
    /// Folders that the process writes to: made if they are not there, and owned by the user. All else is expected to be read-only.
    #[schemars(example = ["/tmp", "/data"])]
    pub(in crate::recipe) writable: Option<Vec<String>>,
    /// The signal that asks the process to end; if it is not set, the signal of the base, else `SIGTERM`.
    #[schemars(example = &"SIGINT")]
    pub(in crate::recipe) stop_signal: Option<String>,
    /// Folders that the runtime mounts a volume over.
    #[schemars(example = ["/data"])]
    pub(in crate::recipe) volumes: Option<Vec<String>>,
    /// The health check of the container.
    #[schemars(example = serde_json::json!({"command": ["/app/server", "--check"], "interval": "30s"}))]
    pub(in crate::recipe) healthcheck: Option<HealthcheckKeys>,
}

/// A port and, if it is not TCP, its protocol.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::recipe) enum PortKey {
    /// A TCP port.
    Number(#[schemars(range(min = 1, max = 65535))] i64),
    /// A port and `tcp`, `udp` or `sctp`.
    Text(String),
}

/// The health check of the container.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("required" = ["command"]))]
pub(in crate::recipe) struct HealthcheckKeys {
    /// The program and its arguments, as a list. Its exit code 0 means that the container is healthy.
    #[schemars(example = ["/app/server", "--check"])]
    pub(in crate::recipe) command: Option<Vec<String>>,
    /// The time between two checks: a number and `ms`, `s`, `m` or `h`.
    #[schemars(example = &"30s")]
    pub(in crate::recipe) interval: Option<String>,
    /// How long one check may take.
    #[schemars(example = &"5s")]
    pub(in crate::recipe) timeout: Option<String>,
    /// How long the process may take to start before failing checks count.
    #[schemars(example = &"10s")]
    pub(in crate::recipe) start_period: Option<String>,
    /// The time between two checks while the process starts; needs `start-period`.
    #[schemars(example = &"1s")]
    pub(in crate::recipe) start_interval: Option<String>,
    /// How many checks must fail in a row.
    #[schemars(example = 3, range(min = 1, max = 1000))]
    pub(in crate::recipe) retries: Option<i64>,
}

/// Something that programs or libraries may miss, which the proof before a build would refuse.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("required" = ["path", "needs", "reason"]))]
pub(in crate::recipe) struct UnprovedKeys {
    /// The files that need it: an absolute path in the image, or a glob (`*`, `?`, `[…]`, `**`).
    #[schemars(example = &"/app/**")]
    pub(in crate::recipe) path: Option<String>,
    /// What may be missing, or a glob: a library (`libcuda.so.*`), a version (`GLIBC_2.38`) or an interpreter (`/bin/sh`).
    #[schemars(example = &"libcuda.so.*")]
    pub(in crate::recipe) needs: Option<String>,
    /// Why it may be missing. The build reports it.
    #[schemars(example = &"the host's driver is mounted there")]
    pub(in crate::recipe) reason: Option<String>,
}
