use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;

use super::text::{BadValue, value};
use crate::debian::{Version, is_architecture, is_archive_path, is_package_name};
use crate::diagnostic::snippet::basic_string;
use crate::oci::{Digest, Platform};
use crate::recipe::DebianBase;

/// The version of the tables that say what becomes of packages in an image: filters, needs, exclusions, flavours, and how layers are
/// divided. It is raised when one of them changes bytes, so that a lock means the same bytes for as long as it holds.
pub const TABLES: u32 = 2;

/// What wants a package that the recipe names, and leaves out one that it excludes, where else the name of a package or rule stands.
pub const RECIPE: &str = "the recipe";

/// The locked packages of Debian: the request, the archives, and every package by digest.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockedDebian {
    /// What the recipe asked for.
    pub request: DebianRequest,
    /// The archives, in the order in which they were asked.
    pub archives: Vec<LockedArchive>,
    /// The packages of each platform.
    pub platforms: BTreeMap<Platform, LockedPackages>,
}

/// What a recipe asks of Debian's archive. A lock holds as long as this stays the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct DebianRequest {
    /// The version of the program's tables: [`TABLES`].
    pub tables: u32,
    /// The suite of Debian, when its archive is used.
    pub suite: Option<String>,
    /// The wanted packages, with the version where one is asked for: `nginx`, `nginx=1.26.3-3+deb13u1`. Sorted.
    pub wanted: Vec<String>,
    /// Packages, or patterns of them, that the recipe leaves out. Sorted.
    pub exclude: Vec<String>,
    /// Packages that the recipe keeps although the rules leave them out. Sorted.
    pub keep: Vec<String>,
    /// Further archives: address, suite and components, as the recipe names them.
    pub archives: Vec<String>,
}

/// The state of one suite of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedArchive {
    /// `debian`, `debian-security`, or the address of another one.
    pub name: String,
    /// The suite: `trixie-updates`.
    pub suite: String,
    /// The digest of its `InRelease`.
    pub in_release: Digest,
    /// Its `Date`, RFC 3339.
    pub date: String,
    /// Its `Valid-Until`, RFC 3339, if it has one.
    pub valid_until: Option<String>,
    /// The fingerprints of the keys that signed it, in hexadecimal.
    pub signers: Vec<String>,
}

/// The packages of one platform.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockedPackages {
    /// The packages, by name.
    pub packages: Vec<LockedPackage>,
    /// What was wanted by one of them, and is not in the image.
    pub left_out: Vec<LeftOutPackage>,
}

/// A locked package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LockedPackage {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The architecture: Debian's name, or `all`.
    pub architecture: String,
    /// The source package.
    pub source: String,
    /// The source package's version.
    pub source_version: String,
    /// The archive that it was found in, by name.
    pub archive: String,
    /// The path in the archive: `pool/main/g/glibc/libc6_2.41-12_amd64.deb`.
    pub path: String,
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 of the whole file; also the digest of its blob in a registry.
    pub digest: Digest,
    /// A time at which the archive held it, as snapshot.debian.org writes times: `20261124T101637Z`.
    pub snapshot: String,
    /// The packages that wanted it; [`RECIPE`] for what the recipe names.
    pub wanted_by: Vec<String>,
}

/// A package that was wanted, and left out.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct LeftOutPackage {
    /// The name.
    pub name: String,
    /// The rule that leaves it out: the name of a built-in one, or [`RECIPE`].
    pub rule: String,
    /// Why.
    pub reason: String,
    /// The packages that wanted it.
    pub wanted_by: Vec<String>,
}

impl LockedDebian {
    /// Returns the packages of a platform.
    pub fn packages(&self, platform: &Platform) -> Option<&LockedPackages> {
        self.platforms.iter().find(|(locked, _)| locked.is(platform)).map(|(_, packages)| packages)
    }

    /// Returns every package of all platforms once, by digest.
    pub fn all_packages(&self) -> BTreeMap<Digest, &LockedPackage> {
        let packages = self.platforms.values().flat_map(|locked| &locked.packages);
        packages.map(|package| (package.digest, package)).collect()
    }

    pub(super) fn write(&self, text: &mut String) -> std::fmt::Result {
        let DebianRequest { tables, suite, wanted, exclude, keep, archives } = &self.request;
        writeln!(text, "kind = \"debian\"\n\n[base.request]\ntables = {tables}")?;
        if let Some(suite) = suite {
            writeln!(text, "suite = {}", basic_string(suite))?;
        }
        for (key, words) in [("wanted", wanted), ("exclude", exclude), ("keep", keep), ("archives", archives)] {
            if !words.is_empty() {
                writeln!(text, "{key} = {}", list(words))?;
            }
        }
        for archive in &self.archives {
            let LockedArchive { name, suite, in_release, date, valid_until, signers } = archive;
            writeln!(text, "\n[[base.archives]]\nname = {}\nsuite = {}", basic_string(name), basic_string(suite))?;
            writeln!(text, "in-release = \"{in_release}\"\ndate = {}", basic_string(date))?;
            if let Some(until) = valid_until {
                writeln!(text, "valid-until = {}", basic_string(until))?;
            }
            writeln!(text, "signers = {}", list(signers))?;
        }
        let sorted: BTreeMap<String, &LockedPackages> =
            self.platforms.iter().map(|(platform, packages)| (platform.to_string(), packages)).collect();
        for (platform, LockedPackages { packages, left_out }) in sorted {
            writeln!(text, "\n[[base.platforms]]\nplatform = {}\npackages = [", basic_string(&platform))?;
            packages.iter().try_for_each(|package| package.write(text))?;
            writeln!(text, "]")?;
            if !left_out.is_empty() {
                writeln!(text, "left-out = [")?;
                for LeftOutPackage { name, rule, reason, wanted_by } in left_out {
                    let (name, rule, reason) = (basic_string(name), basic_string(rule), basic_string(reason));
                    writeln!(text, "    {{ name = {name}, rule = {rule}, reason = {reason}, wanted-by = {} }},", list(wanted_by))?;
                }
                writeln!(text, "]")?;
            }
        }
        Ok(())
    }
}

impl LockedPackage {
    /// One line for each package, so that a diff shows what an update changes.
    fn write(&self, text: &mut String) -> std::fmt::Result {
        write!(text, "    {{ ")?;
        for (key, word) in [
            ("name", &self.name),
            ("version", &self.version),
            ("architecture", &self.architecture),
            ("source", &self.source),
            ("source-version", &self.source_version),
            ("archive", &self.archive),
            ("path", &self.path),
        ] {
            write!(text, "{key} = {}, ", basic_string(word))?;
        }
        let Self { size, digest, snapshot, wanted_by, .. } = self;
        writeln!(text, "size = {size}, digest = \"{digest}\", snapshot = {}, wanted-by = {} }},", basic_string(snapshot), list(wanted_by))
    }
}

fn list(words: &[String]) -> String {
    format!("[{}]", words.iter().map(|word| basic_string(word)).collect::<Vec<_>>().join(", "))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ArchiveKeys {
    name: String,
    suite: String,
    in_release: String,
    date: String,
    valid_until: Option<String>,
    signers: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct PackagesKeys {
    platform: String,
    packages: Vec<LockedPackage>,
    #[serde(default)]
    left_out: Vec<LeftOutPackage>,
}

pub(super) fn read(request: DebianRequest, archives: Vec<ArchiveKeys>, platforms: Vec<PackagesKeys>) -> Result<LockedDebian, BadValue> {
    let archive = |keys: ArchiveKeys| {
        let ArchiveKeys { name, suite, in_release, date, valid_until, signers } = keys;
        if date.parse::<jiff::Timestamp>().is_err() {
            let reason = format!("the date of the suite `{}` is not a time: `{}`", suite.escape_debug(), date.escape_debug());
            return Err(BadValue { value: date, reason });
        }
        Ok(LockedArchive { name, suite, in_release: value(&in_release)?, date, valid_until, signers })
    };
    let archives = archives.into_iter().map(archive).collect::<Result<_, BadValue>>()?;
    let mut locked = BTreeMap::new();
    for PackagesKeys { platform, mut packages, left_out } in platforms {
        for package in &packages {
            package.check(&request)?;
        }
        packages.sort_by(|one, other| one.name.cmp(&other.name));
        if let Some(pair) = packages.windows(2).find(|pair| pair[0].name == pair[1].name) {
            let name = pair[0].name.clone();
            let reason = format!("the package `{name}` is listed twice for `{}`", platform.escape_debug());
            return Err(BadValue { value: name, reason });
        }
        if locked.insert(value(&platform)?, LockedPackages { packages, left_out }).is_some() {
            let reason = format!("platform `{}` is listed twice", platform.escape_debug());
            return Err(BadValue { value: platform, reason });
        }
    }
    Ok(LockedDebian { request, archives, platforms: locked })
}

impl LockedPackage {
    /// Checks what a lock says of a package: it may come from elsewhere, and every part of it may reach a file name, an address or a layer.
    fn check(&self, request: &DebianRequest) -> Result<(), BadValue> {
        let is_version = |text: &str| text.parse::<Version>().is_ok();
        let is_from = match self.archive.as_str() {
            "debian" | "debian-security" => request.suite.is_some(),
            // The request is compared with the recipe before anything is fetched.
            address => request.archives.iter().any(|archive| archive.split(' ').next() == Some(address)),
        };
        let checks = [
            ("name", &self.name, is_package_name(&self.name)),
            ("version", &self.version, is_version(&self.version)),
            ("architecture", &self.architecture, is_architecture(&self.architecture)),
            ("source", &self.source, is_package_name(&self.source)),
            ("source-version", &self.source_version, is_version(&self.source_version)),
            ("path", &self.path, is_archive_path(&self.path)),
            ("snapshot", &self.snapshot, is_snapshot(&self.snapshot)),
        ];
        let name = self.name.escape_debug();
        if let Some((key, text, _)) = checks.into_iter().find(|(_, _, is_right)| !is_right) {
            let reason = format!("the `{key}` of the package `{name}` cannot be `{}`", text.escape_debug());
            return Err(BadValue { value: text.clone(), reason });
        }
        if !is_from {
            let reason =
                format!("the package `{name}` is from `{}`, which is not one of the archives in the lock", self.archive.escape_debug());
            return Err(BadValue { value: self.archive.clone(), reason });
        }
        // No archive has larger packages: its index could not say so.
        if self.size == 0 || self.size > u64::from(u32::MAX) {
            let reason = format!("the package `{name}` cannot have {} bytes", self.size);
            return Err(BadValue { value: self.name.clone(), reason });
        }
        Ok(())
    }
}

/// Says whether a text is a time as snapshot.debian.org writes times: `20261124T101637Z`.
fn is_snapshot(text: &str) -> bool {
    let is_right = |(index, byte): (usize, u8)| match index {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 16 && text.bytes().enumerate().all(is_right)
}

impl DebianRequest {
    /// Returns what a recipe asks for.
    pub fn of(base: &DebianBase) -> Self {
        let wanted = |(name, version): (&String, &Option<String>)| match version {
            Some(version) => format!("{name}={version}"),
            None => name.clone(),
        };
        Self {
            tables: TABLES,
            suite: base.suite.clone(),
            wanted: base.wanted.iter().map(wanted).collect(),
            exclude: base.exclude.clone(),
            keep: base.keep.clone(),
            archives: base
                .archives
                .iter()
                .map(|archive| format!("{} {} {}", archive.url, archive.suite, archive.components.join(" ")))
                .collect(),
        }
    }

    /// Says what another request has changed, as a fragment; `None` when nothing.
    pub fn changed(&self, now: &Self) -> Option<String> {
        if self.tables != now.tables {
            return Some(format!("it was written with the tables {}, and this program has the tables {}", self.tables, now.tables));
        }
        if self.suite != now.suite {
            let named = |suite: &Option<String>| suite.clone().unwrap_or_else(|| "none".to_owned());
            return Some(format!("the suite was `{}`, and is now `{}`", named(&self.suite), named(&now.suite)));
        }
        let parts = [
            ("the wanted packages", &self.wanted, &now.wanted),
            ("`exclude`", &self.exclude, &now.exclude),
            ("`keep`", &self.keep, &now.keep),
            ("the archives", &self.archives, &now.archives),
        ];
        let (what, before, after) = parts.into_iter().find(|(_, before, after)| before != after)?;
        let listed = |words: Vec<&String>| words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        let added: Vec<_> = after.iter().filter(|word| !before.contains(word)).collect();
        let removed: Vec<_> = before.iter().filter(|word| !after.contains(word)).collect();
        let changes = [("new", listed(added)), ("gone", listed(removed))];
        let changes: Vec<_> =
            changes.iter().filter(|(_, words)| !words.is_empty()).map(|(what, words)| format!("{what}: {words}")).collect();
        Some(format!("{what} changed ({})", changes.join("; ")))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    /// Collects the tables under a folder by the ends of their paths: `needs/libc.toml`.
    fn tables(folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                tables(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "toml" || extension == "txt") {
                let name = path.iter().rev().take(2).map(|part| part.to_string_lossy()).collect::<Vec<_>>().join(" in ");
                assert_eq!(found.insert(name, fs::read_to_string(&path).expect("a text")), None, "two tables of one name");
            }
        }
    }

    /// A change of what a table says needs a raised [`TABLES`], and the new digest here.
    #[test]
    fn the_version_is_that_of_these_tables() {
        let mut found = BTreeMap::new();
        tables(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
        assert!(["filters.toml in debian", "exclude.toml in debian", "libc.toml in needs"].iter().all(|name| found.contains_key(*name)));
        let digest = Digest::of(format!("{found:?}").as_bytes());
        assert_eq!((TABLES, &digest.hex()[..16]), (2, "2b25af5b6f34f2f3"));
    }
}
