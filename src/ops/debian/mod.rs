//! Debian bases: archives are asked, packages are chosen and locked, fetched, and become layers.
//!
//! **Invariants.** Signatures are judged when packages are locked; from then on a package is its digest. A build uses what the lock names and nothing else.

mod archives;
mod changes;
mod choose;
mod heads;
mod mirrors;
mod open_modes;
mod package_names;
mod packages;
mod partial_update;
mod scripts;

use std::collections::BTreeMap;

use crate::base::BaseImage;
use crate::base::debian::{
    Assembled, AssemblyFault, AssemblyPackage, AssemblyRequest, Extent, FilterUse, OptionalLibrary, ScriptStep, WrittenFolder, assemble,
};
use crate::debian::DebFacts;
use crate::diagnostic::{Diagnostic, ExternalError};
use crate::host::read_bytes;
use crate::lock::{LeftOutPackage, LockedDebian, LockedPackage, LockedPackages};
use crate::oci::{Digest, Platform, Store};
use crate::recipe::{DebianBase, UnprovedEntry};
use crate::rootfs::ImagePath;
use crate::store::Location;
use crate::store::layout::Layout;

use super::base::account_of;
use super::recipe::OpenRecipe;
use super::{Failure, Run, TaskKind, Tools};

pub use changes::PackageChange;
pub(super) use changes::changes;
pub(super) use choose::choose;
pub(super) use package_names::DebianNames;
pub(super) use packages::{Contents, PACKAGE_TYPE, Packages, descriptor, fetch};

/// The largest file with certificates in bytes.
const CERTIFICATES_LIMIT: u64 = 4 << 20;

/// What is told of an assembled base.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct DebianOutcome {
    /// The platform.
    pub platform: String,
    /// The packages: name, version.
    pub packages: Vec<(String, String)>,
    /// What was left out of packages, by filter.
    pub filters: Vec<FilterUse>,
    /// What was made because packages need it, instead of running their scripts.
    pub made: Vec<String>,
    /// What becomes of the commands of maintainer scripts, which are not run.
    pub scripts: Vec<ScriptStep>,
    /// The folders that services of packages write to.
    pub written: Vec<WrittenFolder>,
}

/// The base of one platform, assembled from packages.
pub(super) struct DebianImage {
    /// The image.
    pub(super) image: BaseImage,
    /// What is told of it.
    pub(super) outcome: DebianOutcome,
    /// What is proved of its packages.
    pub(super) proof: PackagesProof,
}

/// What is proved of the packages of one platform.
pub(super) struct PackagesProof {
    /// Their files.
    pub(super) files: Vec<ImagePath>,
    /// What these may miss.
    pub(super) waivers: Vec<UnprovedEntry>,
    /// What was left out of the image.
    pub(super) left_out: Vec<LeftOutPackage>,
    /// Where to look up the packages of missing libraries; `None` when only archives other than Debian's are used.
    pub(super) suite: Option<DebianSuite>,
    /// A digest over the packages, which stands for the state of the archive that they are of.
    pub(super) state: Digest,
}

/// A suite of Debian's archive, for one architecture.
pub(super) struct DebianSuite {
    /// The suite: `trixie`.
    pub(super) name: String,
    /// The architecture, by Debian's name.
    pub(super) architecture: &'static str,
}

/// Fetches what the lock names, and assembles the base of each platform.
pub(super) fn images(
    open: &OpenRecipe,
    base: &DebianBase,
    locked: &LockedDebian,
    run: Run<'_>,
) -> Result<(Vec<DebianImage>, Packages), Failure> {
    let platforms: Vec<&Platform> = open.recipe.platforms.iter().map(|platform| &platform.value).collect();
    let of_platforms = platforms.iter().filter_map(|platform| locked.packages(platform)).flat_map(|locked| &locked.packages);
    let mut needed: Vec<&LockedPackage> = of_platforms.collect();
    needed.sort_by_key(|package| package.digest);
    needed.dedup_by_key(|package| package.digest);
    // A package that was read before is needed again only when a layer is made of it.
    fetch(&needed, run)?;
    let packages = Packages::new(needed.iter().copied(), run.tools);
    packages::learn(&packages, &needed, run)?;
    let certificates = certificates(open, base)?;
    let (mut images, mut told) = (Vec::new(), Vec::new());
    for platform in platforms {
        let locked = locked.packages(platform).ok_or_else(|| Failure::wrong(format!("the lock has no packages for `{platform}`")))?;
        let task = run.observer.begin(TaskKind::Assemble, &format!("the base for {platform}"), None);
        let assembled = assembled(open, base, platform, &locked.packages, &certificates, &packages)?;
        task.finish("");
        scripts::tell(&assembled.scripts, &assembled.written, run);
        if let Some(warning) = open_modes::warning(&assembled.open_modes, &open.recipe).filter(|warning| !told.contains(warning)) {
            run.observer.warn(&warning);
            told.push(warning);
        }
        for left_out in &assembled.left_out {
            let FilterUse { name, reason, files, bytes } = left_out;
            run.observer.detail(&format!("left out of packages: {name}, {files} files with {bytes} bytes ({reason})"));
        }
        let waiver = |optional: &OptionalLibrary| UnprovedEntry {
            path: optional.path.clone(),
            needs: optional.library.clone(),
            reason: optional.reason.clone(),
        };
        let proof = PackagesProof {
            files: assembled.package_files,
            waivers: assembled.optional.iter().map(waiver).collect(),
            left_out: locked.left_out.clone(),
            suite: suite_of(open, base, platform),
            state: Digest::of(&locked.packages.iter().flat_map(|package| *package.digest.as_bytes()).collect::<Vec<_>>()),
        };
        let outcome = DebianOutcome {
            platform: platform.to_string(),
            packages: locked.packages.iter().map(|package| (package.name.clone(), package.version.clone())).collect(),
            filters: assembled.left_out,
            made: assembled.needs,
            scripts: assembled.scripts,
            written: assembled.written,
        };
        let image = BaseImage::of_layers(platform, assembled.layers, &assembled.environment, &base.entrypoint);
        images.push(DebianImage { image, outcome, proof });
    }
    Ok((images, packages))
}

/// Returns what becomes of the maintainer scripts of a lock's packages, by platform; `None` where not all of these are in the cache.
///
/// # Errors
/// When a package cannot be read, or their files make no base.
pub(super) fn scripts(
    open: &OpenRecipe,
    base: &DebianBase,
    locked: &LockedDebian,
    run: Run<'_>,
) -> Result<Option<BTreeMap<String, Vec<ScriptStep>>>, Failure> {
    let all = locked.all_packages();
    let is_cached =
        |(digest, package): (&Digest, &&LockedPackage)| run.tools.cache.has_package(digest) || run.tools.cache.has(&descriptor(package));
    if !all.iter().all(is_cached) {
        return Ok(None);
    }
    let packages = Packages::new(all.into_values(), run.tools);
    let certificates = certificates(open, base)?;
    let of_platform = |(platform, locked): (&Platform, &LockedPackages)| {
        let _task = run.observer.begin(TaskKind::Assemble, &format!("the base for {platform}"), None);
        Ok((platform.to_string(), assembled(open, base, platform, &locked.packages, &certificates, &packages)?.scripts))
    };
    locked.platforms.iter().map(of_platform).collect::<Result<_, Failure>>().map(Some)
}

fn suite_of(open: &OpenRecipe, base: &DebianBase, platform: &Platform) -> Option<DebianSuite> {
    Some(DebianSuite { name: base.suite.clone()?, architecture: choose::architecture(platform, open).ok()? })
}

fn assembled(
    open: &OpenRecipe,
    base: &DebianBase,
    platform: &Platform,
    locked: &[LockedPackage],
    certificates: &[Vec<u8>],
    packages: &Packages,
) -> Result<Assembled, Failure> {
    let facts: Vec<DebFacts> = locked.iter().map(|package| packages.facts(package)).collect::<Result<_, _>>()?;
    let parts = locked.iter().zip(&facts).map(|(package, facts)| AssemblyPackage {
        name: &package.name,
        source: &package.source,
        digest: package.digest,
        facts,
    });
    let (user, group) = account_of(&open.recipe);
    let request = AssemblyRequest {
        architecture: &platform.architecture,
        packages: &parts.collect::<Vec<_>>(),
        extent: if base.slim { Extent::Slim } else { Extent::Whole },
        certificates,
        user: (&user, &group),
        layers: usize::from(base.layers),
        environment: &base.environment,
    };
    assemble(&request).map_err(|fault| {
        let diagnostic = Diagnostic::error(format!("could not assemble the base for `{platform}`: {fault}"))
            .at(open.recipe.base.span.as_ref(), "requested here");
        let hint = match &fault {
            AssemblyFault::Conflict { one, other, .. } => {
                Some(format!("keep one of them: `exclude = [\"{other}\"]` or `exclude = [\"{one}\"]`"))
            }
            AssemblyFault::Below { package: Some(package), .. } => Some(format!("leave it out: `exclude = [\"{package}\"]`")),
            AssemblyFault::Make(fault) => fault.hint(),
            AssemblyFault::Below { package: None, .. } | AssemblyFault::Rule(_) => None,
        };
        Failure::from(hint.into_iter().fold(diagnostic, Diagnostic::hint))
    })
}

fn certificates(open: &OpenRecipe, base: &DebianBase) -> Result<Vec<Vec<u8>>, Failure> {
    let read = |file: &crate::recipe::Spanned<String>| {
        read_bytes(&open.folder.join(&file.value), CERTIFICATES_LIMIT).map_err(|error| {
            let diagnostic = Diagnostic::error(format!("could not read the certificates in `{}`: {error}", file.value));
            Failure::from(diagnostic.at(file.span.as_ref(), "named here"))
        })
    };
    base.certificates.iter().map(read).collect()
}

/// Opens the store that packages and bases were copied to, if the user named one.
pub(super) fn vendored(tools: &Tools) -> Result<Option<Box<dyn Store>>, Failure> {
    Ok(match &tools.vendored {
        None => None,
        Some(Location::Layout(folder, _)) => Some(Box::new(Layout::open(folder)?)),
        Some(Location::Registry(reference)) => Some(Box::new(tools.registry.repository(&reference.name))),
        Some(other) => {
            return Err(ExternalError::new(format!("`hardened vendor` does not copy to `{other}`"))
                .hint("name a folder, `oci:DIR`, or a registry reference")
                .into());
        }
    })
}
