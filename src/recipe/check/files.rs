use super::Check;
use crate::diagnostic::snippet;
use crate::recipe::model::{Destination, DirectoryEntry, FilesEntry, FilesSource, LinkEntry, Replaces, Spanned, Symlinks};
use crate::recipe::node::At;
use crate::recipe::schema::{DirectoryKeys, FilesKeys, LinkKeys, SymlinksKey};
use crate::rootfs::Owner;

impl Check<'_> {
    pub(super) fn files(&mut self, at: At<'_>, keys: Option<&[FilesKeys]>, user: Owner) -> Vec<FilesEntry> {
        let keys = keys.unwrap_or_default();
        // Each entry is looked at, also after one with a fault.
        let entries: Vec<_> = keys.iter().enumerate().map(|(index, keys)| self.files_entry(at.index(index), keys, user)).collect();
        entries.into_iter().flatten().collect()
    }

    fn files_entry(&mut self, at: At<'_>, keys: &FilesKeys, user: Owner) -> Option<FilesEntry> {
        let source = self.source(at, keys);
        let to = self.required(at, "to", "[[files]]", "/app", keys.to.as_deref());
        let is_folder = keys.to.as_deref().is_some_and(|to| to.ends_with('/'));
        let to = to.map(|Spanned { value, span }| Spanned {
            value: if is_folder { Destination::In(value) } else { Destination::At(value) },
            span,
        });
        if let (Some(FilesSource::Text(_)), Some(to)) = (&source, &to)
            && (is_folder || to.path().is_root())
        {
            self.fault(
                to.span.as_ref(),
                "`to` of a `text` names a folder".to_owned(),
                "no file name",
                "write the file's whole path: `to = \"/etc/app/settings.toml\"`",
            );
        }
        let exclude = self.list(at, "exclude", keys.exclude.as_deref());
        let include_denied = self.list(at, "include-denied", keys.include_denied.as_deref());
        let mode = self.mode(at.key("mode"), "mode", keys.mode.as_deref());
        let directory_mode = self.mode(at.key("dir-mode"), "dir-mode", keys.dir_mode.as_deref());
        let owner = self.owner(at.key("owner"), keys.owner.as_deref(), user);
        let layer = keys.layer.as_deref().and_then(|layer| self.text(at.key("layer"), layer));
        if layer.as_ref().is_some_and(|layer| layer.trim().is_empty()) {
            self.fault(
                at.key("layer").span(),
                "`layer` is an empty name".to_owned(),
                "empty",
                "write a name, `layer = \"dependencies\"`, or leave the key out",
            );
        }
        let symlinks = if keys.symlinks == Some(SymlinksKey::Follow) { Symlinks::Follow } else { Symlinks::Keep };
        Some(FilesEntry {
            source: source?,
            to: to?,
            exclude,
            include_denied,
            mode,
            directory_mode,
            owner,
            layer,
            symlinks,
            replaces: replaces(keys.replace),
        })
    }

    fn source(&mut self, at: At<'_>, keys: &FilesKeys) -> Option<FilesSource> {
        match (at.key("from").is_written(), at.key("text").is_written()) {
            (true, true) => {
                self.fault(
                    at.key_span("text"),
                    "a `[[files]]` entry has both `from` and `text`".to_owned(),
                    "one too many",
                    "make two entries of it",
                );
            }
            (false, false) => {
                self.missing(
                    at.span(),
                    "a `[[files]]` entry has no `from`".to_owned(),
                    "no `from`",
                    "write `from = \"dist\"`, or `text = \"…\"`".to_owned(),
                );
            }
            _ => {}
        }
        if let Some(text) = &keys.text {
            return Some(FilesSource::Text(Spanned { value: text.clone(), span: at.key("text").span().cloned() }));
        }
        let at = at.key("from");
        let written = self.text(at, keys.from.as_deref()?)?;
        let names: Vec<&str> = written.split('/').filter(|name| !matches!(*name, "" | ".")).collect();
        let fault = if written.is_empty() || written.contains('\0') {
            Some(("`from` names no file", "not a path", "write a file, folder or glob; `.` is the whole folder".to_owned()))
        } else if written.starts_with('/') {
            Some(("`from` is an absolute path", "not relative", "write it relative to the recipe's folder, or to `root`".to_owned()))
        } else if names.contains(&"..") {
            let root = snippet::path(&above(&self.root, &names));
            let hint = format!("write `root = {root}` at the top of the recipe, and `from` relative to it");
            Some(("`from` leaves the folder that files are taken from", "holds `..`", hint))
        } else {
            None
        };
        if let Some((message, label, hint)) = fault {
            self.fault(at.span(), format!("{message}: `{}`", written.escape_debug()), label, hint);
            return None;
        }
        let wild = names.iter().position(|name| name.contains(['*', '?', '[']));
        let fixed = names[..wild.unwrap_or(names.len())].join("/");
        let glob = wild.map(|wild| names[wild..].join("/"));
        Some(FilesSource::Host { from: Spanned { value: names.join("/"), span: at.span().cloned() }, fixed, glob })
    }

    pub(super) fn links(&mut self, at: At<'_>, keys: Option<&[LinkKeys]>) -> Vec<LinkEntry> {
        let mut entries = Vec::new();
        for (index, keys) in keys.unwrap_or_default().iter().enumerate() {
            let at = at.index(index);
            let path = self.required(at, "path", "[[links]]", "/usr/bin/app", keys.path.as_deref());
            if !at.key("target").is_written() {
                let hint = "write `target = \"/app/server\"`".to_owned();
                self.missing(at.span(), "a `[[links]]` entry has no `target`".to_owned(), "no `target`", hint);
            }
            let target = keys.target.as_ref().and_then(|target| self.text(at.key("target"), target));
            let target = target.map(|value| Spanned { value, span: at.key("target").span().cloned() });
            if let Some(target) = target.as_ref().filter(|target| target.is_empty() || target.contains('\0') || target.len() > 4095) {
                self.fault(target.span.as_ref(), "`target` is not a path".to_owned(), "not a path", "write `target = \"/app/server\"`");
            }
            if let (Some(path), Some(target)) = (path, target) {
                entries.push(LinkEntry { path, target, replaces: replaces(keys.replace) });
            }
        }
        entries
    }

    pub(super) fn directories(&mut self, at: At<'_>, keys: Option<&[DirectoryKeys]>, user: Owner) -> Vec<DirectoryEntry> {
        let mut entries = Vec::new();
        for (index, keys) in keys.unwrap_or_default().iter().enumerate() {
            let at = at.index(index);
            let path = self.required(at, "path", "[[directories]]", "/var/lib/app", keys.path.as_deref());
            let mode = self.mode(at.key("mode"), "mode", keys.mode.as_deref()).unwrap_or(0o755);
            let owner = self.owner(at.key("owner"), keys.owner.as_deref(), user);
            entries.extend(path.map(|path| DirectoryEntry { path, mode, owner }));
        }
        entries
    }

    /// Reads a path that an entry must have.
    fn required(
        &mut self,
        at: At<'_>,
        key: &str,
        table: &str,
        example: &str,
        written: Option<&str>,
    ) -> Option<Spanned<crate::rootfs::ImagePath>> {
        if !at.key(key).is_written() {
            self.missing(
                at.span(),
                format!("a `{table}` entry has no `{key}`"),
                format!("no `{key}`"),
                format!("write `{key} = \"{example}\"`"),
            );
        }
        self.path(at.key(key), key, written?)
    }

    fn list(&mut self, at: At<'_>, key: &str, written: Option<&[String]>) -> Vec<Spanned<String>> {
        let texts = self.texts(at.key(key), written.unwrap_or_default());
        for text in texts.iter().filter(|text| text.trim().is_empty()) {
            self.fault(text.span.as_ref(), format!("an element of `{key}` is empty"), "empty", "write a name or pattern, or leave it out");
        }
        texts
    }

    fn owner(&mut self, at: At<'_>, written: Option<&str>, user: Owner) -> Owner {
        let numbers = |text: &str| {
            let (uid, gid) = text.split_once(':')?;
            let number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse::<u32>().ok())?;
            Some(Owner { uid: number(uid)?, gid: number(gid)? }).filter(|owner| owner.uid.max(owner.gid) <= i32::MAX.unsigned_abs())
        };
        match written {
            None | Some("root") => Owner::default(),
            Some("user") => user,
            Some(written) => numbers(written).unwrap_or_else(|| {
                let message = format!("`{}` is not an owner", written.escape_debug());
                self.fault(
                    at.span(),
                    message,
                    "not an owner",
                    "write `\"root\"`, `\"user\"` for the one of `[user]`, or numbers: `\"10001:10001\"`",
                );
                Owner::default()
            }),
        }
    }
}

/// Returns the folder that holds both `root` and what a path leads to that climbs out of it.
fn above(root: &str, names: &[&str]) -> String {
    let (mut depth, mut climbed) = (0_usize, 0);
    for name in names {
        match *name {
            ".." if depth == 0 => climbed += 1,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    let mut folders: Vec<&str> = root.split('/').filter(|name| !name.is_empty()).collect();
    for _ in 0..climbed.max(1) {
        if folders.last().is_none_or(|last| *last == "..") {
            folders.push("..");
        } else {
            folders.pop();
        }
    }
    if folders.is_empty() { ".".to_owned() } else { folders.join("/") }
}

fn replaces(written: Option<bool>) -> Replaces {
    if written == Some(true) { Replaces::Earlier } else { Replaces::Nothing }
}
