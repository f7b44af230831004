use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use hardened::oci::Digest;

use crate::made::{Numbers, program};
use crate::run::{Ran, hardened, measured};

/// A project with a recipe, and a cache beside it.
pub(crate) struct Workshop {
    pub(crate) folder: PathBuf,
    pub(crate) cache: PathBuf,
}

impl Workshop {
    /// Makes a project whose recipe has an entry for each of these files or folders, and these lines in `[layers]`.
    pub(crate) fn new(folder: &Path, cache: &Path, entries: &[String], layers: &str) -> Self {
        fs::create_dir_all(folder).unwrap();
        let mut recipe = String::from("[image]\nname = \"soak/image\"\n[base]\nstatic = true\n");
        for entry in entries.iter().map(String::as_str).chain(["app"]) {
            let name = Path::new(entry).file_name().unwrap().to_str().unwrap();
            recipe.extend(["[[files]]\nfrom = \"", entry, "\"\nto = \"/", name, "\"\n"]);
        }
        recipe.extend(["[process]\nentrypoint = [\"/app\"]\n[layers]\n", layers, "\n"]);
        fs::write(folder.join("hardened.toml"), recipe).unwrap();
        fs::write(folder.join("app"), program(62)).unwrap();
        fs::set_permissions(folder.join("app"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder: folder.to_owned(), cache: cache.to_owned() }
    }

    /// Makes a project of eight layers, the base's among them, six of them with so many bytes that hardly compress.
    pub(crate) fn eight(folder: &Path, cache: &Path, size: u64, seed: u64) -> Self {
        let names: Vec<String> = (0..6).map(|number| format!("part-{number}")).collect();
        let workshop = Self::new(folder, cache, &names, "compression = \"zstd\"\nlevel = 1");
        let mut numbers = Numbers(seed);
        for name in &names {
            fs::write(folder.join(name), noise(&mut numbers, size)).unwrap();
        }
        workshop
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        measured(hardened(&self.folder, &self.cache, arguments))
    }
}

/// Bytes that do not compress, and are the same for the same numbers.
pub(crate) fn noise(numbers: &mut Numbers, size: u64) -> Vec<u8> {
    let words = size.div_ceil(4);
    let mut bytes: Vec<u8> = (0..words).flat_map(|_| u32::try_from(numbers.below(1 << 31) * 2 + 1).unwrap().to_le_bytes()).collect();
    bytes.truncate(usize::try_from(size).unwrap());
    bytes
}

/// Lists the files below a folder.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

/// Returns the files below a folder, named after digests, whose content is another.
pub(crate) fn wrong(folder: &Path) -> Vec<PathBuf> {
    let is_wrong = |path: &PathBuf| {
        // Pruning may have been quicker.
        fs::read(path).is_ok_and(|bytes| Digest::of(&bytes).hex() != path.file_name().unwrap().to_string_lossy())
    };
    files(folder).into_iter().filter(is_wrong).collect()
}

/// Returns the middle of some measurements.
pub(crate) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
