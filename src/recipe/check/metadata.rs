use std::collections::BTreeMap;

use super::Check;
use crate::recipe::node::At;
use crate::recipe::schema::MetadataKeys;

/// The prefix of the annotations that image-spec defines (`annotations.md`).
const PREFIX: &str = "org.opencontainers.image.";

type Pairs = BTreeMap<String, String>;

impl Check<'_> {
    /// Returns labels and annotations.
    pub(super) fn metadata(&mut self, at: At<'_>, keys: Option<&MetadataKeys>) -> (Pairs, Pairs) {
        let Some(keys) = keys else { return (Pairs::new(), Pairs::new()) };
        let mut both = Pairs::new();
        for (name, value) in keys.named() {
            let Some(text) = value.and_then(|value| self.text(at.key(name), value)) else { continue };
            if text.trim().is_empty() {
                self.fault(at.key(name).span(), format!("`metadata.{name}` is empty"), "empty", "write a value, or leave the key out");
            }
            self.one_line(at.key(name), &format!("metadata.{name}"), &text);
            both.insert(format!("{PREFIX}{name}"), text);
        }
        let labels = self.pairs(at, "labels", keys.labels.as_ref(), &both);
        let annotations = self.pairs(at, "annotations", keys.annotations.as_ref(), &both);
        (labels, annotations)
    }

    fn pairs(&mut self, at: At<'_>, table: &str, written: Option<&Pairs>, both: &Pairs) -> Pairs {
        let mut pairs = both.clone();
        let at = at.key(table);
        for (key, value) in written.into_iter().flatten() {
            let span = at.key_span(key);
            if key.is_empty() || key.chars().any(char::is_control) {
                self.fault(
                    span,
                    format!("`metadata.{table}` has the key `{}`", key.escape_debug()),
                    "not a key",
                    "write a name in reverse domain notation: `\"no.example.team\"`",
                );
                continue;
            }
            let own = key.strip_prefix(PREFIX);
            if own.is_some_and(|name| name.starts_with("base.") || name == "created") {
                self.fault(
                    span,
                    format!("`{key}` is written by hardened itself"),
                    "not to be set",
                    "leave it out; `image.created` sets the time",
                );
                continue;
            }
            if both.contains_key(key) {
                let name = own.unwrap_or_default();
                self.fault(span, format!("`{key}` is set by `metadata.{name}` too"), "the second", "leave one of the two out");
                continue;
            }
            if let Some(text) = self.text(at.key(key), value) {
                self.one_line(at.key(key), &format!("metadata.{table}.{}", key.escape_debug()), &text);
                pairs.insert(key.clone(), text);
            }
        }
        pairs
    }
}
