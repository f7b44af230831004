use crate::rootfs::ImagePath;

use super::files::Looked;
use super::loader::{Libc, folder_of, from_directory};
use super::object::Object;
use super::process::Process;

/// What the search for a library found.
pub(super) enum Search {
    /// This one.
    Found(Object),
    /// None; what is where it was looked for, and why that is of no use.
    Missing(Vec<String>),
    /// It was given up: too many folders and libraries.
    TooMany,
}

/// The most reasons that are kept for one library.
const REASONS: usize = 4;

impl Process<'_> {
    /// Looks for a library that an object asks for, where the loader would, in its order.
    pub(super) fn search(&self, asking: usize, name: &str) -> Search {
        let mut reasons = Vec::new();
        for path in self.candidates(asking, name) {
            if !self.may_look() {
                return Search::TooMany;
            }
            match self.files.library(&path) {
                Looked::Library(real, machine, dynamic) if machine.is_for(&self.loader.architecture) => {
                    return Search::Found(Object { opened: path, real, dynamic, names: vec![name.into()], parent: Some(asking) });
                }
                looked => {
                    let Some(reason) = reason(&looked) else { continue };
                    if reasons.len() < REASONS {
                        reasons.push(reason);
                    }
                    // glibc goes on after a library for another machine or one that it may not open, and ends at anything else.
                    // musl takes the first that it can open, whatever it is.
                    let goes_on = matches!(looked, Looked::Closed(_)) || matches!(looked, Looked::Library(..)) && self.is_glibc();
                    if !goes_on {
                        break;
                    }
                }
            }
        }
        Search::Missing(reasons)
    }

    fn is_glibc(&self) -> bool {
        self.loader.libc == Libc::Glibc
    }

    /// Returns all paths where a library may be, in order.
    fn candidates(&self, asking: usize, name: &str) -> Vec<Vec<u8>> {
        let directory = &self.settings.directory;
        if name.contains('/') {
            return self.expand(name, asking).map(|path| from_directory(directory, &path)).into_iter().collect();
        }
        let in_folder = |folder: Vec<u8>| from_directory(directory, &[&folder[..], b"/", name.as_bytes()].concat());
        let mut paths: Vec<Vec<u8>> = Vec::new();
        let mut folders = |folders: Vec<Vec<u8>>| paths.extend(folders.into_iter().map(in_folder));
        let environment = self.settings.library_path.as_deref().map(|path| self.folders(path, [':', ';'], 0)).unwrap_or_default();
        if !self.is_glibc() {
            folders(environment);
            // musl makes no difference between the two, and asks all that led here.
            for object in self.above(asking) {
                let dynamic = &self.objects()[object].dynamic;
                folders(
                    dynamic
                        .runpath
                        .as_deref()
                        .or(dynamic.rpath.as_deref())
                        .map_or_else(Vec::new, |path| self.folders(path, [':', '\n'], object)),
                );
            }
            folders(self.loader.folders.clone());
            return paths;
        }
        let own = &self.objects()[asking].dynamic;
        if own.runpath.is_none() {
            let mut askers: Vec<usize> = self.above(asking).collect();
            // The program's own is asked in any case.
            if let Some(main) = self.main().filter(|main| !askers.contains(main)) {
                askers.push(main);
            }
            for object in askers {
                let dynamic = &self.objects()[object].dynamic;
                let rpath = dynamic.rpath.as_deref().filter(|_| dynamic.runpath.is_none());
                folders(rpath.map_or_else(Vec::new, |path| self.folders(path, [':', ':'], object)));
            }
        }
        folders(environment);
        folders(own.runpath.as_deref().map_or_else(Vec::new, |path| self.folders(path, [':', ':'], asking)));
        let is_default = |path: &[u8]| self.loader.folders.iter().any(|folder| folder_of(path) == folder.as_slice());
        let cached = self.loader.cache.iter().filter(|library| &*library.name == name).map(|library| library.path.as_bytes());
        paths.extend(cached.filter(|path| !(own.without_defaults && is_default(path))).map(<[u8]>::to_vec));
        if !own.without_defaults {
            paths.extend(self.loader.folders.iter().cloned().map(in_folder));
        }
        paths
    }

    /// Returns an object and all that led to it.
    fn above(&self, object: usize) -> impl Iterator<Item = usize> {
        std::iter::successors(Some(object), |object| self.objects().get(*object)?.parent)
    }

    /// Splits a search path, and fills in what it leaves to the loader. What cannot be filled in is left out, as the loader does.
    fn folders(&self, path: &str, separators: [char; 2], object: usize) -> Vec<Vec<u8>> {
        let folder = |text: &str| if text.is_empty() { Some(b".".to_vec()) } else { self.expand(text, object) };
        path.split(separators).filter_map(folder).collect()
    }

    /// Fills in `$ORIGIN`, `$LIB` and `$PLATFORM` (ld.so(8), "Dynamic string tokens"); `None` when that cannot be done.
    fn expand(&self, text: &str, object: usize) -> Option<Vec<u8>> {
        let mut expanded = Vec::new();
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            expanded.extend_from_slice(&rest.as_bytes()[..at]);
            let behind = &rest[at + 1..];
            let (name, next) = match behind.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
                Some(pair) => pair,
                None => {
                    behind.split_at(behind.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(behind.len()))
                }
            };
            match name {
                "ORIGIN" => expanded.extend_from_slice(folder_of(&self.objects().get(object)?.opened)),
                _ if !self.is_glibc() => return None,
                "LIB" => expanded.extend_from_slice(self.loader.lib().as_bytes()),
                "PLATFORM" => expanded.extend_from_slice(self.loader.platform()?.as_bytes()),
                _ => {
                    expanded.push(b'$');
                    rest = behind;
                    continue;
                }
            }
            rest = next;
        }
        expanded.extend_from_slice(rest.as_bytes());
        Some(expanded)
    }
}

fn reason(looked: &Looked) -> Option<String> {
    let of = |path: &ImagePath, reason: &str| Some(format!("`{path}` {reason}"));
    match looked {
        Looked::Nothing => None,
        Looked::NoLibrary(path) => of(path, "is no library"),
        Looked::Closed(path) => of(path, "is not readable for the user"),
        Looked::Library(path, machine, _) => of(path, &format!("is for {}", machine.name())),
    }
}
