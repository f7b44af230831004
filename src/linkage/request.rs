use crate::diagnostic::{Diagnostic, Span};
use crate::oci::{Config, Digest, Platform};
use crate::recipe::UnprovedEntry;
use crate::rootfs::{ImagePath, OpenContent, Owner, Rootfs};

use super::folders::{NeededFolder, RecipeLink};

/// An image as it is proved: one that is planned, or one that was opened.
#[derive(Clone, Copy)]
pub struct ProofRequest<'a> {
    /// The platform that it is for.
    pub platform: &'a Platform,
    /// The finished config. Its `diff_ids` are those of the layers that were applied to the rootfs.
    pub config: &'a Config,
    /// The merged files: foreign layers, and our own changesets on top where there are some. Each program and library of a changeset is
    /// looked at, even where the entrypoint does not reach it.
    pub rootfs: &'a Rootfs<'a>,
    /// What reads the headers of files of changesets. For those of foreign layers it is not asked.
    pub contents: &'a dyn OpenContent,
    /// The user and group that the process runs as.
    pub owner: Owner,
    /// What is proved besides, and with whose help.
    pub options: &'a ProofOptions<'a>,
    /// Where the recipe names the entrypoint, if there is a recipe.
    pub entrypoint_span: Option<&'a Span>,
}

/// What is looked at beside what the image starts, and with whose help.
#[derive(Debug, Default)]
pub struct ProofOptions<'a> {
    /// Files of packages: what they miss is a remark that names the package to add. Those that are no programs may be among them.
    pub package_files: Vec<ImagePath>,
    /// Files of foreign layers that are looked at like those of our own changesets. Those that are no programs may be among them.
    pub layer_files: Vec<ImagePath>,
    /// Knows which package has a library.
    pub packages: Option<&'a dyn FindPackage>,
    /// What need not be proved, because the recipe says that it works.
    pub waivers: Vec<UnprovedEntry>,
    /// Remembers what was found of files that nothing reaches which the image starts, so that they are not read for every build.
    pub memory: Option<&'a dyn ProofMemory>,
    /// Where the recipe sets `LD_PRELOAD`, if it does.
    pub preload_span: Option<Span>,
    /// What must be a folder, beside the working directory and the volumes of the config.
    pub folders: Vec<NeededFolder>,
    /// The links that the recipe itself adds.
    pub links: Vec<RecipeLink>,
}

/// Knows packages by the libraries in them.
pub trait FindPackage: std::fmt::Debug {
    /// Returns the package that has a library of this name (`libssl.so.3`), or an interpreter of this path.
    fn package_with(&self, name: &str) -> Option<String>;
}

/// Remembers what was found, by a digest over everything that it depends on.
pub trait ProofMemory: std::fmt::Debug {
    /// Returns what was kept.
    fn recall(&self, key: &Digest) -> Option<Vec<u8>>;

    /// Keeps something. Where that fails it is found out again next time.
    fn keep(&self, key: &Digest, found: &[u8]);
}

/// Why an image is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Neither entrypoint nor command name a program.
    NothingToStart(Diagnostic),
    /// It could not start, or would miss something when it does.
    Start(Diagnostic),
}

impl Fault {
    /// Returns what is said about it.
    pub fn diagnostic(&self) -> &Diagnostic {
        match self {
            Self::NothingToStart(diagnostic) | Self::Start(diagnostic) => diagnostic,
        }
    }
}
