use crate::diagnostic::{Diagnostic, Span};
use crate::rootfs::ImagePath;

use super::files::Files;
use super::remark::{Level, Remark};
use super::roots::Cause;
use super::{Fault, FindPackage};

/// How many faults are told one by one.
const TOLD: usize = 20;

/// Where a recipe names what is proved.
#[derive(Debug, Clone, Copy)]
pub(super) struct Spans<'a> {
    pub(super) entrypoint: Option<&'a Span>,
    pub(super) preload: Option<&'a Span>,
}

/// Something that a reached file, or one of a package, misses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) path: ImagePath,
    /// What leads to the file, itself included.
    chain: Vec<ImagePath>,
    pub(super) needs: String,
    /// The library that should define the version.
    pub(super) library: Option<String>,
    /// What is the matter with what it needs.
    pub(super) reason: String,
    message: String,
    hints: Vec<String>,
    architecture: String,
    /// What reaches the file.
    cause: Cause,
}

impl Problem {
    pub(super) fn library(path: &ImagePath, chain: Vec<ImagePath>, name: &str, reasons: &[String], architecture: &str) -> Self {
        let reason = match reasons {
            [] => "is not in the image".to_owned(),
            reasons => format!("is found, but cannot be used: {}", reasons.join(", ")),
        };
        let message = format!("`{path}` needs the library `{}`, which {reason}", name.escape_debug());
        Self { architecture: architecture.to_owned(), ..Self::new(path, chain, name, reason, message) }
    }

    /// A library of `LD_PRELOAD` that a program would not find.
    pub(super) fn preload(path: &ImagePath, name: &str, reasons: &[String], architecture: &str) -> Self {
        let problem = Self::library(path, vec![path.clone()], name, reasons, architecture);
        let message = format!("`LD_PRELOAD` names the library `{}`, which {}", name.escape_debug(), problem.reason);
        Self { message, cause: Cause::Preload, ..problem }
    }

    pub(super) fn version(
        path: &ImagePath,
        chain: Vec<ImagePath>,
        library: &str,
        version: &str,
        found: &ImagePath,
        defines: &[Box<str>],
    ) -> Self {
        let (library, escaped) = (library.escape_debug().to_string(), version.escape_debug());
        let message = format!("`{path}` needs the version `{escaped}` of `{library}`, which `{found}` does not define");
        let newest = newest(version, defines).map(|newest| {
            format!("the newest that it defines is `{newest}`: build for an older system, or choose a base with a newer `{library}`")
        });
        let problem = Self::new(path, chain, version, format!("is not defined by `{found}`"), message);
        Self { library: Some(library), hints: newest.into_iter().collect(), ..problem }
    }

    pub(super) fn interpreter(path: &ImagePath, name: &str) -> Self {
        let message = format!("`{path}` needs the interpreter `{}`, which is not in the image", name.escape_debug());
        Self::new(path, vec![path.clone()], name, "is not in the image".to_owned(), message)
    }

    /// Something about the file itself; `reason` follows its path.
    pub(super) fn of_file(path: &ImagePath, reason: &str) -> Self {
        Self::new(path, vec![path.clone()], "", reason.to_owned(), format!("`{path}` {reason}"))
    }

    /// Says what reaches the file, unless `LD_PRELOAD` names it.
    pub(super) fn caused_by(self, cause: Cause) -> Self {
        if self.cause == Cause::Preload { self } else { Self { cause, ..self } }
    }

    fn new(path: &ImagePath, chain: Vec<ImagePath>, needs: &str, reason: String, message: String) -> Self {
        let (needs, architecture) = (needs.to_owned(), String::new());
        Self { path: path.clone(), chain, needs, library: None, reason, message, hints: Vec::new(), architecture, cause: Cause::Program }
    }

    /// Returns where else in the image the library is that is missed.
    pub(super) fn elsewhere(&self, files: &Files<'_>) -> Option<ImagePath> {
        let is_name = !self.architecture.is_empty() && !self.needs.contains('/');
        if is_name { files.elsewhere(self.needs.as_bytes(), &self.architecture) } else { None }
    }

    /// Returns it as a remark about a file that nothing reaches which the image starts, with the package that has what is missing.
    pub(super) fn remark(self, files: &Files<'_>, packages: Option<&dyn FindPackage>) -> Remark {
        if let Some(other) = self.elsewhere(files) {
            let reason = format!("is at `{other}`, where the loader does not search by default");
            return Remark::new(Level::Unproved, &self.path, &self.needs, reason);
        }
        let package = packages.and_then(|packages| packages.package_with(self.library.as_deref().unwrap_or(&self.needs)));
        Remark { package, ..Remark::new(Level::Warning, &self.path, &self.needs, self.reason) }
    }

    fn located(&self, message: String, spans: Spans<'_>) -> Diagnostic {
        match self.cause {
            Cause::Program => Diagnostic::error(message).at(spans.entrypoint, "could not start"),
            Cause::HealthCheck => Diagnostic::error(format!("the health check could not run: {message}")),
            Cause::Preload => Diagnostic::error(message).at(spans.preload, "named here"),
        }
    }

    fn diagnostic(self, files: &Files<'_>, packages: Option<&dyn FindPackage>, spans: Spans<'_>) -> Diagnostic {
        let other = self.elsewhere(files);
        let is_preload = self.cause == Cause::Preload;
        let mut message = self.message.clone();
        if self.chain.len() > 1 {
            let names: Vec<String> = self.chain.iter().map(|path| format!("`{path}`")).collect();
            message = format!("{message} ({})", names.join(" → "));
        }
        let mut diagnostic = self.located(message, spans);
        let package = packages.and_then(|packages| packages.package_with(self.library.as_deref().unwrap_or(&self.needs)));
        let hint = match (package, &other) {
            (_, Some(other)) if is_preload => Some(format!("it is at `{other}`, where the loader does not search: write this path")),
            (_, Some(other)) => Some(format!(
                "it is at `{other}`, where the loader does not search: set `LD_LIBRARY_PATH` in `process.env`, or link with a run path"
            )),
            (Some(package), None) if self.library.is_some() => {
                Some(format!("it is in the package `{package}`: a newer version may define it"))
            }
            (Some(package), None) => Some(format!("the package `{package}` has it")),
            (None, None) if self.hints.is_empty() && !self.needs.is_empty() => {
                Some("add it with a `[[files]]` entry, or choose a base that has it".to_owned())
            }
            (None, None) => None,
        };
        diagnostic.hints = self.hints.into_iter().chain(hint).collect();
        diagnostic
    }
}

/// Returns the newest version of the same family that a library defines: of `GLIBC_2.38`, another `GLIBC_…`.
fn newest<'a>(version: &str, defines: &'a [Box<str>]) -> Option<&'a str> {
    let family = &version[..=version.rfind('_')?];
    let numbers = |name: &str| -> Option<Vec<u32>> { name.strip_prefix(family)?.split('.').map(|part| part.parse().ok()).collect() };
    let of_family = defines.iter().filter_map(|name| Some((numbers(name)?, &**name)));
    of_family.max().map(|(_, name)| name)
}

/// Makes faults of problems; of very many, the first.
pub(super) fn faults(files: &Files<'_>, problems: Vec<Problem>, packages: Option<&dyn FindPackage>, spans: Spans<'_>) -> Vec<Fault> {
    let mut told: Vec<(ImagePath, String)> = Vec::new();
    let mut more = 0;
    let mut diagnostics = Vec::new();
    for problem in problems {
        // Each program of an image would miss what `LD_PRELOAD` names.
        let path = if problem.cause == Cause::Preload { ImagePath::root() } else { problem.path.clone() };
        let key = (path, problem.needs.clone());
        if told.contains(&key) {
            continue;
        }
        if told.len() < TOLD {
            told.push(key);
            diagnostics.push(problem.diagnostic(files, packages, spans));
        } else {
            more += 1;
        }
    }
    if let Some(last) = diagnostics.last_mut() {
        if more > 0 {
            last.hints.push(format!("{more} more of this kind are not shown"));
        }
        last.hints.push("if you know that it works, add an `[[unproved]]` entry with `path`, `needs` and `reason`".to_owned());
    }
    diagnostics.into_iter().map(Fault::Start).collect()
}
