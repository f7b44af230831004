use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::time::Duration;

use super::format::Format;
use crate::diagnostic::Span;
use crate::oci::{Compression, ImageName, ImageReference, Platform};
use crate::rootfs::{ImagePath, Owner, PathFault};

/// A value and the location where it was written; no location when it is a default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Option<Span>,
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

/// A recipe whose values are all valid. Nothing was looked up yet.
#[derive(Debug, Clone)]
pub struct Recipe {
    /// The folder that files are taken from, relative to the recipe's own; empty for that one.
    pub root: Spanned<String>,
    /// Every name with every tag, without doubles. Empty when the recipe names no image.
    pub references: Vec<Spanned<ImageReference>>,
    /// The platforms to build for, at least one, in the order written.
    pub platforms: Vec<Spanned<Platform>>,
    /// The version of how the image's bytes are made.
    pub format: Format,
    /// When the image counts as created, in seconds since 1970, if the recipe says.
    pub created: Option<i64>,
    /// What the image starts from.
    pub base: Spanned<Base>,
    /// What is kept of the base's configuration.
    pub inherit: BTreeSet<Inherit>,
    /// Who the process runs as.
    pub user: UserChoice,
    /// How layers are compressed.
    pub layers: Layers,
    /// The values of `git.…` and `env.…` placeholders that were used.
    pub inputs: BTreeMap<String, String>,
    pub(super) parts: Vec<PlatformRecipe>,
}

impl Recipe {
    /// Returns what the recipe means for one of its platforms.
    pub fn for_platform(&self, platform: &Platform) -> Option<&PlatformRecipe> {
        self.parts.iter().find(|part| part.platform.is(platform))
    }

    /// Returns what the recipe means for each platform, in the order of `platforms`.
    pub fn parts(&self) -> &[PlatformRecipe] {
        &self.parts
    }

    /// Returns the image's names, each once.
    pub fn names(&self) -> Vec<&ImageName> {
        let mut names: Vec<&ImageName> = Vec::new();
        for reference in &self.references {
            if !names.contains(&&reference.name) {
                names.push(&reference.name);
            }
        }
        names
    }

    /// Returns the annotations that are the same for all platforms: those of the index.
    pub fn shared_annotations(&self) -> BTreeMap<String, String> {
        let Some((first, rest)) = self.parts.split_first() else { return BTreeMap::new() };
        let shared = |key: &String, value: &String| rest.iter().all(|part| part.annotations.get(key) == Some(value));
        first.annotations.iter().filter(|(key, value)| shared(key, value)).map(|(key, value)| (key.clone(), value.clone())).collect()
    }
}

/// What the image starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// The base inside the program.
    Static,
    /// An image in a registry.
    Image(ImageReference),
    /// An OCI image layout in a folder, relative to the recipe's.
    Layout(String),
    /// Debian packages.
    Debian(Box<DebianBase>),
}

/// A base that is assembled from Debian packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianBase {
    /// The suite of Debian's own archive, when that is used.
    pub suite: Option<String>,
    /// The wanted packages, those of the flavour included, and the version where one is asked for.
    pub wanted: BTreeMap<String, Option<String>>,
    /// Where the recipe names them.
    pub spans: BTreeMap<String, Option<Span>>,
    /// Packages, or patterns of them, that are left out. Sorted.
    pub exclude: Vec<String>,
    /// Packages that are kept although a rule leaves them out. Sorted.
    pub keep: Vec<String>,
    /// Whether more is left out of packages than documentation.
    pub slim: bool,
    /// Files with further CA certificates, relative to the recipe.
    pub certificates: Vec<Spanned<String>>,
    /// Files with further keys for Debian's own suites, relative to the recipe.
    pub keys: Vec<Spanned<String>>,
    /// Further archives.
    pub archives: Vec<DebianArchive>,
    /// How many layers they become at most.
    pub layers: u8,
    /// The program that is started when the recipe names none; empty where the flavour has none.
    pub entrypoint: Vec<String>,
    /// The flavour's variables.
    pub environment: BTreeMap<String, String>,
}

/// An archive of Debian packages that the recipe names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DebianArchive {
    /// The folder that holds `dists`, without a slash at the end.
    pub url: String,
    /// The suite.
    pub suite: String,
    /// The components.
    pub components: Vec<String>,
    /// Files with the keys, relative to the recipe.
    pub keys: Vec<Spanned<String>>,
    /// Where the recipe names it.
    pub span: Option<Span>,
}

/// A part of the base's configuration that is dropped unless it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Inherit {
    /// `Labels`.
    Labels,
    /// `Volumes`.
    Volumes,
    /// `OnBuild`.
    OnBuild,
    /// `ExposedPorts`.
    ExposedPorts,
    /// `Healthcheck`.
    Healthcheck,
}

/// Who the process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserChoice {
    /// The account's name.
    pub name: Spanned<String>,
    /// The account's and its group's numbers.
    pub owner: Owner,
    /// The name of the account's group.
    pub group: String,
    /// The account's home folder.
    pub home: Spanned<ImagePath>,
    /// Why the process must run as root, when it does.
    pub root_reason: Option<String>,
}

/// How layers are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layers {
    /// The format: gzip or zstd.
    pub compression: Compression,
    /// The level: 1 to 12 for gzip, 1 to 19 for zstd.
    pub level: u8,
    /// Whether large entries are split into several layers.
    pub split: bool,
}

/// What the recipe means for one platform: placeholders about the platform are filled in.
#[derive(Debug, Clone)]
pub struct PlatformRecipe {
    /// The platform.
    pub platform: Platform,
    /// Files that are added, in the order written.
    pub files: Vec<FilesEntry>,
    /// Links that are added, in the order written.
    pub links: Vec<LinkEntry>,
    /// Empty folders that are added, in the order written.
    pub directories: Vec<DirectoryEntry>,
    /// What is started, and how.
    pub process: Process,
    /// What programs and libraries may miss.
    pub unproved: Vec<UnprovedEntry>,
    /// Labels of the config: `[metadata]` and its free labels.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest: `[metadata]` and its free annotations.
    pub annotations: BTreeMap<String, String>,
}

/// One `[[files]]` entry.
#[derive(Debug, Clone)]
pub struct FilesEntry {
    /// Where the bytes come from.
    pub source: FilesSource,
    /// Where they go in the image.
    pub to: Spanned<Destination>,
    /// Patterns of what is left out, as in `.gitignore`.
    pub exclude: Vec<Spanned<String>>,
    /// Names of the deny list that are taken all the same.
    pub include_denied: Vec<Spanned<String>>,
    /// The mode of every file, when it is named.
    pub mode: Option<u16>,
    /// The mode of every folder, when it is named.
    pub directory_mode: Option<u16>,
    /// Who owns it all.
    pub owner: Owner,
    /// The name of the layer that it shares with other entries.
    pub layer: Option<String>,
    /// What happens to symbolic links.
    pub symlinks: Symlinks,
    /// Whether it may replace what is there.
    pub replaces: Replaces,
}

/// Where the bytes of a `[[files]]` entry come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilesSource {
    /// Files of the project.
    Host {
        /// What was written: relative, without `.` and `..`; empty for the root itself.
        from: Spanned<String>,
        /// The part before the first name with a wildcard; all of `from` when there is none.
        fixed: String,
        /// The rest, when there is a wildcard.
        glob: Option<String>,
    },
    /// One file, whose text stands in the recipe.
    Text(Spanned<String>),
}

/// Where files go in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A single file becomes this path; what a folder holds goes into it.
    At(ImagePath),
    /// It was written with a slash at its end: a single file goes into it under its own name.
    In(ImagePath),
}

impl Destination {
    /// Reads an absolute path, with or without a slash at its end.
    ///
    /// # Errors
    /// As [`ImagePath::absolute`].
    pub fn new(text: &str) -> Result<Self, PathFault> {
        let path = ImagePath::absolute(text)?;
        Ok(if text.ends_with('/') { Self::In(path) } else { Self::At(path) })
    }

    /// Returns the path.
    pub fn path(&self) -> &ImagePath {
        match self {
            Self::At(path) | Self::In(path) => path,
        }
    }
}

/// What becomes of symbolic links.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Symlinks {
    /// They are links in the image too.
    Keep,
    /// They are replaced by what they point to, also outside of the recipe's root.
    Follow,
}

/// Whether an entry may replace what an earlier entry or the base has at the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replaces {
    /// Two entries for one path are an error.
    Nothing,
    /// It replaces what is there.
    Earlier,
}

/// One `[[links]]` entry.
#[derive(Debug, Clone)]
pub struct LinkEntry {
    /// Where the link is.
    pub path: Spanned<ImagePath>,
    /// What it points to, as written.
    pub target: Spanned<String>,
    /// Whether it may replace what is there.
    pub replaces: Replaces,
}

/// One `[[directories]]` entry.
#[derive(Debug, Clone)]
pub struct DirectoryEntry {
    /// Where it is.
    pub path: Spanned<ImagePath>,
    /// Its mode.
    pub mode: u16,
    /// Who owns it.
    pub owner: Owner,
}

/// One `[[unproved]]` entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnprovedEntry {
    /// The files, a glob over paths in the image: `/app/**`.
    pub path: String,
    /// What they may miss, a glob: a library, a version (`GLIBC_2.38`) or an interpreter.
    pub needs: String,
    /// Why.
    pub reason: String,
}

/// What is started, and how. `None` leaves it to the base.
#[derive(Debug, Clone, Default)]
pub struct Process {
    /// The program and its fixed arguments, at least one.
    pub entrypoint: Option<Spanned<Vec<String>>>,
    /// Further arguments.
    pub command: Option<Spanned<Vec<String>>>,
    /// Environment variables.
    pub env: BTreeMap<String, Spanned<String>>,
    /// The working folder.
    pub workdir: Option<Spanned<ImagePath>>,
    /// The ports on which it listens.
    pub ports: BTreeSet<Port>,
    /// Folders that it writes to.
    pub writable: Vec<Spanned<ImagePath>>,
    /// The signal that asks it to end: `SIGTERM`, `SIGRTMIN+3` or a number.
    pub stop_signal: Option<String>,
    /// Folders that the runtime mounts a volume over.
    pub volumes: Vec<Spanned<ImagePath>>,
    /// The health check.
    pub healthcheck: Option<Healthcheck>,
    /// The base's variables that belong into texts of it: [`PlatformRecipe::with_base_variables`] puts them there.
    pub base_variables: Vec<BaseVariable>,
}

/// A variable of the base that belongs into a text of the recipe, written as `{image.env.NAME}`. Its value is known once the base is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseVariable {
    /// The variable's name, and where the placeholder stands.
    pub name: Spanned<String>,
    /// The text that it belongs into.
    pub(super) text: ProcessText,
    /// How many bytes of that text stand before it.
    pub(super) offset: usize,
}

/// A text of `[process]` that may name variables of the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProcessText {
    /// The value of this variable.
    Environment(String),
    /// A word of the entrypoint.
    Entrypoint(usize),
    /// A word of the command.
    Command(usize),
    /// A word of the health check's command.
    Healthcheck(usize),
}

/// A port on which the process listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'static str,
}

/// `8080/tcp`, as configs write it (image-spec, `config.md`, `ExposedPorts`).
impl std::fmt::Display for Port {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.number, self.protocol)
    }
}

/// The health check (Docker's `Healthcheck`). `None` is the runtime's default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Healthcheck {
    /// The program and its arguments, at least one.
    pub command: Vec<String>,
    /// The time between two checks.
    pub interval: Option<Duration>,
    /// How long one check may take.
    pub timeout: Option<Duration>,
    /// How long the process may take to start.
    pub start_period: Option<Duration>,
    /// The time between two checks while the process starts.
    pub start_interval: Option<Duration>,
    /// How many checks must fail in a row.
    pub retries: Option<u32>,
}
