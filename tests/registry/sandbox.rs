//! The sandbox of this suite: a recipe that starts a program on a base.

use crate::project::program;

#[path = "../support/sandbox.rs"]
mod shared;

pub(crate) use shared::{Ran, Sandbox};

impl Sandbox {
    /// A folder with a program `app` for amd64, and a recipe that starts it on a base.
    pub(crate) fn new(base: &str) -> Self {
        Self::of(&recipe(base))
    }

    /// A folder with a program `app` for amd64, and this recipe.
    pub(crate) fn of(recipe: &str) -> Self {
        Self::with(recipe, &program(62))
    }
}

pub(crate) fn recipe(base: &str) -> String {
    format!(
        "[image]\nname = \"registry.example.no/shop/api\"\n[base]\n{base}\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[process]\nentrypoint = [\"/app\"]\n"
    )
}
