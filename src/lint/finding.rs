use serde::Serialize;

use crate::diagnostic::{Diagnostic, Span};
use crate::recipe::{UnprovedEntry, Waiver};

/// What a rule says of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct Finding {
    /// The name of the rule.
    pub rule: &'static str,
    /// How much it matters.
    pub level: Level,
    /// What is the matter.
    pub message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hints: Vec<String>,
    /// The files that it is about, sorted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Where the recipe has what it is about, with a word on the marked text.
    #[serde(skip)]
    pub location: Option<(Span, String)>,
}

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FindingLevel")]
pub enum Level {
    /// The image is refused.
    Error,
    /// It will probably fail.
    Warning,
    /// It is said of every build.
    Note,
    /// It is said to those who ask for more.
    Detail,
}

/// What all rules found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Linted {
    /// The findings, in the order of the rules.
    pub findings: Vec<Finding>,
    /// The waivers of the recipe that took a finding away.
    pub waivers: Vec<UnprovedEntry>,
}

impl Finding {
    /// Returns it as a fault of the recipe: an error, or a warning.
    pub fn diagnostic(&self) -> Diagnostic {
        let message = self.message.clone();
        let mut diagnostic = if self.level == Level::Error { Diagnostic::error(message) } else { Diagnostic::warning(message) };
        diagnostic.location.clone_from(&self.location);
        diagnostic.hints.clone_from(&self.hints);
        diagnostic
    }

    /// Returns it as one line.
    pub fn line(&self) -> String {
        std::iter::once(self.message.as_str()).chain(self.hints.iter().map(String::as_str)).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn hint(&mut self, hint: impl Into<String>) -> &mut Self {
        self.hints.push(hint.into());
        self
    }

    pub(super) fn at(&mut self, span: Option<&Span>, label: &str) -> &mut Self {
        self.location = span.map(|span| (span.clone(), label.to_owned()));
        self
    }

    pub(super) fn about(&mut self, paths: impl IntoIterator<Item = String>) -> &mut Self {
        self.paths.extend(paths);
        self
    }
}

/// What one rule finds.
#[derive(Debug)]
pub struct Report {
    rule: &'static str,
    waivers: Vec<Waiver>,
    used: Vec<UnprovedEntry>,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(rule: &'static str, waivers: &[UnprovedEntry]) -> Self {
        let waivers = waivers.iter().filter_map(Waiver::new).collect();
        Self { rule, waivers, used: Vec::new(), findings: Vec::new() }
    }

    pub(super) fn find(&mut self, level: Level, message: impl Into<String>) -> &mut Finding {
        let index = self.findings.len();
        let (message, hints, paths) = (message.into(), Vec::new(), Vec::new());
        self.findings.push(Finding { rule: self.rule, level, message, hints, paths, location: None });
        &mut self.findings[index]
    }

    /// Says whether something was found already.
    pub(super) fn has(&self, message: &str) -> bool {
        self.findings.iter().any(|finding| finding.message == message)
    }

    /// Says whether an `[[unproved]]` entry of the recipe allows a file to miss something.
    pub(super) fn is_waived(&mut self, path: &str, needs: &str) -> bool {
        let waiver = self.waivers.iter().find(|waiver| waiver.takes(path, needs));
        let waiver = waiver.map(|waiver| waiver.entry.clone());
        let is_waived = waiver.is_some();
        self.used.extend(waiver.filter(|waiver| !self.used.contains(waiver)));
        is_waived
    }

    pub(super) fn add_to(mut self, linted: &mut Linted) {
        for UnprovedEntry { path, needs, reason } in self.used.clone() {
            let message = format!("waived: `{}` needs `{}`: {}", path.escape_debug(), needs.escape_debug(), reason.escape_debug());
            self.find(Level::Detail, message);
        }
        linted.findings.extend(self.findings);
        linted.waivers.extend(self.used);
    }
}
