//! This machine: its environment, clock, files and the few programs that we start.
//!
//! **Invariants.** The environment and the clock are read here and nowhere else, once, when the program starts, and then passed on as values.
//! Only `program` starts programs: `git` for placeholders, and credential helpers that the user configured.

mod above;
pub mod cache;
mod clock;
mod environment;
mod git;
mod program;
pub mod project;
mod text;
mod unfinished;

pub use above::{Above, Refused, Repository, find_above};
pub(crate) use clock::nanoseconds;
pub use clock::{now, rfc3339, seconds_since};
pub use environment::Environment;
pub use git::ProjectPlaceholders;
pub use program::{Program, ProgramFault, ProgramOutput};
pub use text::{open_regular, read_bytes, read_text, write_unfinished, write_whole, write_with};
pub use unfinished::{UNFINISHED, Unfinished, abandon, sweep};
