use std::collections::BTreeMap;

use crate::layer::collect::listed_package;
use crate::rootfs::{FactKind, ImagePath, Resolved, Rootfs};

/// Which package each file of an image is of, as dpkg's lists say.
pub(super) struct PackageFiles(BTreeMap<ImagePath, String>);

impl PackageFiles {
    /// Reads the lists in an image. Their paths are led through its links: `/bin/sh` is a file at `/usr/bin/sh`.
    pub(super) fn of(rootfs: &Rootfs<'_>) -> Self {
        let mut packages = BTreeMap::new();
        let mut folders: BTreeMap<ImagePath, ImagePath> = BTreeMap::new();
        let paths: Vec<&ImagePath> = rootfs.paths().filter(|path| listed_package(path.as_bytes()).is_some()).collect();
        for path in paths {
            let Some((name, form)) = listed_package(path.as_bytes()) else { continue };
            let Some(FactKind::File { content: Some(text), .. }) = rootfs.entry(path).map(|fact| fact.kind) else { continue };
            let name = String::from_utf8_lossy(name).into_owned();
            for file in text.lines().filter_map(|line| ImagePath::new(form.path(line)?.as_bytes()).ok()) {
                let folder = file.parent().unwrap_or_default();
                let real = folders.entry(folder).or_insert_with_key(|folder| match rootfs.resolve(folder) {
                    Resolved::File(real, _) | Resolved::Missing(real) => real,
                    Resolved::Loop => folder.clone(),
                });
                // dpkg lists a folder for each package that has files in it.
                let real = real.join(file.name()).ok().filter(|real| is_file(rootfs, real));
                packages.extend(real.map(|real| (real, name.clone())));
            }
        }
        Self(packages)
    }

    pub(super) fn package(&self, path: &ImagePath) -> Option<&str> {
        self.0.get(path).map(String::as_str)
    }
}

fn is_file(rootfs: &Rootfs<'_>, path: &ImagePath) -> bool {
    rootfs.entry(path).is_some_and(|fact| fact.kind != FactKind::Directory)
}
