use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::ImageText;

/// The attribute that holds file capabilities (capabilities(7), "File capabilities").
const CAPABILITY: &str = "security.capability";
/// The flag that raises the permitted capabilities when the program starts (`linux/capability.h`, `VFS_CAP_FLAGS_EFFECTIVE`).
const EFFECTIVE: u32 = 1;

/// The extended attributes of a file (xattr(7)), by name. Nearly all files have none, which takes no memory.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attributes(BTreeMap<String, ImageText>);

/// The capabilities that a program has when anybody starts it, as bit sets by the numbers of capabilities(7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileCapabilities {
    /// What it is given.
    pub permitted: u64,
    /// What it keeps of the capabilities of who starts it.
    pub inheritable: u64,
    /// Whether the permitted ones hold from the start.
    pub effective: bool,
    /// The user that counts as root in the user namespace that set them (version 3).
    pub root_uid: Option<u32>,
}

impl FromIterator<(String, Vec<u8>)> for Attributes {
    fn from_iter<I: IntoIterator<Item = (String, Vec<u8>)>>(attributes: I) -> Self {
        Self(attributes.into_iter().map(|(name, value)| (name, ImageText(value.into()))).collect())
    }
}

impl Attributes {
    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (name.as_str(), &*value.0))
    }

    /// Returns the file capabilities; nothing when there are none, or Linux would not take them for such.
    pub fn capabilities(&self) -> Option<FileCapabilities> {
        let (_, value) = self.iter().find(|(name, _)| *name == CAPABILITY)?;
        let words: Vec<u32> =
            value.chunks_exact(4).map(|word| word.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))).collect();
        let (head, sets) = words.split_first()?;
        let effective = head & EFFECTIVE != 0;
        let join = |low: u32, high: u32| u64::from(high) << 32 | u64::from(low);
        // `struct vfs_ns_cap_data` of linux/capability.h: a pair of 32 bits each, one pair in version 1 and two afterwards.
        let (permitted, inheritable, root_uid) = match (head >> 24, sets, value.len()) {
            (1, [permitted, inheritable], 12) => (join(*permitted, 0), join(*inheritable, 0), None),
            (2, [permitted, inheritable, permitted_high, inheritable_high], 20) => {
                (join(*permitted, *permitted_high), join(*inheritable, *inheritable_high), None)
            }
            (3, [permitted, inheritable, permitted_high, inheritable_high, root], 24) => {
                (join(*permitted, *permitted_high), join(*inheritable, *inheritable_high), Some(*root))
            }
            _ => return None,
        };
        Some(FileCapabilities { permitted, inheritable, effective, root_uid })
    }

    /// Returns how many foreign bytes they hold in memory.
    pub fn weight(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.len() + size_of::<(String, ImageText)>()).sum()
    }

    /// Returns the attributes for people: `security.capability=0100000200…`, values in hexadecimal.
    pub fn in_words(&self) -> Vec<String> {
        let hex = |value: &[u8]| {
            value.iter().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "{byte:02x}");
                text
            })
        };
        self.iter().map(|(name, value)| format!("{}={}", name.escape_debug(), hex(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capabilities(value: &[u8]) -> Option<FileCapabilities> {
        [(CAPABILITY.to_owned(), value.to_vec())].into_iter().collect::<Attributes>().capabilities()
    }

    #[test]
    fn file_capabilities_are_read_as_linux_reads_them() {
        // What `setcap cap_net_bind_service=ep` writes.
        let bind = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let found = capabilities(&bind).unwrap();
        assert_eq!(found, FileCapabilities { permitted: 1 << 10, inheritable: 0, effective: true, root_uid: None });
        // `cap_checkpoint_restore=p` (40) of a user namespace whose root is 1000.
        let high = [0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xe8, 3, 0, 0];
        let found = capabilities(&high).unwrap();
        assert_eq!(found, FileCapabilities { permitted: 1 << 40, inheritable: 0, effective: false, root_uid: Some(1000) });
        for broken in [&bind[..19], &bind[..4], &[], &[9, 9, 9, 9, 0, 0, 0, 0]] {
            assert_eq!(capabilities(broken), None);
        }
        assert_eq!(Attributes::default().capabilities(), None);
    }
}
