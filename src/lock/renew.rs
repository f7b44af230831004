use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Lock;
use crate::diagnostic::snippet::basic_string;

const FORMAT: &str = "format";
const DENY_LIST: &str = "deny-list";
const COMPRESSOR: &str = "[compressor]";

/// What an image's bytes depend on besides its recipe and what its base is pinned to. Pins hold on when these change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// The number of the format.
    pub format: u32,
    /// The version of the list of files that are left out of images.
    pub deny_list: u32,
    /// The compressor that writes layers, and its version: `gzip` → `libdeflate 1.26`.
    pub compressors: BTreeMap<String, String>,
}

impl Terms {
    /// Says what other terms have changed, a fragment for each; empty when nothing.
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.format != now.format {
            changes.push(format!("the format was {}, and is now {}", self.format, now.format));
        }
        if self.compressors != now.compressors {
            let (before, now) = (listed(&self.compressors), listed(&now.compressors));
            changes.push(format!("the compressor was {before}, and is now {now}"));
        }
        if self.deny_list != now.deny_list {
            changes.push(format!("the deny list had version {}, and has now version {}", self.deny_list, now.deny_list));
        }
        changes
    }

    pub(super) fn write(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "{FORMAT} = {}\n{DENY_LIST} = {}", self.format, self.deny_list)?;
        if !self.compressors.is_empty() {
            writeln!(text, "\n{COMPRESSOR}")?;
            self.write_compressors(text)?;
        }
        Ok(())
    }

    fn write_compressors(&self, text: &mut String) -> std::fmt::Result {
        self.compressors.iter().try_for_each(|(name, version)| writeln!(text, "{} = {}", basic_string(name), basic_string(version)))
    }
}

fn listed(compressors: &BTreeMap<String, String>) -> String {
    let all: Vec<String> = compressors.iter().map(|(name, version)| format!("{name} by {version}")).collect();
    if all.is_empty() { "none".to_owned() } else { all.join(", ") }
}

impl Lock {
    /// Returns the text of this lock, made from an earlier text with the same base: only the lines of the terms differ.
    ///
    /// `before` is what was read from that text. Where its form allows no replacement of lines, the text is written anew.
    pub fn renewed_text(&self, before: &Self, text: &str) -> String {
        if self == before && text.contains(DENY_LIST) {
            return text.to_owned();
        }
        let renewed = self.with_lines_replaced(text);
        if Self::parse("", &renewed).as_ref() == Ok(self) { renewed } else { self.to_text() }
    }

    fn with_lines_replaced(&self, text: &str) -> String {
        let Terms { format, deny_list, .. } = &self.terms;
        let mut renewed = String::with_capacity(text.len());
        let mut table = "";
        for line in text.split_inclusive('\n') {
            let trimmed = line.trim();
            let key = trimmed.split_once('=').map(|(key, _)| key.trim());
            if trimmed.starts_with('[') {
                table = trimmed;
            }
            // Writing to a String cannot fail.
            let _ = match (table, key) {
                ("", Some(FORMAT)) => writeln!(renewed, "{FORMAT} = {format}\n{DENY_LIST} = {deny_list}"),
                ("", Some(DENY_LIST)) => Ok(()),
                (COMPRESSOR, _) if trimmed == COMPRESSOR => {
                    renewed.push_str(line);
                    self.terms.write_compressors(&mut renewed)
                }
                (COMPRESSOR, Some(key)) if !key.starts_with('#') => Ok(()),
                _ => {
                    renewed.push_str(line);
                    Ok(())
                }
            };
        }
        renewed
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{example, terms};
    use super::*;

    fn before() -> Lock {
        let compressors = BTreeMap::from([("gzip".to_owned(), "libdeflate 1.2".to_owned())]);
        Lock { terms: Terms { format: 7, deny_list: 9, compressors }, ..example() }
    }

    #[test]
    fn only_the_lines_of_the_terms_are_renewed() {
        let text = before()
            .to_text()
            .replace("[base]\n", "[base] # of the shop\n")
            .replace("\n[compressor]", "# ours = 1\n\n[compressor]\n# by = us");
        let renewed = example().renewed_text(&before(), &text);
        let expected = text.replace("format = 7", "format = 1").replace("deny-list = 9", "deny-list = 1");
        assert_eq!(renewed, expected.replace("# by = us\n\"gzip\" = \"libdeflate 1.2\"\n", "\"gzip\" = \"libdeflate 1.26\"\n# by = us\n"));
        assert_eq!(Lock::parse("hardened.lock", &renewed), Ok(example()));
        assert_eq!(example().renewed_text(&example(), &renewed), renewed);
    }

    #[test]
    fn a_lock_without_a_version_of_the_deny_list_gets_one() {
        let old = example().to_text().replace("deny-list = 1\n", "");
        let before = Lock::parse("hardened.lock", &old).expect("a lock");
        assert_eq!((&before, before.terms.changes(&terms())), (&example(), Vec::new()));
        assert_eq!(example().renewed_text(&before, &old), example().to_text());
    }

    #[test]
    fn a_text_of_another_form_is_written_anew() {
        let text = before().to_text();
        let inline = text.replace("\n[compressor]\n\"gzip\" = \"libdeflate 1.2\"\n", "compressor = { gzip = \"libdeflate 1.2\" }\n");
        assert_eq!(Lock::parse("hardened.lock", &inline), Ok(before()));
        assert_eq!(example().renewed_text(&before(), &inline), example().to_text());
    }

    #[test]
    fn every_change_is_told() {
        let zstd = Terms { compressors: BTreeMap::from([("zstd".to_owned(), "zstd 1.5.7".to_owned())]), ..terms() };
        assert_eq!(terms().changes(&terms()), Vec::<String>::new());
        assert_eq!(terms().changes(&zstd), ["the compressor was gzip by libdeflate 1.26, and is now zstd by zstd 1.5.7"]);
        assert_eq!(
            before().terms.changes(&terms()),
            [
                "the format was 7, and is now 1",
                "the compressor was gzip by libdeflate 1.2, and is now gzip by libdeflate 1.26",
                "the deny list had version 9, and has now version 1",
            ]
        );
    }
}
