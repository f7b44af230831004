//! Every key of `hardened.toml`. The doc lines here are the reference: `hardened schema` prints them, and editors show them.
//!
//! All keys are optional for serde: missing and invalid values are reported by `check`, together with all other faults.

mod debian;
mod files;
mod json;
mod metadata;
mod process;
mod reference;

use schemars::JsonSchema;
use serde::Deserialize;

pub(super) use debian::{ArchiveKeys, DebianKeys};
pub(super) use files::{DirectoryKeys, FilesKeys, LinkKeys, SymlinksKey};
pub(super) use json::resolved;
pub use json::{json_schema, json_schema_text};
pub(super) use metadata::MetadataKeys;
pub(super) use process::{HealthcheckKeys, PortKey, ProcessKeys, UnprovedKeys};
pub use reference::reference;

/// What goes into a hardened container image.
///
/// Strings may hold the placeholders `{git.revision}`, `{git.short}`, `{git.source}`, `{env.NAME}` and, where a value may differ from
/// platform to platform, `{platform.os}`, `{platform.arch}` and `{platform.variant}`. In `process`, `{image.env.NAME}` is a
/// variable of the base: `PATH = "/app/bin:{image.env.PATH}"`. A brace itself is written twice: `{{`, `}}`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("required" = ["base"]))]
pub(super) struct RecipeKeys {
    /// The folder that files are taken from, relative to the recipe; the recipe's own folder if it is not set. Useful in a monorepo.
    #[schemars(example = &"..", extend("default" = "."))]
    pub(super) root: Option<String>,
    /// The names, tags and platforms of the image.
    #[schemars(example = serde_json::json!({"name": "registry.example.no/shop/api", "tags": ["1.4.2"]}))]
    pub(super) image: Option<ImageKeys>,
    /// What the image starts from: exactly one of `static`, `image`, `layout` and `debian`.
    #[schemars(example = serde_json::json!({"static": true}))]
    pub(super) base: Option<BaseKeys>,
    /// Who the process runs as: `nonroot`, 65532, by default.
    #[schemars(example = serde_json::json!({"name": "app", "uid": 10001}))]
    pub(super) user: Option<UserKeys>,
    /// Files that are added, each entry as a layer of its own unless `layer` groups them.
    #[schemars(example = serde_json::json!([{"from": "dist", "to": "/app"}]))]
    pub(super) files: Option<Vec<FilesKeys>>,
    /// Symbolic links that are added.
    #[schemars(example = serde_json::json!([{"path": "/usr/bin/app", "target": "/app/server"}]))]
    pub(super) links: Option<Vec<LinkKeys>>,
    /// Empty folders that are added. Folders that the process writes to are better named in `process.writable`.
    #[schemars(example = serde_json::json!([{"path": "/var/lib/app"}]))]
    pub(super) directories: Option<Vec<DirectoryKeys>>,
    /// What is started, and how.
    #[schemars(example = serde_json::json!({"entrypoint": ["/app/server"]}))]
    pub(super) process: Option<ProcessKeys>,
    /// Libraries, versions and interpreters that may be missing. Otherwise, the build fails if a program of the image would not find a library that it is linked to.
    #[schemars(example = serde_json::json!([{"path": "/app/**", "needs": "libcuda.so.*", "reason": "the host's driver is mounted"}]))]
    pub(super) unproved: Option<Vec<UnprovedKeys>>,
    /// Information about the image, in its labels and annotations.
    #[schemars(example = serde_json::json!({"title": "Shop API", "licenses": "Apache-2.0"}))]
    pub(super) metadata: Option<MetadataKeys>,
    /// How layers are compressed.
    #[schemars(example = serde_json::json!({"compression": "zstd"}))]
    pub(super) layers: Option<LayersKeys>,
}

/// The names, tags and platforms of the image.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct ImageKeys {
    /// The registry and repository, without a tag.
    #[schemars(example = &"registry.example.no/shop/api")]
    pub(super) name: Option<String>,
    /// Several registries and repositories, instead of `name`: the same image is pushed to each.
    #[schemars(example = ["registry.example.no/shop/api", "ghcr.io/shop/api"])]
    pub(super) names: Option<Vec<String>>,
    /// The tags that are set on every name; `latest` if none is given.
    #[schemars(example = ["1.4.2", "{git.short}"], extend("default" = ["latest"]))]
    pub(super) tags: Option<Vec<String>>,
    /// The platforms to build for; `linux/amd64` if none is set, on every build machine.
    #[schemars(example = ["linux/amd64", "linux/arm64"], extend("default" = ["linux/amd64"]))]
    pub(super) platforms: Option<Vec<String>>,
    /// The creation time of the image: RFC 3339 or seconds since 1970. `SOURCE_DATE_EPOCH` takes precedence; without both it is 1970.
    #[schemars(with = "CreatedKey", example = &"2026-11-24T00:00:00Z")]
    pub(super) created: Option<CreatedKey>,
    /// The format of the image's bytes; the newest one if it is not set. With an older number, layers stay byte for byte what they were
    /// before an update of hardened with a new number. A release supports its own number and the previous one; others are refused.
    #[schemars(example = 1, range(min = 1))]
    pub(super) format: Option<i64>,
}

/// A point in time.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum CreatedKey {
    /// Seconds since 1970.
    Seconds(i64),
    /// RFC 3339.
    Text(String),
}

/// What the image starts from.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("oneOf" = [{"required": ["static"]}, {"required": ["image"]}, {"required": ["layout"]}, {"required": ["debian"]}]))]
pub(super) struct BaseKeys {
    /// `true`: the base inside the program, for static binaries: accounts, CA certificates, time zones, `/tmp`. Needs no network.
    #[serde(rename = "static")]
    #[schemars(example = true)]
    pub(super) static_base: Option<bool>,
    /// An image in a registry, by tag or digest. `hardened.lock` pins it by digest.
    #[schemars(example = &"gcr.io/distroless/cc-debian13:nonroot")]
    pub(super) image: Option<String>,
    /// The folder of an OCI image layout, relative to the recipe; with `:TAG` or `@DIGEST` where it holds several images.
    #[schemars(example = &"vendor/base")]
    pub(super) layout: Option<String>,
    /// A base assembled from signed Debian packages.
    #[schemars(example = serde_json::json!({"flavour": "python3"}))]
    pub(super) debian: Option<DebianKeys>,
    /// Settings of the base that are kept, besides environment, working folder and stop signal. Not for `static` and `debian`.
    #[schemars(example = ["labels", "healthcheck"])]
    pub(super) inherit: Option<Vec<InheritKey>>,
}

/// A part of the base's configuration that is dropped unless it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum InheritKey {
    /// Its labels; labels of the recipe take precedence.
    Labels,
    /// Its volumes.
    Volumes,
    /// Its `ONBUILD` triggers.
    OnBuild,
    /// Its ports.
    ExposedPorts,
    /// Its health check, unless the recipe has one.
    Healthcheck,
}

/// Who the process runs as. The account is added to `/etc/passwd` and `/etc/group`, and the image names it by number.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct UserKeys {
    /// The account's name; `nonroot` if it is not set.
    #[schemars(example = &"app", extend("default" = "nonroot"))]
    pub(super) name: Option<String>,
    /// The account's number; 65532 if it is not set.
    #[schemars(example = 10001, range(min = 0, max = 2_147_483_647), extend("default" = 65532))]
    pub(super) uid: Option<i64>,
    /// The number of the account's group; the same as `uid` if it is not set.
    #[schemars(example = 10001, range(min = 0, max = 2_147_483_647))]
    pub(super) gid: Option<i64>,
    /// The name of the account's group; the same as `name` if it is not set.
    #[schemars(example = &"app")]
    pub(super) group: Option<String>,
    /// The account's home folder, which it owns; `/home/` and the name if it is not set.
    #[schemars(example = &"/home/app")]
    pub(super) home: Option<String>,
    /// The reason why this image must run as root. Without a reason, `uid` must not be 0.
    #[schemars(example = &"binds port 53 on hosts without capabilities, see OPS-12")]
    pub(super) allow_root: Option<String>,
}

/// How layers are compressed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct LayersKeys {
    /// The format: `gzip`, which everything reads, if it is not set; `zstd` is smaller and quicker, and needs runtimes of 2021 or later.
    #[schemars(example = &"zstd", extend("default" = "gzip"))]
    pub(super) compression: Option<CompressionKey>,
    /// How hard to compress: 1 to 12 for gzip (5 if it is not set), 1 to 19 for zstd (3 if it is not set).
    #[schemars(example = 5, range(min = 1, max = 19))]
    pub(super) level: Option<i64>,
    /// Whether large entries become one layer each (`off`, if it is not set) or about twenty (`auto`): the layer of a file depends only
    /// on its path, so that after a change only a small part is uploaded and downloaded; all layers together are about five percent larger.
    #[schemars(example = &"auto", extend("default" = "off"))]
    pub(super) split: Option<SplitKey>,
}

/// How entries are split into layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum SplitKey {
    /// One layer for each entry.
    Off,
    /// Several for those of 32 MiB and more.
    Auto,
}

/// A compression format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum CompressionKey {
    /// RFC 1952.
    Gzip,
    /// RFC 8878.
    Zstd,
}
