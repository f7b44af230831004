use super::collect::{Collector, PrivateKeys};
use super::private_key::FoundKey;
use super::record::LayerRecord;
use crate::rootfs::{Changeset, Content, EntryKind, ImagePath};

/// A file of a layer with a private key in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFile {
    /// Its path in the image.
    pub path: ImagePath,
    /// Where its bytes come from.
    pub content: Content,
    /// The first key in it.
    pub key: FoundKey,
}

impl LayerRecord {
    /// Returns the files of the layer, whose changeset this is, in which a private key was found. Nothing when the record is of another changeset or
    /// of other collectors, or is not what was written: the files must be searched then.
    pub fn private_keys(&self, changeset: &Changeset, collectors: &[&dyn Collector]) -> Option<Vec<KeyFile>> {
        let collected = self.collected(changeset, collectors)?;
        let Some(found) = collected.of(&PrivateKeys) else { return Some(Vec::new()) };
        let file = |(number, text): (u32, &str)| {
            let (path, entry) = changeset.entries().get(usize::try_from(number).ok()?)?;
            let EntryKind::File(content) = &entry.kind else { return None };
            Some(KeyFile { path: path.clone(), content: content.clone(), key: serde_json::from_str(text).ok()? })
        };
        found.files().map(file).collect()
    }
}
