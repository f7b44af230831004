use crate::base::{BaseImage, loading_variables};
use crate::diagnostic::{Diagnostic, Span};
use crate::recipe::PlatformRecipe;

/// Returns what there is to say about the config of a base: what is left out of it, and variables by which code is loaded. What the recipe sets
/// itself is not told.
pub(super) fn warnings(base: &BaseImage, part: Option<&PlatformRecipe>, name: &str, span: Option<&Span>) -> Vec<Diagnostic> {
    let process = part.map(|part| &part.process);
    let sets = |variable: &str| process.is_some_and(|process| process.env.contains_key(variable));
    let mut warnings = Vec::new();
    for dropped in &base.dropped {
        let mut dropped = dropped.clone();
        let is_set = match dropped.field.as_str() {
            "WorkingDir" => process.is_some_and(|process| process.workdir.is_some()),
            "StopSignal" => process.is_some_and(|process| process.stop_signal.is_some()),
            "Env" => {
                dropped.names.retain(|name| !sets(name));
                dropped.names.is_empty()
            }
            _ => false,
        };
        if !is_set {
            warnings.push(dropped.diagnostic(name, span));
        }
    }
    for variable in loading_variables(&base.config).into_iter().filter(|variable| !sets(variable)) {
        let value = base.config.variable(variable).unwrap_or_default();
        let shown = variable.escape_debug();
        let message = format!("the base `{name}` sets `{shown}` to `{}`: code is loaded by it that no program names", value.escape_debug());
        warnings.push(
            Diagnostic::warning(message)
                .at(span, "of this base")
                .hint(format!("to turn it off, write `env = {{ {shown} = \"\" }}` in `[process]`"))
                .hint(format!("to keep it, write `env = {{ {shown} = \"{{image.env.{shown}}}\" }}` in `[process]`")),
        );
    }
    warnings
}
