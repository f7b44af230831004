use std::io;

use super::{DENY_RULES, HostPath, link_hints};
use crate::rootfs::PathFault;

/// What is wrong with the files that a request names.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileFault {
    /// The recipe's root cannot be opened.
    #[error("the folder `{path}` cannot be opened")]
    Root {
        /// The folder.
        path: HostPath,
        /// Why.
        source: io::Error,
    },
    /// A path is absolute or climbs out by `..`.
    #[error("`{from}` is outside of the recipe's folder")]
    Outside {
        /// The path as it was written.
        from: HostPath,
    },
    /// There is nothing of this name, or nothing that matches.
    #[error("nothing matches `{from}`")]
    Missing {
        /// The path or glob.
        from: HostPath,
        /// The nearest path that exists.
        nearest: Option<HostPath>,
    },
    /// Everything that matches is left out by excludes or deny rules.
    #[error("everything that `{from}` matches is left out")]
    AllLeftOut {
        /// The path or glob.
        from: HostPath,
    },
    /// A glob or an exclude pattern is not well formed.
    #[error("the pattern `{pattern}` is not well formed: {reason}")]
    Pattern {
        /// The pattern.
        pattern: HostPath,
        /// What is wrong.
        reason: String,
    },
    /// A name that is taken although it is denied is neither a rule's nor denied by any.
    #[error("`{name}` is not on the deny list")]
    UnknownRule {
        /// The name.
        name: HostPath,
        /// The nearest name that exists.
        nearest: Option<&'static str>,
    },
    /// A path that never belongs in an image is asked for.
    #[error("`{path}` is on the deny list, by rule `{rule}`: {}", why(rule))]
    Denied {
        /// The path.
        path: HostPath,
        /// The rule's name.
        rule: &'static str,
    },
    /// What hardened writes is asked for.
    #[error("`{from}` is what hardened writes, or lies inside of it: an output of this build, the cache or `hardened.lock`")]
    Output {
        /// The path.
        from: HostPath,
    },
    /// A symbolic link cannot be kept or followed.
    #[error("the link `{path}` to `{target}` {fault}")]
    Link {
        /// The link.
        path: HostPath,
        /// Its target.
        target: HostPath,
        /// What is wrong.
        fault: LinkFault,
    },
    /// A device, a FIFO or a socket.
    #[error("`{path}` is a {what}, which has no place in an image")]
    Special {
        /// The path.
        path: HostPath,
        /// What it is.
        what: &'static str,
    },
    /// A file or a folder cannot be read.
    #[error("`{path}` cannot be read")]
    Unreadable {
        /// The path.
        path: HostPath,
        /// Why.
        source: io::Error,
    },
    /// A name cannot be in an image.
    #[error("`{path}` cannot be in an image: {fault}")]
    Name {
        /// The path.
        path: HostPath,
        /// What is wrong.
        fault: PathFault,
    },
    /// More than any image holds.
    #[error("`{path}` leads to more than {limit} {what}")]
    TooMany {
        /// The path.
        path: HostPath,
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Further faults of the same request, which are not listed.
    #[error("and {0} more")]
    More(usize),
}

/// What is wrong with a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkFault {
    /// Its target climbs above the image's root.
    #[error("climbs above the image's root")]
    LeavesImage,
    /// It is the request's own path, and leads out of the recipe's root.
    #[error("leads out of the recipe's folder")]
    LeavesRoot,
    /// It should be followed, and leads to nothing.
    #[error("leads to nothing")]
    Dangling,
    /// It should be followed, and leads back to a folder that it is in.
    #[error("leads back to a folder above it")]
    Loop,
}

impl FileFault {
    /// How many faults of a request are listed.
    pub const LISTED: usize = 20;

    /// Returns what to do about it.
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Outside { .. } => vec!["to take files from the folder above, write `root = \"..\"` in the recipe".to_owned()],
            Self::Missing { nearest: Some(nearest), .. } => vec![format!("there is `{nearest}`")],
            Self::Missing { nearest: None, .. } => {
                vec!["build what it names first, or correct `from`: it is relative to the recipe's folder, or to `root`".to_owned()]
            }
            Self::Pattern { pattern, .. } if pattern.as_bytes().contains(&b'[') => {
                vec!["`[` begins a class of characters, `[a-z]`; the character itself is written `[[]`".to_owned()]
            }
            Self::AllLeftOut { .. } => vec!["look at `exclude`, or name the deny rule in `include-denied`".to_owned()],
            Self::UnknownRule { nearest: Some(nearest), .. } => vec![format!("there is the rule `{nearest}`")],
            Self::UnknownRule { nearest: None, .. } => {
                let names: Vec<&str> = DENY_RULES.iter().map(|rule| rule.name).collect();
                vec![format!("the rules are {}", names.join(", "))]
            }
            Self::Output { .. } => vec!["name another `from`, or write the output to another folder".to_owned()],
            Self::Denied { rule, .. } => vec![format!("if it must be in the image, write `include-denied = [\"{rule}\"]`")],
            Self::Link { path, target, fault } => link_hints::hints(path, target, *fault),
            Self::Special { path, .. } => vec![format!("leave it out: `exclude = [\"{}\"]`", file_name(path))],
            Self::Unreadable { .. } => vec!["change its permissions, or exclude it".to_owned()],
            _ => Vec::new(),
        }
    }
}

fn why(rule: &str) -> &'static str {
    DENY_RULES.iter().find(|other| other.name == rule).map_or("", |rule| rule.why)
}

fn file_name(path: &HostPath) -> HostPath {
    HostPath::new(super::host_path::last_name(path.as_bytes()))
}
