use super::Index;
use crate::debian::version::{Version, without_epoch};
use crate::oci::Digest;

/// An area that no file name follows from.
pub(super) const OTHER_AREA: u8 = u8::MAX;

/// One package, its texts in a block of the index, one after the other in the order of the lengths.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub(super) sha256: [u8; 32],
    pub(super) size: u32,
    pub(super) offset: u32,
    pub(super) pre_depends: u32,
    pub(super) depends: u32,
    pub(super) provides: u32,
    pub(super) block: u16,
    pub(super) version: u16,
    /// Zero when the source has the package's version.
    pub(super) source_version: u16,
    /// Zero when the name follows from the other fields.
    pub(super) filename: u16,
    pub(super) name: u8,
    /// Zero when the source has the package's name.
    pub(super) source: u8,
    pub(super) architecture: u8,
    pub(super) area: u8,
    pub(super) multi_arch: MultiArch,
    pub(super) essential: Essential,
}

/// Whether a system is broken without the package (policy 5.6.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Essential {
    #[default]
    No,
    Yes,
}

/// How packages of several architectures may use a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MultiArch {
    /// Only packages of its own architecture.
    #[default]
    No,
    /// It may be there once for each architecture.
    Same,
    /// Packages of any architecture may use it.
    Foreign,
    /// Packages of any architecture may use it when they say `:any`.
    Allowed,
}

/// One package of an index: a name, a version, an architecture, and a file.
#[derive(Debug, Clone, Copy)]
pub struct PackageRecord<'a> {
    pub(super) index: &'a Index,
    pub(super) record: &'a Record,
}

impl<'a> PackageRecord<'a> {
    /// Returns a text by its position among the lengths.
    fn text(&self, position: usize) -> &'a str {
        let record = self.record;
        let lengths = [
            usize::from(record.name),
            usize::from(record.version),
            usize::from(record.source),
            usize::from(record.source_version),
            usize::from(record.filename),
            record.pre_depends as usize,
            record.depends as usize,
            record.provides as usize,
        ];
        let start = record.offset as usize + lengths[..position].iter().sum::<usize>();
        let block = self.index.blocks.get(usize::from(record.block)).map_or("", String::as_str);
        block.get(start..start + lengths[position]).unwrap_or_default()
    }

    /// Returns the name.
    pub fn name(&self) -> &'a str {
        self.text(0)
    }

    /// Returns the text of the version.
    pub fn version_text(&self) -> &'a str {
        self.text(1)
    }

    /// Returns the version.
    pub fn version(&self) -> Version {
        Version::of_checked(self.version_text())
    }

    /// Returns the architecture, or `all`.
    pub fn architecture(&self) -> &'a str {
        self.index.architectures.get(usize::from(self.record.architecture)).map_or("", |name| name)
    }

    /// Returns how packages of several architectures may use it.
    pub fn multi_arch(&self) -> MultiArch {
        self.record.multi_arch
    }

    /// Says whether a system is broken without it.
    pub fn is_essential(&self) -> bool {
        self.record.essential == Essential::Yes
    }

    /// Returns the name of the source package.
    pub fn source(&self) -> &'a str {
        if self.record.source == 0 { self.name() } else { self.text(2) }
    }

    /// Returns the version of the source package.
    pub fn source_version(&self) -> &'a str {
        if self.record.source_version == 0 { self.version_text() } else { self.text(3) }
    }

    /// Returns the path of the file below the archive's root.
    pub fn filename(&self) -> String {
        match self.index.areas.get(usize::from(self.record.area)) {
            Some(area) if self.record.area != OTHER_AREA => {
                let mut path = area.to_string();
                push_usual_name(&mut path, self.source(), self.name(), self.version_text(), self.architecture());
                path
            }
            _ => self.text(4).to_owned(),
        }
    }

    /// Returns the field `Pre-Depends`; empty when there is none.
    pub fn pre_depends(&self) -> &'a str {
        self.text(5)
    }

    /// Returns the field `Depends`; empty when there is none.
    pub fn depends(&self) -> &'a str {
        self.text(6)
    }

    /// Returns the field `Provides`; empty when there is none.
    pub fn provides(&self) -> &'a str {
        self.text(7)
    }

    /// Returns the size of the file in bytes.
    pub fn size(&self) -> u64 {
        self.record.size.into()
    }

    /// Returns the digest of the file.
    pub fn sha256(&self) -> Digest {
        Digest::from_bytes(self.record.sha256)
    }
}

/// Adds the part of a file's path that follows from its other fields in Debian's own pool.
pub(super) fn push_usual_name(path: &mut String, source: &str, name: &str, version: &str, architecture: &str) {
    let initial = if source.starts_with("lib") { source.get(..4) } else { source.get(..1) }.unwrap_or(source);
    for part in ["/", initial, "/", source, "/", name, "_", without_epoch(version), "_", architecture, ".deb"] {
        path.push_str(part);
    }
}
