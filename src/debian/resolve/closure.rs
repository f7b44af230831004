use std::collections::{BTreeMap, BTreeSet};

use super::fault::nearest;
use super::{Choice, Chosen, ExcludedBy, LeftOut, Request, Resolution, ResolveFault, Wanted, WantedBy};
use crate::debian::exclude::{ExclusionRule, PartRule};
use crate::debian::index::{Index, PackageRecord};
use crate::debian::relation::{Alternative, Provided, Qualifier, Relation};
use crate::debian::version::Version;

/// A resolution while it grows.
pub(super) struct Closure<'a> {
    indexes: &'a [(&'a str, &'a Index)],
    architecture: &'a str,
    request: &'a Request<'a>,
    rules: &'a [ExclusionRule],
    parts: &'a [PartRule],
    picked: BTreeMap<&'a str, Picked<'a>>,
    /// The names that picked packages provide, with the package and the version that it provides.
    provided: BTreeMap<String, Vec<(&'a str, Option<Version>)>>,
    left_out: BTreeMap<String, (Exclusion, BTreeSet<WantedBy>)>,
    choices: BTreeSet<Choice>,
    /// What is still to be done, the next at the end: as apt does it, a package's dependencies and all that they need come before its choices.
    work: Vec<Work<'a>>,
}

enum Work<'a> {
    /// A package whose relations are not looked at yet.
    Package(&'a str),
    /// A relation of a package.
    Relation(&'a str, Relation),
}

struct Picked<'a> {
    record: PackageRecord<'a>,
    label: &'a str,
    wanted_by: BTreeSet<WantedBy>,
    /// The package for which it was picked; none for the recipe.
    first: Option<&'a str>,
}

#[derive(Clone)]
struct Exclusion {
    by: ExcludedBy,
    reason: String,
}

/// What became of an alternative.
enum Finding<'a> {
    Found(PackageRecord<'a>, &'a str),
    Excluded(String, Exclusion),
    Missing(String),
}

impl<'a> Closure<'a> {
    pub(super) fn new(
        indexes: &'a [(&'a str, &'a Index)],
        architecture: &'a str,
        request: &'a Request<'a>,
        (rules, parts): (&'a [ExclusionRule], &'a [PartRule]),
    ) -> Self {
        let (picked, provided, left_out) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let (choices, work) = (BTreeSet::new(), Vec::new());
        Self { indexes, architecture, request, rules, parts, picked, provided, left_out, choices, work }
    }

    pub(super) fn run(mut self) -> Result<Resolution, ResolveFault> {
        let mut wanted: Vec<&Wanted> = self.request.wanted.iter().collect();
        wanted.sort_by(|left, right| left.name.cmp(&right.name).then_with(|| right.version.is_some().cmp(&left.version.is_some())));
        for pair in wanted.windows(2) {
            if let (Some(first), Some(second)) = (&pair[0].version, &pair[1].version)
                && pair[0].name == pair[1].name
                && first != second
            {
                return Err(ResolveFault::TwoVersions { name: pair[0].name.clone(), first: first.to_string(), second: second.to_string() });
            }
        }
        wanted.dedup_by(|later, earlier| later.name == earlier.name);
        let mut faults = Vec::new();
        for wanted in wanted {
            match self.wanted(wanted) {
                Ok((record, label)) => self.pick(record, label, WantedBy::Recipe, None),
                Err(fault) => faults.push(fault),
            }
        }
        match faults.pop() {
            None => {}
            Some(only) if faults.is_empty() => return Err(only),
            Some(last) => return Err(ResolveFault::Several(faults.into_iter().chain([last]).collect())),
        }
        // They are worked on in the order of their names.
        self.work.reverse();
        while let Some(work) = self.work.pop() {
            match work {
                Work::Package(name) => self.look_at(name)?,
                Work::Relation(name, relation) => self.satisfy(name, &relation)?,
            }
        }
        Ok(self.finish())
    }

    /// Takes a package's relations up: first those that leave no choice.
    fn look_at(&mut self, name: &'a str) -> Result<(), ResolveFault> {
        let Some(record) = self.picked.get(name).map(|picked| picked.record) else { return Ok(()) };
        let mut all = Vec::new();
        for (field, text) in [("Pre-Depends", record.pre_depends()), ("Depends", record.depends())] {
            all.extend(Relation::parse(text).map_err(|fault| ResolveFault::Relation { package: name.to_owned(), field, fault })?);
        }
        let (open, plain): (Vec<Relation>, Vec<Relation>) = all.into_iter().partition(|relation| self.leaves_choice(relation));
        self.work.extend(plain.into_iter().chain(open).rev().map(|relation| Work::Relation(name, relation)));
        for part in self.parts.iter().filter(|part| part.of.iter().any(|pattern| pattern.matches(name))) {
            self.take_part(name, part);
        }
        Ok(())
    }

    /// Says whether several packages could satisfy a relation: alternatives, or a name that packages provide.
    fn leaves_choice(&self, relation: &Relation) -> bool {
        let mut alternatives = relation.alternatives.iter().filter(|one| one.architectures.hold_for(self.architecture));
        match (alternatives.next(), alternatives.next()) {
            (Some(only), None) => self.candidates(&only.name).next().is_none(),
            (Some(_), Some(_)) => true,
            (None, _) => false,
        }
    }

    /// Takes a package in of which another needs a part, unless the recipe excludes it; where no archive has it, that is written down.
    fn take_part(&mut self, package: &'a str, part: &'a PartRule) {
        let wanted_by = WantedBy::Package(package.to_owned());
        if let Some(picked) = self.picked.get_mut(part.name.as_str()) {
            picked.wanted_by.insert(wanted_by);
            return;
        }
        let by_recipe = self.request.exclude.iter().any(|pattern| pattern.matches(&part.name));
        if let Some((record, label)) = newest(self.candidates(&part.name)).filter(|_| !by_recipe) {
            self.pick(record, label, wanted_by, Some(package));
        } else if let Some(exclusion) = self.exclusion(&part.name, package) {
            let entry = self.left_out.entry(part.name.clone()).or_insert_with(|| (exclusion, BTreeSet::new()));
            entry.1.insert(wanted_by);
        }
    }

    /// Finds a package that the recipe names.
    fn wanted(&self, wanted: &Wanted) -> Result<(PackageRecord<'a>, &'a str), ResolveFault> {
        let all = || self.candidates(&wanted.name);
        let fits = |record: &PackageRecord<'_>| wanted.version.as_ref().is_none_or(|version| record.version() == *version);
        if let Some(found) = newest(all().filter(|(record, _)| fits(record))) {
            return Ok(found);
        }
        if let Some(version) = &wanted.version
            && all().next().is_some()
        {
            let mut known: Vec<(Version, &str)> = all().map(|(record, label)| (record.version(), label)).collect();
            known.sort_by(|left, right| right.0.cmp(&left.0));
            let known = known.iter().map(|(version, label)| format!("{version} ({label})")).collect();
            return Err(ResolveFault::UnknownVersion { name: wanted.name.clone(), version: version.to_string(), known });
        }
        Err(self.unknown(&wanted.name))
    }

    fn unknown(&self, name: &str) -> ResolveFault {
        let mut elsewhere = BTreeSet::new();
        for (label, index) in self.indexes.iter().chain(&self.request.elsewhere) {
            elsewhere.extend(
                index.named(name).map(|record| format!("version {} for `{}` in {label}", record.version_text(), record.architecture())),
            );
        }
        let providers: BTreeSet<String> = self.providers(name).map(|(record, ..)| record.name().to_owned()).collect();
        let names = self.indexes.iter().flat_map(|(_, index)| index.records().map(|record| record.name()));
        ResolveFault::UnknownPackage {
            name: name.to_owned(),
            architecture: self.architecture.to_owned(),
            nearest: nearest(name, names),
            elsewhere: elsewhere.into_iter().collect(),
            providers: providers.into_iter().collect(),
        }
    }

    fn is_ours(&self, record: &PackageRecord<'_>) -> bool {
        record.architecture() == self.architecture || record.architecture() == "all"
    }

    /// Returns the packages of a name, index by index.
    fn candidates(&self, name: &str) -> impl Iterator<Item = (PackageRecord<'a>, &'a str)> {
        self.indexes
            .iter()
            .flat_map(move |(label, index)| index.named(name).map(move |record| (record, *label)))
            .filter(|(record, _)| self.is_ours(record))
    }

    /// Returns the packages that provide a name, index by index.
    fn providers(&self, name: &str) -> impl Iterator<Item = (PackageRecord<'a>, &'a str, Provided)> {
        let all = self
            .indexes
            .iter()
            .flat_map(move |(label, index)| index.providers(name).map(move |(record, provided)| (record, *label, provided)));
        all.filter(|(record, ..)| self.is_ours(record))
    }

    fn pick(&mut self, record: PackageRecord<'a>, label: &'a str, wanted_by: WantedBy, first: Option<&'a str>) {
        let name = record.name();
        for provided in Provided::parse(record.provides()).unwrap_or_default() {
            self.provided.entry(provided.name).or_default().push((name, provided.version));
        }
        self.picked.insert(name, Picked { record, label, wanted_by: BTreeSet::from([wanted_by]), first });
        self.work.push(Work::Package(name));
    }

    /// Sees to it that one alternative of a group is in, or that it is written down why none is.
    fn satisfy(&mut self, package: &'a str, relation: &Relation) -> Result<(), ResolveFault> {
        let alternatives: Vec<&Alternative> =
            relation.alternatives.iter().filter(|one| one.architectures.hold_for(self.architecture)).collect();
        let mut passed_over: Vec<(String, String)> = Vec::new();
        let present = alternatives.iter().enumerate().find_map(|(position, one)| Some((position, self.already(one)?)));
        if let Some((position, name)) = present {
            if let Some(picked) = self.picked.get_mut(name)
                && name != package
            {
                picked.wanted_by.insert(WantedBy::Package(package.to_owned()));
            }
            passed_over.extend(alternatives[..position].iter().map(|one| (one.to_string(), format!("`{name}` is already selected"))));
            self.write_down(package, relation, &alternatives, Some(name), passed_over);
            return Ok(());
        }
        let mut excluded = None;
        for alternative in &alternatives {
            match self.obtain(alternative, package) {
                Finding::Found(record, label) => {
                    self.pick(record, label, WantedBy::Package(package.to_owned()), Some(package));
                    self.write_down(package, relation, &alternatives, Some(record.name()), passed_over);
                    return Ok(());
                }
                Finding::Excluded(name, exclusion) => {
                    passed_over.push((alternative.to_string(), exclusion.reason.clone()));
                    excluded.get_or_insert((name, exclusion));
                }
                Finding::Missing(reason) => passed_over.push((alternative.to_string(), reason)),
            }
        }
        if let Some((name, exclusion)) = excluded {
            let entry = self.left_out.entry(name).or_insert_with(|| (exclusion, BTreeSet::new()));
            entry.1.insert(WantedBy::Package(package.to_owned()));
            self.write_down(package, relation, &alternatives, None, passed_over);
            return Ok(());
        }
        if alternatives.is_empty() {
            return Ok(());
        }
        let tried = passed_over.into_iter().map(|(alternative, reason)| format!("`{alternative}`: {reason}")).collect();
        Err(ResolveFault::Unsatisfiable { relation: relation.to_string(), chain: self.chain(package), tried })
    }

    /// Returns the package that is in and does for an alternative.
    fn already(&self, alternative: &Alternative) -> Option<&'a str> {
        if !self.is_for_us(alternative) {
            return None;
        }
        let allows = |version: &Version| alternative.constraint.as_ref().is_none_or(|constraint| constraint.allows(version));
        if let Some(picked) = self.picked.get(alternative.name.as_str())
            && allows(&picked.record.version())
        {
            return Some(picked.record.name());
        }
        let provided = self.provided.get(&alternative.name)?;
        let does = |version: &Option<Version>| version.as_ref().map_or(alternative.constraint.is_none(), allows);
        provided.iter().filter(|(_, version)| does(version)).map(|(name, _)| *name).min()
    }

    fn is_for_us(&self, alternative: &Alternative) -> bool {
        !matches!(&alternative.qualifier, Some(Qualifier::Architecture(architecture)) if architecture != self.architecture)
    }

    /// Looks for a package that does for an alternative and is not excluded.
    fn obtain(&self, alternative: &Alternative, package: &str) -> Finding<'a> {
        if !self.is_for_us(alternative) {
            return Finding::Missing(format!("packages are chosen for `{}` only", self.architecture));
        }
        let name = alternative.name.as_str();
        if let Some(exclusion) = self.exclusion(name, package) {
            return Finding::Excluded(name.to_owned(), exclusion);
        }
        let allows = |version: &Version| alternative.constraint.as_ref().is_none_or(|constraint| constraint.allows(version));
        if let Some(picked) = self.picked.get(name) {
            return Finding::Missing(format!("version {} is already selected", picked.record.version_text()));
        }
        if let Some((record, label)) = newest(self.candidates(name).filter(|(record, _)| allows(&record.version()))) {
            return Finding::Found(record, label);
        }
        let does = |provided: &Provided| provided.version.as_ref().map_or(alternative.constraint.is_none(), allows);
        let mut providers: BTreeMap<&'a str, (PackageRecord<'a>, &'a str)> = BTreeMap::new();
        for (record, label, provided) in self.providers(name) {
            // Of each package only its newest version can come in.
            let is_newest =
                newest(self.candidates(record.name())).is_some_and(|(newest, _)| newest.version_text() == record.version_text());
            if does(&provided) && is_newest && !self.picked.contains_key(record.name()) {
                providers.entry(record.name()).or_insert((record, label));
            }
        }
        let mut excluded = None;
        for (provider, (record, label)) in providers {
            match self.exclusion(provider, package) {
                None => return Finding::Found(record, label),
                Some(exclusion) => _ = excluded.get_or_insert((provider.to_owned(), exclusion)),
            }
        }
        match excluded {
            Some((provider, exclusion)) => Finding::Excluded(provider, exclusion),
            None => Finding::Missing(self.missing(name)),
        }
    }

    fn missing(&self, name: &str) -> String {
        let known: Vec<String> = self.candidates(name).map(|(record, label)| format!("{} ({label})", record.version_text())).collect();
        if known.is_empty() {
            "no package has or provides this name and version".to_owned()
        } else {
            format!("there is only {}", known.join(", "))
        }
    }

    /// Returns why a package is left out that another asks for.
    fn exclusion(&self, name: &str, package: &str) -> Option<Exclusion> {
        if self.request.keep.iter().any(|pattern| pattern.matches(name)) {
            return None;
        }
        if self.request.exclude.iter().any(|pattern| pattern.matches(name)) {
            return Some(Exclusion { by: ExcludedBy::Recipe, reason: "the recipe excludes it".to_owned() });
        }
        // What comes in of a rule has been named or kept, and its parts come along.
        let is_lifted = |rule: &ExclusionRule| {
            rule.names(package) || rule.is_whole && self.request.wanted.iter().any(|wanted| rule.names(&wanted.name))
        };
        let rule = self.rules.iter().find(|rule| rule.names(name)).filter(|rule| !is_lifted(rule))?;
        Some(Exclusion { by: ExcludedBy::BuiltIn(rule.name.clone()), reason: rule.reason.clone() })
    }

    /// Writes a choice down when there was one: several alternatives, or another package than the one named.
    fn write_down(
        &mut self,
        package: &str,
        relation: &Relation,
        alternatives: &[&Alternative],
        taken: Option<&str>,
        passed_over: Vec<(String, String)>,
    ) {
        let was_named = taken.is_none_or(|taken| alternatives.iter().any(|one| one.name == taken));
        if alternatives.len() > 1 || !was_named {
            let (package, relation, taken) = (package.to_owned(), relation.to_string(), taken.map(str::to_owned));
            self.choices.insert(Choice { package, relation, taken, passed_over });
        }
    }

    /// Returns the way from the recipe to a package that is in.
    fn chain(&self, package: &'a str) -> Vec<String> {
        let mut chain = vec![package.to_owned()];
        let mut at = package;
        while let Some(above) = self.picked.get(at).and_then(|picked| picked.first) {
            chain.push(above.to_owned());
            at = above;
        }
        chain.reverse();
        chain
    }

    fn finish(self) -> Resolution {
        let chosen = |Picked { record, label, wanted_by, .. }: Picked<'_>| Chosen {
            name: record.name().to_owned(),
            version: record.version(),
            architecture: record.architecture().to_owned(),
            source: record.source().to_owned(),
            source_version: record.source_version().to_owned(),
            filename: record.filename(),
            size: record.size(),
            sha256: record.sha256(),
            archive: label.to_owned(),
            wanted_by: wanted_by.into_iter().collect(),
        };
        let left_out = |(name, (exclusion, wanted_by)): (String, (Exclusion, BTreeSet<WantedBy>))| {
            let Exclusion { by, reason } = exclusion;
            LeftOut { name, reason, wanted_by: wanted_by.into_iter().collect(), by }
        };
        Resolution {
            packages: self.picked.into_values().map(chosen).collect(),
            left_out: self.left_out.into_iter().map(left_out).collect(),
            choices: self.choices.into_iter().collect(),
        }
    }
}

/// Returns the newest package; the first of equal ones.
fn newest<'a>(candidates: impl Iterator<Item = (PackageRecord<'a>, &'a str)>) -> Option<(PackageRecord<'a>, &'a str)> {
    candidates.reduce(|best, next| if next.0.version() > best.0.version() { next } else { best })
}
