//! Layers: a changeset written as a compressed tar, and a foreign layer read under limits.
//!
//! **Invariants.** A layer's bytes depend on its changeset, the contents and the [`Compressor`] only, which holds the format: not on
//! threads, machine or time. All cut points are known before a byte is read. Memory does not grow with the size of a layer. A foreign layer is
//! accepted only when every reader would read it the same way.
//!
//! The tar is POSIX ustar with PAX records where ustar cannot hold a value (image-spec, `layer.md`; IEEE Std 1003.1 "pax").

mod blocks;
pub mod collect;
mod compress;
pub mod deb;
mod decompress;
mod facts;
mod header;
mod layer_keys;
mod number;
mod one_file;
mod pax;
mod private_key;
mod record;
mod strict;
mod tree;
mod window;
mod write;

pub use blocks::path_hash;
pub use compress::{Compressor, LevelFault};
pub use decompress::{Decompressed, Limits, compression_of};
pub use facts::{LayerContents, read_facts, read_layer};
pub use layer_keys::KeyFile;
pub use one_file::read_file;
pub use private_key::{FoundKey, KeyForm, KeySearch};
pub use record::{Earlier, FoundBlock, Layer, LayerRecord, NoneEarlier};
pub use strict::{ArchiveFault, Member, MemberKind, StrictTar};
pub use write::{LayerFault, LayerRequest, write_layer};
