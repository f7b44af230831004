use std::collections::{BTreeMap, BTreeSet};

use super::LintRequest;
use super::files::{name, program, text};
use super::finding::{Level, Report};
use super::started::{script, started};
use super::wheel::{Build, Libc, Target, Version, architecture};
use crate::linkage::StartedProgram;
use crate::rootfs::ImagePath;

/// The options of `python` whose value is the next argument (its `--help-all`); what follows `-m` and `-c` ends the options.
const WITH_VALUE: &[&str] = &["-W", "-X", "--check-hash-based-pycs"];

/// Finds Python modules that the interpreter of the image does not load: built for another version, C library or architecture.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let found = Found::of(request);
    if found.modules.is_empty() && found.wheels.is_empty() {
        return;
    }
    let started = started(request, is_python);
    let main = started.and_then(|started| found.version(&started.real)).map(|version| found.target(version, request));
    let targets: Vec<Target> = found.versions.iter().map(|version| found.target(*version, request)).collect();
    let Some(target) = main.as_ref().or(targets.last()) else {
        if !found.modules.is_empty() {
            report.find(
                Level::Detail,
                "Python modules are not compared with an interpreter, because the image has no interpreter with a known version",
            );
        }
        return;
    };
    let fits = |build: &Build| targets.iter().chain(&main).any(|target| build.fits(target));
    let search = started.filter(|_| main.is_some()).map(|started| search_path(request, started, target.version)).unwrap_or_default();
    let mut groups: BTreeMap<(Level, String, String), BTreeSet<String>> = BTreeMap::new();
    let mut told: BTreeSet<(ImagePath, String)> = BTreeSet::new();
    for ((folder, stem), modules) in &found.modules {
        if modules.iter().any(|(_, build)| fits(build)) {
            continue;
        }
        let has_source = folder.join(format!("{stem}.py").as_bytes()).is_ok_and(|path| request.rootfs.entry(&path).is_some());
        let is_imported = !has_source && search.iter().any(|above| is_importable(above, folder));
        for (path, build) in modules {
            let (built, ours) = build.difference(target);
            told.extend(folder.parents().chain([folder.clone()]).map(|above| (above, built.clone())));
            if report.is_waived(&path.to_string(), &built) {
                continue;
            }
            let level = if is_imported { Level::Error } else { Level::Warning };
            groups.entry((level, built, ours)).or_default().insert(path.to_string());
        }
    }
    for path in &found.wheels {
        let Some((built, ours)) = wheel_difference(request, path, target, fits) else { continue };
        let site = path.parent().and_then(|folder| folder.parent()).unwrap_or_default();
        if !told.contains(&(site, built.clone())) && !report.is_waived(&path.to_string(), &built) {
            groups.entry((Level::Warning, built, ours)).or_default().insert(path.to_string());
        }
    }
    for ((level, built, ours), paths) in groups {
        tell(report, level, &built, &ours, paths, target);
    }
}

fn tell(report: &mut Report, level: Level, built: &str, ours: &str, paths: BTreeSet<String>, target: &Target) {
    let first = paths.first().cloned().unwrap_or_default();
    let (what, verb) = match paths.len() {
        1 => ("a Python module".to_owned(), "is"),
        count => (format!("{count} Python modules"), "are"),
    };
    let searched = if level == Level::Error { ", in a folder from which the entrypoint imports" } else { "" };
    let message = format!("{what} {verb} built for {built}, and the image has {ours}: `{first}`{searched}");
    let platform = match target.libc {
        Some(Libc::Musl) => "musllinux_1_2",
        _ => "manylinux_2_28",
    };
    let platform = target.architecture.map(|architecture| format!(" --platform {platform}_{architecture}")).unwrap_or_default();
    let Version { major, minor, .. } = target.version;
    let install = format!(
        "install for the image's Python: `pip install --target site-packages --python-version {major}.{minor} --only-binary :all:{platform} …`"
    );
    let finding = report.find(level, message);
    finding.hint(install).about(paths);
    if level == Level::Error {
        finding.hint(format!(
            "if the program works without the module, add an `[[unproved]]` entry with `path`, `needs = \"{built}\"` and `reason`"
        ));
    }
}

fn is_python(name: &str) -> bool {
    name.strip_prefix("python").is_some_and(|rest| rest.trim_end_matches('t').bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// What an image has of Python.
#[derive(Default)]
struct Found {
    /// The versions of its interpreters.
    versions: BTreeSet<Version>,
    /// The extension modules that say what they are for, by folder and name.
    modules: BTreeMap<(ImagePath, String), BTreeMap<ImagePath, Build>>,
    /// The `WHEEL` files of installed distributions.
    wheels: BTreeSet<ImagePath>,
    libc: BTreeSet<Libc>,
}

impl Found {
    fn of(request: &LintRequest<'_>) -> Self {
        let mut found = Self::default();
        for path in request.rootfs.paths() {
            let (name, folder) = (name(path), || path.parent().unwrap_or_default());
            if name.starts_with("ld-musl-") {
                found.libc.insert(Libc::Musl);
            } else if name.starts_with("ld-linux") {
                found.libc.insert(Libc::Glibc);
            } else if name == "WHEEL" && folder().name().ends_with(b".dist-info") {
                found.wheels.insert(path.clone());
            } else if name == "os.py" {
                found.versions.extend(self::name(&folder()).strip_prefix("python").and_then(Version::dotted));
            } else if let Some(version) = name.strip_prefix("python").and_then(Version::dotted) {
                found.versions.extend(Some(version).filter(|_| folder().name() == b"bin" && program(request.rootfs, path).is_some()));
            } else if let Some((stem, build)) = Build::of_module(name) {
                found.modules.entry((folder(), stem.to_owned())).or_default().insert(path.clone(), build);
            }
        }
        // Without one that says what it was built for there is nothing to compare.
        found.modules.retain(|_, modules| modules.values().any(|build| build.python.is_some() || build.system.is_some()));
        found
    }

    fn target(&self, version: Version, request: &LintRequest<'_>) -> Target {
        let only = if self.libc.len() == 1 { self.libc.first().copied() } else { None };
        // Before 3.11, modules for musl had the names of those for glibc (bpo-43112).
        let libc = only.filter(|libc| *libc == Libc::Glibc || version.minor >= 11);
        Target { version, architecture: architecture(request.platform), libc }
    }

    /// Returns the version of an interpreter: by its name, or by its standard library.
    fn version(&self, interpreter: &ImagePath) -> Option<Version> {
        name(interpreter).strip_prefix("python").and_then(Version::dotted).or_else(|| {
            let only = self.versions.first().filter(|_| self.versions.len() == 1);
            only.copied()
        })
    }
}

/// Returns what a wheel was built for and what the interpreter is, where none of its tags fits.
fn wheel_difference(
    request: &LintRequest<'_>,
    path: &ImagePath,
    target: &Target,
    fits: impl Fn(&Build) -> bool,
) -> Option<(String, String)> {
    let text = text(request, path)?;
    let tags = text.lines().filter_map(|line| line.strip_prefix("Tag:"));
    let builds: Vec<Build> = tags.flat_map(Build::of_tag).collect();
    if builds.iter().any(fits) { None } else { builds.first().map(|build| build.difference(target)) }
}

/// Returns the folders in which an interpreter looks for modules, as far as the config says (`sys.path`).
fn search_path(request: &LintRequest<'_>, started: &StartedProgram, version: Version) -> Vec<ImagePath> {
    let absolute = |path: &str| ImagePath::absolute(path).ok();
    let directory = ImagePath::new(started.directory.as_bytes()).ok();
    let mut folders = Vec::new();
    // An option that takes a module or code ends the options.
    match script(&started.arguments, WITH_VALUE, |word| word.starts_with('-') && !matches!(word, "-m" | "-c")) {
        Some("-m" | "-c") => folders.extend(directory),
        Some(script) if script.starts_with('/') => folders.extend(absolute(script).and_then(|path| path.parent())),
        Some(script) => folders.extend(directory.and_then(|above| above.join(script.as_bytes()).ok()?.parent())),
        None => {}
    }
    let paths = request.config.variable("PYTHONPATH").unwrap_or_default().split(':').filter(|path| !path.is_empty());
    folders.extend(paths.filter_map(absolute));
    let library = format!("lib/python{}.{}", version.major, version.minor);
    for program in [&started.named, &started.real] {
        let Some(prefix) = program.parent().and_then(|folder| folder.parent()) else { continue };
        let below = |path: &str| absolute(&format!("{}/{path}", prefix.to_string().trim_end_matches('/')));
        folders.extend(below(&format!("{library}/site-packages")));
        folders.extend(below("lib/python3/dist-packages"));
        folders.extend(below(&format!("local/{library}/dist-packages")));
    }
    folders
}

/// Says whether modules of a folder are imported by names below `above`: `a.b` is in the folders `a` and `b`.
fn is_importable(above: &ImagePath, folder: &ImagePath) -> bool {
    let rest = match folder.as_bytes().strip_prefix(above.as_bytes()) {
        Some([b'/', rest @ ..]) => rest,
        Some(rest) if rest.is_empty() || above.is_root() => rest,
        _ => return false,
    };
    let is_identifier = |name: &[u8]| {
        !name.first().is_some_and(u8::is_ascii_digit) && name.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
    };
    rest.split(|byte| *byte == b'/').all(is_identifier)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::PathFault;

    #[test]
    fn folders_are_imported_by_their_names() -> Result<(), PathFault> {
        for (above, folder, expected) in [
            ("/app", "/app", true),
            ("/app", "/app/pandas/_libs", true),
            ("/app", "/apple", false),
            ("/app", "/app/site-packages/pandas", false),
            ("/app", "/app/.venv/lib/python3.11/site-packages", false),
            ("/", "/app", true),
            ("/app/x", "/app", false),
        ] {
            let path = |text: &str| ImagePath::absolute(text);
            assert_eq!(is_importable(&path(above)?, &path(folder)?), expected, "{above} {folder}");
        }
        Ok(())
    }

    #[test]
    fn names_of_python() {
        for (name, expected) in [
            ("python", true),
            ("python3", true),
            ("python3.13", true),
            ("python3.13t", true),
            ("python3-config", false),
            ("pythonw", false),
        ] {
            assert_eq!(is_python(name), expected, "{name}");
        }
    }
}
