use crate::base::BaseImage;
use crate::diagnostic::{Diagnostic, Span};
use crate::layer::Compressor;
use crate::linkage::{self, ProofOptions};
use crate::oci::Platform;
use crate::recipe::UserChoice;
use crate::rootfs::{Entry, ImagePath, Rootfs};

use super::{Settings, Split};

/// All that a plan is made of.
#[derive(Debug)]
pub struct PlanRequest<'a> {
    /// The platform.
    pub platform: Platform,
    /// The base.
    pub base: BaseImage,
    /// The files of the base's layers.
    pub base_files: Rootfs<'a>,
    /// The user that the process runs as.
    pub user: UserChoice,
    /// The entries of the recipe, in its order.
    pub sources: Vec<Source>,
    /// Folders that the process writes to.
    pub writable: Vec<(ImagePath, Option<Span>)>,
    /// What is set in the config.
    pub settings: Settings,
    /// How layers are compressed.
    pub compressor: Compressor,
    /// Whether large entries are split into several layers.
    pub split: Split,
    /// What is proved beside what the entrypoint reaches, and with whose help.
    pub proof: ProofOptions<'a>,
    /// Where the recipe names the entrypoint.
    pub entrypoint_span: Option<Span>,
}

/// What one entry of the recipe adds.
#[derive(Debug)]
pub struct Source {
    /// What it is called in messages and in the image's history: `files dist -> /app`.
    pub name: String,
    /// Where the recipe has it.
    pub span: Option<Span>,
    /// The group whose layer it shares; a layer of its own without one.
    pub layer: Option<String>,
    /// Whether it may replace what other entries put at the same path.
    pub replace: bool,
    /// What it adds.
    pub entries: Vec<(ImagePath, Entry)>,
}

/// What keeps a plan from being made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The recipe is wrong.
    Recipe(Diagnostic),
    /// The image could not start: the recipe may be right, and the files be wrong.
    Start(Diagnostic),
}

impl From<linkage::Fault> for Fault {
    fn from(fault: linkage::Fault) -> Self {
        match fault {
            linkage::Fault::NothingToStart(diagnostic) => Self::Recipe(diagnostic),
            linkage::Fault::Start(diagnostic) => Self::Start(diagnostic),
        }
    }
}

impl Fault {
    /// Returns what is said about it.
    pub fn diagnostic(&self) -> &Diagnostic {
        match self {
            Self::Recipe(diagnostic) | Self::Start(diagnostic) => diagnostic,
        }
    }
}
