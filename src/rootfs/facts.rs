use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Attributes, Changeset, Entry, EntryKind, Head, ImagePath, Owner};
use crate::oci::Digest;

/// What was learned of a layer by reading it once: its entries, joined with what collectors found of its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFacts {
    /// The digest of the uncompressed tar.
    pub diff_id: Digest,
    /// The size of the uncompressed tar in bytes.
    pub size: u64,
    /// The entries, in the order of the tar.
    pub entries: Vec<LayerFact>,
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LayerFact {
    /// The path, without a whiteout's prefix.
    pub path: ImagePath,
    /// What it is.
    pub fact: LayerEntry,
}

/// What an entry of a layer does to the layers below.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayerEntry {
    /// It adds or replaces.
    Add(Fact),
    /// It is another name of an earlier entry of the layer that is no folder.
    Link(ImagePath),
    /// It hides what lies below (image-spec, `layer.md`, "Whiteouts").
    Whiteout,
    /// It hides all that the folder held below.
    Opaque,
}

/// What is known of a file of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is.
    pub kind: FactKind,
    /// The permission bits.
    pub mode: u16,
    /// The owner's user.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// The extended attributes.
    #[serde(default, skip_serializing_if = "Attributes::is_empty")]
    pub attributes: Attributes,
}

/// What a file of an image is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FactKind {
    /// A folder.
    Directory,
    /// A regular file.
    File {
        /// The size in bytes.
        size: u64,
        /// What its content is.
        head: Head,
        /// The whole content, of the few files that a collector keeps whole.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        content: Option<Box<str>>,
        /// The SHA-256 of the content, where it was asked for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
    },
    /// A symbolic link and its target.
    Symlink(ImageText),
    /// A device.
    Device(Device),
    /// A FIFO.
    Fifo,
}

/// A device, by its numbers (mknod(2)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// What kind of device it is.
    pub kind: DeviceKind,
    /// The major number: the driver.
    pub major: u32,
    /// The minor number: which of its devices.
    pub minor: u32,
}

/// What kind of device it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceKind {
    /// A character device.
    Character,
    /// A block device.
    Block,
}

/// Bytes that are nearly always text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageText(pub Box<[u8]>);

impl Fact {
    /// Returns a file without extended attributes.
    pub fn new(kind: FactKind, mode: u16, owner: Owner) -> Self {
        Self { kind, mode, uid: owner.uid, gid: owner.gid, attributes: Attributes::default() }
    }

    /// Returns a folder that nobody named: root's, with the mode that unpackers give it.
    pub fn implied_folder() -> Self {
        Self::new(FactKind::Directory, 0o755, Owner::default())
    }

    /// Returns the owner.
    pub fn owner(&self) -> Owner {
        Owner { uid: self.uid, gid: self.gid }
    }
}

// JSON holds text only. What is not UTF-8 is written in hexadecimal behind a NUL, which no path holds.
fn write_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    if let Ok(text) = std::str::from_utf8(bytes) {
        return serializer.serialize_str(text);
    }
    let hex = bytes.iter().fold(String::from("\0"), |text, byte| text + &format!("{byte:02x}"));
    serializer.serialize_str(&hex)
}

fn read_bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let Some(hex) = text.strip_prefix('\0') else { return Ok(text.into_bytes()) };
    let pairs = hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    pairs.collect::<Option<_>>().ok_or_else(|| serde::de::Error::custom("not hexadecimal"))
}

impl Serialize for ImagePath {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_bytes(self.as_bytes(), serializer)
    }
}

impl<'de> Deserialize<'de> for ImagePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&read_bytes(deserializer)?).map_err(serde::de::Error::custom)
    }
}

impl Serialize for ImageText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        write_bytes(&self.0, serializer)
    }
}

impl<'de> Deserialize<'de> for ImageText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(read_bytes(deserializer)?.into()))
    }
}

impl LayerFacts {
    /// Returns the facts of a layer of our own: what reading its tar would tell, without what collectors find.
    pub fn of(changeset: &Changeset, diff_id: Digest, size: u64) -> Self {
        let fact = |entry: &Entry| match &entry.kind {
            EntryKind::HardLink(target) => LayerEntry::Link(target.clone()),
            EntryKind::Directory => LayerEntry::Add(Fact::new(FactKind::Directory, entry.mode, entry.owner)),
            EntryKind::Symlink(target) => LayerEntry::Add(Fact::new(FactKind::Symlink(ImageText(target.clone())), entry.mode, entry.owner)),
            EntryKind::File(content) => {
                let kind = FactKind::File { size: content.size(), head: Head::Other, content: None, digest: None };
                LayerEntry::Add(Fact::new(kind, entry.mode, entry.owner))
            }
        };
        let entries = changeset.entries().iter().map(|(path, entry)| LayerFact { path: path.clone(), fact: fact(entry) });
        Self { diff_id, size, entries: entries.collect() }
    }
}
