use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};

use flate2::read::MultiGzDecoder;

use crate::debian::vulnerabilities_since;
use crate::layer::Limits;
use crate::layer::deb::read_deb;
use crate::lock::{LockedDebian, LockedPackage};
use crate::ops::{Run, TaskKind, Tools};
use crate::rootfs::ImagePath;

use super::packages::{descriptor, fetch};

/// The largest changelog that is read, in bytes.
const CHANGELOG_LIMIT: u64 = 8 << 20;

/// What became of a package between two locks.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct PackageChange {
    /// The package.
    pub name: String,
    /// The version that was locked; `None` when the package is new.
    pub before: Option<String>,
    /// The version that is locked now; `None` when the package is gone.
    pub after: Option<String>,
    /// The vulnerabilities that the new version's changelog names since the old version. Where no changelog is at hand, none are.
    pub vulnerabilities: Vec<String>,
}

/// Compares two locks. Packages that are new versions are fetched for their changelogs, which a build needs next anyway; where that fails
/// nothing is said of vulnerabilities.
pub(in crate::ops) fn changes(before: Option<&LockedDebian>, after: &LockedDebian, run: Run<'_>) -> Vec<PackageChange> {
    let Some(before) = before else { return Vec::new() };
    let (old, new) = (by_name(before), by_name(after));
    let names: BTreeSet<&str> = old.keys().chain(new.keys()).copied().collect();
    let mut changes = Vec::new();
    let mut moved = Vec::new();
    for name in names {
        let (was, is) = (old.get(name), new.get(name));
        if was.map(|package| &package.version) == is.map(|package| &package.version) {
            continue;
        }
        if let (Some(_), Some(is)) = (was, is) {
            moved.push(*is);
        }
        let version = |package: &&LockedPackage| package.version.clone();
        changes.push(PackageChange {
            name: name.to_owned(),
            before: was.map(version),
            after: is.map(version),
            vulnerabilities: Vec::new(),
        });
    }
    let at_hand = fetch(&moved, run).is_ok();
    let task = run.observer.begin(TaskKind::Read, "changelogs", None);
    for change in &mut changes {
        let (Some(before), Some(package)) = (&change.before, new.get(change.name.as_str())) else { continue };
        // A package that is damaged in the cache is removed when it is read, and fetched once more.
        let again = || fetch(&[*package], run).ok().filter(|()| run.tools.cache.has_damage()).and_then(|()| changelog(package, run.tools));
        if at_hand && let Some(changelog) = changelog(package, run.tools).or_else(again) {
            change.vulnerabilities = vulnerabilities_since(&changelog, before);
        }
    }
    task.finish("");
    changes
}

fn by_name(locked: &LockedDebian) -> BTreeMap<&str, &LockedPackage> {
    let packages = locked.platforms.values().flat_map(|of| &of.packages);
    packages.map(|package| (package.name.as_str(), package)).collect()
}

/// Reads Debian's changelog out of a package (Debian policy, section 12.7).
fn changelog(package: &LockedPackage, tools: &Tools) -> Option<String> {
    let mut blob = tools.cache.open(&descriptor(package))?;
    let is_changelog = |path: &ImagePath| {
        let path = String::from_utf8_lossy(path.as_bytes());
        let name = path.strip_prefix("usr/share/doc/").and_then(|rest| rest.split_once('/')).map(|(_, name)| name);
        matches!(name, Some("changelog.Debian.gz" | "changelog.gz"))
    };
    let facts = read_deb(&mut blob, &Limits::default(), &is_changelog, &mut io::sink()).ok()?;
    io::copy(&mut blob, &mut io::sink()).ok()?;
    let is_debian = |path: &ImagePath| path.as_bytes().ends_with(b"changelog.Debian.gz");
    let kept = facts.kept.iter().find(|(path, _)| is_debian(path)).or_else(|| facts.kept.iter().next())?;
    let mut text = Vec::new();
    MultiGzDecoder::new(&kept.1.0[..]).take(CHANGELOG_LIMIT).read_to_end(&mut text).ok()?;
    Some(String::from_utf8_lossy(&text).into_owned())
}
