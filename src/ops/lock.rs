//! `hardened lock`: what the base's name means, written down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::base::embedded;
use crate::diagnostic::Diagnostic;
use crate::host::project::DENY_LIST_VERSION;
use crate::host::{read_text, write_whole};
use crate::layer::Compressor;
use crate::lock::{Lock, LockedChoice, Terms, lock_path};
use crate::recipe::Base;

use super::base::{self, Before, ChosenBase};
use super::debian::{self, PackageChange};
use super::recipe::{self, OpenRecipe};
use super::repair::repaired;
use super::{Failure, RecipeRequest, Run};

/// How the lock is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockUse {
    /// A missing one is written, a stale one is written anew, and what still holds is kept.
    Keep,
    /// What the names mean now is written, whatever was locked.
    Update,
    /// A missing or stale one is refused.
    Require,
    /// What still holds is kept, and nothing is written.
    Look,
}

/// What the lock came to.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct Locked {
    /// The lock's file.
    pub path: PathBuf,
    /// Whether it was written anew.
    pub changed: bool,
    /// What the base was before, if it was locked.
    pub before: Option<String>,
    /// What the base is now.
    pub after: String,
    /// The packages that changed, when they were to be updated.
    pub packages: Vec<PackageChange>,
}

/// Pins the base of a recipe.
///
/// # Errors
/// When the recipe is wrong or the base cannot be found.
pub fn lock(request: &RecipeRequest, how: LockUse, only: &[String], run: Run<'_>) -> Result<Locked, Failure> {
    repaired(run, |run| lock_once(request, how, only, run))
}

fn lock_once(request: &RecipeRequest, how: LockUse, only: &[String], run: Run<'_>) -> Result<Locked, Failure> {
    let open = recipe::open(request, &run.tools.environment, run.observer)?;
    if let Some(name) = only.first().filter(|_| !matches!(open.recipe.base.value, Base::Debian(_))) {
        let message = format!("the package `{}` cannot be updated: the base is not made of Debian packages", name.escape_debug());
        return Err(Failure::wrong(message).hint("leave its name out: `hardened lock --update`"));
    }
    settle(&open, &request.file, how, only, run)?.write(run)
}

/// A base, and the lock that pins it.
pub(super) struct Settled {
    /// The base.
    pub(super) base: ChosenBase,
    /// What the lock says of it, also for platforms that this run does not build.
    pub(super) choice: LockedChoice,
    /// The lock, which is not written yet.
    pub(super) lock: UnwrittenLock,
}

impl Settled {
    /// Writes the lock, if it changed.
    fn write(self, run: Run<'_>) -> Result<Locked, Failure> {
        self.lock.write(run)?;
        let packages = match (&self.lock.known, &self.choice) {
            (Some(LockedChoice::Debian(old)), LockedChoice::Debian(new)) if self.lock.changed && self.lock.how == LockUse::Update => {
                debian::changes(Some(old), new, run)
            }
            _ => Vec::new(),
        };
        let UnwrittenLock { path, changed, known, .. } = self.lock;
        Ok(Locked { path, changed, before: known.as_ref().map(described), after: described(&self.choice), packages })
    }
}

/// A lock as it should be on disk. A build writes it once the image is known to be good: what a refused one found out is worth nothing.
pub(super) struct UnwrittenLock {
    /// The lock's file.
    pub(super) path: PathBuf,
    text: String,
    /// Whether the file holds something else, and this run may write it.
    pub(super) changed: bool,
    how: LockUse,
    /// What was locked before.
    known: Option<LockedChoice>,
    /// What is renewed although all pins stay.
    renewed: Vec<String>,
}

impl UnwrittenLock {
    /// Writes the lock whole or not at all, if it changed.
    ///
    /// # Errors
    /// When the disk fails; what was there before is then still there.
    pub(super) fn write(&self, run: Run<'_>) -> Result<(), Failure> {
        if !self.changed {
            return Ok(());
        }
        let path = self.path.display();
        write_whole(&self.path, self.text.as_bytes()).map_err(|error| Failure::external(format!("could not write `{path}`"), error))?;
        if !self.renewed.is_empty() {
            run.observer.note(&format!("`{path}` is updated, and all its pins are unchanged: {}", self.renewed.join("; ")));
        }
        Ok(())
    }
}

/// Finds the base by the lock, and decides what the lock should be. Nothing is written.
pub(super) fn settle(open: &OpenRecipe, file: &Path, how: LockUse, only: &[String], run: Run<'_>) -> Result<Settled, Failure> {
    let path = lock_path(file);
    let before = read(&path)?;
    let platforms = open.recipe.platforms.iter().map(|platform| &platform.value);
    let stale = before.as_ref().and_then(|(_, lock)| lock.staleness(&open.recipe.base.value, platforms, embedded::DATA_VERSION));
    if how == LockUse::Require {
        let update = "run `hardened lock`, and commit the lock";
        if before.is_none() {
            return Err(Failure::wrong(format!("`{}` is missing, and `--locked` does not write it", path.display())).hint(update));
        }
        if let Some(stale) = &stale {
            return Err(Failure::wrong(format!("{stale} (`{}`)", path.display())).hint(update));
        }
    }
    let terms = terms(open)?;
    let renewed = before.as_ref().map(|(_, lock)| lock.terms.changes(&terms)).unwrap_or_default();
    if how == LockUse::Require && !renewed.is_empty() {
        let message = format!("the lock must be renewed: {} (`{}`)", renewed.join("; "), path.display());
        return Err(Failure::wrong(message).hint("run `hardened lock`, which updates these lines and changes no pin, and commit the lock"));
    }
    let holds = how != LockUse::Update && stale.is_none();
    let known = before.as_ref().map(|(_, lock)| &lock.base);
    let found = base::find(open, Before { locked: known, holds, only }, run)?;
    let mut choice = found.choice();
    keep_platforms(&mut choice, before.as_ref().map(|(_, lock)| &lock.base));
    let lock = Lock { terms, base: choice };
    let text = match &before {
        Some((text, old)) if old.base == lock.base => lock.renewed_text(old, text),
        _ => lock.to_text(),
    };
    let choice = lock.base;
    let changed = before.as_ref().is_none_or(|(old, _)| *old != text) && matches!(how, LockUse::Keep | LockUse::Update);
    let renewed = if holds { renewed } else { Vec::new() };
    let lock = UnwrittenLock { path, text, changed, how, known: before.map(|(_, old)| old.base), renewed };
    Ok(Settled { base: found, choice, lock })
}

fn read(path: &Path) -> Result<Option<(String, Lock)>, Failure> {
    match read_text(path, 4 << 20) {
        Ok(text) => Lock::parse(&path.to_string_lossy(), &text).map(|lock| Some((text, lock))).map_err(Failure::Wrong),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::from(Diagnostic::error(format!("could not read the lock `{}`: {error}", path.display())))),
    }
}

/// Keeps what was locked for platforms that this run does not build, while they are of the same index.
fn keep_platforms(choice: &mut LockedChoice, before: Option<&LockedChoice>) {
    if let (LockedChoice::Debian(new), Some(LockedChoice::Debian(old))) = (&mut *choice, before)
        && new.request == old.request
        && new.archives == old.archives
    {
        for (platform, packages) in &old.platforms {
            new.platforms.entry(platform.clone()).or_insert_with(|| packages.clone());
        }
    }
    let Some(old) = before.and_then(LockedChoice::pin) else { return };
    if let LockedChoice::Image { pin, .. } | LockedChoice::Layout { pin, .. } = choice
        && pin.digest == old.digest
    {
        for (platform, digest) in &old.platforms {
            pin.platforms.entry(platform.clone()).or_insert(*digest);
        }
    }
}

/// Returns what the image's bytes depend on besides the recipe and the base.
fn terms(open: &OpenRecipe) -> Result<Terms, Failure> {
    let compressor = compressor(open)?;
    let compressors = BTreeMap::from([(compressor.name().to_owned(), compressor.version().to_owned())]);
    Ok(Terms { format: compressor.format().number(), deny_list: DENY_LIST_VERSION, compressors })
}

pub(super) fn compressor(open: &OpenRecipe) -> Result<Compressor, Failure> {
    let layers = open.recipe.layers;
    Compressor::new(open.recipe.format, layers.compression, Some(i64::from(layers.level)))
        .map_err(|fault| Failure::wrong(fault.to_string()))
}

fn described(choice: &LockedChoice) -> String {
    match choice {
        LockedChoice::Static { data } => format!("static {data}"),
        LockedChoice::Image { reference, pin } => format!("{reference} {}", pin.digest),
        LockedChoice::Layout { path, pin } => format!("{path} {}", pin.digest),
        LockedChoice::Debian(locked) => {
            let archives: Vec<String> = locked.archives.iter().map(|archive| format!("{} of {}", archive.suite, archive.date)).collect();
            format!("{} packages from {}", locked.all_packages().len(), archives.join(", "))
        }
    }
}
