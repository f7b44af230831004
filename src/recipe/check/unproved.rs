use super::Check;
use crate::diagnostic::snippet;
use crate::recipe::model::UnprovedEntry;
use crate::recipe::node::At;
use crate::recipe::schema::UnprovedKeys;

impl Check<'_> {
    pub(super) fn unproved(&mut self, at: At<'_>, keys: Option<&[UnprovedKeys]>) -> Vec<UnprovedEntry> {
        let mut entries = Vec::new();
        for (index, keys) in keys.unwrap_or_default().iter().enumerate() {
            let at = at.index(index);
            let path = self.pattern(at, "path", "/app/**", keys.path.as_deref());
            if let Some(path) = path.as_ref().filter(|path| !path.starts_with('/')) {
                let hint = format!("write `path = {}`", snippet::exact(&format!("/{}", path.trim_start_matches("./"))));
                self.fault(at.key("path").span(), "`path` is not a path in the image".to_owned(), "not absolute", hint);
            }
            let needs = self.pattern(at, "needs", "libcuda.so.*", keys.needs.as_deref());
            let reason = self.non_empty(at, "reason", "the host's driver is mounted there", keys.reason.as_deref());
            if let (Some(path), Some(needs), Some(reason)) = (path, needs, reason) {
                entries.push(UnprovedEntry { path, needs, reason });
            }
        }
        entries
    }

    fn pattern(&mut self, at: At<'_>, key: &str, example: &str, written: Option<&str>) -> Option<String> {
        let text = self.non_empty(at, key, example, written)?;
        if let Err(fault) = globset::Glob::new(&text) {
            let message = format!("`{key}` is not a pattern: {}", fault.kind());
            self.fault(at.key(key).span(), message, "not a pattern", format!("for example `{key} = \"{example}\"`"));
            return None;
        }
        Some(text)
    }

    /// Reads a text that an entry must have.
    fn non_empty(&mut self, at: At<'_>, key: &str, example: &str, written: Option<&str>) -> Option<String> {
        let hint = format!("write `{key} = \"{example}\"`");
        if !at.key(key).is_written() {
            self.missing(at.span(), format!("an `[[unproved]]` entry has no `{key}`"), format!("no `{key}`"), hint);
            return None;
        }
        let text = self.text(at.key(key), written?)?;
        if text.trim().is_empty() {
            self.fault(at.key(key).span(), format!("`{key}` of an `[[unproved]]` entry is empty"), "empty", hint);
            return None;
        }
        Some(text)
    }
}
