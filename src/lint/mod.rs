//! Rules about a finished image: what starts, and yet is not what its author meant.
//!
//! A rule is a file of its own with a stable name, and says what it found as [`Finding`]s. It sees the finished config, the merged files and
//! the recipe, and decides by these alone: equal images give equal findings, whatever the cache holds.
//!
//! **Invariants.** A rule reports one finding for each kind of fault, with the number of files and the first of them. Nothing here prints.
//!
//! **To add a rule**: its file here, and its line in [`RULES`].

mod dangling_link;
mod files;
mod finding;
mod healthcheck;
mod literal_variable;
mod low_port;
mod node_abi;
mod open_modes;
mod python_abi;
mod read_only;
mod request;
mod shell;
mod started;
mod wheel;

pub use finding::{Finding, Level, Linted};
pub use request::{Delivery, LinkTarget, LintRequest, ProjectLinks};
pub use shell::{Shells, shells};

use finding::Report;

/// All rules, by their names.
pub const RULES: &[(&str, Rule)] = &[
    ("literal-variable", literal_variable::check),
    ("low-port", low_port::check),
    ("shell", shell::check),
    ("python-abi", python_abi::check),
    ("node-abi", node_abi::check),
    ("dangling-link", dangling_link::check),
    ("healthcheck", healthcheck::check),
    ("open-modes", open_modes::check),
    ("read-only", read_only::check),
];

/// What looks for one kind of fault.
pub type Rule = fn(&LintRequest<'_>, &mut Report);

/// Applies all rules to an image.
pub fn lint(request: &LintRequest<'_>) -> Linted {
    let mut linted = Linted::default();
    for (name, rule) in RULES {
        let mut report = Report::new(name, &request.recipe.unproved);
        rule(request, &mut report);
        report.add_to(&mut linted);
    }
    linted
}
