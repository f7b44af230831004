use std::io;

use super::{DENY_RULES, HostPath, PRIVATE_KEY, link_hints};
use crate::diagnostic::snippet;
use crate::layer::FoundKey;
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
    /// A file holds a private key, whatever its name.
    #[error("`{path}` holds a private key at byte {} ({})", key.offset, key.form)]
    PrivateKey {
        /// The path.
        path: HostPath,
        /// The first key in it.
        key: FoundKey,
    },
    /// What hardened writes is asked for.
    #[error(
        "`{from}` is written by hardened, or is inside a folder that hardened writes: an output of this build, the cache or `hardened.lock`"
    )]
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
    #[error("`{path}` is a {what}, which cannot be in an image")]
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
    /// Its target leads above the root of the image.
    #[error("leads above the root of the image")]
    LeavesImage,
    /// It is the request's own path, and leads out of the recipe's root.
    #[error("leads out of the recipe's folder")]
    LeavesRoot,
    /// It should be followed, and leads to nothing.
    #[error("leads to nothing")]
    Dangling,
    /// It should be followed, and leads back to a folder that it is in.
    #[error("leads to one of its parent folders")]
    Loop,
}

/// The lists of a `[[files]]` entry, which hints add to: a key that is there already cannot be written a second time.
#[derive(Debug, Default)]
pub struct EntryLists {
    /// The elements of `exclude`, as they are written in the recipe.
    pub exclude: Vec<String>,
    /// The elements of `include-denied`, as they are written in the recipe.
    pub include_denied: Vec<String>,
    /// What hints tell to add to `exclude`, for all faults of the entry together.
    pub left_out: Vec<String>,
    /// What hints tell to add to `include-denied`, for all faults of the entry together.
    pub allowed: Vec<String>,
}

impl EntryLists {
    /// Returns what leaves out what is wrong: `leave it out: write …`.
    fn with_exclude(&self, own: String) -> String {
        let added = if self.left_out.is_empty() { vec![own] } else { self.left_out.clone() };
        let what = if added.len() > 1 { "leave all of these out" } else { "leave it out" };
        format!("{what}: write `exclude = {}`", snippet::list(self.exclude.iter().cloned().chain(added)))
    }

    fn with_allowed(&self, own: String) -> String {
        let added = if self.allowed.is_empty() { vec![own] } else { self.allowed.clone() };
        format!("`include-denied = {}`", snippet::list(self.include_denied.iter().cloned().chain(added)))
    }
}

impl FileFault {
    /// How many faults of a request are listed.
    pub const LISTED: usize = 20;

    /// Returns what to do about it, in an entry without lists.
    pub fn hints(&self) -> Vec<String> {
        self.hints_in(&EntryLists::default())
    }

    /// Returns the element of `exclude` that leaves out what is wrong, where the entry can do without it.
    pub fn exclude_element(&self) -> Option<String> {
        match self {
            Self::Special { path, .. }
            | Self::Unreadable { path, .. }
            | Self::Name { path, .. }
            | Self::TooMany { path, .. }
            | Self::PrivateKey { path, .. } => path.below_entry().map(snippet::exclude_element),
            Self::Link { path, target, fault } => {
                path.below_entry().filter(|_| link_hints::may_be_left_out(path, target, *fault)).map(snippet::exclude_element)
            }
            _ => None,
        }
    }

    /// Returns the element of `include-denied` that takes a file with a private key and no other: its path, where TOML can hold it.
    pub fn allow_element(&self) -> Option<String> {
        let Self::PrivateKey { path, .. } = self else { return None };
        Some(std::str::from_utf8(path.as_bytes()).map_or_else(|_| snippet::exact(PRIVATE_KEY), snippet::path))
    }

    /// Returns what to do about it, in an entry with these lists.
    pub fn hints_in(&self, lists: &EntryLists) -> Vec<String> {
        let exclude = self.exclude_element().map(|element| lists.with_exclude(element));
        match self {
            Self::Outside { .. } => vec!["to take files from the folder above, write `root = \"..\"` in the recipe".to_owned()],
            Self::Missing { nearest: Some(nearest), .. } => vec![format!("there is `{nearest}`")],
            Self::Missing { nearest: None, .. } => {
                vec![
                    "create this file or folder first, or correct `from`, which is relative to the recipe's folder, or to `root`"
                        .to_owned(),
                ]
            }
            Self::Pattern { pattern, .. } if pattern.as_bytes().contains(&b'[') => {
                vec!["`[` begins a class of characters, `[a-z]`; the character itself is written `[[]`".to_owned()]
            }
            Self::AllLeftOut { .. } => vec!["check `exclude`, or name the deny rule in `include-denied`".to_owned()],
            Self::UnknownRule { nearest: Some(nearest), .. } => vec![format!("there is the rule `{nearest}`")],
            Self::UnknownRule { nearest: None, .. } => {
                let names: Vec<&str> = DENY_RULES.iter().map(|rule| rule.name).collect();
                vec![format!("the rules are {}", names.join(", "))]
            }
            Self::Output { .. } => vec!["name another `from`, or write the output to another folder".to_owned()],
            Self::Denied { rule, .. } => vec![format!("if it must be in the image, write {}", lists.with_allowed(snippet::exact(rule)))],
            Self::PrivateKey { .. } => {
                let allowed = lists.with_allowed(self.allow_element().unwrap_or_default());
                vec![
                    exclude.unwrap_or_else(|| "leave it out: take the entry out".to_owned()),
                    format!("if it must be in the image, write {allowed}"),
                ]
            }
            Self::Link { path, target, fault } => link_hints::hints(path, target, *fault, exclude.as_deref()),
            Self::Special { .. } => {
                vec![exclude.unwrap_or_else(|| "name a file, a folder or a glob in `from`, or take the entry out".to_owned())]
            }
            Self::Unreadable { .. } => {
                vec![format!("change its permissions, or {}", exclude.as_deref().unwrap_or("take the entry out"))]
            }
            Self::Name { .. } | Self::TooMany { .. } => exclude.into_iter().collect(),
            _ => Vec::new(),
        }
    }
}

fn why(rule: &str) -> &'static str {
    DENY_RULES.iter().find(|other| other.name == rule).map_or("", |rule| rule.why)
}
