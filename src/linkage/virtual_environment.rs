use crate::diagnostic::snippet;
use crate::rootfs::{ImagePath, Rootfs};

/// A virtual environment of Python in an image (PEP 405): its interpreter is a link to the one that it was made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualEnvironment {
    folder: ImagePath,
    /// The folder of its packages, where there is one.
    packages: Option<ImagePath>,
}

impl VirtualEnvironment {
    /// Returns the environment whose `bin` holds a file.
    pub fn of(rootfs: &Rootfs<'_>, file: &ImagePath) -> Option<Self> {
        let folder = file.parent().filter(|folder| folder.name() == b"bin").and_then(|folder| folder.parent())?;
        let config = folder.join(b"pyvenv.cfg").ok()?;
        rootfs.entry(&config)?;
        let library = folder.join(b"lib").ok()?;
        let is_packages = |path: &&ImagePath| {
            let above = path.parent().filter(|above| above.name().starts_with(b"python"));
            path.name() == b"site-packages" && above.and_then(|above| above.parent()).is_some_and(|above| above == library)
        };
        let packages = rootfs.paths().find(is_packages).cloned();
        Some(Self { folder, packages })
    }

    /// Returns what to do where its interpreter is not in the image.
    pub fn hints(&self) -> Vec<String> {
        let Self { folder, packages } = self;
        let packages = packages.as_ref().map_or_else(|| format!("{folder}/lib/python3.X/site-packages"), ToString::to_string);
        let env = snippet::table([("PYTHONPATH", snippet::exact(&packages))]);
        vec![
            format!(
                "the virtual environment `{folder}` has no Python of its own: start the Python of the image, \
                 `entrypoint = [\"/usr/bin/python3\", \"-m\", \"app\"]`, with `env = {env}`"
            ),
            "or do without the virtual environment: `pip install --target site-packages -r requirements.txt`, and `from = \"site-packages\"`".to_owned(),
        ]
    }
}
