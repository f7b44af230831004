use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::debian::SUITES;
use crate::debian::{Chosen, ExcludedBy, Index, Pattern, Request, Resolution, ResolveFault, Version, Wanted, WantedBy, resolve};
use crate::diagnostic::Diagnostic;
use crate::lock::{DebianRequest, LeftOutPackage, LockedArchive, LockedDebian, LockedPackage, LockedPackages, RECIPE};
use crate::oci::Platform;
use crate::ops::observer::StepsOnly;
use crate::ops::recipe::OpenRecipe;
use crate::ops::{Failure, Run, TaskKind};
use crate::recipe::DebianBase;

use super::archives::{OpenSuite, Suite, fetch_indexes, read_indexes, suites};
use super::mirrors::{DEBIAN, snapshot_time};
use super::packages::in_parallel;
use super::partial_update::update_only;

/// Chooses the packages of every platform by what the archives have now.
///
/// `before` is what was locked: no list of an archive may be older. When `only` names packages, only these move, with those that are built from the same sources
/// and those that must be newer for them.
pub(in crate::ops) fn choose(
    open: &OpenRecipe,
    base: &DebianBase,
    before: Option<&LockedDebian>,
    only: &[String],
    run: Run<'_>,
) -> Result<LockedDebian, Failure> {
    let platforms: Vec<&Platform> = open.recipe.platforms.iter().map(|platform| &platform.value).collect();
    let architectures: Vec<&str> = platforms.iter().map(|platform| architecture(platform, open)).collect::<Result<_, _>>()?;
    let request = DebianRequest::of(base);
    if let Some(before) = before.filter(|_| !only.is_empty()) {
        // More or fewer wanted packages are a matter of these; the other keys decide over every package.
        let same = DebianRequest { wanted: before.request.wanted.clone(), ..request.clone() };
        if let Some(changed) = before.request.changed(&same) {
            let message = format!("single packages cannot be updated, because {changed}");
            return Err(Failure::wrong(message).hint("run `hardened lock --update`, which moves all packages"));
        }
    }
    let suites = open_suites(base, open, before, run)?;
    fetch_indexes(&suites, &architectures, run)?;
    let mut locked = LockedDebian { request, archives: suites.iter().map(OpenSuite::locked).collect(), platforms: BTreeMap::new() };
    let chosen: Mutex<BTreeMap<usize, LockedPackages>> = Mutex::default();
    let unresolved: Mutex<BTreeMap<usize, ResolveFault>> = Mutex::default();
    let numbers: Vec<usize> = (0..platforms.len()).collect();
    // Two at once keep two processors busy, and the memory for their lists bounded.
    in_parallel(&numbers, 2, |number| {
        let (platform, architecture) = (platforms[*number], architectures[*number]);
        let task = run.observer.begin(TaskKind::Choose, &format!("packages for {platform}"), None);
        let indexes = read_indexes(&suites, architecture, run.tools)?;
        let resolution = match resolved(base, &suites, &indexes, architecture, run)? {
            Ok(resolution) => resolution,
            Err(fault) => {
                // What other platforms lack is found in the same run.
                if let Ok(mut unresolved) = unresolved.lock() {
                    unresolved.insert(*number, fault);
                }
                return Ok(());
            }
        };
        let mut packages = LockedPackages {
            packages: resolution.packages.iter().map(|chosen| locked_package(chosen, &suites)).collect(),
            left_out: resolution.left_out.iter().map(left_out).collect(),
        };
        if let Some(old) = before.and_then(|before| before.packages(platform)).filter(|_| !only.is_empty()) {
            let pinned = base.wanted.iter().filter(|(_, version)| version.is_some()).map(|(name, _)| name.as_str());
            packages = update_only(&packages, old, only.iter().map(String::as_str), pinned, &indexes, architecture);
        }
        if let Ok(mut chosen) = chosen.lock() {
            chosen.insert(*number, packages);
        }
        task.finish("");
        Ok(())
    })?;
    refuse_unresolved(unresolved.into_inner().unwrap_or_default().values(), open, base)?;
    let chosen = chosen.into_inner().unwrap_or_default();
    locked.platforms = chosen.into_iter().map(|(number, packages)| (platforms[number].clone(), packages)).collect();
    if let Some(unknown) =
        only.iter().find(|name| !locked.platforms.values().any(|of| of.packages.iter().any(|package| package.name == **name)))
    {
        let hint = format!("`hardened explain package {unknown}` says more");
        return Err(
            Failure::wrong(format!("the package `{}` is not in the image, so it cannot be updated", unknown.escape_debug())).hint(hint)
        );
    }
    Ok(locked)
}

fn open_suites(base: &DebianBase, open: &OpenRecipe, before: Option<&LockedDebian>, run: Run<'_>) -> Result<Vec<OpenSuite>, Failure> {
    let suites = suites(base, open)?;
    let numbers: Vec<(usize, Mutex<Option<Suite>>)> =
        suites.into_iter().enumerate().map(|(number, suite)| (number, Mutex::new(Some(suite)))).collect();
    let opened: Mutex<BTreeMap<usize, OpenSuite>> = Mutex::default();
    let task = run.observer.begin(TaskKind::LookUp, "Debian's signed lists", None);
    in_parallel(&numbers, 4, |(number, suite)| {
        let Some(suite) = suite.lock().ok().and_then(|mut suite| suite.take()) else { return Ok(()) };
        let is_same = |locked: &&LockedArchive| locked.name == suite.archive && locked.suite == suite.name;
        let known = before.and_then(|before| before.archives.iter().find(is_same));
        let part = task.part(&format!("{} of {}", suite.name, suite.archive), None);
        let open = suite.open(known, run.tools)?;
        part.finish("");
        if let Ok(mut opened) = opened.lock() {
            opened.insert(*number, open);
        }
        Ok(())
    })?;
    task.finish("");
    Ok(opened.into_inner().unwrap_or_default().into_values().collect())
}

/// Returns Debian's name for a platform's architecture.
pub(super) fn architecture(platform: &Platform, open: &OpenRecipe) -> Result<&'static str, Failure> {
    let found = crate::debian::architecture(platform);
    found.ok_or_else(|| {
        let written = open.recipe.platforms.iter().find(|written| written.value == *platform).and_then(|written| written.span.as_ref());
        Failure::from(Diagnostic::error(format!("Debian has no packages for `{platform}`")).at(written, "requested here"))
    })
}

/// Chooses the packages of one architecture, or returns why that cannot be done.
fn resolved(
    base: &DebianBase,
    suites: &[OpenSuite],
    indexes: &[(usize, Index)],
    architecture: &str,
    run: Run<'_>,
) -> Result<Result<Resolution, ResolveFault>, Failure> {
    let mut wanted = Vec::new();
    for (name, version) in &base.wanted {
        let version = version.as_deref().map(str::parse::<Version>).transpose();
        let version = version.map_err(|reason| {
            let span = base.spans.get(name).and_then(Option::as_ref);
            Failure::from(Diagnostic::error(format!("the version of `{name}` is not valid: {reason}")).at(span, "requested here"))
        })?;
        wanted.push(Wanted { name: name.clone(), version });
    }
    let patterns = |texts: &[String]| texts.iter().map(|text| text.parse::<Pattern>()).collect::<Result<Vec<_>, _>>();
    let patterns = |texts: &[String]| patterns(texts).map_err(|reason| Failure::wrong(format!("not a pattern of packages: {reason}")));
    let mut request = Request { wanted, exclude: patterns(&base.exclude)?, keep: patterns(&base.keep)?, ..Request::default() };
    let names: Vec<String> = suites.iter().map(OpenSuite::label).collect();
    let labels: Vec<(&str, &Index)> = indexes.iter().map(|(number, index)| (names[*number].as_str(), index)).collect();
    let fault = match resolve(&labels, architecture, &request) {
        Ok(resolution) => return Ok(Ok(resolution)),
        Err(fault) => fault,
    };
    // Where a package is that is not here, is worth a look at the other suites; when they cannot be had nothing is said of them.
    let is_unknown = fault.each().iter().any(|fault| matches!(fault, ResolveFault::UnknownPackage { .. }));
    let others = if is_unknown { other_suites(base, architecture, run) } else { Vec::new() };
    request.elsewhere = others.iter().map(|(name, index)| (name.as_str(), index)).collect();
    Ok(Err(if others.is_empty() { fault } else { resolve(&labels, architecture, &request).err().unwrap_or(fault) }))
}

/// Returns the faults of all platforms as one failure: each package is named once.
fn refuse_unresolved<'a>(faults: impl Iterator<Item = &'a ResolveFault>, open: &OpenRecipe, base: &DebianBase) -> Result<(), Failure> {
    let mut told: Vec<&str> = Vec::new();
    let mut diagnostics = Vec::new();
    for fault in faults.flat_map(ResolveFault::each) {
        let name = named(fault);
        if !name.is_empty() && told.contains(&name) {
            continue;
        }
        told.push(name);
        let span = base.spans.get(name).and_then(Option::as_ref).or(open.recipe.base.span.as_ref());
        diagnostics.push(fault.hint().into_iter().fold(Diagnostic::error(fault.to_string()).at(span, "requested here"), Diagnostic::hint));
    }
    if diagnostics.is_empty() { Ok(()) } else { Err(Failure::Wrong(diagnostics)) }
}

/// Returns the lists of packages of Debian's suites that the recipe does not name, as far as they can be had.
fn other_suites(base: &DebianBase, architecture: &str, run: Run<'_>) -> Vec<(String, Index)> {
    let others = SUITES.iter().filter(|name| base.suite.as_deref().is_some_and(|suite| suite != **name));
    others.flat_map(|name| indexes_of(name, architecture, run).into_iter().map(|index| ((*name).to_owned(), index))).collect()
}

/// Returns the lists of packages of one of Debian's suites; none when they cannot be had.
pub(super) fn indexes_of(suite: &str, architecture: &str, run: Run<'_>) -> Vec<Index> {
    let task = run.observer.begin(TaskKind::LookUp, &format!("packages of {suite}"), None);
    let Ok(open) = Suite::of_debian(DEBIAN, suite).and_then(|suite| suite.open(None, run.tools)) else { return Vec::new() };
    let suites = [open];
    let read = || {
        fetch_indexes(&suites, &[architecture], run.with(&StepsOnly(run.observer)))?;
        read_indexes(&suites, architecture, run.tools)
    };
    // A list that is damaged in the cache is removed when it is read, and fetched once more.
    let indexes = read().or_else(|failure| if run.tools.cache.has_damage() { read() } else { Err(failure) }).unwrap_or_default();
    task.finish("");
    indexes.into_iter().map(|(_, index)| index).collect()
}

/// Returns the package of the recipe that a fault is about.
fn named(reason: &ResolveFault) -> &str {
    match reason {
        ResolveFault::UnknownPackage { name, .. } | ResolveFault::UnknownVersion { name, .. } | ResolveFault::TwoVersions { name, .. } => {
            name
        }
        ResolveFault::Unsatisfiable { chain, .. } => chain.first().map(String::as_str).unwrap_or_default(),
        ResolveFault::Relation { package, .. } => package,
        ResolveFault::Several(_) | ResolveFault::Exclusions(_) => "",
    }
}

fn locked_package(chosen: &Chosen, suites: &[OpenSuite]) -> LockedPackage {
    let of = suites.iter().find(|open| open.label() == chosen.archive);
    LockedPackage {
        name: chosen.name.clone(),
        version: chosen.version.to_string(),
        architecture: chosen.architecture.clone(),
        source: chosen.source.clone(),
        source_version: chosen.source_version.clone(),
        archive: of.map_or_else(|| DEBIAN.to_owned(), |open| open.suite.archive.clone()),
        path: chosen.filename.clone(),
        size: chosen.size,
        digest: chosen.sha256,
        snapshot: snapshot_time(of.map_or(0, |open| open.release.date)),
        wanted_by: chosen.wanted_by.iter().map(wanted_by).collect(),
    }
}

fn wanted_by(by: &WantedBy) -> String {
    by.package().unwrap_or(RECIPE).to_owned()
}

fn left_out(left_out: &crate::debian::LeftOut) -> LeftOutPackage {
    let rule = match &left_out.by {
        ExcludedBy::BuiltIn(rule) => rule.clone(),
        ExcludedBy::Recipe => RECIPE.to_owned(),
    };
    LeftOutPackage {
        name: left_out.name.clone(),
        rule,
        reason: left_out.reason.clone(),
        wanted_by: left_out.wanted_by.iter().map(wanted_by).collect(),
    }
}
