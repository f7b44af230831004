use crate::debian::exclude::ExclusionFault;
use crate::debian::relation::RelationFault;

/// Why no packages can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveFault {
    /// The recipe names a package that is not there.
    #[error("there is no package `{name}` for `{architecture}`{}", elsewhere_text(.elsewhere))]
    UnknownPackage {
        /// What the recipe names.
        name: String,
        /// For which architecture.
        architecture: String,
        /// The nearest names that are there, the nearest first.
        nearest: Vec<String>,
        /// Where it is: `arm64 in trixie`, `trixie-backports`.
        elsewhere: Vec<String>,
        /// The packages that provide the name.
        providers: Vec<String>,
    },
    /// The recipe names a version that is not there.
    #[error("there is no version {version} of `{name}`, only {}", known.join(", "))]
    UnknownVersion {
        /// The package.
        name: String,
        /// What the recipe names.
        version: String,
        /// What there is: `2.36-9 (trixie)`, the newest first.
        known: Vec<String>,
    },
    /// The recipe names a package twice, with different versions.
    #[error("`{name}` is named with two versions, {first} and {second}")]
    TwoVersions {
        /// The package.
        name: String,
        /// One of them.
        first: String,
        /// The other.
        second: String,
    },
    /// No alternative of a relation can be had.
    #[error("{} needs `{relation}`, which cannot be satisfied: {}", chain_text(.chain), tried.join("; "))]
    Unsatisfiable {
        /// The group of the relation field.
        relation: String,
        /// The way from a package that the recipe names to the one that needs it.
        chain: Vec<String>,
        /// What is wrong with each alternative.
        tried: Vec<String>,
    },
    /// A relation field of a package can't be read.
    #[error("the field `{field}` of `{package}` can't be read: {fault}")]
    Relation {
        /// The package.
        package: String,
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        fault: RelationFault,
    },
    /// Several packages or versions that the recipe names are not there.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Several(Vec<Self>),
    /// The rules inside the program can't be read, which a test rules out.
    #[error("{0}")]
    Exclusions(ExclusionFault),
}

impl ResolveFault {
    /// Returns the faults one by one.
    pub fn each(&self) -> &[Self] {
        if let Self::Several(faults) = self { faults } else { std::slice::from_ref(self) }
    }

    /// Returns what helps, where something does.
    pub fn hint(&self) -> Option<String> {
        let quoted = |names: &[String]| names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        match self {
            Self::UnknownPackage { providers, .. } if !providers.is_empty() => {
                Some(format!("name one that provides it: {}", quoted(providers)))
            }
            Self::UnknownPackage { nearest, .. } if !nearest.is_empty() => Some(format!("similar names: {}", quoted(nearest))),
            Self::UnknownVersion { name, .. } => {
                Some(format!("write `{name}` without a version for the newest one, and let the lock pin it"))
            }
            _ => None,
        }
    }
}

fn elsewhere_text(suites: &[String]) -> String {
    if suites.is_empty() { String::new() } else { format!("; it exists as: {}", suites.join(", ")) }
}

fn chain_text(chain: &[String]) -> String {
    chain.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" → ")
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
