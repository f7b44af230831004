use std::collections::{BTreeMap, BTreeSet};

use super::LintRequest;
use super::files::{name, program, text};
use super::finding::{Level, Report};
use super::started::{script, started};
use crate::linkage::StartedProgram;
use crate::rootfs::ImagePath;

/// The ABI (`NODE_MODULE_VERSION`) of each major version of Node.js (`doc/abi_version_registry.json` of its source).
const ABIS: &[(u32, u32)] = &[
    (10, 64),
    (11, 67),
    (12, 72),
    (13, 79),
    (14, 83),
    (15, 88),
    (16, 93),
    (17, 102),
    (18, 108),
    (19, 111),
    (20, 115),
    (21, 120),
    (22, 127),
    (23, 131),
    (24, 137),
    (25, 141),
];

/// The options of `node` whose value is the next argument (its `--help`), as far as they come before a script.
const WITH_VALUE: &[&str] =
    &["-r", "--require", "--import", "--loader", "--experimental-loader", "-C", "--conditions", "--env-file", "--title"];

/// Finds native Node.js modules whose names say that they are for another ABI than the image's Node.js has.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let found = Found::of(request);
    if found.candidates.is_empty() {
        return;
    }
    let abis = found.abis(request);
    if abis.is_empty() {
        report.find(
            Level::Detail,
            "native Node.js modules are not compared with Node.js, because the version of Node.js in the image is unknown",
        );
        return;
    }
    let started = started(request, |name| matches!(name, "node" | "nodejs"));
    let mut groups: BTreeMap<(Level, u32), BTreeSet<String>> = BTreeMap::new();
    for (package, candidates) in &found.candidates {
        let fits = |abi: &Option<u32>| abi.is_none_or(|abi| abis.contains(&abi));
        if candidates.values().any(fits) || found.compiled.contains(package) {
            continue;
        }
        let is_required = started.is_some_and(|started| is_required(request, started, package));
        for (path, abi) in candidates {
            let Some(abi) = abi else { continue };
            if !report.is_waived(&path.to_string(), &format!("node-v{abi}")) {
                let level = if is_required { Level::Error } else { Level::Warning };
                groups.entry((level, *abi)).or_default().insert(path.to_string());
            }
        }
    }
    let ours: Vec<String> = abis.iter().map(|abi| version_text(*abi)).collect();
    for ((level, abi), paths) in groups {
        let (what, verb) = match paths.len() {
            1 => ("a native module".to_owned(), "is"),
            count => (format!("{count} native modules"), "are"),
        };
        let first = paths.first().cloned().unwrap_or_default();
        let message = format!("{what} {verb} built for {}, and the image has {}: `{first}`", version_text(abi), ours.join(" and "));
        let finding = report.find(level, message);
        finding.hint(format!("run `npm ci` with the Node.js of the image, {}, or choose a base with the other version", ours.join(" or ")));
        if level == Level::Error {
            finding.hint(format!(
                "if the module is never loaded, add an `[[unproved]]` entry with `path`, `needs = \"node-v{abi}\"` and `reason`"
            ));
        }
        finding.about(paths);
    }
}

fn version_text(abi: u32) -> String {
    let major = ABIS.iter().find(|(_, known)| *known == abi).map(|(major, _)| major);
    major.map_or_else(|| format!("Node.js of the ABI {abi}"), |major| format!("Node.js {major} (ABI {abi})"))
}

/// What an image has of Node.js.
#[derive(Default)]
struct Found {
    /// Programs called `node`.
    programs: BTreeSet<ImagePath>,
    /// The ABIs that files of Node.js itself name.
    abis: BTreeSet<u32>,
    /// Native modules that a package chooses from, with the ABI where the name says one, by the package's folder.
    candidates: BTreeMap<ImagePath, BTreeMap<ImagePath, Option<u32>>>,
    /// Packages with a module that was compiled at installation: it is chosen first.
    compiled: BTreeSet<ImagePath>,
}

impl Found {
    fn of(request: &LintRequest<'_>) -> Self {
        let architecture = match &*request.platform.architecture {
            "amd64" => "x64",
            "386" => "ia32",
            other => other,
        };
        let mut found = Self::default();
        for path in request.rootfs.paths() {
            let name = name(path);
            if matches!(name, "node" | "nodejs") {
                found.programs.extend(program(request.rootfs, path).map(|(real, _)| real).into_iter().chain([path.clone()]));
            } else if let Some(abi) = name.strip_prefix("libnode.so.") {
                found.abis.extend(abi.parse::<u32>().ok());
            } else if name == "node_version.h" {
                let text = text(request, path).unwrap_or_default();
                let major = text.lines().find_map(|line| line.strip_prefix("#define NODE_MAJOR_VERSION")?.trim().parse().ok());
                found.abis.extend(major.and_then(abi_of));
            } else if name.strip_suffix(".node").is_some() {
                found.module(path, architecture);
            }
        }
        found.programs.retain(|path| program(request.rootfs, path).is_some());
        found
    }

    fn module(&mut self, path: &ImagePath, architecture: &str) {
        let text = path.to_string();
        if let Some((package, rest)) = text.split_once("/build/Release/") {
            let is_direct = !rest.contains('/');
            self.compiled.extend(ImagePath::absolute(package).ok().filter(|_| is_direct));
            return;
        }
        let candidate = prebuilt(&text, architecture).or_else(|| downloaded(&text, architecture));
        if let Some((package, abi)) = candidate
            && let Ok(package) = ImagePath::absolute(package)
        {
            self.candidates.entry(package).or_default().insert(path.clone(), abi);
        }
    }

    /// Returns the ABIs of the image's Node.js, from what names its version.
    fn abis(&self, request: &LintRequest<'_>) -> BTreeSet<u32> {
        let mut abis = self.abis.clone();
        if !abis.is_empty() || self.programs.is_empty() {
            return abis;
        }
        let of_path = self.programs.iter().filter_map(|path| path.to_string().split('/').find_map(major_of));
        let of_variable = request.config.variable("NODE_VERSION").and_then(major_of);
        let status = ImagePath::absolute("/var/lib/dpkg/status.d/nodejs").ok().and_then(|path| text(request, &path)).unwrap_or_default();
        let of_package = status.lines().find_map(|line| line.strip_prefix("Version: ")?.split('.').next()?.parse().ok());
        abis.extend(of_path.chain(of_variable).chain(of_package).filter_map(abi_of));
        abis
    }
}

fn abi_of(major: u32) -> Option<u32> {
    ABIS.iter().find(|(known, _)| *known == major).map(|(_, abi)| *abi)
}

/// Reads the major version of `v20.11.1`, `20.11.1` or `node-v20.11.1-linux-x64`.
fn major_of(text: &str) -> Option<u32> {
    let text = text.strip_prefix("node-").unwrap_or(text);
    let mut numbers = text.strip_prefix('v').unwrap_or(text).split('-').next()?.split('.');
    let (major, minor, patch) = (numbers.next()?.parse().ok()?, numbers.next()?, numbers.next()?);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (is_number(minor) && is_number(patch)).then_some(major)
}

/// Reads a module of prebuildify: `PACKAGE/prebuilds/linux-x64/node.abi115.glibc.node`. One of Node-API is for every version.
fn prebuilt<'a>(path: &'a str, architecture: &str) -> Option<(&'a str, Option<u32>)> {
    let (package, rest) = path.rsplit_once("/prebuilds/")?;
    let (platform, name) = rest.split_once('/')?;
    if platform.strip_prefix("linux-")? != architecture || name.contains('/') || name.starts_with("electron.") {
        return None;
    }
    let abi = name.split('.').find_map(|word| word.strip_prefix("abi")?.parse().ok());
    Some((package, abi.filter(|_| !name.split('.').any(|word| word == "napi"))))
}

/// Reads a module of node-pre-gyp: `PACKAGE/lib/binding/node-v115-linux-x64/a.node`. One below `napi-v3` is for every version.
fn downloaded<'a>(path: &'a str, architecture: &str) -> Option<(&'a str, Option<u32>)> {
    let package = |at: usize| path[..at].rsplit_once('/').map(|(folder, _)| folder);
    if let Some(at) = path.rfind("napi-v") {
        return Some((package(at)?, None));
    }
    let at = path.rfind("node-v")?;
    let rest = &path[at + "node-v".len()..];
    let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
    let (abi, platform) = rest.split_at(digits);
    let is_ours = platform.strip_prefix("-linux-")?.strip_prefix(architecture)?.starts_with(['/', '.', '-']);
    is_ours.then_some((package(at)?, abi.parse().ok()))
}

/// Says whether a package is where `require` of the started script looks: in `node_modules` of the folders above it, below the script's own
/// folder, or in `NODE_PATH`.
fn is_required(request: &LintRequest<'_>, started: &StartedProgram, package: &ImagePath) -> bool {
    let Some(script) = script(&started.arguments, WITH_VALUE, |word| word.starts_with('-')) else { return false };
    let script = if script.starts_with('/') { script.to_owned() } else { format!("/{}/{script}", started.directory) };
    let Some(folder) = ImagePath::absolute(&script).ok().and_then(|path| path.parent()) else { return false };
    let variable = request.config.variable("NODE_PATH").unwrap_or_default().split(':').filter_map(|path| ImagePath::absolute(path).ok());
    let above = folder.parents().chain([folder.clone(), ImagePath::root()]).filter_map(|above| above.join(b"node_modules").ok());
    let is_below = |above: &ImagePath| package.parents().any(|folder| folder == *above);
    variable.chain(above).any(|folder| is_below(&folder)) || is_below(&folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modules_say_their_abi() {
        for (path, expected) in [
            ("/a/prebuilds/linux-x64/node.abi115.node", Some(("/a", Some(115)))),
            ("/a/prebuilds/linux-x64/@x+y.abi108.glibc.node", Some(("/a", Some(108)))),
            ("/a/prebuilds/linux-x64/node.napi.node", Some(("/a", None))),
            ("/a/prebuilds/linux-x64/node.napi.glibc.abi9.node", Some(("/a", None))),
            ("/a/prebuilds/linux-arm64/node.abi115.node", None),
            ("/a/prebuilds/darwin-x64/node.abi115.node", None),
            ("/a/prebuilds/linux-x64/electron.abi115.node", None),
            ("/a/lib/binding/node-v93-linux-x64/b.node", Some(("/a/lib/binding", Some(93)))),
            ("/a/lib/binding/node-v93-linux-x64-musl/b.node", Some(("/a/lib/binding", Some(93)))),
            ("/a/lib/binding/napi-v6-linux-glibc-x64/b.node", Some(("/a/lib/binding", None))),
            ("/a/lib/b-v1.0.0-node-v93-linux-x64.node", Some(("/a/lib", Some(93)))),
            ("/a/lib/node-v93-win32-x64/b.node", None),
            ("/a/build/b.node", None),
        ] {
            assert_eq!(prebuilt(path, "x64").or_else(|| downloaded(path, "x64")), expected, "{path}");
        }
    }

    #[test]
    fn versions_are_read_from_paths() {
        for (text, expected) in [
            ("node-v20.11.1-linux-x64", Some(20)),
            ("v18.0.0", Some(18)),
            ("22.1.0", Some(22)),
            ("node", None),
            ("v20", None),
            ("1.2", None),
            ("bin", None),
        ] {
            assert_eq!(major_of(text), expected, "{text}");
        }
    }
}
