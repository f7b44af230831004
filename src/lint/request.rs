use crate::linkage::StartedProgram;
use crate::oci::{Config, Platform};
use crate::recipe::PlatformRecipe;
use crate::rootfs::{OpenContent, Owner, Rootfs};

/// An image that rules are applied to, and what is known beside it.
#[derive(Clone, Copy)]
pub struct LintRequest<'a> {
    /// The platform that it is for.
    pub platform: &'a Platform,
    /// The finished config.
    pub config: &'a Config,
    /// What the entrypoint or command executes, in this order.
    pub started: &'a [StartedProgram],
    /// The merged files.
    pub rootfs: &'a Rootfs<'a>,
    /// What reads files of changesets.
    pub contents: &'a dyn OpenContent,
    /// The user and group that the process runs as.
    pub owner: Owner,
    /// What the recipe means for the platform, variables of the base filled in.
    pub recipe: &'a PlatformRecipe,
    /// Where links of the project lead on the host.
    pub links: &'a dyn ProjectLinks,
    /// How the image is delivered.
    pub delivery: Delivery,
    /// What the image can be run as: `oci:image`, or a reference.
    pub image: &'a str,
}

/// How an image is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// As an OCI image, to some destination at least.
    Oci,
    /// In Docker's format only, to archives and engines.
    Docker,
}

/// Knows where symbolic links of the project lead on the host.
pub trait ProjectLinks {
    /// Returns where a link leads that is at this path below the project's folder; `None` where there is no link of this target.
    fn target(&self, link: &[u8], target: &[u8]) -> Option<LinkTarget>;
}

/// Where a link of the project leads on the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkTarget {
    /// To a file or folder of the project, by its path below the project's folder.
    Project(Vec<u8>),
    /// To something outside of the project.
    Outside,
    /// To nothing.
    Nothing,
}
