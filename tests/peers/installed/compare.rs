use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use globset::{Glob, GlobBuilder, GlobSet, GlobSetBuilder};
use serde::Deserialize;
use serde_json::Value;

use super::real::Real;
use super::tree::{Kind, Node, Tree};
use crate::debian::locked;
use crate::debian_image::{LeftOut, PLATFORM};
use crate::layout::Layout;
use crate::project::Project;

/// How an image differs from a real root at a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kinds {
    /// Scripts made it, and the image has nothing there.
    Missing,
    /// The content or the target of a link is another.
    Content,
    /// The permissions or the owner are others.
    Access,
    /// The image has it, and the real root has nothing there.
    Added,
}

/// A kind of difference that does no harm.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Accepted {
    reason: String,
    kinds: Vec<Kinds>,
    paths: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "difference")]
    differences: Vec<Accepted>,
}

/// What may differ, with a reason each: a pattern for each number.
pub(super) struct Differences {
    patterns: Vec<(Vec<Kinds>, String, String)>,
    set: GlobSet,
}

fn glob(pattern: &str) -> Glob {
    GlobBuilder::new(pattern).literal_separator(true).build().unwrap()
}

impl Differences {
    /// Reads `differences.toml`.
    pub(super) fn read() -> Self {
        let table: Table = toml::from_str(include_str!("differences.toml")).unwrap();
        let (mut patterns, mut set) = (Vec::new(), GlobSetBuilder::new());
        for Accepted { reason, kinds, paths } in table.differences {
            assert!(reason.len() > 20, "{reason}: no reason");
            for path in paths {
                set.add(glob(&path));
                patterns.push((kinds.clone(), path, reason.clone()));
            }
        }
        Self { patterns, set: set.build().unwrap() }
    }

    /// Returns the number of the pattern that excuses a difference.
    fn excuse(&self, kind: Kinds, path: &str) -> Option<usize> {
        self.set.matches(path).into_iter().find(|number| self.patterns[*number].0.contains(&kind))
    }

    /// Returns the patterns that excused nothing.
    pub(super) fn idle(&self, used: &BTreeSet<usize>) -> Vec<String> {
        let idle = self.patterns.iter().enumerate().filter(|(number, _)| !used.contains(number));
        idle.map(|(_, (_, path, reason))| format!("differences.toml: `{path}` ({reason}) excuses nothing")).collect()
    }
}

/// What a build tells of a command of a maintainer script.
#[derive(Deserialize)]
struct Told {
    package: String,
    command: String,
    effect: String,
    why: Option<String>,
    file: Option<String>,
}

/// The lists of accounts.
const ACCOUNTS: [&str; 2] = ["etc/passwd", "etc/group"];

/// A file of sections, whose order is that in which packages happen to be installed.
const SECTIONS: &str = "etc/odbcinst.ini";

/// The files whose contents are read.
pub(super) const READ: [&str; 3] = [ACCOUNTS[0], ACCOUNTS[1], SECTIONS];

/// Returns the sections of a file, sorted.
fn sections(tree: &Tree) -> BTreeSet<String> {
    let text = String::from_utf8_lossy(tree.texts.get(SECTIONS).map(Vec::as_slice).unwrap_or_default()).into_owned();
    format!("\n{text}").split("\n[").map(|section| section.trim().to_owned()).filter(|section| !section.is_empty()).collect()
}

/// A real root beside an image of the same packages.
pub(super) struct Comparison {
    real: Real,
    ours: Tree,
    packages: BTreeMap<String, toml::Table>,
    left_out: LeftOut,
    packages_left_out: BTreeSet<String>,
    told: Vec<Told>,
}

impl Comparison {
    /// Reads a project's image and lock; `told` is what its build says of the packages.
    pub(super) fn new(project: &Project, real: Real, told: &Value) -> Self {
        let layout = Layout::open(&project.path("out"));
        let mut ours = Tree::default();
        for layer in layout.layers(&layout.only()) {
            ours.add(layout.tar(&layer).as_slice(), |path| READ.contains(&path));
        }
        let packages = locked(project, PLATFORM);
        let lock: toml::Table = fs::read_to_string(project.path("hardened.lock")).unwrap().parse().unwrap();
        let names = |of: &toml::Value| of["name"].as_str().unwrap().to_owned();
        let packages_left_out = lock["base"]["platforms"][0]["left-out"].as_array().unwrap().iter().map(names).collect();
        let left_out = LeftOut::of(&packages);
        let told = serde_json::from_value(told["scripts"].clone()).unwrap();
        Self { real, ours, packages, left_out, packages_left_out, told }
    }

    /// Returns the numbers of the accepted differences that were met, and a line for each that nothing explains.
    pub(super) fn judge(&self, accepted: &Differences) -> (BTreeSet<usize>, Vec<String>) {
        let (mut used, mut unexplained) = (BTreeSet::new(), self.packages_that_differ());
        for (kind, path, what) in self.differences() {
            if self.is_told(kind, &path) {
                continue;
            }
            match accepted.excuse(kind, &path) {
                Some(number) => drop(used.insert(number)),
                None => unexplained.push(format!("{kind:?} /{path}: {what}")),
            }
        }
        (used, unexplained)
    }

    /// Returns a line for each package that one has and the other lacks without a word.
    fn packages_that_differ(&self) -> Vec<String> {
        let coming = self.real.coming_with(&self.packages_left_out);
        let is_known = |name: &&String| self.packages.contains_key(*name) || coming.contains(name.as_str());
        let missing = self.real.packages.keys().filter(|name| !is_known(name));
        let added = self.packages.keys().filter(|name| !self.real.packages.contains_key(*name));
        missing.map(|name| format!("apt installs {name}")).chain(added.map(|name| format!("apt does not install {name}"))).collect()
    }

    fn differences(&self) -> Vec<(Kinds, String, String)> {
        let mut found = Vec::new();
        for (path, real) in &self.real.tree.nodes {
            if path.starts_with("dev/") {
                continue;
            }
            match self.ours.nodes.get(path) {
                Some(ours) => found.extend(self.at(path, real, ours)),
                // Reached through the link of a folder.
                None if self.ours.end(path).is_some_and(|end| end != *path && self.ours.nodes.contains_key(&end)) => {}
                None if self.is_left_out(path, real) => {}
                None => found.push((Kinds::Missing, path.clone(), self.described(path, real))),
            }
        }
        let added = self.ours.nodes.iter().filter(|(path, _)| !self.real.tree.nodes.contains_key(*path));
        found.extend(added.map(|(path, _)| (Kinds::Added, path.clone(), "the real root has nothing there".to_owned())));
        found.extend(ACCOUNTS.iter().flat_map(|list| self.accounts(list)));
        found
    }

    /// Returns the accounts that the image lacks, as `etc/passwd:NAME`, and those whose fixed number is another.
    fn accounts(&self, list: &str) -> Vec<(Kinds, String, String)> {
        let read = |tree: &Tree| {
            let text = String::from_utf8(tree.texts[list].clone()).unwrap();
            let fields = |line: &str| line.split(':').map(str::to_owned).collect::<Vec<String>>();
            text.lines().map(fields).map(|fields| (fields[0].clone(), fields[2].parse::<u32>().unwrap())).collect::<BTreeMap<_, _>>()
        };
        let (real, ours) = (read(&self.real.tree), read(&self.ours));
        let difference = |(name, number): (String, u32)| {
            let (kind, what) = match ours.get(&name) {
                None => (Kinds::Missing, format!("an account, {number}")),
                // Others are given one number after the other.
                Some(other) if number < 100 && *other != number => (Kinds::Content, format!("{number} became {other}")),
                Some(_) => return None,
            };
            Some((kind, format!("{list}:{name}"), what))
        };
        real.into_iter().filter_map(difference).collect()
    }

    /// Tells whether packages have the path, and none that have it is in the image with it. A link that scripts made goes with what it leads to.
    fn is_left_out(&self, path: &str, real: &Node) -> bool {
        let Some(by) = self.real.shipped.get(path) else {
            let end = self.real.tree.end(path).filter(|end| end != path);
            let led = end.and_then(|end| Some((self.real.tree.nodes.get(&end)?, end)));
            return self.left_out.explains("", path) || led.is_some_and(|(node, end)| self.is_left_out(&end, node));
        };
        let has = |name: &String| self.packages.contains_key(name) && !self.left_out.explains(name, path);
        // A folder goes with all that is in it.
        let is_filled =
            || self.real.shipped.range(format!("{path}/")..).next().is_some_and(|(next, _)| next.starts_with(&format!("{path}/")));
        !by.iter().any(has) || real.kind == Kind::Folder && is_filled()
    }

    fn at(&self, path: &str, real: &Node, ours: &Node) -> Option<(Kinds, String, String)> {
        let content = |found: &Tree| found.followed(path).map(|node| node.kind.clone());
        let is_link = matches!(real.kind, Kind::Link { .. });
        let is_same = real.kind == ours.kind
            || path == SECTIONS && sections(&self.real.tree) == sections(&self.ours)
            || is_link && self.real.tree.end(path) == self.ours.end(path)
            || matches!(content(&self.real.tree), Some(Kind::File { .. })) && content(&self.real.tree) == content(&self.ours);
        if !is_same {
            if path == SECTIONS {
                let (real, ours) = (sections(&self.real.tree), sections(&self.ours));
                return Some((Kinds::Content, path.to_owned(), format!("{:?} became {:?}", &real - &ours, &ours - &real)));
            }
            return Some((Kinds::Content, path.to_owned(), self.described(path, real)));
        }
        let is_open = is_link || real.kind != ours.kind || is_as_open(real, ours);
        let access = || format!("{:o} of {:?} became {:o} of {:?}", real.mode, real.owner, ours.mode, ours.owner);
        (!is_open).then(|| (Kinds::Access, path.to_owned(), access()))
    }

    /// Tells whether the build says that what scripts make at the path is missing, or why it does no harm that nothing is there.
    fn is_told(&self, kind: Kinds, path: &str) -> bool {
        let is_lacking = |step: &Told| step.file.as_ref().is_some_and(|file| glob(file).compile_matcher().is_match(format!("/{path}")));
        self.told.iter().any(|step| match step.effect.as_str() {
            "missing" => matches!(kind, Kinds::Missing | Kinds::Content) && is_lacking(step),
            "harmless" => kind == Kinds::Missing && step.why.is_some() && names(&step.command, &format!("/{path}")),
            _ => false,
        })
    }

    /// Describes what is at a path of the real root, and who has it.
    fn described(&self, path: &str, real: &Node) -> String {
        let what = match &real.kind {
            Kind::Folder => format!("a folder, {:o} of {:?}", real.mode, real.owner),
            Kind::File { .. } => format!("a file, {:o} of {:?}", real.mode, real.owner),
            Kind::Link { target } => format!("a link to {target}"),
            Kind::Other => "no file".to_owned(),
        };
        let ours = match self.ours.nodes.get(path).map(|node| &node.kind) {
            Some(Kind::Link { target }) => format!("; ours is a link to {target}"),
            Some(Kind::Folder) => "; ours is a folder".to_owned(),
            Some(_) => "; ours is a file".to_owned(),
            None => String::new(),
        };
        let named = self.told.iter().filter(|step| names(&step.command, &format!("/{path}")));
        let told: Vec<String> = named.map(|step| format!("{} of {}: {}", step.effect, step.package, step.command)).collect();
        format!("{what}, of {:?}{ours} {told:?}", self.real.shipped.get(path).cloned().unwrap_or_default())
    }
}

/// Tells whether a command has a path among its words.
fn names(command: &str, path: &str) -> bool {
    let goes_on = |rest: &str| rest.starts_with(|next: char| next.is_alphanumeric() || "/._-+".contains(next));
    command.match_indices(path).any(|(start, _)| !goes_on(&command[start + path.len()..]))
}

/// Tells whether access is the same, or what images give: everything is root's and readable, nothing gives rights.
fn is_as_open(real: &Node, ours: &Node) -> bool {
    let open = match (&real.kind, real.mode) {
        (Kind::Folder, mode) if mode & 0o1002 == 0o1002 => 0o1777,
        (Kind::Folder, _) => 0o755,
        (_, mode) if mode & 0o111 == 0 => 0o644,
        _ => 0o755,
    };
    (ours.owner == real.owner || ours.owner == (0, 0)) && (ours.mode == real.mode || ours.mode == real.mode & 0o1777 || ours.mode == open)
}
