//! ELF files, as the dynamic loader sees them (System V gABI chapters 4 and 5; the symbol versions of the LSB; `elf.h` of glibc).
//!
//! **Invariants.** Files may be hostile: every count, size and offset has a limit, tables are walked forwards only, and memory is bounded
//! whatever a file claims. What could not be read is said by a [`Gap`]: it is never taken for absent.

mod cache;
mod dynamic;
mod encoding;
mod header;
mod source;
#[cfg(test)]
pub(crate) mod writer;

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

pub use cache::CachedLibrary;
pub(super) use cache::loader_cache;
pub use header::dynamic_range;
pub(super) use header::{Program, program};
pub use source::{ReadAt, ReadFault};
pub(super) use source::{Source, Stop};

/// What an ELF file asks of the dynamic loader, and offers to others. Written with short names: a base has thousands of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Dynamic {
    /// The name by which others ask for it (`DT_SONAME`).
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub soname: Option<Box<str>>,
    /// The libraries that it needs, in order (`DT_NEEDED`, `DT_FILTER`).
    #[serde(rename = "n", default, skip_serializing_if = "Vec::is_empty")]
    pub needed: Vec<Box<str>>,
    /// Where it and what it loads look for libraries (`DT_RPATH`).
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub rpath: Option<Box<str>>,
    /// Where it looks for libraries (`DT_RUNPATH`).
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub runpath: Option<Box<str>>,
    /// The versions that the needed libraries must define; those that may be missing ("weak") are left out.
    #[serde(rename = "v", default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<NeededVersions>,
    /// The versions that it defines.
    #[serde(rename = "d", default, skip_serializing_if = "Vec::is_empty")]
    pub defines: Vec<Box<str>>,
    /// Whether it asks for `dlopen`: it may then load libraries that nothing here names.
    #[serde(rename = "o", default, skip_serializing_if = "is_false")]
    pub opens_by_name: bool,
    /// Whether the loader leaves out its default folders (`DF_1_NODEFLIB`).
    #[serde(rename = "x", default, skip_serializing_if = "is_false")]
    pub without_defaults: bool,
    /// The folders that a loader, for such it is, looks into by itself.
    #[serde(rename = "f", default, skip_serializing_if = "Vec::is_empty")]
    pub folders: Vec<Box<str>>,
    /// Why not all of this is known.
    #[serde(rename = "g", default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Gap>,
}

/// The versions that a library must define.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeededVersions {
    /// The library, by the name in `DT_NEEDED`.
    #[serde(rename = "f")]
    pub library: Box<str>,
    /// The versions: `GLIBC_2.38`.
    #[serde(rename = "v")]
    pub versions: Vec<Box<str>>,
}

/// Why an ELF file is not known wholly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Gap {
    /// Parts of it were not kept while a layer went by.
    Unkept,
    /// It contradicts itself, or ends too early.
    Broken,
    /// It holds more than any real file does.
    Limit,
}

impl Gap {
    /// Returns the reason in words, after "it".
    pub fn reason(self) -> &'static str {
        match self {
            Self::Unkept => "has its tables at offsets that hardened does not read",
            Self::Broken => "has broken headers or tables",
            Self::Limit => "has tables that are larger than the limit",
        }
    }
}

impl Dynamic {
    /// Returns how many foreign bytes it holds in memory.
    pub fn weight(&self) -> usize {
        let texts = |texts: &[Box<str>]| texts.iter().map(|text| text.len() + size_of::<Box<str>>()).sum::<usize>();
        let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
        let versions = self.versions.iter().map(|needed| needed.library.len() + texts(&needed.versions)).sum::<usize>();
        texts(&self.needed)
            + texts(&self.defines)
            + texts(&self.folders)
            + versions
            + text(&self.soname)
            + text(&self.rpath)
            + text(&self.runpath)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_false(value: &bool) -> bool {
    !value
}

/// Writes what is shared as if it were owned.
#[expect(clippy::ref_option, reason = "serde passes a reference")]
pub(super) fn write_shared<S: Serializer>(dynamic: &Option<Arc<Dynamic>>, serializer: S) -> Result<S::Ok, S::Error> {
    dynamic.as_deref().serialize(serializer)
}

/// Reads what is to be shared.
pub(super) fn read_shared<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Arc<Dynamic>>, D::Error> {
    Ok(Option::<Dynamic>::deserialize(deserializer)?.map(Arc::new))
}

#[cfg(test)]
mod tests;
