use std::fs::{self, File};
use std::os::unix::fs::{FileExt as _, PermissionsExt as _};
use std::path::Path;

use crate::host::read_text;
use crate::rootfs::{Head, ReadAt, ReadFault};

/// How many bytes of a file are read as text: a longer one is no description of a project.
const TEXT: u64 = 1 << 20;

/// The folder that a recipe is written for.
pub(super) struct Folder<'a>(pub(super) &'a Path);

/// A program of the folder.
pub(super) struct FoundProgram {
    /// Its path in the folder.
    pub(super) path: String,
    /// What it is.
    pub(super) head: Head,
}

impl Folder<'_> {
    pub(super) fn has(&self, name: &str) -> bool {
        self.0.join(name).exists()
    }

    pub(super) fn has_file(&self, name: &str) -> bool {
        self.0.join(name).is_file()
    }

    /// Returns the text of a file, if it is one.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        if self.has_file(name) { read_text(&self.0.join(name), TEXT).ok() } else { None }
    }

    /// Returns the names in a folder below, sorted: those that a recipe can name, where `*`, `?` and `[` would be wildcards.
    pub(super) fn names(&self, below: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(below)).into_iter().flatten().flatten();
        let is_plain = |name: &String| !name.contains(['*', '?', '[', '{', '}']) && !name.chars().any(char::is_control);
        let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(is_plain).collect();
        names.sort();
        names
    }

    /// Returns the size of a file in bytes.
    pub(super) fn size(&self, name: &str) -> u64 {
        fs::metadata(self.0.join(name)).map_or(0, |metadata| metadata.len())
    }

    /// Returns the program at a path, if one is there that Linux runs.
    pub(super) fn program(&self, path: &str) -> Option<FoundProgram> {
        let whole = self.0.join(path);
        let metadata = fs::metadata(&whole).ok().filter(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)?;
        let head = Head::read(&HostFile(File::open(&whole).ok()?), metadata.len()).ok()?;
        matches!(head, Head::Elf { .. }).then(|| FoundProgram { path: path.to_owned(), head })
    }

    /// Returns the name of the folder itself.
    pub(super) fn name(&self) -> Option<String> {
        Some(fs::canonicalize(self.0).ok()?.file_name()?.to_str()?.to_owned())
    }
}

/// Says whether a name ends with a dot and this extension.
pub(super) fn has_extension(name: &str, extension: &str) -> bool {
    Path::new(name).extension().is_some_and(|found| found == extension)
}

struct HostFile(File);

impl ReadAt for HostFile {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), ReadFault> {
        self.0.read_exact_at(buffer, offset).map_err(|error| ReadFault::from(crate::rootfs::ContentFault::Io(error)))
    }
}
