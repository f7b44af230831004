use std::collections::{BTreeMap, BTreeSet};

use super::files::{ImageFile, ImageFiles, MERGED, below_usr, file, without_parents};
use super::filter::{FilterUse, Filters, globs, path_text};
use super::layers::{Group, group};
use super::make::{self, MakeFault};
use super::modes::{OpenMode, open_modes};
use super::needs::{Need, OptionalLibrary, needs};
use super::request::{AssemblyRequest, Extent};
use super::scripts::{Commands, Followed, ScriptStep, WrittenFolder};
use super::status::status_stanza;
use crate::base::{WrittenLayer, embedded};
use crate::debian::{DebEntry, DebFacts, DebKind};
use crate::oci::Digest;
use crate::rootfs::{Changeset, Content, Entry, EntryKind, ImagePath, Owner, PackedFile};

/// Where scanners find the packages of an image without a package manager.
const STATUS: &str = "var/lib/dpkg/status.d";
/// The bits of a mode that give a program the rights of its owner or group.
const SET_ID: u16 = 0o6000;

/// A base, assembled.
#[derive(Debug)]
pub struct Assembled {
    /// The layers, bottom first.
    pub layers: Vec<WrittenLayer>,
    /// The environment, in order.
    pub environment: Vec<(String, String)>,
    /// What was left out of packages, by filter.
    pub left_out: Vec<FilterUse>,
    /// What was made because packages need it: each a reason.
    pub needs: Vec<String>,
    /// What becomes of the commands of maintainer scripts, in the order of the packages.
    pub scripts: Vec<ScriptStep>,
    /// The folders that services write to, which belong to root here.
    pub written: Vec<WrittenFolder>,
    /// The paths of the packages' own files.
    pub package_files: Vec<ImagePath>,
    /// Libraries that these may miss.
    pub optional: Vec<OptionalLibrary>,
    /// Those of them whose modes give rights away.
    pub open_modes: Vec<OpenMode>,
}

/// Why a base cannot be assembled.
#[derive(Debug, thiserror::Error)]
pub enum AssemblyFault {
    /// Two packages have different files at one path.
    #[error("the packages `{one}` and `{other}` both have `{path}`")]
    Conflict {
        /// The path.
        path: ImagePath,
        /// The one package.
        one: String,
        /// The other.
        other: String,
    },
    /// A file lies below what another has as a link or a file.
    #[error("`{path}` lies below `{above}`, which is not a folder{}", .package.as_ref().map(|name| format!(" in the package `{name}`")).unwrap_or_default())]
    Below {
        /// The file.
        path: ImagePath,
        /// What is no folder.
        above: ImagePath,
        /// The package that has it; `None` when it is made here.
        package: Option<String>,
    },
    /// Something could not be made of the packages' files.
    #[error(transparent)]
    Make(#[from] MakeFault),
    /// A table of this program is wrong.
    #[error("an internal rule of hardened is invalid: {0}")]
    Rule(String),
}

/// Assembles a base of packages: their files below a merged `/usr`, and what their scripts would have made.
///
/// # Errors
/// When packages contradict each other, or a certificate is none.
pub fn assemble(request: &AssemblyRequest<'_>) -> Result<Assembled, AssemblyFault> {
    let names: Vec<&str> = request.packages.iter().map(|package| package.name).collect();
    let needs = needs(&names).map_err(AssemblyFault::Rule)?;
    let filters = Filters::new(request.extent == Extent::Slim).map_err(AssemblyFault::Rule)?;
    let mut assembly =
        Assembly { request, files: ImageFiles::new(), merged: BTreeSet::new(), dropped: BTreeMap::new(), set_ids: BTreeSet::new() };
    let filters = assembly.add_packages(&needs, filters)?;
    let commands = Commands::new().map_err(AssemblyFault::Rule)?;
    let is_file = |file: &ImageFile| matches!(file.entry.kind, EntryKind::File(Content::Packed(_)));
    let package_files = assembly.files.iter().filter(|(_, file)| is_file(file)).map(|(path, _)| path.clone()).collect();
    let Followed { steps, commands } = assembly.read_scripts(&filters, &commands);
    assembly.fill_needs(&needs)?;
    let mut done = assembly.follow_scripts(steps, &needs);
    assembly.accounts(&needs, &done.accounts);
    assembly.folders();
    for need in &needs {
        for make in &need.make {
            done.add(make::make(*make, request, &commands, &mut assembly.files)?);
        }
    }
    for path in &done.empty {
        assembly.put(&path_text(path), file(b""), None);
    }
    assembly.check_folders()?;
    let scripts = done.told(request, &assembly.files)?;
    let written = done.written.into_iter().collect();
    let open_modes = open_modes(&assembly.files, &assembly.set_ids, request.packages);
    let layers = assembly.layers();
    let optional = needs.iter().flat_map(|need| need.optional.clone()).collect();
    let needs = needs.iter().map(|need| need.reason.clone()).collect();
    let left_out = filters.uses();
    Ok(Assembled { layers, environment: environment(request), left_out, needs, scripts, written, package_files, optional, open_modes })
}

fn environment(request: &AssemblyRequest<'_>) -> Vec<(String, String)> {
    let has_certificates = request.packages.iter().any(|package| package.name == "ca-certificates") || !request.certificates.is_empty();
    let usual = embedded::environment().into_iter().filter(|(name, _)| has_certificates || *name != "SSL_CERT_FILE");
    let usual = usual.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let own = request.environment.iter().map(|(name, value)| (name.clone(), value.clone()));
    usual.chain(own).collect()
}

/// A base that is being assembled.
pub(super) struct Assembly<'a> {
    pub(super) request: &'a AssemblyRequest<'a>,
    pub(super) files: ImageFiles,
    /// The folders beside `/usr` that packages have files below.
    pub(super) merged: BTreeSet<&'static str>,
    /// Contents of files that were left out, which hard links may still lead to: by package and path.
    pub(super) dropped: BTreeMap<(usize, ImagePath), Entry>,
    /// Files that are set-user-ID or set-group-ID in their packages.
    pub(super) set_ids: BTreeSet<ImagePath>,
}

impl Assembly<'_> {
    fn add_packages(&mut self, needs: &[Need], mut filters: Filters) -> Result<Filters, AssemblyFault> {
        let drops: Vec<String> = needs.iter().flat_map(|need| need.drop.clone()).collect();
        let drops = globs(&drops).map_err(AssemblyFault::Rule)?;
        for (number, package) in self.request.packages.iter().enumerate() {
            let parts = needs.iter().flat_map(|need| &need.parts).filter(|part| part.package == package.name);
            let paths: Vec<String> = parts.flat_map(|part| part.paths.clone()).collect();
            let only = if paths.is_empty() { None } else { Some(globs(&paths).map_err(AssemblyFault::Rule)?) };
            for entry in &package.facts.entries {
                let Some(path) = self.canonical(&entry.path) else { continue };
                let text = path_text(&path);
                let size = if let DebKind::File { size, .. } = entry.kind { size } else { 0 };
                let is_folder = entry.kind == DebKind::Directory;
                let is_part = only.as_ref().is_none_or(|only| only.is_match(&text) || text.starts_with("usr/share/doc/"));
                let made = self.entry(entry, package.digest);
                if !is_part || drops.is_match(&text) || filters.drops(&path, size) {
                    if !is_folder {
                        self.dropped.insert((number, path), made);
                    }
                    continue;
                }
                if !is_folder && entry.mode & SET_ID != 0 {
                    self.set_ids.insert(path.clone());
                }
                self.add(number, path, made)?;
            }
        }
        self.mend_links();
        self.prune();
        self.status();
        Ok(filters)
    }

    /// Returns where a package's path is below a merged `/usr`; `None` for the links themselves.
    pub(super) fn canonical(&mut self, path: &ImagePath) -> Option<ImagePath> {
        let mut names = path.names();
        let first = names.next()?;
        let Some(merged) = MERGED.iter().find(|name| name.as_bytes() == first) else { return Some(path.clone()) };
        self.merged.insert(merged);
        names.next()?;
        Some(below_usr(path))
    }

    fn entry(&mut self, entry: &DebEntry, package: Digest) -> Entry {
        let kind = match &entry.kind {
            DebKind::Directory => EntryKind::Directory,
            DebKind::File { offset, size, head } => {
                EntryKind::File(Content::Packed(Box::new(PackedFile { package, offset: *offset, size: *size, head: head.clone() })))
            }
            DebKind::Symlink(target) => EntryKind::Symlink(self.target(&entry.path, &target.0)),
            DebKind::HardLink(target) => EntryKind::HardLink(self.canonical(target).unwrap_or_else(|| target.clone())),
        };
        // No file of an image is set-user-ID or set-group-ID.
        let mode = if entry.kind == DebKind::Directory { entry.mode } else { entry.mode & !SET_ID };
        Entry { kind, mode, owner: entry.owner() }
    }

    /// Keeps a relative link right when the file result below `/usr`: one that leads above its own folder becomes absolute.
    fn target(&mut self, path: &ImagePath, target: &[u8]) -> Box<[u8]> {
        let moves = path.names().next().is_some_and(|first| MERGED.iter().any(|name| name.as_bytes() == first));
        if !moves || target.starts_with(b"/") || !target.starts_with(b"..") {
            return target.into();
        }
        let above = path.parent().unwrap_or_default();
        let whole = without_parents(&[above.as_bytes(), b"/", target].concat());
        let result = ImagePath::new(&whole).ok().and_then(|path| self.canonical(&path)).map_or(whole, |path| path.as_bytes().to_vec());
        [b"/", &result[..]].concat().into()
    }

    fn add(&mut self, package: usize, path: ImagePath, entry: Entry) -> Result<(), AssemblyFault> {
        let Some(there) = self.files.get(&path) else {
            self.files.insert(path, ImageFile { entry, package: Some(package) });
            return Ok(());
        };
        let both_folders = there.entry.kind == EntryKind::Directory && entry.kind == EntryKind::Directory;
        if both_folders || self.is_same(there, package, &entry, &path) {
            return Ok(());
        }
        let name = |number: usize| self.request.packages[number].name.to_owned();
        let one = there.package.map(name).unwrap_or_default();
        Err(AssemblyFault::Conflict { path, one, other: name(package) })
    }

    /// Says whether two packages have the same file, by the digests that they hold of their files. dpkg allows that among the
    /// architectures of one package, and an older Debian has a file below `/lib` and below `/usr/lib`.
    fn is_same(&self, there: &ImageFile, package: usize, entry: &Entry, path: &ImagePath) -> bool {
        match (&there.entry.kind, &entry.kind) {
            (EntryKind::Symlink(one), EntryKind::Symlink(other)) => one == other,
            (EntryKind::File(one), EntryKind::File(other)) if one.size() == other.size() => {
                let sum = |number: usize| md5_of(self.request.packages[number].facts, path);
                there.package.and_then(sum).zip(sum(package)).is_some_and(|(one, other)| one == other)
            }
            _ => false,
        }
    }

    /// Gives hard links to files that were left out a file of their own.
    fn mend_links(&mut self) {
        let links = self.files.iter().filter_map(|(path, file)| match (&file.entry.kind, file.package) {
            (EntryKind::HardLink(target), Some(package)) => Some((path.clone(), target.clone(), package)),
            _ => None,
        });
        let mut heirs: BTreeMap<(usize, ImagePath), ImagePath> = BTreeMap::new();
        for (path, target, package) in links.collect::<Vec<_>>() {
            if self.files.contains_key(&target) {
                continue;
            }
            let key = (package, target);
            let kind = match heirs.get(&key) {
                Some(heir) => EntryKind::HardLink(heir.clone()),
                None => match self.dropped.get(&key) {
                    Some(entry) => entry.kind.clone(),
                    None => continue,
                },
            };
            heirs.entry(key).or_insert_with(|| path.clone());
            if let Some(file) = self.files.get_mut(&path) {
                file.entry.kind = kind;
            }
        }
    }

    /// Removes folders that are empty because all that was in them was left out.
    fn prune(&mut self) {
        let emptied: BTreeSet<ImagePath> = self.dropped.keys().flat_map(|(_, path)| path.parents()).collect();
        let mut inside: BTreeMap<ImagePath, usize> = BTreeMap::new();
        for parent in self.files.keys().filter_map(ImagePath::parent) {
            *inside.entry(parent).or_default() += 1;
        }
        // What is in a folder comes after it.
        let paths: Vec<ImagePath> = self.files.keys().rev().cloned().collect();
        for path in paths {
            let is_folder = self.files.get(&path).is_some_and(|file| file.entry.kind == EntryKind::Directory);
            if is_folder && emptied.contains(&path) && inside.get(&path).is_none_or(|count| *count == 0) {
                self.files.remove(&path);
                if let Some(count) = path.parent().and_then(|parent| inside.get_mut(&parent)) {
                    *count -= 1;
                }
            }
        }
    }

    /// Makes sure that no file lies below what is no folder: readers differ in where it ends up.
    fn check_folders(&self) -> Result<(), AssemblyFault> {
        for path in self.files.keys() {
            let above = path.parent().and_then(|parent| self.files.get_key_value(&parent));
            if let Some((above, file)) = above.filter(|(_, file)| file.entry.kind != EntryKind::Directory) {
                let package = file.package.map(|number| self.request.packages[number].name.to_owned());
                return Err(AssemblyFault::Below { path: path.clone(), above: above.clone(), package });
            }
        }
        Ok(())
    }

    /// Records every package where scanners look: its control file as it is, and the digests of its files.
    fn status(&mut self) {
        for (number, package) in self.request.packages.iter().enumerate() {
            let mut files: Vec<(String, Vec<u8>)> = vec![(package.name.to_owned(), status_stanza(&package.facts.control).into_bytes())];
            if let Some(sums) = &package.facts.md5sums {
                files.push((format!("{}.md5sums", package.name), self.sums_of_kept(&sums.0)));
            }
            for (name, bytes) in files {
                self.put(&format!("{STATUS}/{name}"), file(&bytes), Some(number));
            }
        }
    }

    /// Returns the lines of a package's digests that are of files which are in the image.
    fn sums_of_kept(&self, sums: &[u8]) -> Vec<u8> {
        let is_kept = |line: &&[u8]| {
            let path = line.get(34..).and_then(|path| ImagePath::new(path.trim_ascii_end()).ok());
            path.is_some_and(|path| self.files.contains_key(&below_usr(&path)))
        };
        sums.split_inclusive(|byte| *byte == b'\n').filter(is_kept).flatten().copied().collect()
    }

    /// Divides the files into layers. Each names the folders above its files.
    fn layers(self) -> Vec<WrittenLayer> {
        let sizes: Vec<Group<'_>> = self
            .request
            .packages
            .iter()
            .map(|package| {
                let content = |entry: &DebEntry| if let DebKind::File { size, .. } = entry.kind { size } else { 0 };
                Group { source: package.source, size: package.facts.entries.iter().map(content).sum() }
            })
            .collect();
        let (numbers, names) = group(&sizes, self.request.layers.saturating_sub(1).max(1));
        let mut layers: Vec<Vec<(ImagePath, Entry)>> = vec![Vec::new(); names.len() + 1];
        let folder_of = |path: &ImagePath| {
            let file = self.files.get(path);
            file.map_or_else(|| Entry { kind: EntryKind::Directory, mode: 0o755, owner: Owner::default() }, |file| file.entry.clone())
        };
        for (path, file) in &self.files {
            // What is made of several packages is a layer of its own, on top.
            let layer = file.package.map_or(names.len(), |package| numbers[package]);
            let entries = &mut layers[layer];
            let parents: Vec<ImagePath> = path.parents().filter(|parent| !parent.is_root()).collect();
            entries.extend(parents.into_iter().map(|parent| (parent.clone(), folder_of(&parent))));
            entries.push((path.clone(), file.entry.clone()));
        }
        let names = names.into_iter().chain(["accounts, certificates and links".to_owned()]);
        let written = names.zip(layers).filter(|(_, entries)| !entries.is_empty());
        written.map(|(name, entries)| WrittenLayer { name: format!("debian: {name}"), changeset: Changeset::new(entries) }).collect()
    }
}

/// Returns the digest that a package holds of one of its files.
fn md5_of(facts: &DebFacts, path: &ImagePath) -> Option<String> {
    let sums = String::from_utf8_lossy(&facts.md5sums.as_ref()?.0).into_owned();
    let path = path_text(path);
    let without_usr = path.strip_prefix("usr/").unwrap_or(&path);
    let line = sums.lines().find(|line| line.get(34..).is_some_and(|name| name == path || name == without_usr))?;
    Some(line[..32].to_owned())
}
