//! `hardened explain`: why something is in an image, or is not.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::debian::ScriptStep;
use crate::diagnostic::nearest;
use crate::lock::{LeftOutPackage, LockedChoice, LockedPackage, LockedPackages, RECIPE, lock_path};
use crate::recipe::Base;

use super::debian;
use super::lock::{self, LockUse};
use super::recipe;
use super::repair::repaired;
use super::{Failure, RecipeRequest, Run};

/// Why a package is in an image, or is not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PackageExplained {
    /// The package.
    pub package: String,
    /// What is said for each platform.
    pub platforms: Vec<PlatformExplained>,
}

/// What is said of a package for one platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformExplained {
    /// The platform.
    pub platform: String,
    /// Whether it is in, and why.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// Whether a package is in an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "verdict")]
pub enum Verdict {
    /// It is in.
    #[serde(rename_all = "kebab-case")]
    In {
        /// The version.
        version: String,
        /// The source package and its version.
        source: String,
        /// The archive.
        archive: String,
        /// The way from a package that the recipe names to this one.
        chain: Vec<String>,
        /// All that want it.
        wanted_by: Vec<String>,
        /// What becomes of the commands of its maintainer scripts; `None` where the packages are not in the cache.
        #[serde(skip_serializing_if = "Option::is_none")]
        scripts: Option<Vec<ScriptStep>>,
    },
    /// It was wanted, and left out.
    #[serde(rename_all = "kebab-case")]
    LeftOut {
        /// The rule.
        rule: String,
        /// Why.
        reason: String,
        /// The way from a package that the recipe names to one that wanted it.
        chain: Vec<String>,
        /// All that wanted it.
        wanted_by: Vec<String>,
    },
    /// Nothing wants it.
    Unwanted {
        /// A package of the image with a name like it.
        nearest: Option<String>,
    },
}

/// Says why a package is in the image of a recipe, or was left out and who wanted it. What the lock says is told; without a lock, packages are chosen first.
///
/// # Errors
/// When the recipe is wrong, or its base is not made of Debian packages.
pub fn package(name: &str, request: &RecipeRequest, run: Run<'_>) -> Result<PackageExplained, Failure> {
    repaired(run, |run| package_once(name, request, run))
}

fn package_once(name: &str, request: &RecipeRequest, run: Run<'_>) -> Result<PackageExplained, Failure> {
    let open = recipe::open(request, &run.tools.environment, run.observer)?;
    let Base::Debian(base) = &open.recipe.base.value else {
        return Err(Failure::wrong("the recipe's base is not made of Debian packages")
            .hint("write `[base]` with `debian = { flavour = \"base\" }` to have one"));
    };
    let path = lock_path(&request.file);
    let found = lock::settle(&open, &request.file, LockUse::Look, &[], run)?;
    let LockedChoice::Debian(locked) = found.choice else {
        return Err(Failure::wrong(format!("`{}` locks no Debian packages", path.display())));
    };
    let platforms = locked.platforms.iter().map(|(platform, packages)| (platform.to_string(), verdict(name, packages)));
    let mut platforms: Vec<PlatformExplained> = platforms.map(|(platform, verdict)| PlatformExplained { platform, verdict }).collect();
    if platforms.iter().any(|explained| matches!(explained.verdict, Verdict::In { .. })) {
        match debian::scripts(&open, base, &locked, run)? {
            Some(found) => add_scripts(name, &mut platforms, found),
            None => run
                .observer
                .note(&format!("what the scripts of `{name}` do is known only when the packages are in the cache: build the image first")),
        }
    }
    Ok(PackageExplained { package: name.to_owned(), platforms })
}

/// Adds what becomes of the package's scripts.
fn add_scripts(name: &str, platforms: &mut [PlatformExplained], found: BTreeMap<String, Vec<ScriptStep>>) {
    for (platform, steps) in found {
        let explained = platforms.iter_mut().find(|explained| explained.platform == platform);
        if let Some(Verdict::In { scripts, .. }) = explained.map(|explained| &mut explained.verdict) {
            *scripts = Some(steps.into_iter().filter(|step| step.package == name).collect());
        }
    }
}

fn verdict(name: &str, packages: &LockedPackages) -> Verdict {
    if let Some(package) = packages.packages.iter().find(|package| package.name == name) {
        let LockedPackage { version, source, source_version, archive, wanted_by, .. } = package.clone();
        let mut chain = chain(&wanted_by, packages);
        chain.push(name.to_owned());
        let source = format!("{source} {source_version}");
        return Verdict::In { version, source, archive, chain, wanted_by, scripts: None };
    }
    if let Some(left_out) = packages.left_out.iter().find(|left_out| left_out.name == name) {
        let LeftOutPackage { rule, reason, wanted_by, .. } = left_out.clone();
        return Verdict::LeftOut { chain: chain(&wanted_by, packages), rule, reason, wanted_by };
    }
    let known = packages.packages.iter().map(|package| package.name.as_str());
    let known = known.chain(packages.left_out.iter().map(|left_out| left_out.name.as_str()));
    Verdict::Unwanted { nearest: nearest(name, known).map(str::to_owned) }
}

/// Returns the shortest way from a package that the recipe names to one of these.
fn chain(wanted_by: &[String], packages: &LockedPackages) -> Vec<String> {
    let mut ways: std::collections::VecDeque<Vec<&str>> = wanted_by.iter().map(|name| vec![name.as_str()]).collect();
    let mut seen = std::collections::BTreeSet::new();
    while let Some(way) = ways.pop_front() {
        let Some(last) = way.last().copied() else { continue };
        if last == RECIPE {
            return way.iter().rev().skip(1).map(|name| (*name).to_owned()).collect();
        }
        if seen.insert(last)
            && let Some(package) = packages.packages.iter().find(|package| package.name == last)
        {
            ways.extend(package.wanted_by.iter().map(|name| way.iter().copied().chain([name.as_str()]).collect()));
        }
    }
    Vec::new()
}
