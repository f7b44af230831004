use super::Check;
use crate::oci::Compression;
use crate::recipe::model::{Layers, Spanned, UserChoice};
use crate::recipe::node::At;
use crate::recipe::schema::{CompressionKey, LayersKeys, SplitKey, UserKeys};
use crate::rootfs::{ImagePath, Owner};

/// The number of distroless images' `nonroot`.
const NONROOT: u32 = 65532;
/// The largest number that every tool takes for a user.
const LARGEST: i64 = i32::MAX as i64;

impl Check<'_> {
    pub(super) fn user(&mut self, at: At<'_>, keys: Option<&UserKeys>) -> UserChoice {
        let none = UserKeys::default();
        let keys = keys.unwrap_or(&none);
        let uid = self.number(at, "uid", keys.uid).unwrap_or(NONROOT);
        let gid = self.number(at, "gid", keys.gid).unwrap_or(uid);
        let default_name = if uid == 0 { "root" } else { "nonroot" };
        let name = self.account(at, "name", keys.name.as_deref()).unwrap_or_else(|| default_name.to_owned());
        let group = self.account(at, "group", keys.group.as_deref()).unwrap_or_else(|| name.clone());
        let home = keys.home.as_deref().and_then(|home| self.path(at.key("home"), "home", home));
        if let Some(home) = &home
            && (home.is_root() || home.as_bytes().iter().any(|byte| matches!(byte, b':' | b'\n')))
        {
            self.fault(
                home.span.as_ref(),
                format!("`{}` cannot be a home folder", home.value),
                "not a home folder",
                "write `home = \"/home/app\"`",
            );
        }
        let default_home = if uid == 0 { "/root".to_owned() } else { format!("/home/{name}") };
        let home = home.unwrap_or_else(|| Spanned { value: ImagePath::absolute(&default_home).unwrap_or_default(), span: None });
        let root_reason = keys.allow_root.as_ref().and_then(|reason| self.text(at.key("allow-root"), reason));
        self.root_rules(at, uid, &name, root_reason.as_deref());
        UserChoice {
            name: Spanned { value: name, span: at.key("name").span().cloned() },
            owner: Owner { uid, gid },
            group,
            home,
            root_reason,
        }
    }

    fn root_rules(&mut self, at: At<'_>, uid: u32, name: &str, reason: Option<&str>) {
        let allowed = at.key("allow-root");
        if reason.is_some_and(|reason| reason.trim().is_empty()) {
            self.fault(
                allowed.span(),
                "`user.allow-root` gives no reason".to_owned(),
                "empty",
                "write why the process must be root: `allow-root = \"binds port 53, see OPS-12\"`",
            );
        }
        if uid == 0 && !allowed.is_written() {
            let hint = "write another `uid`, 65532 for example, or say why it must be root: `allow-root = \"binds port 53, see OPS-12\"`";
            self.fault(at.key("uid").span(), "the process would run as root".to_owned(), "this is root", hint);
        }
        if uid != 0 && allowed.is_written() {
            self.warn(at.key_span("allow-root"), format!("`user.allow-root` has no effect for user {uid}"), "not needed", "leave it out");
        }
        if uid != 0 && name == "root" {
            let message = format!("the user is called `root`, and its number is {uid}");
            self.fault(at.key("name").span(), message, "the name of user 0", "write another name, or `uid = 0` with `allow-root`");
        }
    }

    fn number(&mut self, at: At<'_>, key: &str, written: Option<i64>) -> Option<u32> {
        let written = written?;
        match u32::try_from(written).ok().filter(|number| i64::from(*number) <= LARGEST) {
            None => {
                let message = format!("`user.{key}` is {}", at.key(key).number(written));
                self.fault(at.key(key).span(), message, "out of range", format!("write a number from 1 to {LARGEST}: `{key} = 10001`"));
                None
            }
            number => number,
        }
    }

    fn account(&mut self, at: At<'_>, key: &str, written: Option<&str>) -> Option<String> {
        let text = self.text(at.key(key), written?)?;
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte == b'_');
        let rest = text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-'));
        if first && rest && text.len() <= 32 {
            return Some(text);
        }
        let hint = format!("write lower-case letters, digits, `_` and `-`, at most 32, beginning with a letter: `{key} = \"app\"`");
        self.fault(at.key(key).span(), format!("`{}` is not an account's name", text.escape_debug()), "not a name", hint);
        None
    }

    pub(super) fn layers(&mut self, at: At<'_>, keys: Option<&LayersKeys>) -> Layers {
        let none = LayersKeys::default();
        let keys = keys.unwrap_or(&none);
        let (compression, name, default, largest) = match keys.compression {
            Some(CompressionKey::Zstd) => (Compression::Zstd, "zstd", 3, 19),
            Some(CompressionKey::Gzip) | None => (Compression::Gzip, "gzip", 5, 12),
        };
        let level = match keys.level.map(u8::try_from) {
            None => default,
            Some(Ok(level)) if (1..=largest).contains(&level) => level,
            // The levels of an unknown format cannot be checked.
            Some(_) if keys.compression.is_none() && at.key("compression").is_written() => default,
            Some(_) => {
                let message = format!("{name} has no level {}", at.key("level").number(keys.level.unwrap_or_default()));
                self.fault(
                    at.key("level").span(),
                    message,
                    "out of range",
                    format!("write a level from 1 to {largest}: `level = {default}`"),
                );
                default
            }
        };
        Layers { compression, level, split: keys.split == Some(SplitKey::Auto) }
    }
}
