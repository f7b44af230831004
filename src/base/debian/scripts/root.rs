use std::collections::{BTreeMap, BTreeSet};

use super::commands::Commands;
use crate::base::debian::files::below_usr;
use crate::base::debian::filter::{Filters, globs, path_text};
use crate::rootfs::{EntryKind, ImagePath};

/// Where only what packages ship, and what scripts make, can be on a new system: below these, what is not shipped is not there.
const STATE: &[&str] = &["/etc/", "/var/", "/run/", "/root/", "/home/", "/srv/", "/tmp/", "/usr/local/", "/dev/shm/"];

/// The system that a script would run in: the files that packages ship, and nothing that was there before.
pub(super) struct Root<'a> {
    /// All that packages ship, also what is left out of the image.
    pub(super) shipped: BTreeMap<&'a ImagePath, &'a EntryKind>,
    pub(super) commands: &'a Commands,
    pub(super) filters: &'a Filters,
    /// The architecture, by the name that images have for it.
    pub(super) architecture: &'a str,
    /// The users and groups that are there before any package.
    pub(super) accounts: BTreeSet<String>,
}

/// The result of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    pub(super) fn of(is_so: bool) -> Self {
        if is_so { Self::Yes } else { Self::No }
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            _ => Self::Unknown,
        }
    }

    /// Returns what is known where it is one or the other.
    pub(super) fn either(self, other: Self) -> Self {
        if self == other { self } else { Self::Unknown }
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.not().and(other.not()).not()
    }
}

impl Root<'_> {
    /// Returns where a path of a script is in the image.
    pub(super) fn path(text: &str) -> Option<ImagePath> {
        let names: Vec<&str> = text.strip_prefix('/')?.split('/').filter(|name| !name.is_empty() && *name != ".").collect();
        let text = names.join("/");
        let text = text.strip_prefix("var/run").map_or_else(|| text.clone(), |rest| format!("run{rest}"));
        Some(below_usr(&ImagePath::new(text.as_bytes()).ok()?))
    }

    /// Returns what packages ship at a path.
    pub(super) fn kind(&self, path: &str) -> Option<&EntryKind> {
        self.shipped.get(&Self::path(path)?).copied()
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        Self::path(path).is_some_and(|path| path.is_root()) || self.kind(path).is_some()
    }

    /// Returns the files below a folder, each with its path in the folder.
    pub(super) fn below(&self, folder: &str) -> Vec<(ImagePath, String)> {
        let Some(folder) = Self::path(folder) else { return Vec::new() };
        let above = format!("{}/", path_text(&folder));
        let files = self.shipped.range::<ImagePath, _>(&folder..).skip(1).map(|(path, kind)| (*path, *kind, path_text(path)));
        files
            .take_while(|(_, _, text)| text.starts_with(path_text(&folder).as_str()))
            .filter(|(_, kind, text)| text.starts_with(&above) && **kind != EntryKind::Directory)
            .map(|(path, _, text)| (path.clone(), text[above.len()..].to_owned()))
            .collect()
    }

    /// Returns the files that a pattern of a script stands for, as absolute paths.
    pub(super) fn matching(&self, pattern: &str) -> Vec<String> {
        let Some(pattern) = Self::path(pattern) else { return Vec::new() };
        let Ok(glob) = globs(&[path_text(&pattern)]) else { return Vec::new() };
        self.shipped.keys().map(|path| path_text(path)).filter(|path| glob.is_match(path)).map(|path| format!("/{path}")).collect()
    }

    /// Says whether a path of a file exists when the script runs.
    pub(super) fn test(&self, operator: &str, path: &str) -> Truth {
        let is_tool = operator == "-x" && path.rsplit('/').next().is_some_and(|name| self.commands.knows(name));
        match self.kind(path) {
            Some(kind) => match operator {
                "-d" => Truth::of(matches!(kind, EntryKind::Directory | EntryKind::Symlink(_))),
                "-f" => Truth::of(!matches!(kind, EntryKind::Directory)),
                "-L" | "-h" => Truth::of(matches!(kind, EntryKind::Symlink(_))),
                "-e" | "-r" | "-x" => Truth::Yes,
                _ => Truth::Unknown,
            },
            None if is_tool || path == "/" => Truth::Yes,
            // systemd is not there (sd_booted(3)), and nothing shipped is a device or a link that the script looks for.
            None if matches!(operator, "-L" | "-h") || STATE.iter().any(|above| path.starts_with(above)) => Truth::No,
            None => Truth::Unknown,
        }
    }

    /// Says whether a program can be started by its name.
    pub(super) fn has_program(&self, name: &str) -> Truth {
        let name = name.rsplit('/').next().unwrap_or(name);
        let is_shipped = ["bin", "sbin"].iter().any(|folder| self.exists(&format!("/usr/{folder}/{name}")));
        if is_shipped || self.commands.knows(name) { Truth::Yes } else { Truth::Unknown }
    }

    /// Returns Debian's name of the architecture.
    pub(super) fn debian_architecture(&self) -> &str {
        match self.architecture {
            "386" => "i386",
            "arm" => "armhf",
            "ppc64le" => "ppc64el",
            other => other,
        }
    }

    /// Returns the folder of the architecture's libraries (Debian policy, section 9.1.1).
    pub(super) fn multiarch(&self) -> Option<&'static str> {
        Some(match self.debian_architecture() {
            "amd64" => "x86_64-linux-gnu",
            "arm64" => "aarch64-linux-gnu",
            "armhf" => "arm-linux-gnueabihf",
            "i386" => "i386-linux-gnu",
            "ppc64el" => "powerpc64le-linux-gnu",
            "riscv64" => "riscv64-linux-gnu",
            "s390x" => "s390x-linux-gnu",
            _ => return None,
        })
    }
}
