use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::rootfs::{Head, ImagePath, ImageText, Owner};

/// What was learned of a package by reading it once. It is kept by the package's digest, so that the package need not be read again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebFacts {
    /// The control file as it is: one stanza.
    pub control: String,
    /// The `md5sums` of the control files, as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub md5sums: Option<ImageText>,
    /// The `conffiles` of the control files, as it is: a path on each line, maybe after a flag (deb-conffiles(5)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conffiles: Option<ImageText>,
    /// The maintainer scripts and what stands beside them, by name: `preinst`, `postinst`, `prerm`, `postrm`, `config`, `triggers`, `shlibs`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, ImageText>,
    /// The size of the plain `data.tar` in bytes.
    pub data_size: u64,
    /// What the package would install, in the order of `data.tar`, without the root. No path is there twice.
    pub entries: Vec<DebEntry>,
    /// The whole contents of the files that were asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub kept: BTreeMap<ImagePath, ImageText>,
}

/// One file of a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DebEntry {
    /// The path as the package has it: not yet below a merged `/usr`.
    pub path: ImagePath,
    /// What it is.
    pub kind: DebKind,
    /// The permission bits, those of set-user-ID programs included.
    pub mode: u16,
    /// The owner's user.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub uid: u32,
    /// The owner's group.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gid: u32,
}

/// What a file of a package is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DebKind {
    /// A folder.
    Directory,
    /// A regular file.
    File {
        /// Where its content begins in the plain `data.tar`.
        offset: u64,
        /// The size in bytes.
        size: u64,
        /// What it is.
        head: Head,
    },
    /// A symbolic link and its target.
    Symlink(ImageText),
    /// Another name of an earlier regular file of the package.
    HardLink(ImagePath),
}

impl DebEntry {
    /// Returns the owner.
    pub fn owner(&self) -> Owner {
        Owner { uid: self.uid, gid: self.gid }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over references")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
