use super::recipe;
use crate::base::debian::{ScriptEffect, ScriptStep};
use crate::cli::arguments::{Explain, ExplainSubject};
use crate::cli::invocation::Invocation;
use crate::lock::RECIPE;
use crate::ops::Failure;
use crate::ops::building::Push;
use crate::ops::explain::{self, PackageExplained, Verdict};

pub(in crate::cli) fn run(arguments: &Explain, invocation: &Invocation) -> Result<String, Failure> {
    let ExplainSubject::Package { name, recipe: arguments } = &arguments.subject;
    let tools = invocation.tools(None)?;
    let explained = explain::package(name, &recipe(arguments, Push::No, invocation)?, invocation.run(&tools))?;
    invocation.render(&explained, || text(&explained))
}

fn text(explained: &PackageExplained) -> String {
    let name = &explained.package;
    let mut lines = Vec::new();
    // What is the same for several platforms is said once.
    let mut groups: Vec<(&Verdict, Vec<&str>)> = Vec::new();
    for platform in &explained.platforms {
        match groups.iter_mut().find(|(verdict, _)| *verdict == &platform.verdict) {
            Some((_, platforms)) => platforms.push(&platform.platform),
            None => groups.push((&platform.verdict, vec![&platform.platform])),
        }
    }
    for (verdict, platforms) in groups {
        let on = platforms.join(" and ");
        match verdict {
            Verdict::In { version, source, archive, chain, wanted_by, scripts } => {
                lines.push(format!("{name} {version} is in the image for {on}, from {archive} (source: {source})"));
                lines.push(format!("  the recipe -> {}", chain.join(" -> ")));
                if wanted_by.len() > 1 {
                    lines.push(format!("  required by {}", wanted_by.join(", ")));
                }
                lines.extend(scripts.iter().flatten().map(script_line));
            }
            Verdict::LeftOut { rule, reason, chain, wanted_by } => {
                let by = if rule.as_str() == RECIPE { RECIPE.to_owned() } else { format!("the rule `{rule}`") };
                lines.push(format!("{name} was left out of the image for {on}, by {by}: {reason}"));
                lines.push(format!("  the recipe -> {} -> {name}", chain.join(" -> ")));
                if wanted_by.len() > 1 {
                    lines.push(format!("  required by {}", wanted_by.join(", ")));
                }
                lines.push(format!("  to keep it, write `keep = [\"{name}\"]` in `base.debian`"));
            }
            Verdict::Unwanted { nearest } => {
                let near = nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                lines.push(format!("nothing in the image for {on} requires {}{near}", name.escape_debug()));
            }
        }
    }
    lines.join("\n")
}

/// Returns what is told of one command of a maintainer script.
fn script_line(step: &ScriptStep) -> String {
    let ScriptStep { script, line, command, effect, .. } = step;
    let told = match effect {
        ScriptEffect::Made { by } => format!("made ({by})"),
        ScriptEffect::Harmless { why } => format!("harmless ({why})"),
        ScriptEffect::Missing { file: Some(file), needed } => format!("missing: {}, {needed}", file.escape_debug()),
        ScriptEffect::Missing { file: None, needed } => format!("missing: {needed}"),
    };
    format!("  {script}, line {line}: {}: {told}", command.escape_debug())
}
