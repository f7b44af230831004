//! The plan: everything decided, nothing done, for one platform.
//!
//! **Invariants.** Nothing here reads a file, the network or the clock; what is known of files comes in. No path stands in two of our
//! layers but folders that lead to others. Every layer names the folders above its files with the modes that they have in the image, because runtimes
//! differ in what they make of a folder that is not named. Paths lead through no link of the base: `/bin/x` becomes `/usr/bin/x`
//! where `/bin` is a link, since some runtimes would replace the link by a folder.

mod accounts;
mod config;
mod layer_count;
mod owners;
mod parents;
mod request;
mod settings;
mod sources;
mod split;

pub use accounts::{ACCOUNT_FILE_LIMIT, ACCOUNT_FILES};
pub use request::{Fault, PlanRequest, Source};
pub use settings::Settings;
pub use split::Split;

use std::collections::BTreeMap;

use self::accounts::Below;
use crate::base::BaseImage;
use crate::diagnostic::Diagnostic;
use crate::layer::Compressor;
use crate::linkage::{self, Proof, ProofRequest};
use crate::oci::{Config, Platform};
use crate::rootfs::{Changeset, OpenContent, Rootfs};

/// Everything that is decided for one platform.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// The platform.
    pub platform: Platform,
    /// The base.
    pub base: BaseImage,
    /// The layers to add, bottom first.
    pub layers: Vec<PlannedLayer>,
    /// The config, finished but for `diff_ids` and `history`, which are the base's until the layers are made.
    pub config: Config,
    /// The annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// What was proved of it.
    pub proof: Proof,
}

/// A layer that is to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedLayer {
    /// What it holds, for people: `files dist -> /app`.
    pub name: String,
    /// Its files.
    pub changeset: Changeset,
    /// How it is compressed.
    pub compressor: Compressor,
}

impl Plan {
    /// Decides everything for one platform.
    ///
    /// `contents` is asked for the headers of programs and libraries, and for nothing else.
    ///
    /// # Errors
    /// All faults that were found: entries that exclude each other, a user that cannot be, an entrypoint that could not start, a library
    /// that it would not find.
    pub fn new(request: PlanRequest<'_>, contents: &dyn OpenContent) -> Result<Self, Vec<Fault>> {
        let PlanRequest { platform, base, base_files, user, sources, writable, settings, compressor, split, proof, entrypoint_span } =
            request;
        let mut faults = Vec::new();
        let mut below = base_files;
        let written = base.written.clone();
        for layer in &written {
            below.push(&layer.changeset);
        }
        let mut resolved = sources::resolve(&below, sources, &mut faults);
        let image = Below { files: &below, contents, sources: &resolved };
        let generated = accounts::generate(&image, &user, &writable, &settings, &mut faults);
        sources::add_generated(&below, &mut resolved, generated, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let groups = sources::group(resolved);
        let groups = if split == Split::Auto { split::split(groups, compressor.format().split_links()) } else { groups };
        let groups = parents::complete(&below, groups);
        let mut layers: Vec<PlannedLayer> = written.iter().map(|layer| planned(&layer.name, layer.changeset.clone(), compressor)).collect();
        layers.extend(groups.into_iter().map(|(name, changeset)| planned(&name, changeset, compressor)));
        if let Some(refusal) = layer_count::refusal(base.layers.len(), layers.len()) {
            return Err(vec![Fault::Recipe(refusal)]);
        }
        let (config, annotations) = (config::finish(&base.config, &settings), config::annotations(&base, &settings));
        let mut rootfs: Rootfs<'_> = below;
        layers[written.len()..].iter().for_each(|layer| rootfs.push(&layer.changeset));
        let (owner, entrypoint_span) = (user.owner, entrypoint_span.as_ref());
        let request =
            ProofRequest { platform: &platform, config: &config, rootfs: &rootfs, contents, owner, options: &proof, entrypoint_span };
        let proof = linkage::prove(&request).map_err(|faults| faults.into_iter().map(Fault::from).collect::<Vec<_>>())?;
        Ok(Self { platform, base, layers, config, annotations, proof })
    }
}

impl Plan {
    /// Warns of an image with so many layers that runtimes are near their limit.
    pub fn layer_warning(&self) -> Option<Diagnostic> {
        layer_count::warning(self.base.layers.len(), self.layers.len())
    }
}

fn planned(name: &str, changeset: Changeset, compressor: Compressor) -> PlannedLayer {
    PlannedLayer { name: name.to_owned(), changeset, compressor }
}

#[cfg(test)]
mod tests;
