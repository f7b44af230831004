use std::fmt;

use super::HostPath;
use crate::recipe::{Destination, Symlinks};
use crate::rootfs::{Entry, ImagePath, Owner, TreeId};

/// What one `[[files]]` entry asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// A file, a folder or a glob, relative to the recipe's root, with forward slashes.
    /// What exists under this very name is taken as it is, so that a folder may be called `[id]`.
    pub from: String,
    /// Where it goes in the image.
    pub to: Destination,
    /// What is left out: patterns as in a `.gitignore` in the entry's folder.
    pub exclude: Vec<String>,
    /// What is taken although it is on the deny list, or has a private key in it: names of [`super::DENY_RULES`] that do not hold here,
    /// or names of files and folders, as `.env.production` or `.docker/config.json`.
    pub allow: Vec<String>,
    /// The mode of all regular files; else `0o755` for what its owner may execute and `0o644` for the rest.
    pub file_mode: Option<u16>,
    /// The mode of all folders; else `0o755`.
    pub dir_mode: Option<u16>,
    /// Who owns all of it.
    pub owner: Owner,
    /// What becomes of symbolic links.
    pub symlinks: Symlinks,
}

impl Request {
    /// Asks for `from` at `to`, with the defaults for everything else.
    pub fn new(from: &str, to: Destination) -> Self {
        Self {
            from: from.to_owned(),
            to,
            exclude: Vec::new(),
            allow: Vec::new(),
            file_mode: None,
            dir_mode: None,
            owner: Owner::default(),
            symlinks: Symlinks::Keep,
        }
    }
}

/// What a request found.
#[derive(Debug, Default)]
pub struct Found {
    /// The entries, in order of their paths, none twice. The folders above the request's target are not among them.
    pub entries: Vec<(ImagePath, Entry)>,
    /// What was left out, in order: the topmost paths, at most [`Found::LISTED`] for either reason.
    pub skipped: Vec<Skipped>,
    /// How many paths were left out, those that are not listed among them.
    pub skipped_count: usize,
    /// What the user should know.
    pub notes: Vec<Note>,
    /// The files that are taken whether they hold a private key or not.
    pub keys_allowed: Vec<OnHost>,
}

/// A file of the host.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct OnHost {
    /// The folder that it is in.
    pub tree: TreeId,
    /// Its path there.
    pub path: Box<[u8]>,
}

impl Found {
    /// How many paths are listed at most.
    pub const LISTED: usize = 100;
}

/// A path that was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Skipped {
    /// The path.
    pub path: HostPath,
    /// Why.
    pub why: Why,
}

/// Why a path was left out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// By this rule of [`super::DENY_RULES`].
    Denied(&'static str),
    /// By this pattern of the request.
    Excluded(String),
    /// Since hardened wrote it, or is about to: an output, the cache, `hardened.lock`.
    Output,
}

/// What the user should know about files that are taken.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Note {
    /// Two names of one folder differ only in case.
    SameButCase(ImagePath, ImagePath),
    /// File capabilities of the host were not kept.
    Capabilities {
        /// The first path.
        first: ImagePath,
        /// How many there are.
        count: usize,
    },
    /// Set-user, set-group or sticky bits of the host were not kept.
    SpecialBits {
        /// The first path.
        first: ImagePath,
        /// How many there are.
        count: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameButCase(one, other) => {
                write!(formatter, "`{one}` and `{other}` differ only in case, and some file systems can store only one of them")
            }
            Self::Capabilities { first, count: 1 } => write!(formatter, "the file capabilities of `{first}` are not kept"),
            Self::Capabilities { first, count } => {
                write!(formatter, "the file capabilities of `{first}` and {} more are not kept", count - 1)
            }
            Self::SpecialBits { first, count: 1 } => {
                write!(formatter, "the set-user, set-group or sticky bit of `{first}` is not kept; set `mode` to keep it")
            }
            Self::SpecialBits { first, count } => {
                write!(
                    formatter,
                    "the set-user, set-group or sticky bits of `{first}` and {} more are not kept; set `mode` to keep them",
                    count - 1
                )
            }
        }
    }
}
