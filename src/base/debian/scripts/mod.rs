//! Maintainer scripts, read and never run: what each of their commands would do when the package is installed for the first time.
//!
//! **Invariants.** A script of `sh` is parsed as a shell does it, and followed with the arguments of a first installation: `install` for `preinst`,
//! `configure` for `postinst`. Where a condition is not known, both ways are followed. A command that is not understood is told, never passed over.
//!
//! **To add** a command that does no harm, or the file that one makes: `commands.toml`.

mod accounts;
mod alternatives;
mod commands;
mod conditions;
mod expand;
mod field;
mod follow;
mod grammar;
mod judge;
mod paths;
mod read;
mod root;
mod step;
mod syntax;
mod templates;
#[cfg(test)]
mod tests;
mod tmpfiles;
mod words;

pub(super) use accounts::{GROUPS, USERS, of_sysusers};
pub(super) use commands::Commands;
pub(super) use read::{Followed, ScriptCommand, Scripts, read};
pub(super) use step::{AccountCall, Action, Step, TRIGGERS};
pub use step::{ScriptEffect, ScriptStep, WrittenFolder};
