use std::sync::Arc;

use crate::oci::Config;
use crate::rootfs::{CachedLibrary, Dynamic, FactKind, Head, ImagePath, Resolved};

use super::files::{Files, Looked};
use super::launch::Change;

/// Where programs are sought when the image sets no `PATH`: what runc and crun set.
pub(super) const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whose loader it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libc {
    Glibc,
    Musl,
}

/// A dynamic loader of the image, and where it looks by itself.
#[derive(Debug, Clone)]
pub(super) struct Loader {
    pub(super) libc: Libc,
    /// Its path, and what it offers itself; nothing when the image has none.
    pub(super) itself: Option<(ImagePath, Arc<Dynamic>)>,
    pub(super) architecture: String,
    /// What `/etc/ld.so.cache` lists.
    pub(super) cache: Arc<[CachedLibrary]>,
    /// Its default folders, in order.
    pub(super) folders: Vec<Vec<u8>>,
}

/// What a C library seeks programs in when `PATH` is not set.
const NO_PATH: &str = "/bin:/usr/bin";

/// What is set for a process, as far as programs and libraries are found by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProcessSettings {
    pub(super) library_path: Option<String>,
    /// The libraries that the loader loads before those of the program: names, or paths with a slash.
    pub(super) preload: Vec<String>,
    pub(super) path: String,
    pub(super) directory: String,
}

impl ProcessSettings {
    /// Returns what a runtime sets.
    pub(super) fn of(config: &Config) -> Self {
        let directory = config.working_directory().unwrap_or_default().to_owned();
        let mut settings = Self { library_path: None, preload: Vec::new(), path: USUAL_PATH.to_owned(), directory };
        for (name, value) in config.environment().into_iter().filter_map(|line| line.split_once('=')) {
            settings.set(name, value);
        }
        settings
    }

    fn set(&mut self, name: &str, value: &str) {
        match name {
            "PATH" => value.clone_into(&mut self.path),
            "LD_LIBRARY_PATH" => self.library_path = Some(value.to_owned()).filter(|path| !path.is_empty()),
            // Between spaces or colons (ld.so(8)).
            "LD_PRELOAD" => self.preload = value.split([' ', ':']).filter(|name| !name.is_empty()).map(str::to_owned).collect(),
            _ => {}
        }
    }

    /// Returns what a launcher makes of them for the program that it starts.
    pub(super) fn changed(mut self, changes: &[Change]) -> Self {
        for change in changes {
            match change {
                Change::Set(name, value) => self.set(name, value),
                Change::Unset(name) if name == "PATH" => NO_PATH.clone_into(&mut self.path),
                Change::Unset(name) => self.set(name, ""),
                Change::Clear => {
                    let directory = std::mem::take(&mut self.directory);
                    self = Self { library_path: None, preload: Vec::new(), path: NO_PATH.to_owned(), directory };
                }
                Change::Folder(folder) => {
                    self.directory = String::from_utf8_lossy(&from_directory(&self.directory, folder.as_bytes())).into_owned();
                }
            }
        }
        self
    }
}

/// The loaders that distributions put at fixed paths: those of glibc (its `shlib-versions`) and of musl.
const LOADERS: &[(&str, &[&str])] = &[
    ("amd64", &["/lib64/ld-linux-x86-64.so.2", "/lib/ld-musl-x86_64.so.1"]),
    ("arm64", &["/lib/ld-linux-aarch64.so.1", "/lib/ld-musl-aarch64.so.1"]),
    ("arm", &["/lib/ld-linux-armhf.so.3", "/lib/ld-linux.so.3", "/lib/ld-musl-armhf.so.1"]),
    ("386", &["/lib/ld-linux.so.2", "/lib/ld-musl-i386.so.1"]),
    ("ppc64le", &["/lib64/ld64.so.2", "/lib/ld-musl-powerpc64le.so.1"]),
    ("s390x", &["/lib/ld64.so.1", "/lib/ld-musl-s390x.so.1"]),
    ("riscv64", &["/lib/ld-linux-riscv64-lp64d.so.1", "/lib/ld-musl-riscv64.so.1"]),
    ("loong64", &["/lib64/ld-linux-loongarch-lp64d.so.1", "/lib/ld-musl-loongarch64.so.1"]),
];

/// The folders that Debian's loaders look into first.
const TRIPLETS: &[(&str, &str)] = &[
    ("amd64", "x86_64-linux-gnu"),
    ("arm64", "aarch64-linux-gnu"),
    ("arm", "arm-linux-gnueabihf"),
    ("386", "i386-linux-gnu"),
    ("ppc64le", "powerpc64le-linux-gnu"),
    ("s390x", "s390x-linux-gnu"),
    ("riscv64", "riscv64-linux-gnu"),
    ("loong64", "loongarch64-linux-gnu"),
];

impl Loader {
    /// Opens the loader that a program names; an error says why it is not known where it looks.
    pub(super) fn open(files: &Files<'_>, interpreter: &str, architecture: &str) -> Result<Self, String> {
        let Looked::Library(real, _, dynamic) = files.library(interpreter.as_bytes()) else {
            return Err(format!("names the loader `{}`, which is not a readable library", interpreter.escape_debug()));
        };
        let name = interpreter.rsplit('/').next().unwrap_or_default();
        let soname = dynamic.soname.as_deref().unwrap_or(name);
        let libc = if soname.starts_with("libc.musl-") || soname == "libc.so" || soname.starts_with("ld-musl-") {
            Libc::Musl
        } else if soname.starts_with("ld-linux") || soname.starts_with("ld64.so") || soname.starts_with("ld.so.") {
            Libc::Glibc
        } else {
            return Err(format!("names the loader `{}`, which is neither glibc's nor musl's", interpreter.escape_debug()));
        };
        let folders = match libc {
            Libc::Musl => musl_folders(files, interpreter),
            Libc::Glibc if dynamic.folders.is_empty() => usual_folders(architecture),
            Libc::Glibc => dynamic.folders.iter().map(|folder| folder.as_bytes().to_vec()).collect(),
        };
        let cache = if libc == Libc::Glibc { loader_cache(files) } else { Vec::new() };
        Ok(Self { libc, itself: Some((real, dynamic)), architecture: architecture.to_owned(), cache: cache.into(), folders })
    }

    /// Opens the loader that the image has for a platform, when nothing names it.
    pub(super) fn of_platform(files: &Files<'_>, architecture: &str) -> Option<Self> {
        let (_, paths) = LOADERS.iter().find(|(name, _)| *name == architecture)?;
        paths.iter().find_map(|path| Self::open(files, path, architecture).ok())
    }

    /// Returns what is looked for in an image without a loader.
    pub(super) fn none(architecture: &str) -> Self {
        let folders = usual_folders(architecture);
        Self { libc: Libc::Glibc, itself: None, architecture: architecture.to_owned(), cache: Arc::default(), folders }
    }

    /// Returns what `$LIB` stands for: the default folder without `/usr/`, `lib64` or `lib/x86_64-linux-gnu`.
    pub(super) fn lib(&self) -> String {
        let folder = self.folders.iter().find_map(|folder| folder.strip_prefix(b"/usr/"));
        folder.map_or_else(|| "lib".to_owned(), |folder| String::from_utf8_lossy(folder).into_owned())
    }

    /// Returns what `$PLATFORM` stands for, where the kernel says the same on all processors of an architecture.
    pub(super) fn platform(&self) -> Option<&'static str> {
        match self.architecture.as_str() {
            "amd64" => Some("x86_64"),
            "arm64" => Some("aarch64"),
            "386" => Some("i686"),
            _ => None,
        }
    }
}

fn usual_folders(architecture: &str) -> Vec<Vec<u8>> {
    let triplet = TRIPLETS.iter().find(|(name, _)| *name == architecture).map(|(_, triplet)| *triplet);
    let multiarch = triplet.into_iter().flat_map(|triplet| [format!("/lib/{triplet}"), format!("/usr/lib/{triplet}")]);
    let others = ["/lib64", "/usr/lib64", "/lib", "/usr/lib"].map(str::to_owned);
    multiarch.chain(others).map(String::into_bytes).collect()
}

/// `/etc/ld-musl-x86_64.path` replaces musl's default folders.
fn musl_folders(files: &Files<'_>, interpreter: &str) -> Vec<Vec<u8>> {
    let name = interpreter.rsplit('/').next().and_then(|name| name.strip_prefix("ld-musl-")).and_then(|name| name.split('.').next());
    let path = name.and_then(|name| ImagePath::new(format!("etc/ld-musl-{name}.path").as_bytes()).ok());
    let text = path.and_then(|path| files.text(&path)).unwrap_or_else(|| "/lib:/usr/local/lib:/usr/lib".to_owned());
    text.split([':', '\n']).filter(|folder| !folder.is_empty()).map(|folder| folder.as_bytes().to_vec()).collect()
}

fn loader_cache(files: &Files<'_>) -> Vec<CachedLibrary> {
    let Resolved::File(real, fact) = files.rootfs.follow(b"/etc/ld.so.cache") else { return Vec::new() };
    let is_file = matches!(fact.kind, FactKind::File { .. });
    match files.head(&real, &fact) {
        Ok(Head::LoaderCache(libraries)) if is_file => libraries,
        _ => Vec::new(),
    }
}

/// Returns the folder of a path.
pub(super) fn folder_of(path: &[u8]) -> &[u8] {
    let end = path.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
    if end == 0 { b"/" } else { &path[..end] }
}

/// Returns a path that may be relative to the process's working folder.
pub(super) fn from_directory(directory: &str, path: &[u8]) -> Vec<u8> {
    if path.starts_with(b"/") {
        return path.to_vec();
    }
    [b"/", directory.trim_matches('/').as_bytes(), b"/", path].concat()
}
