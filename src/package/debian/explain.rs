use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::resolve::{Chosen, LeftOut, Resolution, WantedBy};

/// Why a package is in an image, or is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Explanation {
    /// It is in.
    Included {
        /// The package.
        package: Box<Chosen>,
        /// The shortest way from a package that the recipe names to this one; both are in it.
        chain: Vec<String>,
    },
    /// It was left out.
    LeftOut {
        /// By which rule, and who wanted it.
        left_out: Box<LeftOut>,
        /// The shortest way from a package that the recipe names to one that wanted it.
        chain: Vec<String>,
    },
    /// Nothing wants it.
    Unwanted {
        /// Its name.
        name: String,
        /// The packages in the image or left out with the nearest names.
        nearest: Vec<String>,
    },
}

impl Resolution {
    /// Says why a package is in, or was left out and who wanted it, or that nothing wants it.
    pub fn explain(&self, name: &str) -> Explanation {
        if let Some(package) = self.packages.iter().find(|package| package.name == name) {
            return Explanation::Included { package: Box::new(package.clone()), chain: self.chain(&package.wanted_by, Some(name)) };
        }
        if let Some(left_out) = self.left_out.iter().find(|left_out| left_out.name == name) {
            return Explanation::LeftOut { left_out: Box::new(left_out.clone()), chain: self.chain(&left_out.wanted_by, None) };
        }
        let known =
            self.packages.iter().map(|package| package.name.as_str()).chain(self.left_out.iter().map(|left_out| left_out.name.as_str()));
        Explanation::Unwanted { name: name.to_owned(), nearest: nearest(name, known) }
    }

    /// Goes up from those that want something until one is wanted by the recipe; the shortest way, and of these the first by name.
    fn chain(&self, wanted_by: &[WantedBy], last: Option<&str>) -> Vec<String> {
        let known: BTreeMap<&str, &Chosen> = self.packages.iter().map(|package| (package.name.as_str(), package)).collect();
        let mut chain: Vec<String> = last.map(str::to_owned).into_iter().collect();
        if wanted_by.contains(&WantedBy::Recipe) {
            return chain;
        }
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<Vec<&str>> = wanted_by.iter().filter_map(WantedBy::package).map(|name| vec![name]).collect();
        while let Some(way) = queue.pop_front() {
            let Some(package) = way.last().and_then(|name| known.get(name)) else { continue };
            if !seen.insert(package.name.as_str()) {
                continue;
            }
            if package.wanted_by.contains(&WantedBy::Recipe) {
                chain.splice(0..0, way.iter().rev().map(|name| (*name).to_owned()));
                return chain;
            }
            queue.extend(package.wanted_by.iter().filter_map(WantedBy::package).map(|name| way.iter().copied().chain([name]).collect()));
        }
        chain
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |chain: &[String]| chain.iter().fold(String::new(), |way, name| way + " → `" + name + "`");
        match self {
            Self::Included { package, chain } => {
                write!(formatter, "`{}` {} is in: the recipe{}", package.name, package.version, way(chain))
            }
            Self::LeftOut { left_out, chain } => {
                let wanted: Vec<String> = left_out.wanted_by.iter().map(ToString::to_string).collect();
                write!(
                    formatter,
                    "`{}` was left out {}: {}; wanted by {}",
                    left_out.name,
                    left_out.by,
                    left_out.reason,
                    wanted.join(", ")
                )?;
                if chain.is_empty() { Ok(()) } else { write!(formatter, " (the recipe{})", way(chain)) }
            }
            Self::Unwanted { name, nearest } => {
                write!(formatter, "nothing wants `{name}`")?;
                let names: Vec<String> = nearest.iter().map(|name| format!("`{name}`")).collect();
                if names.is_empty() { Ok(()) } else { write!(formatter, "; there is {}", names.join(", ")) }
            }
        }
    }
}

/// Returns at most three of the names that are near to what was written, the nearest first.
pub(super) fn nearest<'a>(written: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let limit = (written.len() / 3).clamp(1, 4);
    let mut near: Vec<(usize, &str)> = Vec::new();
    for name in names {
        if name.len().abs_diff(written.len()) > limit && !name.starts_with(written) {
            continue;
        }
        // A name that goes on where the written one ends is near, however long it is: `python` is `python3-minimal`'s beginning.
        let distance = if name.starts_with(written) { limit } else { strsim::osa_distance(written, name) };
        if distance <= limit && near.iter().all(|(_, known)| *known != name) {
            near.push((distance, name));
            near.sort_by_key(|(distance, name)| (*distance, name.len(), *name));
            near.truncate(3);
        }
    }
    near.into_iter().map(|(_, name)| name.to_owned()).collect()
}
