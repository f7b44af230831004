use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use globset::GlobBuilder;

use super::cache::{CachedLibrary, LibraryAbi, compare_names};
use crate::rootfs::{Head, ImagePath, Machine};

/// How many links are followed on the way to a file (Linux, `MAXSYMLINKS`).
const LINKS: usize = 40;
/// How deep configuration files may include each other.
const INCLUDES: usize = 8;
const CONFIGURATION: &[u8] = b"etc/ld.so.conf";

/// A file of a root, as far as the search for libraries looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LibraryFile {
    /// A symbolic link and its target.
    Symlink(Vec<u8>),
    /// An ELF shared object with a dynamic section.
    Object(SharedObject),
    /// Any other file.
    Other,
}

/// What a shared object says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedObject {
    /// Its `DT_SONAME`.
    pub soname: Option<String>,
    /// Which programs can load it.
    pub abi: LibraryAbi,
    /// The level of the x86 instruction set that it asks for: the highest bit's number of `GNU_PROPERTY_X86_ISA_1_NEEDED`, or 0.
    pub isa_level: u8,
}

impl SharedObject {
    /// Takes what was learned of an ELF file; `None` for one that is no library for any interface, or linked statically. Libraries of x32 look like
    /// those of amd64 there, and levels of instruction sets are not known.
    pub fn of(head: &Head) -> Option<Self> {
        let Head::Elf { machine: Machine::Architecture(architecture), dynamic: Some(dynamic), .. } = head else { return None };
        let abi = LibraryAbi::of(architecture)?;
        Some(Self { soname: dynamic.soname.as_deref().map(str::to_owned), abi, isa_level: 0 })
    }
}

/// Returns the folders that `ldconfig` of Debian searches, in its order: those of `/etc/ld.so.conf` and of what it includes, then the
/// standard ones. `configuration` holds these files by path.
pub fn library_directories(configuration: &BTreeMap<ImagePath, String>, abi: LibraryAbi) -> Vec<String> {
    let mut found = Vec::new();
    if let Some((path, text)) = configuration.get_key_value(CONFIGURATION) {
        configured(configuration, path, text, INCLUDES, &mut found);
    }
    let triplet = abi.triplet();
    found.extend([format!("/lib/{triplet}"), format!("/usr/lib/{triplet}"), "/lib".to_owned(), "/usr/lib".to_owned()]);
    found
}

fn configured(files: &BTreeMap<ImagePath, String>, path: &ImagePath, text: &str, depth: usize, found: &mut Vec<String>) {
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let word = line.split([' ', '\t']).next().unwrap_or_default();
        match word {
            "" => {}
            _ if word.eq_ignore_ascii_case("hwcap") && word.len() < line.len() => {}
            "include" if word.len() < line.len() => {
                for pattern in line.split([' ', '\t']).skip(1).filter(|pattern| !pattern.is_empty()) {
                    included(files, path, pattern, depth, found);
                }
            }
            _ => {
                let folder = line.trim_end_matches('/');
                if !folder.is_empty() {
                    found.push(folder.to_owned());
                }
            }
        }
    }
}

/// Reads the files that a pattern means, in the order of their names. One without a slash before it is meant beside the file it stands in.
fn included(files: &BTreeMap<ImagePath, String>, path: &ImagePath, pattern: &str, depth: usize, found: &mut Vec<String>) {
    let beside = path.parent().unwrap_or_default().to_string();
    let pattern = if pattern.starts_with('/') { pattern.to_owned() } else { format!("{beside}/{pattern}") };
    let Ok(glob) = GlobBuilder::new(&pattern).literal_separator(true).build() else { return };
    let matcher = glob.compile_matcher();
    for (path, text) in files.iter().filter(|(path, _)| depth > 0 && matcher.is_match(path.to_string())) {
        configured(files, path, text, depth - 1, found);
    }
}

/// Finds the libraries that `ldconfig` of an interface would put into the cache, in the order in which it comes upon them. `files` are the
/// files of the root by path, folders left out; `directories` comes from [`library_directories`]. A library without the link by
/// its soname, which `ldconfig` would make, is found by its own name.
pub fn libraries(files: &BTreeMap<ImagePath, LibraryFile>, directories: &[String], abi: LibraryAbi) -> Vec<CachedLibrary> {
    let mut search = Search { files, abi, seen: Vec::new(), found: Vec::new() };
    for directory in directories {
        let Some(folder) = search.resolved(directory) else { continue };
        if !search.folder(directory, &folder, None) {
            continue;
        }
        for name in search.hwcaps(&folder) {
            let configured = format!("{directory}/glibc-hwcaps/{name}");
            if let Some(folder) = search.resolved(&configured) {
                search.folder(&configured, &folder, Some(&name));
            }
        }
    }
    search.found
}

struct Search<'a> {
    files: &'a BTreeMap<ImagePath, LibraryFile>,
    abi: LibraryAbi,
    /// The folders that were searched, links followed: one that has two names is searched by the first.
    seen: Vec<ImagePath>,
    found: Vec<CachedLibrary>,
}

/// The library that a folder has for a soname.
struct Candidate<'a> {
    name: &'a str,
    is_link: bool,
    isa_level: u8,
    abi: LibraryAbi,
}

impl<'a> Search<'a> {
    /// Follows all links of an absolute path inside of the root. The file at the end need not be there.
    fn resolved(&self, path: &str) -> Option<ImagePath> {
        let mut rest: Vec<Vec<u8>> = names(path.as_bytes());
        let mut done = ImagePath::root();
        let mut links = 0;
        while let Some(name) = rest.pop() {
            if name == b".." {
                done = done.parent().unwrap_or_default();
                continue;
            }
            let path = done.join(&name).ok()?;
            let Some(LibraryFile::Symlink(target)) = self.files.get(&path) else {
                done = path;
                continue;
            };
            links += 1;
            if links > LINKS {
                return None;
            }
            if target.starts_with(b"/") {
                done = ImagePath::root();
            }
            rest.extend(names(target));
        }
        Some(done)
    }

    /// Returns all below a folder: the path from there, if it is UTF-8 as those of libraries are, and the file.
    fn below(&self, folder: &ImagePath) -> impl Iterator<Item = (&'a str, &'a LibraryFile)> + use<'a> {
        let start = if folder.is_root() { Vec::new() } else { [folder.as_bytes(), b"/"].concat() };
        let inside = self.files.range::<[u8], _>((Bound::Excluded(start.as_slice()), Bound::Unbounded));
        let files = inside.map_while(move |(path, file)| Some((path.as_bytes().strip_prefix(start.as_slice())?, file)));
        files.filter_map(|(path, file)| Some((std::str::from_utf8(path).ok()?, file)))
    }

    /// Returns the names of the folders for instruction sets, in order.
    fn hwcaps(&self, folder: &ImagePath) -> Vec<String> {
        let Ok(folder) = folder.join(b"glibc-hwcaps") else { return Vec::new() };
        let Some(folder) = self.resolved(&folder.to_string()) else { return Vec::new() };
        // A regular file is no folder, and a link may lead to one.
        let names = self.below(&folder).filter_map(|(path, file)| match path.split_once('/') {
            Some((name, _)) => Some(name),
            None => matches!(file, LibraryFile::Symlink(_)).then_some(path),
        });
        let mut names: Vec<_> = names.filter(|name| !name.starts_with('.') && !name.contains(':')).map(str::to_owned).collect();
        names.dedup();
        names
    }

    /// Searches a folder unless that was done before; says whether it did. `configured` is its path as the configuration names it.
    fn folder(&mut self, configured: &str, folder: &ImagePath, hwcaps: Option<&str>) -> bool {
        if self.seen.contains(folder) {
            return false;
        }
        let mut candidates: BTreeMap<&str, Candidate<'_>> = BTreeMap::new();
        let mut present = BTreeSet::new();
        for (name, file) in self.below(folder).filter(|(path, _)| !path.contains('/')) {
            present.insert(name);
            let leads = matches!(file, LibraryFile::Symlink(_));
            if (!is_library(name) && (hwcaps.is_none() || !leads)) || is_temporary(name) {
                continue;
            }
            let target = if leads { self.resolved(&format!("{folder}/{name}")).and_then(|path| self.files.get(&path)) } else { Some(file) };
            let Some(LibraryFile::Object(object)) = target else { continue };
            if !self.abi.takes(object.abi) {
                continue;
            }
            let soname = object.soname.as_deref().unwrap_or(name);
            // A link that is not named by the soname, nor `lib….so` for one that goes on from there, counts as a library of its own.
            let is_link = leads && (name == soname || (name.as_bytes().ends_with(b".so") && soname.starts_with(name)));
            let soname = if is_link { name } else { soname };
            let candidate = Candidate { name, is_link, isa_level: object.isa_level, abi: object.abi };
            match candidates.entry(soname) {
                Entry::Vacant(vacant) => {
                    vacant.insert(candidate);
                }
                Entry::Occupied(mut occupied) => {
                    let known = occupied.get();
                    let is_newer = is_link == known.is_link && compare_names(known.name, name).is_lt();
                    if (!is_link && known.is_link) || is_newer {
                        // The interface of the one that was there first stays.
                        let abi = known.abi;
                        occupied.insert(Candidate { abi, ..candidate });
                    }
                }
            }
        }
        self.seen.push(folder.clone());
        self.found.extend(candidates.into_iter().map(|(soname, candidate)| {
            let file = if hwcaps.is_none() && present.contains(soname) { soname } else { candidate.name };
            CachedLibrary {
                name: soname.to_owned(),
                path: format!("{configured}/{file}"),
                abi: candidate.abi,
                hwcaps: hwcaps.map(str::to_owned),
                isa_level: candidate.isa_level,
            }
        }));
        true
    }
}

/// Returns the names of a path, the last one first.
fn names(path: &[u8]) -> Vec<Vec<u8>> {
    path.split(|byte| *byte == b'/').rev().filter(|name| !matches!(*name, b"" | b".")).map(<[u8]>::to_vec).collect()
}

/// Says whether a file is named as a library or as the dynamic linker (glibc, `dl-is_dso.h`).
fn is_library(name: &str) -> bool {
    ((name.starts_with("lib") || name.starts_with("ld-")) && name.contains(".so"))
        || name.starts_with("ld.so.")
        || name.starts_with("ld64.so.")
}

/// Says whether a file is one that a package manager or prelink has not finished.
fn is_temporary(name: &str) -> bool {
    let prelink = |name: &str| name.ends_with(".#prelink#") || name.rfind(".#prelink#.").is_some_and(|start| name.len() - start == 17);
    prelink(name) || name.contains(';') || name.ends_with(".dpkg-new") || name.ends_with(".dpkg-tmp")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(soname: &str, abi: LibraryAbi) -> LibraryFile {
        let soname = if soname.is_empty() { None } else { Some(soname.to_owned()) };
        LibraryFile::Object(SharedObject { soname, abi, isa_level: 0 })
    }

    fn link(target: &str) -> LibraryFile {
        LibraryFile::Symlink(target.as_bytes().to_vec())
    }

    fn found(files: &[(&str, LibraryFile)], directories: &[&str]) -> Vec<String> {
        let files = files.iter().map(|(path, file)| (ImagePath::absolute(path).unwrap(), file.clone())).collect();
        let directories: Vec<_> = directories.iter().map(|&path| path.to_owned()).collect();
        let found = libraries(&files, &directories, LibraryAbi::Amd64);
        let line = |library: CachedLibrary| {
            let hwcaps = library.hwcaps.map(|name| format!(" ({name})")).unwrap_or_default();
            format!("{}{hwcaps} => {}", library.name, library.path)
        };
        found.into_iter().map(line).collect()
    }

    #[test]
    fn names_come_from_sonames_and_links() {
        let amd64 = LibraryAbi::Amd64;
        let files = [
            ("/lib", link("usr/lib")),
            ("/usr/lib/ld-linux-x86-64.so.2", object("ld-linux-x86-64.so.2", amd64)),
            ("/usr/lib/libz.so.1", link("libz.so.1.2.13")),
            ("/usr/lib/libz.so.1.2.13", object("libz.so.1", amd64)),
            ("/usr/lib/libz.so.1.2.9", object("libz.so.1", amd64)),
            ("/usr/lib/libz.so", link("libz.so.1")),
            ("/usr/lib/libplain.so", object("", amd64)),
            ("/usr/lib/liblinkless.so.4.5", object("liblinkless.so.4", amd64)),
            ("/usr/lib/libalias.so.2", link("/lib/libz.so.1")),
            ("/usr/lib/libdangling.so.1", link("libnothing.so.1")),
            ("/usr/lib/libc.so", LibraryFile::Other),
            ("/usr/lib/libnew.so.1.dpkg-new", object("libnew.so.1", amd64)),
            ("/usr/lib/libloop.so.1", link("libloop.so.1")),
            ("/usr/lib/libarm.so.1", object("libarm.so.1", LibraryAbi::Arm64)),
            ("/usr/lib/libold.so.1", object("libold.so.1", LibraryAbi::I386)),
            ("/usr/lib/python.so", object("python.so", amd64)),
            ("/usr/lib/below/libhidden.so.1", object("libhidden.so.1", amd64)),
        ];
        assert_eq!(
            found(&files, &["/lib", "/usr/lib", "/none"]),
            [
                "ld-linux-x86-64.so.2 => /lib/ld-linux-x86-64.so.2",
                "liblinkless.so.4 => /lib/liblinkless.so.4.5",
                "libold.so.1 => /lib/libold.so.1",
                "libplain.so => /lib/libplain.so",
                "libz.so => /lib/libz.so",
                "libz.so.1 => /lib/libz.so.1",
            ]
        );
    }

    #[test]
    fn folders_for_instruction_sets_are_searched_once() {
        let files = [
            ("/lib", link("usr/lib")),
            ("/usr/lib/libf.so.1", object("libf.so.1", LibraryAbi::Amd64)),
            ("/usr/lib/glibc-hwcaps/x86-64-v3/libf.so.1.2", object("libf.so.1", LibraryAbi::Amd64)),
            ("/usr/lib/glibc-hwcaps/x86-64-v2/libf.so.1.2", object("libf.so.1", LibraryAbi::Amd64)),
            ("/usr/lib/glibc-hwcaps/.hidden/libf.so.1", object("libf.so.1", LibraryAbi::Amd64)),
            ("/usr/lib/glibc-hwcaps/same", link("x86-64-v2")),
            ("/usr/lib/glibc-hwcaps/file", LibraryFile::Other),
        ];
        assert_eq!(
            found(&files, &["/lib", "/usr/lib"]),
            [
                "libf.so.1 => /lib/libf.so.1",
                "libf.so.1 (same) => /lib/glibc-hwcaps/same/libf.so.1.2",
                "libf.so.1 (x86-64-v3) => /lib/glibc-hwcaps/x86-64-v3/libf.so.1.2",
            ]
        );
    }

    #[test]
    fn the_configuration_comes_first() {
        let files = [
            ("/etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n/opt/lib/ # mine\nhwcap 1 x\n\ninclude more.conf ld.so.conf\n"),
            ("/etc/ld.so.conf.d/b.conf", "# two\n/b\n"),
            ("/etc/ld.so.conf.d/a.conf", "/a\n\t/a2  \n"),
            ("/etc/ld.so.conf.d/sub/c.conf", "/c\n"),
            ("/etc/ld.so.conf.d/readme", "/d\n"),
            ("/etc/more.conf", "/more\n"),
        ];
        let files = files.map(|(path, text)| (ImagePath::absolute(path).unwrap(), text.to_owned())).into();
        let found = library_directories(&files, LibraryAbi::Arm64);
        assert_eq!(found[..5], ["/a", "/a2", "/b", "/opt/lib", "/more"]);
        assert_eq!(found[found.len() - 4..], ["/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/lib", "/usr/lib"]);
        // It includes itself, and that ends.
        assert!(found.len() < 60, "{found:?}");
        assert_eq!(library_directories(&BTreeMap::new(), LibraryAbi::Amd64)[0], "/lib/x86_64-linux-gnu");
    }
}
