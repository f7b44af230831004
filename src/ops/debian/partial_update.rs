use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::debian::{Constraint, Index, Relation, Version};
use crate::lock::{LeftOutPackage, LockedPackage, LockedPackages, RECIPE};

/// Two choices of packages for one platform, of which one is made.
struct PartialUpdate<'a> {
    old: &'a LockedPackages,
    new: &'a LockedPackages,
    /// The source packages that move.
    moving: BTreeSet<&'a str>,
}

/// Which of the two choices a package is taken from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum From {
    Old,
    New,
}

/// Keeps what was locked of all packages but those of `only`, those that are built from the same sources, and those that must be newer for them.
/// What a kept package wants stays in, and what only a newer one wants is not there yet. Packages of `pinned` have the version that the recipe names.
pub(super) fn update_only<'a>(
    new: &'a LockedPackages,
    old: &'a LockedPackages,
    only: impl Iterator<Item = &'a str>,
    pinned: impl Iterator<Item = &'a str>,
    indexes: &[(usize, Index)],
    architecture: &str,
) -> LockedPackages {
    let is_other = |name: &&str| find(old, name).map(|package| &package.version) != find(new, name).map(|package| &package.version);
    let moving = only.chain(pinned.filter(is_other)).filter_map(|name| find(new, name)).map(|package| package.source.as_str());
    let mut update = PartialUpdate { old, new, moving: moving.collect() };
    loop {
        let taken = update.taken();
        let mut more = BTreeSet::new();
        for name in taken.iter().filter(|(_, from)| **from == From::New).map(|(name, _)| *name) {
            let needs = find(new, name).map(|package| needs(package, indexes, architecture)).unwrap_or_default();
            for (needed, constraint) in needs {
                let Some(kept) = find(old, &needed).filter(|_| taken.get(needed.as_str()) == Some(&From::Old)) else { continue };
                let version = kept.version.parse::<Version>();
                let does = version.is_ok_and(|version| constraint.is_none_or(|constraint| constraint.allows(&version)));
                if !does && update.moving.insert(kept.source.as_str()) {
                    more.insert(kept.source.as_str());
                }
            }
        }
        if more.is_empty() {
            return update.joined(&taken);
        }
    }
}

impl<'a> PartialUpdate<'a> {
    fn choice(&self, from: From) -> &'a LockedPackages {
        if from == From::Old { self.old } else { self.new }
    }

    /// Says from which choice a package is taken; `None` when neither has it.
    fn from(&self, name: &str) -> Option<From> {
        match (find(self.old, name), find(self.new, name)) {
            (Some(old), Some(new)) if self.moving.contains(old.source.as_str()) || self.moving.contains(new.source.as_str()) => {
                Some(From::New)
            }
            (Some(_), _) => Some(From::Old),
            (None, Some(_)) => Some(From::New),
            (None, None) => None,
        }
    }

    /// Goes from what the recipe wants to what is wanted then: of a package that is kept, what it wanted before.
    fn taken(&self) -> BTreeMap<&'a str, From> {
        let mut taken = BTreeMap::new();
        let mut queue: VecDeque<&str> = wanted_of(self.new, RECIPE).collect();
        while let Some(name) = queue.pop_front() {
            let Some(from) = self.from(name).filter(|_| !taken.contains_key(name)) else { continue };
            taken.insert(name, from);
            queue.extend(wanted_of(self.choice(from), name));
        }
        taken
    }

    fn joined(&self, taken: &BTreeMap<&'a str, From>) -> LockedPackages {
        let package = |(name, from): (&&str, &From)| {
            let package = find(self.choice(*from), name)?;
            let wanted_by = self.wanting(taken, |choice| find(choice, name).map(|package| &package.wanted_by));
            Some(LockedPackage { wanted_by, ..package.clone() })
        };
        let mut left_out: BTreeMap<&str, LeftOutPackage> = BTreeMap::new();
        for one in self.new.left_out.iter().chain(&self.old.left_out).filter(|one| !taken.contains_key(one.name.as_str())) {
            let of = |choice: &'a LockedPackages| choice.left_out.iter().find(|other| other.name == one.name).map(|other| &other.wanted_by);
            let wanted_by = self.wanting(taken, of);
            if !wanted_by.is_empty() {
                left_out.entry(&one.name).or_insert_with(|| LeftOutPackage { wanted_by, ..one.clone() });
            }
        }
        LockedPackages { packages: taken.iter().filter_map(package).collect(), left_out: left_out.into_values().collect() }
    }

    /// Returns who wants something: the recipe, and those packages that want it in the choice that they are taken from.
    fn wanting(&self, taken: &BTreeMap<&'a str, From>, wanted_by: impl Fn(&'a LockedPackages) -> Option<&'a Vec<String>>) -> Vec<String> {
        let (old, new) = (wanted_by(self.old), wanted_by(self.new));
        let wants = |of: Option<&Vec<String>>, name: &str| of.is_some_and(|names| names.iter().any(|other| other == name));
        let recipe = wants(new, RECIPE).then_some(RECIPE);
        let packages = taken.iter().filter(|(name, from)| wants(if **from == From::Old { old } else { new }, name)).map(|(name, _)| *name);
        recipe.into_iter().chain(packages).map(str::to_owned).collect()
    }
}

fn find<'a>(packages: &'a LockedPackages, name: &str) -> Option<&'a LockedPackage> {
    packages.packages.iter().find(|package| package.name == name)
}

/// Returns the packages that one wants.
fn wanted_of<'a>(packages: &'a LockedPackages, name: &str) -> impl Iterator<Item = &'a str> {
    let is_wanted = move |package: &&LockedPackage| package.wanted_by.iter().any(|by| by == name);
    packages.packages.iter().filter(is_wanted).map(|package| package.name.as_str())
}

/// Returns what a package depends on, with what is asked of its version.
fn needs(package: &LockedPackage, indexes: &[(usize, Index)], architecture: &str) -> Vec<(String, Option<Constraint>)> {
    let records = indexes.iter().flat_map(|(_, index)| index.named(&package.name));
    let Some(record) = records.into_iter().find(|record| record.version_text() == package.version) else { return Vec::new() };
    let texts = [record.pre_depends(), record.depends()];
    let groups = texts.into_iter().filter_map(|text| Relation::parse(text).ok()).flatten();
    let alternatives = groups.flat_map(|group| group.alternatives);
    let for_here = alternatives.filter(|alternative| alternative.architectures.hold_for(architecture));
    for_here.map(|alternative| (alternative.name.clone(), alternative.constraint)).collect()
}
