//! apt chooses packages for an empty system: it chooses all that hardened chooses, in the same versions, and what it has more of is explained.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use hardened::debian::{Alternative, Index, PackageRecord, Provided, Relation, Request, Resolution, Wanted, built_in_parts, resolve};

use crate::apt::{self, Listed};
use crate::peer::Peer;

const SETS: &[&[&str]] = &[
    &["base-files", "netbase", "tzdata", "media-types", "ca-certificates"],
    &["libc6", "libssl3"],
    &["libgomp1", "libstdc++6", "libgcc-s1"],
    &["python3-minimal"],
    &["python3", "python3-venv"],
    &["nodejs"],
    &["nginx"],
    &["postgresql-client"],
    &["postgresql-15"],
    &["openjdk-17-jre-headless"],
    &["git"],
    &["redis-server"],
    &["php-cli"],
    &["ruby"],
    &["haproxy", "memcached"],
    &["ffmpeg"],
    &["imagemagick"],
    &["curl", "unbound"],
];

/// Asks apt what it would install in an empty system: names and versions.
fn simulated(apt: &Peer, home: &Path, wanted: &[&str]) -> BTreeMap<String, String> {
    let (status, cache) = (home.join("status"), home.join("cache"));
    fs::write(&status, "").unwrap();
    fs::create_dir_all(cache.join("archives/partial")).unwrap();
    let options = [
        format!("Dir::State::status={}", status.display()),
        format!("Dir::Cache={}", cache.display()),
        "APT::Install-Recommends=0".to_owned(),
        "APT::Install-Suggests=0".to_owned(),
        "Debug::NoLocking=1".to_owned(),
    ];
    let mut arguments = vec!["--quiet=2", "--simulate"];
    arguments.extend(options.iter().flat_map(|option| ["-o", option]));
    arguments.push("install");
    arguments.extend(wanted);
    let told = apt.run(home, arguments);
    let installed = |line: &str| {
        let (name, rest) = line.strip_prefix("Inst ")?.split_once(" (")?;
        Some((name.to_owned(), rest.split(' ').next()?.to_owned()))
    };
    told.lines().filter_map(installed).collect()
}

/// All indexes, to look packages up by name and version.
struct Archive<'a>(&'a [(&'a str, &'a Index)]);

impl<'a> Archive<'a> {
    fn find(&self, name: &'a str, version: &str) -> PackageRecord<'a> {
        let mut found = self.0.iter().flat_map(|(_, index)| index.named(name)).filter(|record| record.version_text() == version);
        found.next().unwrap_or_else(|| panic!("{name} {version} is in no index"))
    }
}

fn relations(record: &PackageRecord<'_>) -> Vec<Relation> {
    let [before, after] = [record.pre_depends(), record.depends()].map(|field| Relation::parse(field).unwrap());
    before.into_iter().chain(after).collect()
}

/// Says whether a package does for an alternative, by its name or by what it provides; versions are apt's and the resolver's affair.
fn does(record: &PackageRecord<'_>, alternative: &Alternative) -> bool {
    record.name() == alternative.name
        || Provided::parse(record.provides()).unwrap().iter().any(|provided| provided.name == alternative.name)
}

/// Says whether a package comes in since others need a part of it, though no relation says so.
fn is_part(name: &str) -> bool {
    built_in_parts().unwrap().iter().any(|part| part.name == name)
}

/// Returns what is wrong with a resolution, against what apt would install.
fn faults(archive: &Archive<'_>, resolution: &Resolution, installed: &BTreeMap<String, String>) -> Vec<String> {
    let mut faults = Vec::new();
    for package in &resolution.packages {
        match installed.get(&package.name) {
            Some(version) if *version == package.version.as_str() => {}
            // Every Debian system has it, so that no relation asks apt for it.
            None if is_part(&package.name) => {}
            other => faults.push(format!("{} {} is {other:?} for apt", package.name, package.version)),
        }
    }
    let ours: Vec<PackageRecord<'_>> = resolution.packages.iter().map(|one| archive.find(&one.name, one.version.as_str())).collect();
    let left_out: BTreeSet<&str> = resolution.left_out.iter().map(|one| one.name.as_str()).collect();
    // Each group is satisfied by what is in, or by what was left out, which then says who wanted it.
    for record in &ours {
        for relation in relations(record) {
            let is_in = relation.alternatives.iter().any(|alternative| ours.iter().any(|other| does(other, alternative)));
            let is_told = resolution.left_out.iter().any(|one| {
                one.wanted_by.iter().any(|by| by.package() == Some(record.name()))
                    && relation.alternatives.iter().any(|alternative| {
                        alternative.name == one.name
                            || archive.0.iter().any(|(_, index)| index.named(&one.name).any(|left| does(&left, alternative)))
                    })
            });
            if !is_in && !is_told {
                faults.push(format!("{} needs {relation}, which is neither in nor left out", record.name()));
            }
        }
    }
    // What apt has more of hangs on what was left out: go on from there, through what apt installs and nothing else.
    let theirs: Vec<PackageRecord<'_>> = installed.iter().map(|(name, version)| archive.find(name, version)).collect();
    let mut explained: BTreeSet<&str> = BTreeSet::new();
    let is_left_out = |record: &PackageRecord<'_>| {
        left_out.contains(record.name())
            || Provided::parse(record.provides()).unwrap().iter().any(|provided| left_out.contains(provided.name.as_str()))
    };
    let mut queue: Vec<PackageRecord<'_>> = theirs.iter().filter(|record| is_left_out(record)).copied().collect();
    while let Some(record) = queue.pop() {
        if explained.insert(record.name()) {
            for relation in relations(&record) {
                queue.extend(theirs.iter().filter(|other| relation.alternatives.iter().any(|alternative| does(other, alternative))));
            }
        }
    }
    for name in installed.keys() {
        if !resolution.packages.iter().any(|package| package.name == *name) && !explained.contains(name.as_str()) {
            faults.push(format!("apt installs {name}, and nothing that was left out explains it"));
        }
    }
    faults
}

#[test]
fn apt_chooses_a_superset_and_every_difference_is_explained() {
    let home = tempfile::tempdir().unwrap();
    let Some(apt) = Peer::find("apt-get") else { return };
    let lists: Vec<Listed> = apt::lists(home.path());
    let Some(architecture) = lists.first().map(|list| list.architecture.clone()) else { return };
    let indexes: Vec<(String, Index)> =
        lists.iter().filter(|list| list.architecture == architecture).map(|list| (list.suite.clone(), list.index(home.path()))).collect();
    let indexes: Vec<(&str, &Index)> = indexes.iter().map(|(label, index)| (label.as_str(), index)).collect();
    let archive = Archive(&indexes);
    let mut compared = 0;
    for set in SETS {
        // Names carry versions that differ between releases of Debian.
        if !set.iter().all(|name| indexes.iter().any(|(_, index)| index.named(name).next().is_some())) {
            continue;
        }
        let wanted = set.iter().map(|name| Wanted { name: (*name).to_owned(), version: None }).collect();
        let resolution = resolve(&indexes, &architecture, &Request { wanted, ..Request::default() }).unwrap();
        let installed = simulated(&apt, home.path(), set);
        let faults = faults(&archive, &resolution, &installed);
        assert!(faults.is_empty(), "{set:?}\n{}", faults.join("\n"));
        assert!(installed.len() >= resolution.packages.len());
        // The comparison notices what is missing: without its left-out list, or without one of its packages, a resolution is not explained.
        if !resolution.left_out.is_empty() {
            assert!(!self::faults(&archive, &Resolution { left_out: Vec::new(), ..resolution.clone() }, &installed).is_empty(), "{set:?}");
        }
        if let Some(last) =
            resolution.packages.iter().rposition(|one| !is_part(&one.name) && one.wanted_by.iter().any(|by| by.package().is_some()))
        {
            let mut less = resolution.clone();
            less.packages.remove(last);
            assert!(!self::faults(&archive, &less, &installed).is_empty(), "{set:?}");
        }
        compared += 1;
    }
    assert!(compared >= 12, "only {compared} sets were compared");
}

#[test]
fn every_relation_of_the_archive_is_read() {
    let home = tempfile::tempdir().unwrap();
    for list in apt::lists(home.path()) {
        for record in list.index(home.path()).records() {
            for field in [record.pre_depends(), record.depends()] {
                let relations = Relation::parse(field).unwrap_or_else(|fault| panic!("{}: {fault}", record.name()));
                let shown: Vec<String> = relations.iter().map(Relation::to_string).collect();
                assert_eq!(Relation::parse(&shown.join(", ")).unwrap(), relations, "{}", record.name());
            }
            Provided::parse(record.provides()).unwrap_or_else(|fault| panic!("{}: {fault}", record.name()));
        }
    }
}
