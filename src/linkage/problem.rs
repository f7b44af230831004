use crate::diagnostic::{Diagnostic, Span};
use crate::rootfs::ImagePath;

use super::files::Files;
use super::remark::{Level, Remark};
use super::{Fault, FindPackage};

/// How many faults are told one by one.
const TOLD: usize = 20;

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
}

impl Problem {
    pub(super) fn library(path: &ImagePath, chain: Vec<ImagePath>, name: &str, reasons: &[String], architecture: &str) -> Self {
        let reason = match reasons {
            [] => "is not in the image".to_owned(),
            reasons => format!("is of no use where it is found: {}", reasons.join(", ")),
        };
        let message = format!("`{path}` needs the library `{}`, which {reason}", name.escape_debug());
        Self { architecture: architecture.to_owned(), ..Self::new(path, chain, name, reason, message) }
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

    pub(super) fn of_file(path: &ImagePath, message: &str) -> Self {
        Self::new(path, vec![path.clone()], "", message.to_owned(), message.to_owned())
    }

    fn new(path: &ImagePath, chain: Vec<ImagePath>, needs: &str, reason: String, message: String) -> Self {
        let (needs, architecture) = (needs.to_owned(), String::new());
        Self { path: path.clone(), chain, needs, library: None, reason, message, hints: Vec::new(), architecture }
    }

    /// Returns where else in the image the library is that is missed.
    pub(super) fn elsewhere(&self, files: &Files<'_>) -> Option<ImagePath> {
        let is_name = !self.architecture.is_empty() && !self.needs.contains('/');
        if is_name { files.elsewhere(self.needs.as_bytes(), &self.architecture) } else { None }
    }

    /// Returns it as a remark about a file that the entrypoint does not reach.
    pub(super) fn remark(self, files: &Files<'_>) -> Remark {
        let (level, reason) = match self.elsewhere(files) {
            Some(other) => (Level::Unproved, format!("is at `{other}`, where the loader does not look by itself")),
            None => (Level::Warning, self.reason),
        };
        Remark { level, path: self.path.to_string(), needs: self.needs, reason }
    }

    fn diagnostic(self, files: &Files<'_>, packages: Option<&dyn FindPackage>, span: Option<&Span>) -> Diagnostic {
        let other = self.elsewhere(files);
        let mut message = self.message;
        if self.chain.len() > 1 {
            let names: Vec<String> = self.chain.iter().map(|path| format!("`{path}`")).collect();
            message = format!("{message} ({})", names.join(" → "));
        }
        let mut diagnostic = Diagnostic::error(message).at(span, "could not start");
        let package = packages.and_then(|packages| packages.package_with(self.library.as_deref().unwrap_or(&self.needs)));
        let hint = match (package, &other) {
            (_, Some(other)) => Some(format!(
                "it is at `{other}`, where the loader does not look: set `LD_LIBRARY_PATH` in `process.env`, or link with a run path"
            )),
            (Some(package), None) if self.library.is_some() => Some(format!("it is of the package `{package}`: a newer one may define it")),
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
pub(super) fn faults(files: &Files<'_>, problems: Vec<Problem>, packages: Option<&dyn FindPackage>, span: Option<&Span>) -> Vec<Fault> {
    let mut told: Vec<(ImagePath, String)> = Vec::new();
    let mut more = 0;
    let mut diagnostics = Vec::new();
    for problem in problems {
        let key = (problem.path.clone(), problem.needs.clone());
        if told.contains(&key) {
            continue;
        }
        if told.len() < TOLD {
            told.push(key);
            diagnostics.push(problem.diagnostic(files, packages, span));
        } else {
            more += 1;
        }
    }
    if let Some(last) = diagnostics.last_mut() {
        if more > 0 {
            last.hints.push(format!("{more} more of this kind are not shown"));
        }
        last.hints
            .push("where it is known to work nevertheless, an `[[unproved]]` entry with `path`, `needs` and `reason` says so".to_owned());
    }
    diagnostics.into_iter().map(Fault::Start).collect()
}
