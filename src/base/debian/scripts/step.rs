use serde::Serialize;

use crate::rootfs::ImagePath;

/// The control file with the folders for which a package's script runs again when another package has files there (deb-triggers(5)).
pub(in crate::base::debian) const TRIGGERS: &str = "triggers";

/// What becomes of a command of a maintainer script, which is not run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "effect")]
pub enum ScriptEffect {
    /// What it would make is in the image.
    Made {
        /// What made it, as a fragment.
        by: String,
    },
    /// The image misses nothing without it.
    Harmless {
        /// Why, as a fragment.
        why: String,
    },
    /// What it would make is not in the image.
    Missing {
        /// The file, where it is known.
        #[serde(skip_serializing_if = "Option::is_none")]
        file: Option<String>,
        /// What needs it, as a fragment.
        needed: String,
    },
}

/// A command of a maintainer script, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ScriptStep {
    /// The package.
    pub package: String,
    /// The script: `postinst`.
    pub script: String,
    /// The line that it begins in.
    pub line: usize,
    /// The command, with variables expanded as far as they are known.
    pub command: String,
    /// What becomes of it.
    #[serde(flatten)]
    pub effect: ScriptEffect,
}

/// An account that a script or a file of `sysusers.d` asks for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::base::debian) struct AccountCall {
    pub(in crate::base::debian) name: String,
    /// Whether it is a user; else it is a group alone.
    pub(in crate::base::debian) is_user: bool,
    pub(in crate::base::debian) number: Option<u32>,
    /// The primary group by its name or number; none is one of the user's own name.
    pub(in crate::base::debian) group: Option<String>,
    pub(in crate::base::debian) home: Option<String>,
}

/// A folder that a service writes to: its scripts give it to the service's own account, and here it is root's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
pub struct WrittenFolder {
    /// The folder, an absolute path.
    pub path: String,
    /// The package.
    pub package: String,
}

/// What a command would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::base::debian) enum Action {
    /// A link among alternatives; the highest priority has it.
    Alternative { link: ImagePath, target: ImagePath, priority: i64 },
    /// A file that is copied where nothing is.
    Copy { from: ImagePath, to: ImagePath },
    /// A folder.
    Folder { path: ImagePath, mode: u16, written: bool },
    /// A symbolic link where nothing is.
    Link { path: ImagePath, target: String },
    /// A file with this content where nothing is, or more of what the script wrote before.
    Text { path: ImagePath, text: String, appends: bool },
    /// Permissions of a file.
    Mode { path: ImagePath, mode: u16 },
    /// A folder that a service writes to, by its owner.
    Written { path: ImagePath },
    /// An account.
    Account(AccountCall),
    /// Files that a command makes of others: where one of these is in the image, this file is needed.
    Makes { file: String, of: Vec<String>, needed: String },
    /// What is done by a table of another kind.
    Made { by: String },
    /// Nothing that the image would miss.
    Harmless { why: String },
    /// Something that is not done.
    Missing { file: Option<String>, needed: String },
}

impl Action {
    pub(super) fn harmless(why: &str) -> Self {
        Self::Harmless { why: why.to_owned() }
    }

    pub(super) fn missing(file: Option<&str>, needed: &str) -> Self {
        Self::Missing { file: file.map(str::to_owned), needed: needed.to_owned() }
    }
}

/// A command of a script and one thing that it would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::base::debian) struct Step {
    /// The package's number.
    pub(in crate::base::debian) package: usize,
    pub(in crate::base::debian) script: &'static str,
    pub(in crate::base::debian) line: usize,
    pub(in crate::base::debian) command: String,
    pub(in crate::base::debian) action: Action,
}
