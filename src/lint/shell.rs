use std::collections::{BTreeMap, BTreeSet};

use super::LintRequest;
use super::files::{name, program};
use super::finding::{Level, Report};
use crate::rootfs::{Head, ImagePath, OpenContent, Rootfs};

/// The names of programs that run commands of a shell.
const SHELLS: &[&str] = &[
    "ash",
    "bash",
    "busybox",
    "csh",
    "dash",
    "elvish",
    "fish",
    "hush",
    "ksh",
    "ksh93",
    "lksh",
    "loksh",
    "mksh",
    "nu",
    "oksh",
    "posh",
    "pwsh",
    "rbash",
    "sash",
    "sh",
    "static-sh",
    "tcsh",
    "toybox",
    "xonsh",
    "yash",
    "zsh",
];

/// The shells of an image: programs, and the names that lead to each.
pub type Shells = BTreeMap<ImagePath, BTreeSet<ImagePath>>;

/// Returns the shells of an image: ELF programs that have the name of a shell, or to which a link of such a name leads. `contents` reads the
/// beginning of files of changesets; an image that was opened needs none.
pub fn shells(rootfs: &Rootfs<'_>, contents: Option<&dyn OpenContent>) -> Shells {
    let mut shells = Shells::new();
    for path in rootfs.paths().filter(|path| SHELLS.binary_search(&name(path)).is_ok()) {
        let Some((real, fact)) = program(rootfs, path) else { continue };
        if matches!(rootfs.head(&real, &fact, contents), Ok(Head::Elf { .. })) {
            let names = shells.entry(real.clone()).or_default();
            names.extend(Some(path.clone()).filter(|path| *path != real));
        }
    }
    shells
}

/// Tells of each shell in the image.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let shells = shells(request.rootfs, Some(request.contents));
    if shells.is_empty() {
        return;
    }
    let text = |(real, names): (&ImagePath, &BTreeSet<ImagePath>)| {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        if names.is_empty() { format!("`{real}`") } else { format!("`{real}` (also {})", names.join(", ")) }
    };
    let what = if shells.len() == 1 { "a shell" } else { "shells" };
    let message = format!("the image has {what}: {}", shells.iter().map(text).collect::<Vec<_>>().join(", "));
    report.find(Level::Note, message).about(shells.keys().map(ToString::to_string));
}
