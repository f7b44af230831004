//! What is learned of the files of a layer while it goes by once: a table of collectors, each in a file of its own.
//!
//! A collector looks at regular files only; the entries themselves (paths, modes, owners, extended attributes) are
//! [`crate::rootfs::LayerFacts`] and the same for all. What it finds is kept by file, in JSON, so that the results of one layer, or of one
//! block of a layer, are stored and joined without knowing what they mean.
//!
//! **Invariants.** A collector is known by name and version: whatever changes its results raises the version. It keeps at most
//! [`Collector::memory`] bytes of a layer. What it finds of a file depends on the file alone, not on those before it.

mod digests;
mod file_lists;
mod heads;
mod packages;
mod private_keys;
mod texts;
mod whole;

use serde::{Deserialize, Serialize};

use crate::rootfs::{FactKind, ImagePath, LayerEntry, LayerFacts};

pub use digests::Digests;
pub use file_lists::{FILE_LISTS, ListForm, listed_package};
pub use heads::Heads;
pub use packages::PACKAGES;
pub use private_keys::PrivateKeys;
pub use texts::TEXTS;
pub use whole::WholeFiles;

/// What a build and the proof need of every layer.
pub const STANDARD: [&dyn Collector; 2] = [&Heads, &TEXTS];
/// What a build needs of layers of the user's files.
pub const OWN_FILES: [&dyn Collector; 3] = [&Heads, &TEXTS, &PrivateKeys];
/// All collectors.
pub const ALL: [&dyn Collector; 6] = [&Heads, &TEXTS, &Digests, &PACKAGES, &FILE_LISTS, &PrivateKeys];

/// Learns something of regular files.
pub trait Collector: Sync {
    /// Returns its name: lower case, no spaces. It is part of the key under which results are kept.
    fn name(&self) -> &'static str;

    /// Returns its version, raised by every change of its results.
    fn version(&self) -> u32;

    /// Returns how many bytes the results of one layer may have. A layer that passes it is refused.
    fn memory(&self) -> u64;

    /// Begins with a file; nothing when the file is of no interest.
    fn begin(&self, file: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>>;

    /// Puts what was found of one file into the layer's facts.
    ///
    /// # Errors
    /// When the text is none that this collector wrote.
    fn apply(&self, found: &str, file: &mut FactKind) -> Result<(), serde_json::Error>;
}

/// Learns something of one file whose bytes come in order.
pub trait FileCollector {
    /// Takes the next bytes, and says whether more are wanted.
    fn take(&mut self, bytes: &[u8]) -> Wanted;

    /// Returns what was found, in JSON; nothing where there is nothing to say.
    fn finish(self: Box<Self>) -> Option<Box<str>>;
}

/// Whether a collector wants more bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// It does.
    More,
    /// It has what it needs.
    Enough,
}

/// What is known of a file before its first byte.
#[derive(Debug, Clone, Copy)]
pub struct FileHeader<'a> {
    /// The path in the image.
    pub path: &'a ImagePath,
    /// The size in bytes.
    pub size: u64,
}

/// What collectors found of the files of one layer or block.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Collected(pub(super) Vec<Found>);

/// What one collector found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// The collector's name.
    name: String,
    /// The collector's version.
    version: u32,
    /// The files of which it found something: the number of the entry, and what was found, in JSON.
    files: Vec<(u32, Box<str>)>,
}

/// A collector that found more than it may keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what `{name}` collects of one layer has more than {memory} bytes")]
pub struct CollectorFull {
    /// The collector.
    pub name: &'static str,
    /// How many bytes it may keep.
    pub memory: u64,
}

/// Why results are not joined with a layer.
#[derive(Debug, thiserror::Error)]
pub enum CollectedFault {
    /// They name no file of the layer.
    #[error("a result of `{0}` belongs to an entry that is not a file of the layer")]
    Entry(String),
    /// They are not what the collector writes.
    #[error("a result of `{0}` cannot be read")]
    Form(String, #[source] serde_json::Error),
    /// A collector left none.
    #[error("the results of `{0}` are missing")]
    Missing(&'static str),
}

impl Collected {
    /// Returns the results of collectors that found nothing.
    pub fn none(collectors: &[&dyn Collector]) -> Self {
        Self(collectors.iter().map(|collector| Found::named(collector.name(), collector.version())).collect())
    }

    /// Says whether nothing was found of any file.
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|found| found.files.is_empty())
    }

    /// Returns what one collector found.
    pub fn of(&self, collector: &dyn Collector) -> Option<&Found> {
        self.0.iter().find(|found| found.is_of(collector))
    }

    /// Adds what collectors found of other files of the same layer, whose entries begin with the number `first`.
    pub(super) fn append(&mut self, other: &Self, first: u32) {
        for found in &other.0 {
            let files = found.files.iter().map(|(number, text)| (first + number, text.clone()));
            match self.0.iter_mut().find(|own| own.name == found.name && own.version == found.version) {
                Some(own) => own.files.extend(files),
                None => self.0.push(Found { files: files.collect(), ..Found::named(&found.name, found.version) }),
            }
        }
    }

    /// Returns what each collector found.
    pub fn into_parts(self) -> Vec<Found> {
        self.0
    }

    /// Adds what a collector found in an earlier run.
    pub fn add(&mut self, found: Found) {
        self.0.push(found);
    }

    /// Puts the results into the facts of the layer that they are of.
    ///
    /// # Errors
    /// When a collector left no results, or they are of another layer.
    pub fn join(&self, facts: &mut LayerFacts, collectors: &[&dyn Collector]) -> Result<(), CollectedFault> {
        for collector in collectors {
            let found = self.of(*collector).ok_or(CollectedFault::Missing(collector.name()))?;
            for (number, text) in &found.files {
                let entry = usize::try_from(*number).ok().and_then(|number| facts.entries.get_mut(number)).map(|entry| &mut entry.fact);
                let Some(LayerEntry::Add(fact)) = entry else { return Err(CollectedFault::Entry(found.name.clone())) };
                if !matches!(fact.kind, FactKind::File { .. }) {
                    return Err(CollectedFault::Entry(found.name.clone()));
                }
                collector.apply(text, &mut fact.kind).map_err(|error| CollectedFault::Form(found.name.clone(), error))?;
            }
        }
        Ok(())
    }
}

impl Found {
    fn named(name: &str, version: u32) -> Self {
        Self { name: name.to_owned(), version, files: Vec::new() }
    }

    /// Returns the collector's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the collector's version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Returns the files of which something was found: the number of the entry, and what was found, in JSON.
    pub fn files(&self) -> impl Iterator<Item = (u32, &str)> {
        self.files.iter().map(|(number, text)| (*number, &**text))
    }

    /// Says whether a collector of this version wrote it.
    pub fn is_of(&self, collector: &dyn Collector) -> bool {
        self.name == collector.name() && self.version == collector.version()
    }
}

/// The collectors at work on one layer or block, file after file.
pub(super) struct Collecting<'a> {
    collectors: &'a [&'a dyn Collector],
    found: Collected,
    held: Vec<u64>,
}

/// The collectors at work on one file. Those that have enough are gone.
pub(super) struct FileCollecting {
    number: u32,
    active: Vec<(usize, Box<dyn FileCollector + Send>, Wanted)>,
}

impl<'a> Collecting<'a> {
    pub(super) fn new(collectors: &'a [&'a dyn Collector]) -> Self {
        Self { collectors, found: Collected::none(collectors), held: vec![0; collectors.len()] }
    }

    /// Begins with the file that is the entry of this number.
    pub(super) fn begin(&self, number: u32, file: &FileHeader<'_>) -> FileCollecting {
        let begin = |(index, collector): (usize, &&dyn Collector)| Some((index, collector.begin(file)?, Wanted::More));
        FileCollecting { number, active: self.collectors.iter().enumerate().filter_map(begin).collect() }
    }

    /// Ends a file, and returns how many bytes were kept of it.
    pub(super) fn end(&mut self, file: FileCollecting) -> Result<u64, CollectorFull> {
        let mut kept = 0;
        for (index, collector, _) in file.active {
            let Some(text) = collector.finish() else { continue };
            let bytes = text.len() as u64 + size_of::<(u32, Box<str>)>() as u64;
            kept += bytes;
            self.held[index] += bytes;
            let (name, memory) = (self.collectors[index].name(), self.collectors[index].memory());
            if self.held[index] > memory {
                return Err(CollectorFull { name, memory });
            }
            self.found.0[index].files.push((file.number, text));
        }
        Ok(kept)
    }

    pub(super) fn finish(self) -> Collected {
        self.found
    }
}

impl FileCollecting {
    /// Hands the next bytes to those collectors that want them, and says whether any wants more.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Wanted {
        let mut wanted = Wanted::Enough;
        for (_, collector, state) in self.active.iter_mut().filter(|(_, _, state)| *state == Wanted::More) {
            *state = collector.take(bytes);
            if *state == Wanted::More {
                wanted = Wanted::More;
            }
        }
        wanted
    }

    /// Says whether any collector wants bytes.
    pub(super) fn wants_any(&self) -> bool {
        self.active.iter().any(|(_, _, state)| *state == Wanted::More)
    }
}

#[cfg(test)]
mod tests;
