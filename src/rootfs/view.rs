use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::follow::{Followed, follow};
use super::{Changeset, Entry, EntryKind, Fact, FactKind, ImagePath, ImageText, LayerEntry, LayerFacts, Resolved};

/// How many names may be passed to find the real paths of all entries of the layers. Links of links, each with a target of two
/// thousand names, would take days.
const STEPS: u64 = 10_000_000;
/// How many bytes the paths and link targets of all layers may have together.
const HELD: u64 = 256 << 20;

/// The files of an image as a container sees them: the base's layers merged, and our changesets on top.
///
/// Changesets are borrowed and not merged: a second copy of a large folder's entries would double the memory.
#[derive(Debug, Clone, Default)]
pub struct Rootfs<'a> {
    pub(super) layers: BTreeMap<ImagePath, Layered>,
    /// The entries that files of the layers have their bytes from, where these are not the files' own: those of hard links, and of paths through links.
    pub(super) sources: BTreeMap<ImagePath, ImagePath>,
    /// The contents of files of the layers that were read for what is built on them, by their real paths.
    pub(super) contents: BTreeMap<ImagePath, Arc<[u8]>>,
    /// What upper layers hide of lower ones.
    hidden: Vec<HiddenFile>,
    /// How many layers were applied.
    applied: u32,
    changesets: Vec<&'a Changeset>,
    /// The names that were passed to find real paths, and the bytes that the layers' entries take.
    steps: u64,
    held: u64,
}

/// A file of a layer, and which layer it is of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layered {
    /// What it is.
    pub fact: Fact,
    /// The layer that it is of, counted from 0 at the bottom.
    pub layer: u32,
}

/// A file that is in a layer, and that a container does not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenFile {
    /// Its path.
    pub path: ImagePath,
    /// What it is, and the layer that it is of.
    pub file: Layered,
    /// The layer that hides it, by a whiteout or by an entry in its place.
    pub by: u32,
}

/// Why layers cannot be put together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RootfsFault {
    /// Finding the real paths of the entries takes too many steps.
    #[error("the links of its layers refer to each other more often than the limit allows")]
    Tangled,
    /// There are too many.
    #[error("the paths of its layers have more than {HELD} bytes together")]
    Large,
}

impl<'a> Rootfs<'a> {
    /// Returns an empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// Applies a layer on top (image-spec, `layer.md`, "Applying Changesets").
    ///
    /// What it comes to is of no use when [`Rootfs::fault`] then names a limit that was passed.
    pub fn apply(&mut self, facts: &LayerFacts) {
        // A whiteout hides lower layers only, wherever in the tar it stands: "files in the same layer are not hidden".
        for entry in &facts.entries {
            match entry.fact {
                LayerEntry::Whiteout | LayerEntry::Opaque => {
                    let path = self.real_path(&entry.path);
                    self.remove(&path, entry.fact == LayerEntry::Whiteout);
                }
                LayerEntry::Add(_) | LayerEntry::Link(_) => {}
            }
        }
        for entry in &facts.entries {
            self.held += entry.path.as_bytes().len() as u64;
            match &entry.fact {
                LayerEntry::Add(fact) => {
                    self.held += weight(fact);
                    let path = self.real_path(&entry.path);
                    self.add(&path, fact.clone(), &entry.path);
                }
                LayerEntry::Link(target) => {
                    let target = self.real_path(target);
                    if let Some(fact) = self.layers.get(&target).map(|file| file.fact.clone()) {
                        // Each name has a copy.
                        self.held += weight(&fact);
                        let path = self.real_path(&entry.path);
                        let source = self.sources.get(&target).unwrap_or(&target).clone();
                        self.add(&path, fact, &source);
                    }
                }
                LayerEntry::Whiteout | LayerEntry::Opaque => {}
            }
            if self.fault().is_some() {
                return;
            }
        }
        self.applied += 1;
    }

    /// Returns the limit that the layers pass, if they pass one.
    pub fn fault(&self) -> Option<RootfsFault> {
        match (self.steps > STEPS, self.held > HELD) {
            (true, _) => Some(RootfsFault::Tangled),
            (_, true) => Some(RootfsFault::Large),
            _ => None,
        }
    }

    /// Returns the real path of an entry: a folder of its path may be a link of a lower layer, which containerd follows inside of the image.
    fn real_path(&mut self, path: &ImagePath) -> ImagePath {
        let is_link = |parent: ImagePath| self.layers.get(&parent).is_some_and(|file| matches!(file.fact.kind, FactKind::Symlink(_)));
        if self.steps > STEPS || !path.parents().any(is_link) {
            return path.clone();
        }
        let Followed { resolved, steps, .. } = follow(path.names(), false, |path| self.entry(path));
        self.steps += steps;
        match resolved {
            Resolved::File(real, _) | Resolved::Missing(real) => real,
            Resolved::Loop => path.clone(),
        }
    }

    /// Returns the tree with a changeset on top.
    #[must_use]
    pub fn with<'b>(&self, changeset: &'b Changeset) -> Rootfs<'b>
    where
        'a: 'b,
    {
        let mut changesets: Vec<&'b Changeset> = self.changesets.clone();
        changesets.push(changeset);
        let (layers, hidden) = (self.layers.clone(), self.hidden.clone());
        let (sources, contents) = (self.sources.clone(), self.contents.clone());
        Rootfs { layers, sources, contents, hidden, applied: self.applied, changesets, steps: self.steps, held: self.held }
    }

    /// Puts a changeset on top.
    pub fn push(&mut self, changeset: &'a Changeset) {
        self.changesets.push(changeset);
    }

    /// Returns the changesets on top of the layers, bottom first.
    pub fn changesets(&self) -> &[&'a Changeset] {
        &self.changesets
    }

    /// Returns what stands at a path whose folders are no links.
    pub fn entry(&self, path: &ImagePath) -> Option<Fact> {
        if path.is_root() {
            return Some(Fact::implied_folder());
        }
        let ours = self.changesets.iter().rev().find_map(|changeset| Some((changeset.entry(path)?, changeset)));
        match ours {
            Some((Entry { kind: EntryKind::HardLink(target), .. }, changeset)) => changeset.entry(target).and_then(Entry::fact),
            Some((entry, _)) => entry.fact(),
            None => self.layers.get(path).map(|file| file.fact.clone()),
        }
    }

    /// Returns the layer that the entry at a path is of, counted from 0 at the bottom; changesets follow the layers that were applied.
    pub fn layer_of(&self, path: &ImagePath) -> Option<u32> {
        let own = self.changesets.iter().rposition(|changeset| changeset.entry(path).is_some());
        own.and_then(|number| Some(self.applied + u32::try_from(number).ok()?)).or_else(|| self.layers.get(path).map(|file| file.layer))
    }

    /// Returns every file that a container sees, with its layer, sorted by path.
    pub fn files(&self) -> impl Iterator<Item = (ImagePath, Layered)> {
        let paths: BTreeSet<&ImagePath> = self.paths().collect();
        paths.into_iter().filter_map(|path| Some((path.clone(), Layered { fact: self.entry(path)?, layer: self.layer_of(path)? })))
    }

    /// Returns the files that are in a layer and that a container does not see: an upper layer has a whiteout, or another entry in their
    /// place. A folder with other metadata hides nothing.
    pub fn hidden(&self) -> Vec<HiddenFile> {
        let replaced = (self.applied..).zip(&self.changesets).flat_map(|(by, changeset)| {
            let below = |(path, _): &(ImagePath, Entry)| Some((path.clone(), self.layers.get(path)?.clone()));
            let files = changeset.entries().iter().filter_map(below).filter(|(_, file)| file.fact.kind != FactKind::Directory);
            files.map(move |(path, file)| HiddenFile { path, file, by })
        });
        self.hidden.iter().cloned().chain(replaced).collect()
    }

    /// Returns our own entry at a path, with the file's real path where it is a hard link.
    pub fn own_entry(&self, path: &ImagePath) -> Option<(ImagePath, &'a Entry)> {
        self.changesets.iter().rev().find_map(|changeset| match changeset.entry(path)? {
            Entry { kind: EntryKind::HardLink(target), .. } => Some((target.clone(), changeset.entry(target)?)),
            entry => Some((path.clone(), entry)),
        })
    }

    /// Follows a path through all links.
    pub fn resolve(&self, path: &ImagePath) -> Resolved {
        self.followed(path).resolved
    }

    /// Follows a path through all links, and tells of a link that leads out.
    pub fn followed(&self, path: &ImagePath) -> Followed {
        follow(path.names(), true, |path| self.entry(path))
    }

    /// Follows an absolute path as a program would write it: through all links, and with `..` where it leads up from what was reached.
    pub fn follow(&self, path: &[u8]) -> Resolved {
        let names = path.split(|byte| *byte == b'/').filter(|name| !matches!(*name, b"" | b"."));
        follow(names, true, |path| self.entry(path)).resolved
    }

    /// Returns all paths: those of the layers, then those of the changesets. A path may come more than once.
    pub fn paths(&self) -> impl Iterator<Item = &ImagePath> {
        let own = self.changesets.iter().flat_map(|changeset| changeset.entries()).map(|(path, _)| path);
        self.layers.keys().chain(own)
    }

    /// Adds a file whose bytes are those of the entry `source`.
    fn add(&mut self, path: &ImagePath, fact: Fact, source: &ImagePath) {
        if path.is_root() {
            return;
        }
        // Only a folder keeps what a folder held, which need not have an entry of its own.
        let is_folder = |fact: &Fact| fact.kind == FactKind::Directory;
        if !is_folder(&fact) {
            self.remove(path, true);
        } else if self.layers.get(path).is_some_and(|file| !is_folder(&file.fact)) {
            self.hide(path);
        }
        let layer = self.applied;
        self.sources.remove(path);
        if source != path && matches!(fact.kind, FactKind::File { .. }) {
            self.held += source.as_bytes().len() as u64;
            self.sources.insert(path.clone(), source.clone());
        }
        self.layers.insert(path.clone(), Layered { fact, layer });
        // Layers need not name the folders above their files: unpackers make these as they usually are.
        let mut above = path.parent();
        while let Some(folder) = above.filter(|folder| !folder.is_root() && !self.layers.contains_key(folder)) {
            self.held += folder.as_bytes().len() as u64;
            above = folder.parent();
            self.layers.insert(folder, Layered { fact: Fact::implied_folder(), layer });
        }
    }

    /// Takes an entry away, and notes it when it is of a lower layer.
    fn hide(&mut self, path: &ImagePath) {
        let by = self.applied;
        if let Some((path, file)) = self.layers.remove_entry(path).filter(|(_, file)| file.layer < by) {
            self.hidden.push(HiddenFile { path, file, by });
        }
    }

    fn remove(&mut self, path: &ImagePath, itself: bool) {
        // Everything below sorts between `path/` and `path0`, the byte after the slash.
        let below: Vec<ImagePath> = if path.is_root() {
            self.layers.keys().cloned().collect()
        } else {
            let (low, high) = ([path.as_bytes(), b"/"].concat(), [path.as_bytes(), b"0"].concat());
            let range = (Bound::Included(&*low), Bound::Excluded(&*high));
            self.layers.range::<[u8], _>(range).map(|(key, _)| key.clone()).collect()
        };
        for key in &below {
            self.hide(key);
        }
        if itself {
            self.hide(path);
        }
    }
}

/// Returns how many bytes a file's fact holds beside its path.
fn weight(fact: &Fact) -> u64 {
    let kind = match &fact.kind {
        FactKind::Symlink(ImageText(target)) => target.len(),
        FactKind::File { head, content, .. } => head.weight() + content.as_ref().map_or(0, |content| content.len()),
        FactKind::Directory | FactKind::Device(_) | FactKind::Fifo => 0,
    };
    (kind + fact.attributes.weight()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;
    use crate::rootfs::{Head, LayerFact, Owner, PathFault};

    fn layer(entries: &[(&str, &str)]) -> Result<LayerFacts, PathFault> {
        let fact = |kind| LayerEntry::Add(Fact::new(kind, 0o755, Owner::default()));
        let entries = entries.iter().map(|(path, what)| {
            let entry = match *what {
                "d" => fact(FactKind::Directory),
                "f" => fact(FactKind::File { size: 1, head: Head::Other, content: None, digest: None }),
                "w" => LayerEntry::Whiteout,
                "o" => LayerEntry::Opaque,
                target => fact(FactKind::Symlink(ImageText(target.trim_start_matches('>').as_bytes().into()))),
            };
            Ok(LayerFact { path: ImagePath::new(path.as_bytes())?, fact: entry })
        });
        Ok(LayerFacts { diff_id: Digest::of(b""), size: 0, entries: entries.collect::<Result<_, PathFault>>()? })
    }

    #[test]
    fn layers_apply_as_the_specification_says() -> Result<(), PathFault> {
        let mut rootfs = Rootfs::new();
        rootfs.apply(&layer(&[("a", "d"), ("a/x", "f"), ("a/y", "d"), ("a/y/z", "f"), ("a-b", "f"), ("b", "d"), ("b/c", "f")])?);
        rootfs.apply(&layer(&[("a/new", "f"), ("a", "o"), ("b", "f"), ("a-b", "w")])?);
        let paths: Vec<String> = rootfs.layers.keys().map(ToString::to_string).collect();
        assert_eq!(paths, ["/a", "/a/new", "/b"]);
        Ok(())
    }

    #[test]
    fn entries_know_their_layer_and_what_hides_them() -> Result<(), PathFault> {
        let mut rootfs = Rootfs::new();
        rootfs.apply(&layer(&[
            ("a", "d"),
            ("a/gone", "f"),
            ("a/kept", "f"),
            ("b", "d"),
            ("b/below", "f"),
            ("twice", "f"),
            ("twice", "f"),
        ])?);
        rootfs.apply(&layer(&[("a", "d"), ("a/gone", "w"), ("b", "f"), ("new/deep", "f")])?);
        let owner = Owner::default();
        let link = Entry { kind: EntryKind::Symlink((*b"b").into()), mode: 0o777, owner };
        let folder = Entry { kind: EntryKind::Directory, mode: 0o700, owner };
        let changeset = Changeset::new(vec![(ImagePath::new(b"twice")?, link), (ImagePath::new(b"new")?, folder)]);
        rootfs.push(&changeset);
        let files: Vec<String> = rootfs.files().map(|(path, file)| format!("{path} {}", file.layer)).collect();
        assert_eq!(files, ["/a 1", "/a/kept 0", "/b 1", "/new 2", "/new/deep 1", "/twice 2"]);
        let hidden: Vec<String> =
            rootfs.hidden().iter().map(|hidden| format!("{} {} {}", hidden.path, hidden.file.layer, hidden.by)).collect();
        assert_eq!(hidden, ["/a/gone 0 1", "/b/below 0 1", "/b 0 1", "/twice 0 2"]);
        Ok(())
    }

    #[test]
    fn links_stay_inside() -> Result<(), PathFault> {
        let mut rootfs = Rootfs::new();
        rootfs.apply(&layer(&[
            ("usr", "d"),
            ("usr/bin", "d"),
            ("usr/bin/x", "f"),
            ("bin", ">usr/bin"),
            ("up", ">../../../usr/bin"),
            ("loop", ">loop"),
            ("etc", "d"),
            ("etc/x", ">/bin/x"),
            ("gone", ">/nowhere/at"),
        ])?);
        let changeset = Changeset::new(vec![(
            ImagePath::new(b"opt")?,
            Entry { kind: EntryKind::Symlink((*b"/bin").into()), mode: 0o777, owner: Owner::default() },
        )]);
        rootfs.push(&changeset);
        for (path, expected) in [
            ("/bin/x", "/usr/bin/x"),
            ("/up/x", "/usr/bin/x"),
            ("/etc/x", "/usr/bin/x"),
            ("/opt/x", "/usr/bin/x"),
            ("/loop/x", "loop"),
            ("/gone", "missing /nowhere/at"),
            ("/bin/new/deep", "missing /usr/bin/new/deep"),
        ] {
            let found = match rootfs.resolve(&ImagePath::new(path.as_bytes())?) {
                Resolved::File(path, _) => path.to_string(),
                Resolved::Missing(path) => format!("missing {path}"),
                Resolved::Loop => "loop".to_owned(),
            };
            assert_eq!(found, expected, "{path}");
        }
        let Resolved::File(path, fact) = follow(ImagePath::new(b"etc/x")?.names(), false, |path| rootfs.entry(path)).resolved else {
            panic!("missing")
        };
        assert_eq!((path.to_string().as_str(), fact.kind), ("/etc/x", FactKind::Symlink(ImageText((*b"/bin/x").into()))));
        Ok(())
    }
}
