//! The verbs: one file each. A request in, an outcome out; nothing here prints.
//!
//! **Invariants.** What a verb says while it runs goes through an [`Observer`]. A [`Failure`] says by its kind which exit code it has.
//!
//! **To add a verb**: its file here, its arguments in `cli/arguments`, and its file in `cli/verbs`.

mod base;
mod base_config;
pub mod building;
pub mod carry;
pub mod debian;
mod destinations;
pub mod explain;
mod failure;
pub mod files;
mod gather;
pub mod init;
pub mod inspect;
mod layer_facts;
mod layers;
pub mod lock;
pub mod login;
mod observer;
mod opened;
pub mod push;
mod recipe;
mod recipe_kind;
mod repair;
mod tools;
pub mod vendor;
mod watched;

pub use failure::Failure;
pub use observer::{Observer, Task, TaskKind};
pub use recipe::RecipeRequest;
pub use tools::{Run, Tools};
