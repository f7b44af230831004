use std::collections::{BTreeMap, BTreeSet};

use super::Job;
use crate::diagnostic::Diagnostic;
use crate::host::project::{FileFault, HostPath, OnHost, PRIVATE_KEY};
use crate::layer::{FoundKey, KeyFile};
use crate::ops::Failure;
use crate::ops::gather::{self, KeysAllowed};
use crate::recipe::{FilesSource, PlatformRecipe};
use crate::rootfs::Content;

/// How many files with private keys are told of one entry.
const TOLD: usize = 50;

/// Files with private keys, by where their bytes come from.
#[derive(Debug, Default)]
pub(super) struct RefusedKeys {
    files: BTreeMap<OnHost, KeyFile>,
    texts: Vec<KeyFile>,
}

impl RefusedKeys {
    /// Adds those files of a layer that the recipe does not allow.
    pub(super) fn add(&mut self, keys: &[KeyFile], allowed: &KeysAllowed) {
        for file in keys.iter().filter(|file| !allowed.allows(&file.path, &file.content)) {
            match file.content.found(&file.path) {
                Some((tree, path, _)) => _ = self.files.insert(OnHost { tree, path: path.into() }, file.clone()),
                None => self.texts.push(file.clone()),
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty() && self.texts.is_empty()
    }
}

impl Job {
    /// Returns what to say about private keys in files of the recipe. It is told of the entries that take them.
    pub(super) fn refused_keys(&self, mut refused: RefusedKeys, number: usize) -> Result<Vec<Diagnostic>, Failure> {
        let part = self.part(number)?;
        let mut diagnostics = texts(&part, &refused.texts);
        for entry in &part.files {
            let FilesSource::Host { from, .. } = &entry.source else { continue };
            if refused.files.is_empty() {
                break;
            }
            let wanted: BTreeSet<OnHost> = refused.files.keys().cloned().collect();
            let found = self.project.named(&gather::request(entry, &from.value), &wanted).unwrap_or_default();
            let fault = |(file, path): (OnHost, HostPath)| Some(FileFault::PrivateKey { path, key: refused.files.remove(&file)?.key });
            let mut faults: Vec<FileFault> = found.into_iter().filter_map(fault).collect();
            let more = faults.len().saturating_sub(TOLD);
            faults.truncate(TOLD);
            let mut told = gather::diagnostics(entry, from.span.as_ref(), &faults);
            if let Some((_, others)) = told.split_last_mut() {
                // The hints of the last are about all of them.
                for diagnostic in others {
                    diagnostic.hints.clear();
                }
            }
            diagnostics.extend(told);
            if more > 0 {
                diagnostics.push(
                    Diagnostic::error(format!("{more} more files of this entry hold a private key"))
                        .at(from.span.as_ref(), "by this entry"),
                );
            }
        }
        // Those that no entry takes any more changed in the meantime.
        diagnostics.extend(refused.files.values().take(TOLD).map(|file| {
            let FoundKey { offset, form } = file.key;
            Diagnostic::error(format!("the file for `{}` holds a private key at byte {offset} ({form})", file.path))
        }));
        Ok(diagnostics)
    }
}

/// Tells of keys in texts of the recipe.
fn texts(part: &PlatformRecipe, keys: &[KeyFile]) -> Vec<Diagnostic> {
    let diagnostic = |file: &KeyFile| {
        let text = part.files.iter().find_map(|entry| match &entry.source {
            FilesSource::Text(text) if matches!(&file.content, Content::Inline(bytes) if **bytes == *text.value.as_bytes()) => Some(text),
            _ => None,
        });
        let FoundKey { offset, form } = file.key;
        let diagnostic = Diagnostic::error(format!("the text for `{}` holds a private key at byte {offset} ({form})", file.path));
        diagnostic
            .at(text.and_then(|text| text.span.as_ref()), "by this text")
            .hint("leave it out: take the entry out, and give the key to the container when it starts")
            .hint(format!("if it must be in the image, write `include-denied = [\"{PRIVATE_KEY}\"]`"))
    };
    keys.iter().take(TOLD).map(diagnostic).collect()
}
