use crate::rootfs::{Fact, FactKind, ImagePath, ImageText, Resolved};

use super::files::Files;
use super::loader::{ProcessSettings, folder_of, from_directory};

/// The most files that are named as passed over.
const NAMED: usize = 8;

/// What looks for a program of which only the name is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seeker {
    /// The runtime: runc with `LookPath` of Go's `os/exec`, which refuses what it finds by a folder that is not absolute.
    Runtime,
    /// A process of the image, with execvp(3).
    Process,
}

/// What was found in the folders of `PATH`.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Lookup {
    /// The first file of the name that the user may execute.
    Found {
        /// The file without links.
        path: ImagePath,
        /// Its path by the folder of `PATH`, as it is executed.
        named: ImagePath,
        /// The first file before it that somebody else may execute: runc takes that one if it is built with Go before 1.20, whose
        /// `LookPath` asks for any of the three permissions.
        before: Option<ImagePath>,
    },
    /// The first such file, by a folder that is not absolute: runc does not start it.
    Relative(ImagePath),
    /// No such file. What else has the name, and why it is passed over.
    Nothing(Vec<String>),
}

enum Candidate {
    Absent,
    Skipped(String),
    /// Not for the user, but for others.
    Foreign(ImagePath, String),
    Executable(ImagePath),
}

/// Looks for a program as runtimes and the C library do: folders, files that the user may not execute, and links that lead to nothing are
/// passed over. An empty entry of `PATH` is the working folder.
pub(super) fn look_up(files: &Files<'_>, settings: &ProcessSettings, program: &str, seeker: Seeker) -> Lookup {
    let (mut skipped, mut before) = (Vec::new(), None);
    // Go reads an empty list as no folder at all.
    let is_nothing = settings.path.is_empty() && seeker == Seeker::Runtime;
    for folder in settings.path.split(':').filter(|_| !is_nothing) {
        let folder_or_here = if folder.is_empty() { "." } else { folder };
        let named = from_directory(&settings.directory, format!("{folder_or_here}/{program}").as_bytes());
        let reason = match candidate(files, &named) {
            Candidate::Absent => continue,
            Candidate::Skipped(reason) => reason,
            Candidate::Foreign(path, reason) => {
                before = before.or(Some(path));
                reason
            }
            Candidate::Executable(path) if seeker == Seeker::Runtime && !folder.starts_with('/') => return Lookup::Relative(path),
            Candidate::Executable(path) => {
                let named = ImagePath::new(&named).unwrap_or_else(|_| path.clone());
                return Lookup::Found { path, named, before: before.filter(|_| seeker == Seeker::Runtime) };
            }
        };
        if skipped.len() < NAMED {
            skipped.push(reason);
        }
    }
    Lookup::Nothing(skipped)
}

fn candidate(files: &Files<'_>, path: &[u8]) -> Candidate {
    let owner = files.owner;
    match files.rootfs.follow(path) {
        Resolved::File(real, Fact { kind: FactKind::Directory, .. }) => Candidate::Skipped(format!("`{real}` is a folder")),
        Resolved::File(real, fact) => {
            let closed = |folder: &ImagePath| files.rootfs.entry(folder).is_some_and(|fact| !fact.allows(owner, 0o1));
            if let Some(folder) = real.parents().find(closed) {
                return Candidate::Skipped(format!("`{real}` is in the folder `{folder}`, which the user may not enter"));
            }
            if !fact.allows(owner, 0o1) {
                let reason = format!("`{real}` has the mode {:04o} and belongs to {}:{}", fact.mode, fact.uid, fact.gid);
                return if fact.mode & 0o111 == 0 { Candidate::Skipped(reason) } else { Candidate::Foreign(real, reason) };
            }
            Candidate::Executable(real)
        }
        Resolved::Missing(_) => dangling(files, path).map_or(Candidate::Absent, Candidate::Skipped),
        Resolved::Loop => {
            Candidate::Skipped(format!("`{}` is part of a loop of symbolic links", String::from_utf8_lossy(path).escape_debug()))
        }
    }
}

/// Says where a link leads that leads to nothing; `None` where there is no link.
fn dangling(files: &Files<'_>, path: &[u8]) -> Option<String> {
    let folder = folder_of(path);
    let name = path.rsplit(|byte| *byte == b'/').next()?;
    let Resolved::File(real, Fact { kind: FactKind::Directory, .. }) = files.rootfs.follow(folder) else { return None };
    let link = real.join(name).ok()?;
    let FactKind::Symlink(ImageText(target)) = files.rootfs.entry(&link)?.kind else { return None };
    Some(format!("`{link}` is a link to `{}`, which is not in the image", String::from_utf8_lossy(&target).escape_debug()))
}
