use schemars::JsonSchema;
use serde::Deserialize;

/// Files from the project, or one file whose text is in the recipe.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("required" = ["to"], "oneOf" = [{"required": ["from"]}, {"required": ["text"]}]))]
pub(in crate::recipe) struct FilesKeys {
    /// A file, a folder or a glob (`*`, `?`, `[…]`, `**`), relative to `root`.
    #[schemars(example = &"dist")]
    pub(in crate::recipe) from: Option<String>,
    /// The text of one file, instead of `from`. It is used unchanged: placeholders are not replaced.
    #[schemars(example = &"listen = \"0.0.0.0:8080\"\n")]
    pub(in crate::recipe) text: Option<String>,
    /// The destination, an absolute path. The content of a folder is put into it. A file gets this path, or is put into it when it ends with
    /// `/`. What a glob matches is put into it, with its path below the glob's fixed part.
    #[schemars(example = &"/app")]
    pub(in crate::recipe) to: Option<String>,
    /// Files of `from` that are left out, as patterns of `.gitignore` relative to `from`.
    #[schemars(example = ["**/*.map", "test/"])]
    pub(in crate::recipe) exclude: Option<Vec<String>>,
    /// What never belongs in an image (`.env`, `.git`, files with a private key, …), and is taken all the same: names of rules of `docs/DENY_LIST.md`, or of files.
    #[schemars(example = [".env.production"])]
    pub(in crate::recipe) include_denied: Option<Vec<String>>,
    /// The mode of every file, in octal. If it is not set: `0755` for files that their owner may execute, `0644` for all others, with any umask.
    #[schemars(example = &"0644")]
    pub(in crate::recipe) mode: Option<String>,
    /// The mode of every folder, in octal; `0755` if it is not set.
    #[schemars(example = &"0755", extend("default" = "0755"))]
    pub(in crate::recipe) dir_mode: Option<String>,
    /// The owner: `root` (the default, so that the process cannot change its own files), `user` or `uid:gid`.
    #[schemars(example = &"user", extend("default" = "root"))]
    pub(in crate::recipe) owner: Option<String>,
    /// Entries with the same layer name share a layer.
    #[schemars(example = &"dependencies")]
    pub(in crate::recipe) layer: Option<String>,
    /// What happens to symbolic links; `keep` if it is not set.
    #[schemars(example = &"keep", extend("default" = "keep"))]
    pub(in crate::recipe) symlinks: Option<SymlinksKey>,
    /// `true`: it may replace what an earlier entry or the base has at the same path.
    #[schemars(example = true, extend("default" = false))]
    pub(in crate::recipe) replace: Option<bool>,
}

/// What happens to symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::recipe) enum SymlinksKey {
    /// They stay links; links that lead outside the image are refused.
    Keep,
    /// Their targets are added instead, also from outside `root`.
    Follow,
}

/// A symbolic link.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("required" = ["path", "target"]))]
pub(in crate::recipe) struct LinkKeys {
    /// Where the link is, an absolute path.
    #[schemars(example = &"/usr/bin/app")]
    pub(in crate::recipe) path: Option<String>,
    /// What it points to: an absolute path, or one relative to the link's folder.
    #[schemars(example = &"/app/server")]
    pub(in crate::recipe) target: Option<String>,
    /// `true`: it may replace what an earlier entry or the base has at the same path.
    #[schemars(example = true, extend("default" = false))]
    pub(in crate::recipe) replace: Option<bool>,
}

/// An empty folder.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
#[schemars(extend("required" = ["path"]))]
pub(in crate::recipe) struct DirectoryKeys {
    /// Where it is, an absolute path.
    #[schemars(example = &"/var/lib/app")]
    pub(in crate::recipe) path: Option<String>,
    /// Its mode, in octal; `0755` if it is not set.
    #[schemars(example = &"0750", extend("default" = "0755"))]
    pub(in crate::recipe) mode: Option<String>,
    /// The owner: `root` (the default), `user` or `uid:gid`.
    #[schemars(example = &"user", extend("default" = "root"))]
    pub(in crate::recipe) owner: Option<String>,
}
