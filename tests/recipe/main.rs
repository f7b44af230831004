//! Recipes, right and wrong: what they mean, and that all faults are reported at once, each with its line.

#![expect(clippy::disallowed_methods, reason = "these tests start hardened as its users do; the product starts no program")]
#![expect(clippy::unwrap_used, reason = "a test that can't go on fails")]

mod faults;
mod hints;
mod meaning;
#[path = "../support/project.rs"]
#[expect(dead_code, reason = "shared with the tests of whole projects, which need more of it")]
mod project;
#[path = "../support/sandbox.rs"]
#[expect(dead_code, reason = "shared with the tests of registries, which need more of it")]
mod sandbox;

use hardened::diagnostic::{Diagnostic, Severity, Span};
use hardened::recipe::{PlaceholderFault, Placeholders, RecipeText, read};

struct Fixed;

impl Placeholders for Fixed {
    fn value(&self, name: &str) -> Result<String, PlaceholderFault> {
        match name {
            "git.revision" => Ok("0123456789012345678901234567890123456789".to_owned()),
            "git.short" => Ok("012345678901".to_owned()),
            "env.VERSION" => Ok("1.4.2".to_owned()),
            "env.EMPTY" => Ok(String::new()),
            _ => Err(PlaceholderFault { reason: "it is not set".to_owned(), hint: None }),
        }
    }
}

/// A recipe that is right, for tests that add to it.
const GOOD: &str = "[image]\nname = \"a.example/b\"\n[base]\nstatic = true\n[process]\nentrypoint = [\"/app\"]\n";

fn shown(fault: &Diagnostic) -> String {
    let position = |(span, label): &(Span, String)| {
        let (line, column) = span.line_and_column();
        let text = span.source.text.get(span.range.clone()).unwrap_or_default().lines().next().unwrap_or_default();
        format!("{}:{line}:{column} <{text}> {label}", span.source.name)
    };
    let severity = if fault.severity == Severity::Warning { "warning: " } else { "" };
    let also = fault.also.as_ref().map(|also| format!(" | {}", position(also))).unwrap_or_default();
    let at = fault.location.as_ref().map(position).unwrap_or_default();
    format!("{severity}{}\n  {at}{also}\n  {}", fault.message, fault.hints.join("\n  "))
}

/// Each fault as message, position with the marked text and label, and hints.
fn faults(text: RecipeText) -> String {
    let list = match read(text, &Fixed) {
        Ok((_, warnings)) => warnings,
        Err(faults) => faults,
    };
    list.iter().map(shown).collect::<Vec<_>>().join("\n")
}

fn check(text: &str, expected: &str) {
    let found = faults(RecipeText::parse("r", text));
    assert_eq!(found, expected, "\n{text}\n--- found\n{found}\n");
}
