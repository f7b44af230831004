//! Files of an image: what one layer adds ([`Changeset`]), and the merged view of all layers ([`Rootfs`]).
//!
//! **Invariants.** An [`ImagePath`] is relative to the image's root, has no empty, `.` or `..` part, and no NUL. A [`Changeset`]
//! is sorted and has no path twice, by its type. A [`Rootfs`] is a tree in memory: nothing is ever unpacked to disk,
//! and links are followed inside of it only. File contents stay where they are until a layer is written.

mod access;
mod accounts;
mod attributes;
mod changeset;
mod contents;
mod elf;
mod entry;
mod facts;
mod follow;
mod head;
mod name_pattern;
mod path;
mod view;

pub use accounts::{Accounts, Group, User};
pub use attributes::{Attributes, FileCapabilities};
pub use changeset::Changeset;
#[cfg(test)]
pub(crate) use elf::writer;
pub use elf::{CachedLibrary, Dynamic, Gap, NeededVersions, ReadAt, ReadFault, dynamic_range};
pub use entry::{Content, ContentFault, Entry, EntryKind, FoundFile, OpenContent, OpenFile, Owner, PackedFile, Stat, TreeId};
pub use facts::{Device, DeviceKind, Fact, FactKind, ImageText, LayerEntry, LayerFact, LayerFacts};
pub use follow::{Followed, Resolved, follow};
pub use head::{Head, Machine};
pub use name_pattern::{Letters, name_fits};
pub use path::{ImagePath, PathFault};
pub use view::{HiddenFile, Layered, Rootfs, RootfsFault};
