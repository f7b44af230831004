//! The user's files: found once, in the same order on every machine, and read later exactly as they were found.
//!
//! **Invariants.** Modes, order and times never depend on the machine: not on umask, directory order or modification times.
//! Nothing outside of the recipe's folder is opened, unless an entry says that links are followed: every file is opened beneath
//! a folder's handle, and no name on the way may be a symbolic link. Devices, FIFOs and sockets are never opened.
//! What is left out is listed, and all faults of an entry are reported together.
//!
//! **To add** a rule of what never belongs in an image, add a line to [`DENY_RULES`].

mod beneath;
mod choice;
mod deny;
mod fault;
mod find;
mod follow;
mod gather;
mod host_path;
mod link_hints;
mod links;
mod listing;
mod locate;
mod outputs;
mod request;
mod trees;
mod walk;

pub use deny::{DENY_LIST_VERSION, DENY_RULES, DenyRule};
pub use fault::{EntryLists, FileFault, LinkFault};
pub use host_path::HostPath;
pub use outputs::Outputs;
pub use request::{Found, Note, Request, Skipped, Why};
pub use trees::Project;
