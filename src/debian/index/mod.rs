//! A `Packages` index, read as a stream and kept compactly: what the resolver and the lock need, and nothing else.
//!
//! **Invariants.** Records are sorted by name, then newest first; no name, version and architecture is there twice with different contents.
//! Each record has a SHA-256 digest, a size and a path below the archive's root. Text lies in blocks of 1 MiB, so that a large index
//! never needs twice its size; a file name that follows from the other fields is not kept.

mod draft;
mod record;
#[cfg(test)]
mod tests;

use std::io::{self, BufRead, Read as _};

use self::draft::{Builder, Draft};
use self::record::Record;
pub use self::record::{MultiArch, PackageRecord};
use super::field::{Line, LineFault};
use super::relation::Provided;
use super::version::{self, VersionFault};

/// The packages of one index: those of a suite, component and architecture.
#[derive(Debug, Clone)]
pub struct Index {
    blocks: Vec<String>,
    records: Vec<Record>,
    /// The records that provide something, as positions in `records`.
    providing: Vec<u32>,
    architectures: Vec<Box<str>>,
    areas: Vec<Box<str>>,
}

/// How much is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The bytes of the whole index.
    pub bytes: u64,
    /// The bytes of one stanza.
    pub stanza: u32,
    /// The number of stanzas.
    pub stanzas: u32,
}

impl Default for Limits {
    /// Nine times the largest index of Debian 13, and thirteen times its longest stanza.
    fn default() -> Self {
        Self { bytes: 512 * 1024 * 1024, stanza: 1024 * 1024, stanzas: 500_000 }
    }
}

/// Why an index can't be read.
#[derive(Debug, thiserror::Error)]
pub enum IndexFault {
    /// The bytes could not be read, or not be decompressed.
    #[error("the index could not be read")]
    Read(#[source] io::Error),
    /// A stanza is wrong.
    #[error("line {line} of the index{}: {problem}", of_package(package))]
    Stanza {
        /// The line where it was noticed, counted from one.
        line: u64,
        /// The package, when its name was read.
        package: String,
        /// What is wrong.
        problem: IndexProblem,
    },
}

fn of_package(package: &str) -> String {
    if package.is_empty() { String::new() } else { format!(", package `{package}`") }
}

/// What is wrong in an index.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexProblem {
    /// The index is longer than is read.
    #[error("more than {0} bytes")]
    Bytes(u64),
    /// A stanza is longer than is read.
    #[error("a stanza of more than {0} bytes")]
    StanzaBytes(u32),
    /// There are more stanzas than are read.
    #[error("more than {0} stanzas")]
    Stanzas(u32),
    /// The last line has no end.
    #[error("it ends in the middle of a line")]
    End,
    /// A line is no line of a control file.
    #[error("{0}")]
    Line(LineFault),
    /// The value of no field goes on.
    #[error("a continued line has no field before it")]
    NoField,
    /// A field is there twice.
    #[error("the field `{0}` is there twice")]
    Twice(&'static str),
    /// A field goes on over lines that has one line.
    #[error("the field `{0}` has more than one line")]
    Folded(&'static str),
    /// A field is missing.
    #[error("the field `{0}` is missing")]
    Missing(&'static str),
    /// There are digests, and none of them is SHA-256.
    #[error("it has no SHA-256 digest, only weaker ones")]
    WeakDigest,
    /// A value is outside of what the field may hold.
    #[error("`{value}` can't be the `{field}` of a package")]
    Value {
        /// The field.
        field: &'static str,
        /// What was written.
        value: String,
    },
    /// A version is none.
    #[error("`{value}` is not a version: {fault}")]
    Version {
        /// What was written.
        value: String,
        /// What is wrong with it.
        fault: VersionFault,
    },
    /// A package is there twice, with different files.
    #[error("version {0} is there twice, with different files")]
    Duplicate(String),
    /// There are more architectures or areas of the pool than an index of one architecture can have.
    #[error("more than 200 different values of `{0}`")]
    Variety(&'static str),
}

impl Index {
    /// Reads an index, decompressed, to its end.
    ///
    /// # Errors
    /// When it can't be read, breaks a limit, or a stanza has a field missing, twice, or with a value that policy doesn't allow.
    pub fn read(mut reader: impl BufRead, limits: &Limits) -> Result<Self, IndexFault> {
        let mut builder = Builder::default();
        let mut draft = Draft::default();
        let mut line = Vec::with_capacity(8192);
        let (mut number, mut total, mut in_stanza) = (0_u64, 0_u64, 0_u64);
        loop {
            line.clear();
            let room = u64::from(limits.stanza) - in_stanza;
            let read = reader.by_ref().take(room + 1).read_until(b'\n', &mut line).map_err(IndexFault::Read)? as u64;
            if read == 0 {
                break;
            }
            number += 1;
            (total, in_stanza) = (total + read, in_stanza + read);
            let fault = |problem, draft: &Draft| IndexFault::Stanza { line: number, package: draft.package().to_owned(), problem };
            if read > room {
                return Err(fault(IndexProblem::StanzaBytes(limits.stanza), &draft));
            }
            if total > limits.bytes {
                return Err(fault(IndexProblem::Bytes(limits.bytes), &draft));
            }
            let Some((b'\n', content)) = line.split_last() else { return Err(fault(IndexProblem::End, &draft)) };
            match Line::read(content).map_err(IndexProblem::Line) {
                Ok(Line::Blank) => {
                    builder.finish(&draft, limits).map_err(|problem| fault(problem, &draft))?;
                    draft.clear();
                    in_stanza = 0;
                }
                Ok(Line::Field(name, value)) => draft.field(name, value).map_err(|problem| fault(problem, &draft))?,
                Ok(Line::More(value)) => draft.more(value).map_err(|problem| fault(problem, &draft))?,
                Err(problem) => return Err(fault(problem, &draft)),
            }
        }
        let package = draft.package().to_owned();
        builder.finish(&draft, limits).map_err(|problem| IndexFault::Stanza { line: number, package, problem })?;
        builder.index(number)
    }

    /// Returns how many packages there are, each version counted.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Says whether there are no packages.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns all records, sorted by name, then newest first.
    pub fn records(&self) -> impl Iterator<Item = PackageRecord<'_>> {
        self.records.iter().map(|record| PackageRecord { index: self, record })
    }

    /// Returns the records of one name, the newest first.
    pub fn named<'a>(&'a self, name: &str) -> impl Iterator<Item = PackageRecord<'a>> {
        let start = self.records.partition_point(|record| PackageRecord { index: self, record }.name() < name);
        self.records[start..].iter().map(|record| PackageRecord { index: self, record }).take_while(move |record| record.name() == name)
    }

    /// Returns the records that provide a name, with what they provide under it; sorted as [`Index::records`]. Fields that can't be read provide nothing.
    pub fn providers<'a>(&'a self, name: &str) -> impl Iterator<Item = (PackageRecord<'a>, Provided)> {
        let records = self.providing.iter().filter_map(|position| self.records.get(*position as usize));
        let candidates = records.map(|record| PackageRecord { index: self, record }).filter(move |record| record.provides().contains(name));
        candidates.flat_map(move |record| {
            let provided = Provided::parse(record.provides()).unwrap_or_default();
            provided.into_iter().filter(move |one| one.name == name).map(move |one| (record, one))
        })
    }
}
