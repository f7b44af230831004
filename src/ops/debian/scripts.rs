use std::collections::BTreeMap;

use crate::base::debian::{ScriptEffect, ScriptStep, WrittenFolder};
use crate::diagnostic::{Diagnostic, first_of};
use crate::ops::Run;

/// How many missing files of a package are listed.
const LISTED: usize = 3;

/// Warns of what maintainer scripts would have made and the image lacks; the rest is told to those who ask for more.
pub(super) fn tell(steps: &[ScriptStep], written: &[WrittenFolder], run: Run<'_>) {
    let mut missing: BTreeMap<&str, Vec<&ScriptStep>> = BTreeMap::new();
    for step in steps {
        let ScriptStep { package, script, line, command, effect } = step;
        let command = command.escape_debug();
        match effect {
            ScriptEffect::Missing { .. } => missing.entry(package).or_default().push(step),
            ScriptEffect::Made { by } => {
                run.observer.detail(&format!("`{script}` of `{package}`, line {line}: `{command}` is made by: {by}"));
            }
            ScriptEffect::Harmless { why } => {
                run.observer.detail(&format!("`{script}` of `{package}`, line {line}: `{command}` does no harm: {why}"));
            }
        }
    }
    for WrittenFolder { path, package } in written {
        run.observer
            .detail(&format!("`{package}` writes to `{path}`: add this folder to `process.writable` if the image runs that service"));
    }
    for (package, steps) in missing {
        run.observer.warn(&warning(package, &steps));
    }
}

/// Returns the warning about one package: the missing files, and what needs the first.
fn warning(package: &str, steps: &[&ScriptStep]) -> Diagnostic {
    let mut files: Vec<String> = Vec::new();
    let mut commands: Vec<String> = Vec::new();
    for step in steps {
        let ScriptEffect::Missing { file, .. } = &step.effect else { continue };
        let (list, text) = match file {
            Some(file) => (&mut files, format!("`{}`", file.escape_debug())),
            None => (&mut commands, format!("`{}`", step.command.escape_debug())),
        };
        if !list.contains(&text) {
            list.push(text);
        }
    }
    // A file tells more than a command of which the file is not known.
    let has_files = !files.is_empty();
    let first = steps.iter().find(|step| matches!(&step.effect, ScriptEffect::Missing { file, .. } if file.is_some() == has_files));
    let (script, line, needed) = match first.map(|step| (&step.script, step.line, &step.effect)) {
        Some((script, line, ScriptEffect::Missing { needed, .. })) => (script.as_str(), line, needed.as_str()),
        _ => ("postinst", 0, ""),
    };
    let lacking = if has_files { first_of(&files, LISTED) } else { format!("what {} makes", first_of(&commands, LISTED)) };
    let text = format!("the image lacks {lacking}, as `{script}` of the package `{package}` is not run (line {line}): {needed}");
    Diagnostic::warning(text).hint(format!(
        "`hardened explain package {package}` lists what its scripts do; add the files that your program needs with `[[files]]` and `[[links]]`"
    ))
}
