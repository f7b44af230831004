//! What the user sees.

mod diagnostics;

pub use diagnostics::{Colors, render};
