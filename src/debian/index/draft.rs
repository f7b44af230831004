use super::record::{OTHER_AREA, Record, push_usual_name};
use super::{Index, IndexFault, IndexProblem, Limits, MultiArch, PackageRecord, version};
use crate::debian::field::{escaped, plain, sha256};
use crate::debian::name::{is_architecture, is_archive_path, is_package_name};

const BLOCK: usize = 1024 * 1024;

/// How many different values are kept of what has few.
const VARIETY: usize = 200;

/// The fields that are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
enum Kept {
    Package,
    Version,
    Architecture,
    MultiArch,
    Essential,
    PreDepends,
    Depends,
    Provides,
    Source,
    Filename,
    Size,
    Sha256,
}

const NAMES: [&str; 12] = [
    "Package",
    "Version",
    "Architecture",
    "Multi-Arch",
    "Essential",
    "Pre-Depends",
    "Depends",
    "Provides",
    "Source",
    "Filename",
    "Size",
    "SHA256",
];

impl Kept {
    /// Finds a field by its name, whose case does not matter.
    fn find(name: &[u8]) -> Option<Self> {
        let candidates: &[Self] = match name.len() {
            4 => &[Self::Size],
            6 => &[Self::Source, Self::Sha256],
            7 => &[Self::Package, Self::Version, Self::Depends],
            8 => &[Self::Provides, Self::Filename],
            9 => &[Self::Essential],
            10 => &[Self::MultiArch],
            11 => &[Self::PreDepends],
            12 => &[Self::Architecture],
            _ => &[],
        };
        candidates.iter().copied().find(|field| field.name().as_bytes().eq_ignore_ascii_case(name))
    }

    fn name(self) -> &'static str {
        NAMES[self as usize]
    }
}

/// Which field the last line belongs to.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Open {
    #[default]
    None,
    Ignored,
    Kept(Kept),
}

/// A stanza while it is read. Its texts are used again for the next one.
#[derive(Default)]
pub(super) struct Draft {
    values: [String; 12],
    seen: u16,
    open: Open,
    weak_digests: u8,
}

impl Draft {
    pub(super) fn package(&self) -> &str {
        self.value(Kept::Package)
    }

    fn value(&self, field: Kept) -> &str {
        &self.values[field as usize]
    }

    pub(super) fn clear(&mut self) {
        self.values.iter_mut().for_each(String::clear);
        (self.seen, self.open, self.weak_digests) = (0, Open::None, 0);
    }

    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), IndexProblem> {
        let Some(field) = Kept::find(name) else {
            self.open = Open::Ignored;
            self.weak_digests +=
                u8::from(self.weak_digests == 0 && (name.eq_ignore_ascii_case(b"MD5sum") || name.eq_ignore_ascii_case(b"SHA1")));
            return Ok(());
        };
        let bit = 1 << field as u16;
        if self.seen & bit != 0 {
            return Err(IndexProblem::Twice(field.name()));
        }
        self.seen |= bit;
        self.open = Open::Kept(field);
        self.values[field as usize].push_str(text(field, value)?);
        Ok(())
    }

    pub(super) fn more(&mut self, value: &[u8]) -> Result<(), IndexProblem> {
        match self.open {
            Open::None => Err(IndexProblem::NoField),
            Open::Ignored => Ok(()),
            Open::Kept(field @ (Kept::PreDepends | Kept::Depends | Kept::Provides)) => {
                let text = text(field, value)?;
                let kept = &mut self.values[field as usize];
                kept.push(' ');
                kept.push_str(text);
                Ok(())
            }
            Open::Kept(field) => Err(IndexProblem::Folded(field.name())),
        }
    }

    fn is_empty(&self) -> bool {
        self.open == Open::None
    }

    /// Returns the value of a field that every package has.
    fn required(&self, field: Kept) -> Result<&str, IndexProblem> {
        let value = self.value(field);
        if value.is_empty() { Err(IndexProblem::Missing(field.name())) } else { Ok(value) }
    }

    /// Returns the value of a field that every package has, when it is one that may be.
    fn checked(&self, field: Kept, is_good: fn(&str) -> bool) -> Result<&str, IndexProblem> {
        let value = self.required(field)?;
        if is_good(value) { Ok(value) } else { Err(self.wrong(field)) }
    }

    fn wrong(&self, field: Kept) -> IndexProblem {
        IndexProblem::Value { field: field.name(), value: escaped(self.value(field).as_bytes()) }
    }

    /// Returns the name and version of the source, empty where the package has the same.
    fn source(&self, name: &str) -> Result<(&str, &str), IndexProblem> {
        let field = self.value(Kept::Source);
        let (source, version) = match field.split_once(' ') {
            None => (field, ""),
            Some((source, rest)) => {
                let inner = rest.trim_start().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
                (source, checked_version(inner.ok_or_else(|| self.wrong(Kept::Source))?)?)
            }
        };
        if !source.is_empty() && !is_package_name(source) {
            return Err(self.wrong(Kept::Source));
        }
        let own = self.value(Kept::Version);
        Ok((if source == name { "" } else { source }, if version == own { "" } else { version }))
    }
}

fn checked_version(value: &str) -> Result<&str, IndexProblem> {
    version::check(value).map_err(|fault| IndexProblem::Version { value: escaped(value.as_bytes()), fault })?;
    Ok(value)
}

fn text(field: Kept, value: &[u8]) -> Result<&str, IndexProblem> {
    plain(value).ok_or_else(|| IndexProblem::Value { field: field.name(), value: escaped(value) })
}

/// An index while it is read.
#[derive(Default)]
pub(super) struct Builder {
    blocks: Vec<String>,
    records: Vec<Record>,
    architectures: Vec<Box<str>>,
    areas: Vec<Box<str>>,
    usual: String,
}

impl Builder {
    /// Checks a stanza, and keeps it. A stanza without a line is none.
    pub(super) fn finish(&mut self, draft: &Draft, limits: &Limits) -> Result<(), IndexProblem> {
        if draft.is_empty() {
            return Ok(());
        }
        if self.records.len() as u64 >= u64::from(limits.stanzas) {
            return Err(IndexProblem::Stanzas(limits.stanzas));
        }
        let name = draft.checked(Kept::Package, is_package_name)?;
        let version = checked_version(draft.required(Kept::Version)?)?;
        let architecture = draft.checked(Kept::Architecture, is_architecture)?;
        let filename = draft.checked(Kept::Filename, |path| is_archive_path(path) && path.as_bytes().ends_with(b".deb"))?;
        let size = draft.required(Kept::Size)?;
        let is_number = size.bytes().all(|byte| byte.is_ascii_digit());
        let size = size.parse::<u32>().ok().filter(|size| is_number && *size > 0).ok_or_else(|| draft.wrong(Kept::Size))?;
        let digest = match draft.value(Kept::Sha256) {
            "" if draft.weak_digests > 0 => return Err(IndexProblem::WeakDigest),
            "" => return Err(IndexProblem::Missing("SHA256")),
            digest => sha256(digest).ok_or_else(|| draft.wrong(Kept::Sha256))?,
        };
        let multi_arch = match draft.value(Kept::MultiArch) {
            "" | "no" => MultiArch::No,
            "same" => MultiArch::Same,
            "foreign" => MultiArch::Foreign,
            "allowed" => MultiArch::Allowed,
            _ => return Err(draft.wrong(Kept::MultiArch)),
        };
        if !matches!(draft.value(Kept::Essential), "" | "no" | "yes") {
            return Err(draft.wrong(Kept::Essential));
        }
        let (source, source_version) = draft.source(name)?;
        self.usual.clear();
        push_usual_name(&mut self.usual, if source.is_empty() { name } else { source }, name, version, architecture);
        let (area, filename) = match filename.strip_suffix(self.usual.as_str()).filter(|area| !area.is_empty()) {
            Some(area) => (interned(&mut self.areas, area).unwrap_or(OTHER_AREA), filename),
            None => (OTHER_AREA, filename),
        };
        let filename = if area == OTHER_AREA { filename } else { "" };
        let architecture = interned(&mut self.architectures, architecture).ok_or(IndexProblem::Variety("Architecture"))?;
        let [pre_depends, depends, provides] = [Kept::PreDepends, Kept::Depends, Kept::Provides].map(|field| draft.value(field));
        let texts = [name, version, source, source_version, filename, pre_depends, depends, provides];
        let (block, offset) = store(&mut self.blocks, &texts)?;
        let long = |text: &str| u32::try_from(text.len()).map_err(|_| IndexProblem::StanzaBytes(u32::MAX));
        let medium = |text: &str| u16::try_from(text.len()).map_err(|_| IndexProblem::StanzaBytes(u32::from(u16::MAX)));
        let short = |text: &str| u8::try_from(text.len()).map_err(|_| IndexProblem::StanzaBytes(u32::from(u8::MAX)));
        self.records.push(Record {
            sha256: digest,
            size,
            offset,
            pre_depends: long(pre_depends)?,
            depends: long(depends)?,
            provides: long(provides)?,
            block,
            version: medium(version)?,
            source_version: medium(source_version)?,
            filename: medium(filename)?,
            name: short(name)?,
            source: short(source)?,
            architecture,
            area,
            multi_arch,
        });
        Ok(())
    }

    /// Sorts what was read; the same file listed twice is one.
    pub(super) fn index(self, line: u64) -> Result<Index, IndexFault> {
        let Self { mut blocks, mut records, architectures, areas, .. } = self;
        blocks.iter_mut().for_each(String::shrink_to_fit);
        records.shrink_to_fit();
        let mut index = Index { blocks, records: Vec::new(), providing: Vec::new(), architectures, areas };
        records.sort_by(|left, right| {
            let (left, right) = (PackageRecord { index: &index, record: left }, PackageRecord { index: &index, record: right });
            left.name()
                .cmp(right.name())
                .then_with(|| version::compare(right.version_text(), left.version_text()))
                .then_with(|| left.version_text().cmp(right.version_text()))
                .then_with(|| left.architecture().cmp(right.architecture()))
        });
        let mut different = None;
        records.dedup_by(|later, earlier| {
            let (one, other) = (PackageRecord { index: &index, record: later }, PackageRecord { index: &index, record: earlier });
            let same =
                one.name() == other.name() && one.version_text() == other.version_text() && one.architecture() == other.architecture();
            if same && (one.sha256() != other.sha256() || one.size() != other.size()) && different.is_none() {
                different = Some((one.name().to_owned(), one.version_text().to_owned()));
            }
            same
        });
        if let Some((package, version)) = different {
            return Err(IndexFault::Stanza { line, package, problem: IndexProblem::Duplicate(version) });
        }
        index.providing = (0..).zip(&records).filter(|(_, record)| record.provides > 0).map(|(position, _)| position).collect();
        index.records = records;
        Ok(index)
    }
}

/// Returns the position of a text in a table, which it joins when it is new; `None` when the table is full.
fn interned(table: &mut Vec<Box<str>>, text: &str) -> Option<u8> {
    let position = table.iter().position(|known| **known == *text).unwrap_or_else(|| {
        table.push(text.into());
        table.len() - 1
    });
    if position >= VARIETY {
        table.truncate(VARIETY);
        return None;
    }
    u8::try_from(position).ok()
}

/// Writes texts into the last block, or a new one.
fn store(blocks: &mut Vec<String>, texts: &[&str]) -> Result<(u16, u32), IndexProblem> {
    let needed: usize = texts.iter().map(|text| text.len()).sum();
    if blocks.last().is_none_or(|block| block.capacity() - block.len() < needed) {
        if let Some(full) = blocks.last_mut() {
            full.shrink_to_fit();
        }
        blocks.push(String::with_capacity(needed.max(BLOCK)));
    }
    let position = u16::try_from(blocks.len() - 1).map_err(|_| IndexProblem::Bytes(u64::from(u16::MAX) * BLOCK as u64))?;
    let Some(block) = blocks.last_mut() else { return Ok((0, 0)) };
    let offset = u32::try_from(block.len()).map_err(|_| IndexProblem::Bytes(u64::from(u32::MAX)))?;
    block.extend(texts.iter().copied());
    Ok((position, offset))
}
