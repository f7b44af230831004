//! One file for each verb: its arguments become a request, its outcome becomes text.

pub(super) mod build;
pub(super) mod cache;
pub(super) mod explain;
pub(super) mod init;
pub(super) mod inspect;
pub(super) mod lock;
pub(super) mod login;
pub(super) mod pages;
pub(super) mod push;
pub(super) mod vendor;

use super::arguments::RecipeArguments;
use crate::ops::{Failure, RecipeRequest};
use crate::store::Location;

fn recipe(arguments: &RecipeArguments) -> RecipeRequest {
    RecipeRequest {
        file: arguments.file.clone(),
        set: arguments.set.clone(),
        platforms: arguments.platform.clone(),
        ..RecipeRequest::default()
    }
}

fn location(text: &str) -> Result<Location, Failure> {
    text.parse::<Location>().map_err(|fault| {
        let failure = Failure::wrong(fault.to_string());
        fault.hint().into_iter().fold(failure, Failure::hint)
    })
}

/// Writes a number of bytes for people.
fn bytes(count: u64) -> String {
    indicatif::HumanBytes(count).to_string()
}
