//! The values that may be typed, as they are at this moment. Nothing here fails: what cannot be read has no values.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use clap_complete::engine::CompletionCandidate;

use crate::host::{Above, Environment, find_above, read_text};
use crate::lock::{Lock, LockedChoice, LockedDebian, lock_path};
use crate::oci::Platform;
use crate::ops::init::{RECIPE, TEMPLATES};
use crate::store::layout::Layout;

/// How many names of a folder are looked at.
const NAMES: usize = 2000;

/// No recipe and no lock is larger, in bytes.
const TEXT_LIMIT: u64 = 4 << 20;

/// Where an image may be written: the kind, whether a path follows, and what it is.
const OUTPUTS: &[(&str, &str)] = &[
    ("oci:", "an OCI image layout, a folder"),
    ("oci-archive:", "an OCI image layout as one tar file"),
    ("docker-archive:", "what `docker load` and `podman load` read"),
    ("docker-daemon:", "the engine"),
];

fn candidates<Value: Into<String>>(values: impl IntoIterator<Item = Value>) -> Vec<CompletionCandidate> {
    values.into_iter().map(|value| CompletionCandidate::new(value.into())).collect()
}

fn explained(value: &str, about: &str) -> CompletionCandidate {
    CompletionCandidate::new(value).help(Some(about.to_owned().into()))
}

/// Returns the templates of `init`.
pub(in crate::cli) fn templates() -> Vec<CompletionCandidate> {
    TEMPLATES.iter().map(|template| explained(template.name, template.about)).collect()
}

/// Returns the platforms.
pub(in crate::cli) fn platforms() -> Vec<CompletionCandidate> {
    candidates(Platform::architectures().map(|architecture| format!("linux/{architecture}")))
}

/// Returns the packages that the lock has.
pub(in crate::cli) fn packages() -> Vec<CompletionCandidate> {
    candidates(locked_names(|_| Vec::new()))
}

/// Returns the packages that the lock has, and those that it left out.
pub(in crate::cli) fn explained_packages() -> Vec<CompletionCandidate> {
    let left_out = |locked: &LockedDebian| {
        let packages = locked.platforms.values();
        packages.flat_map(|packages| packages.left_out.iter().map(|package| package.name.clone())).collect()
    };
    candidates(locked_names(left_out))
}

fn locked_names(more: impl Fn(&LockedDebian) -> Vec<String>) -> BTreeSet<String> {
    let lock = || {
        let path = lock_path(&recipe()?);
        let text = read_text(&path, TEXT_LIMIT).ok()?;
        Lock::parse(RECIPE, &text).ok()
    };
    let Some(Lock { base: LockedChoice::Debian(locked), .. }) = lock() else { return BTreeSet::new() };
    let names = locked.all_packages().into_values().map(|package| package.name.clone());
    names.chain(more(&locked)).collect()
}

/// Returns the recipe that a verb would read.
fn recipe() -> Option<PathBuf> {
    match find_above(Path::new(""), RECIPE, Environment::of_process().path("HOME").as_deref()) {
        Above::Here => Some(PathBuf::from(RECIPE)),
        Above::Found { path, .. } => Some(path),
        Above::Refused { .. } | Above::Nowhere => None,
    }
}

/// Returns the names and tags of the recipe that need no placeholder.
pub(in crate::cli) fn references() -> Vec<CompletionCandidate> {
    let image = || {
        let text = read_text(&recipe()?, TEXT_LIMIT).ok()?;
        text.parse::<toml::Table>().ok()?.remove("image")
    };
    let Some(image) = image() else { return Vec::new() };
    let Some(name) = image.get("name").and_then(toml::Value::as_str).filter(|name| is_plain(name)) else { return Vec::new() };
    let tags = image.get("tags").and_then(toml::Value::as_array).into_iter().flatten().filter_map(toml::Value::as_str);
    let tagged: Vec<String> = tags.filter(|tag| is_plain(tag)).map(|tag| format!("{name}:{tag}")).collect();
    if tagged.is_empty() { candidates([format!("{name}:")]) } else { candidates(tagged) }
}

/// A placeholder has its value when the recipe is read.
fn is_plain(text: &str) -> bool {
    !text.contains(['{', '}'])
}

/// Returns where `-o` may write: the kinds, and behind a kind the folders and files that are there.
pub(in crate::cli) fn outputs(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    match current.split_once(':') {
        None => {
            let fits = |(kind, _): &&(&str, &str)| kind.starts_with(current);
            OUTPUTS.iter().filter(fits).map(|(kind, about)| explained(kind, about)).collect()
        }
        Some(("oci", _)) => candidates(images_that_fit(current, &["oci:"])),
        Some(("oci-archive", _)) => candidates(images_that_fit(current, &["oci-archive:"])),
        Some(("docker-archive", _)) => candidates(images_that_fit(current, &["docker-archive:"])),
        Some(_) => Vec::new(),
    }
}

/// Returns the images of this folder: layouts and their tags, and archives.
pub(in crate::cli) fn images(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(current) = current.to_str() else { return Vec::new() };
    candidates(images_that_fit(current, &["oci:", "oci-archive:", "docker-archive:"]))
}

/// Returns where `push` may copy an image: the names of the recipe, and layouts and archives.
pub(in crate::cli) fn targets(current: &OsStr) -> Vec<CompletionCandidate> {
    let Some(text) = current.to_str() else { return Vec::new() };
    let fits = |candidate: &CompletionCandidate| candidate.get_value().to_str().is_some_and(|value| value.starts_with(text));
    let kinds = OUTPUTS.iter().take(2).map(|(kind, about)| explained(kind, about)).filter(fits);
    let written = candidates(images_that_fit(text, &["oci:", "oci-archive:"]));
    references().into_iter().filter(fits).chain(kinds).chain(written).collect()
}

/// Returns the layouts, their tags, and the archives that begin with what was typed, in the folder that it names; and the other folders there,
/// once a kind is typed.
fn images_that_fit(current: &str, kinds: &[&str]) -> Vec<String> {
    let path = current.split_once(':').map_or("", |(_, path)| path);
    let above = path.rsplit_once('/').map_or("", |(above, _)| above);
    let prefix = if path.contains('/') { format!("{above}/") } else { String::new() };
    let folder = match (above, path.starts_with('/')) {
        ("", true) => Path::new("/"),
        ("", false) => Path::new("."),
        (above, _) => Path::new(above),
    };
    let entries = fs::read_dir(folder).into_iter().flatten().take(NAMES).filter_map(Result::ok);
    let mut found = BTreeSet::new();
    for entry in entries {
        let is_hidden = entry.file_name().to_string_lossy().starts_with('.') && !path[prefix.len()..].starts_with('.');
        let Some(name) = entry.file_name().to_str().filter(|_| !is_hidden).map(|name| format!("{prefix}{name}")) else { continue };
        let at = entry.path();
        if at.join("oci-layout").is_file() {
            if kinds.contains(&"oci:") {
                found.insert(format!("oci:{name}"));
                let tags = Layout::open(&at).and_then(|layout| layout.tags()).unwrap_or_default();
                found.extend(tags.into_iter().map(|tag| format!("oci:{name}:{tag}")));
            }
        } else if at.is_dir() {
            found.extend(kinds.iter().filter(|_| current.contains(':')).map(|kind| format!("{kind}{name}/")));
        } else if at.extension().is_some_and(|ending| ending == "tar") {
            found.extend(kinds.iter().filter(|kind| kind.ends_with("archive:")).map(|kind| format!("{kind}{name}")));
        }
    }
    found.retain(|value| value.starts_with(current));
    found.into_iter().collect()
}
