use super::whole::WholeFiles;

/// The lists of the files of each Debian package: dpkg's `info/NAME.list`, and the `status.d/NAME.md5sums` of distroless images. Those of an
/// installation with 60,000 packages have less than the limit of all together.
pub const FILE_LISTS: WholeFiles =
    WholeFiles { name: "file-lists", version: 1, memory: 512 << 20, limit: 32 << 20, selects: |path| listed_package(path).is_some() };

/// Returns the package whose files a file of the image lists, and how.
pub fn listed_package(path: &[u8]) -> Option<(&[u8], ListForm)> {
    let paths = || path.strip_prefix(b"var/lib/dpkg/info/")?.strip_suffix(b".list").map(|name| (name, ListForm::Paths));
    let sums = || path.strip_prefix(b"var/lib/dpkg/status.d/")?.strip_suffix(b".md5sums").map(|name| (name, ListForm::Sums));
    let (name, form) = paths().or_else(sums)?;
    // `libc6:amd64` where a package may be installed for several architectures.
    let name = name.split(|byte| *byte == b':').next().unwrap_or_default();
    (!name.is_empty() && !name.contains(&b'/')).then_some((name, form))
}

/// How a list names files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListForm {
    /// A path in each line: `/usr/bin/env`.
    Paths,
    /// An MD5 sum, two spaces and a path in each line: `d41d8cd98f00b204e9800998ecf8427e  usr/bin/env`.
    Sums,
}

impl ListForm {
    /// Returns the path of a line; nothing where the line has none.
    pub fn path(self, line: &str) -> Option<&str> {
        match self {
            Self::Paths => line.starts_with('/').then_some(line),
            Self::Sums => line.get(32..).and_then(|rest| rest.strip_prefix("  ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_known_by_their_paths() {
        for (path, expected) in [
            ("var/lib/dpkg/info/libc6:amd64.list", Some(("libc6", ListForm::Paths))),
            ("var/lib/dpkg/info/bash.list", Some(("bash", ListForm::Paths))),
            ("var/lib/dpkg/info/bash.md5sums", None),
            ("var/lib/dpkg/status.d/libc6.md5sums", Some(("libc6", ListForm::Sums))),
            ("var/lib/dpkg/status.d/libc6", None),
            ("var/lib/dpkg/info/.list", None),
            ("var/lib/dpkg/info/a/b.list", None),
        ] {
            let found = listed_package(path.as_bytes()).map(|(name, form)| (std::str::from_utf8(name).unwrap(), form));
            assert_eq!(found, expected, "{path}");
        }
        assert_eq!(ListForm::Paths.path("/usr/bin/env"), Some("/usr/bin/env"));
        assert_eq!(ListForm::Sums.path("d41d8cd98f00b204e9800998ecf8427e  usr/bin/env"), Some("usr/bin/env"));
        assert_eq!((ListForm::Paths.path(""), ListForm::Sums.path("usr/bin/env")), (None, None));
    }
}
