use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::host_path::{is_below, joined};
use crate::host::UNFINISHED;
use crate::oci::{ANNOTATION_LAYOUT, strict_json};

/// The files of an OCI image layout that tell whether hardened wrote it.
pub(super) const LAYOUT_FILES: [&[u8]; 2] = [b"oci-layout", b"index.json"];
/// How much of an `index.json` is read for that. One that is longer is taken for another program's.
pub(super) const INDEX_LIMIT: usize = 1 << 20;

/// Files and folders of this machine that hardened writes: no image holds them, since each build would then hold the one before.
#[derive(Debug, Default)]
pub struct Outputs {
    /// Absolute paths without symbolic links, and without the leading slash.
    paths: Vec<Vec<u8>>,
}

/// What a name in a folder is to the outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Near {
    /// It is an output.
    Output,
    /// It is a folder above an output.
    Above,
    /// It is neither.
    Neither,
}

impl Outputs {
    /// Takes paths, relative to the current folder or absolute, of which some may not exist yet.
    pub fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        Self { paths: paths.into_iter().filter_map(absolute).collect() }
    }

    /// Says whether a path of this machine, without symbolic links and without its leading slash, is an output or lies inside of one.
    pub(super) fn hold(&self, host: &[u8]) -> bool {
        self.paths.iter().any(|path| is_below(host, path))
    }

    /// Returns the outputs below a folder, relative to it.
    pub(super) fn below(&self, folder: &[u8]) -> Vec<&[u8]> {
        let relative = |path: &'_ Vec<u8>| -> Option<usize> {
            let start = if folder.is_empty() { 0 } else { folder.len() + 1 };
            (is_below(path, folder) && path.len() > start).then_some(start)
        };
        self.paths.iter().filter_map(|path| relative(path).map(|start| &path[start..])).collect()
    }
}

/// Says what a name in a folder is to the outputs below this folder.
pub(super) fn near(below: &[&[u8]], name: &[u8]) -> Near {
    if below.contains(&name) || name.starts_with(UNFINISHED.as_bytes()) {
        Near::Output
    } else if below.iter().any(|path| is_below(path, name)) {
        Near::Above
    } else {
        Near::Neither
    }
}

/// Says whether an `index.json` is of a layout that hardened wrote.
pub(super) fn is_own_layout(index: &[u8]) -> bool {
    strict_json(index).is_ok_and(|index| index["annotations"][ANNOTATION_LAYOUT].is_string())
}

/// Returns a path without symbolic links: those above the part that does not exist yet are followed.
fn absolute(path: &Path) -> Option<Vec<u8>> {
    let whole = std::path::absolute(path).ok()?;
    let mut missing: Vec<&[u8]> = Vec::new();
    for ancestor in whole.ancestors() {
        if let Ok(real) = ancestor.canonicalize() {
            let real = real.as_os_str().as_bytes().strip_prefix(b"/")?.to_vec();
            return Some(missing.iter().rev().fold(real, |path, name| joined(&path, name)));
        }
        missing.push(ancestor.file_name()?.as_bytes());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_found_by_their_real_paths() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        std::fs::create_dir(root.join("real")).unwrap();
        std::os::unix::fs::symlink("real", root.join("link")).unwrap();
        let outputs = Outputs::new([root.join("link/new/image").as_path(), &root.join("app.tar")]);
        let host = |path: &str| joined(&root.as_os_str().as_bytes()[1..], path.as_bytes());
        for (path, expected) in
            [("real/new/image", true), ("real/new/image/blobs", true), ("real/new", false), ("app.tar", true), ("app.tar.gz", false)]
        {
            assert_eq!(outputs.hold(&host(path)), expected, "{path}");
        }
        let below = outputs.below(&host(""));
        for (name, expected) in [
            ("real", Near::Above),
            ("app.tar", Near::Output),
            ("app.ta", Near::Neither),
            ("rea", Near::Neither),
            (".hardened-new-x", Near::Output),
        ] {
            assert_eq!(near(&below, name.as_bytes()), expected, "{name}");
        }
        assert_eq!(outputs.below(&host("real/new")), [b"image"]);
        assert!(outputs.below(&host("real/new/image")).is_empty() && outputs.below(&host("other")).is_empty());
    }

    #[test]
    fn only_an_index_with_the_mark_is_ours() {
        for (index, expected) in [
            (r#"{"schemaVersion":2,"manifests":[],"annotations":{"vnd.hardened.layout":"1"}}"#, true),
            (r#"{"schemaVersion":2,"manifests":[],"annotations":{"other":"1"}}"#, false),
            (r#"{"schemaVersion":2,"manifests":[]}"#, false),
            ("vnd.hardened.layout", false),
        ] {
            assert_eq!(is_own_layout(index.as_bytes()), expected, "{index}");
        }
    }
}
