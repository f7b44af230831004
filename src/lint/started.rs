use super::LintRequest;
use super::files::{head, name, program};
use crate::rootfs::{Head, ImagePath};

/// Programs that start the program that their arguments name.
const LAUNCHERS: &[&str] = &["catatonit", "dumb-init", "env", "tini", "tini-static"];

/// An interpreter that the image starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Started {
    /// Its path, as the config or the script names it.
    pub(super) named: ImagePath,
    /// Its path without links.
    pub(super) real: ImagePath,
    /// Its arguments; the script is the first where a script is started.
    pub(super) arguments: Vec<String>,
}

/// Returns the interpreter that the image starts: the program itself, one behind a launcher, or that of a script's first line. `is_one` says
/// whether a program of this name is such an interpreter.
pub(super) fn started(request: &LintRequest<'_>, is_one: impl Fn(&str) -> bool) -> Option<Started> {
    let arguments = request.config.arguments();
    for (index, word) in arguments.iter().enumerate() {
        let is_option = index > 0 && (word.starts_with('-') || word.contains('=') && !word.starts_with('/'));
        if is_option {
            continue;
        }
        let named = find(request, word)?;
        let (real, fact) = program(request.rootfs, &named)?;
        let rest = || arguments[index + 1..].iter().map(|word| (*word).to_owned());
        if is_one(name(&named)) || is_one(name(&real)) {
            return Some(Started { named, real, arguments: rest().collect() });
        }
        if let Some(Head::Script { interpreter, argument }) = head(request.rootfs, Some(request.contents), &real, &fact) {
            let interpreter = behind_env(&interpreter, argument.as_deref());
            let found = find(request, interpreter)?;
            let (real_interpreter, _) = program(request.rootfs, &found)?;
            let is_started = is_one(name(&found)) || is_one(name(&real_interpreter));
            let arguments = std::iter::once(named.to_string()).chain(rest()).collect();
            return is_started.then_some(Started { named: found, real: real_interpreter, arguments });
        }
        if !LAUNCHERS.contains(&name(&named)) {
            return None;
        }
    }
    None
}

/// Returns the program of a script's first line: where that is `env`, the one that it looks for.
fn behind_env<'a>(interpreter: &'a str, argument: Option<&'a str>) -> &'a str {
    if !interpreter.ends_with("/env") {
        return interpreter;
    }
    let words = argument.unwrap_or_default().split_ascii_whitespace();
    words
        .map(|word| word.strip_prefix("-S").unwrap_or(word))
        .find(|word| !word.is_empty() && !word.starts_with('-') && !word.contains('='))
        .unwrap_or_default()
}

/// Returns where a runtime finds a program: by its path, or in a folder of `PATH`.
fn find(request: &LintRequest<'_>, word: &str) -> Option<ImagePath> {
    let absolute = |path: &str| ImagePath::absolute(path).ok();
    if word.starts_with('/') {
        return absolute(word);
    }
    if word.contains('/') {
        let folder = request.config.working_directory().unwrap_or("/");
        return absolute(&format!("{}/{}", folder.trim_end_matches('/'), word.trim_start_matches("./")));
    }
    let folders = request.config.variable("PATH").unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").split(':');
    let candidates = folders.filter_map(|folder| absolute(&format!("{}/{word}", folder.trim_end_matches('/'))));
    candidates.into_iter().find(|path| program(request.rootfs, path).is_some())
}
