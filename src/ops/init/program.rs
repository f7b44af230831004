//! Programs that Linux runs without an interpreter.

use super::draft::{Draft, DraftFiles, Package};
use super::folder::{Folder, FoundProgram, has_extension};
use crate::oci::Platform;
use crate::rootfs::Head;

pub(super) const STATIC: (&str, &str) =
    ("static = true", "accounts, CA certificates, time zones and /tmp, from hardened itself: no network");
const DYNAMIC: (&str, &str) =
    ("debian = { flavour = \"cc\" }", "the C and C++ libraries and OpenSSL, from signed Debian packages: it is linked to them");

/// Where a loose program may be.
const FOLDERS: [&str; 6] = ["", "bin", "build", "dist", "out", "target/release"];

/// Returns the recipe for a program that is in the folder, of no project that is known.
pub(super) fn draft(folder: &Folder<'_>) -> Option<Draft> {
    let paths = FOLDERS.iter().flat_map(|below| {
        let names = folder.names(below).into_iter().filter(|name| !name.contains(".so") && !has_extension(name, "o"));
        names.map(|name| if below.is_empty() { name } else { format!("{below}/{name}") }).collect::<Vec<_>>()
    });
    let found = paths.into_iter().find_map(|path| folder.program(&path))?;
    let name = found.path.rsplit('/').next().map(str::to_owned);
    Some(of_program(&found, Package { name, ..Package::default() }))
}

/// Returns the recipe for a program: its base is what it is linked to.
pub(super) fn of_program(found: &FoundProgram, package: Package) -> Draft {
    let FoundProgram { path, head } = found;
    let Head::Elf { machine, interpreter, .. } = head else { return of_path(path, package, STATIC) };
    let base = if interpreter.is_none() { STATIC } else { DYNAMIC };
    let linked = if interpreter.is_none() { "static" } else { "dynamic" };
    let mut draft = of_path(path, package, base);
    draft.about = format!("the {linked} program `{path}`");
    let architecture = machine.name();
    if Platform::architectures().any(|known| known == architecture) {
        draft.architecture = architecture;
    } else {
        draft.notes.push(format!("`{path}` is a program for {architecture}, for which there are no images"));
    }
    if interpreter.as_deref().is_some_and(|interpreter| interpreter.contains("ld-musl")) {
        draft.notes.push(format!("`{path}` is linked to musl dynamically: link it statically, and write `static = true` in `[base]`"));
    }
    draft
}

/// Returns the recipe for a program at a path, which need not be there yet.
pub(super) fn of_path(path: &str, package: Package, base: (&'static str, &'static str)) -> Draft {
    let name = path.rsplit('/').next().unwrap_or_default();
    let to = format!("/usr/bin/{name}");
    let mut draft = Draft::new("static", format!("the program `{path}`"), package, base);
    draft.files.push(DraftFiles { is_program: true, ..DraftFiles::new(path, &to) });
    draft.entrypoint = vec![to];
    draft
}

/// Returns the architecture of this machine by its name in images, for programs that are yet to be built here.
pub(super) fn built_here() -> Option<(&'static str, &'static str)> {
    match std::env::consts::ARCH {
        "x86_64" => Some(("amd64", "x86_64")),
        "aarch64" => Some(("arm64", "aarch64")),
        _ => None,
    }
}
