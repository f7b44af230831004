use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::debian::{self, ArchiveKeys, PackagesKeys};
use super::renew::Terms;
use super::text::{BadValue, value};
use super::{DebianRequest, Lock, LockedChoice, Pin};
use crate::diagnostic::{Diagnostic, SourceText, Span};
use crate::oci::MediaType;
use crate::recipe::Format;

const AGAIN: &str = "run `hardened lock --update`, which writes it again";

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct LockKeys {
    format: u32,
    /// Locks that were written before the deny list had a version name none.
    #[serde(default = "first_version")]
    deny_list: u32,
    #[serde(default)]
    compressor: BTreeMap<String, String>,
    base: BaseKeys,
}

#[derive(Deserialize)]
#[serde(tag = "kind", deny_unknown_fields, rename_all = "kebab-case")]
enum BaseKeys {
    Static {
        data: String,
    },
    #[serde(rename_all = "kebab-case")]
    Image {
        reference: String,
        digest: String,
        media_type: String,
        #[serde(default)]
        platforms: Vec<PlatformKeys>,
    },
    #[serde(rename_all = "kebab-case")]
    Layout {
        path: String,
        digest: String,
        media_type: String,
        #[serde(default)]
        platforms: Vec<PlatformKeys>,
    },
    Debian {
        request: DebianRequest,
        #[serde(default)]
        archives: Vec<ArchiveKeys>,
        #[serde(default)]
        platforms: Vec<PackagesKeys>,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlatformKeys {
    platform: String,
    digest: String,
}

#[derive(Deserialize)]
struct FormatKey {
    format: Spanned<u32>,
}

fn first_version() -> u32 {
    1
}

impl Lock {
    /// Reads a lock. `name` is the file's path as the user wrote it.
    ///
    /// # Errors
    /// When it is not a lock, or one of another format with keys that this release does not know.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        let fault = |message: String, range: Option<std::ops::Range<usize>>, label: &str| {
            let span = range.map(|range| Span { source: Arc::clone(&source), range });
            vec![Diagnostic::error(message).at(span.as_ref(), label).hint(AGAIN)]
        };
        let not_a_lock = |error: &toml::de::Error| fault(format!("not a lock: {}", error.message()), error.span(), "here");
        let format = toml::from_str::<FormatKey>(text).map_err(|error| not_a_lock(&error))?.format;
        let keys = toml::from_str::<LockKeys>(text).map_err(|error| {
            // The lock of another release may hold keys that this one does not know.
            if Format::numbered(*format.get_ref()).is_some() {
                return not_a_lock(&error);
            }
            let message =
                format!("the lock has format {}, and this version of hardened cannot read it: {}", format.get_ref(), error.message());
            fault(message, Some(format.span()), "another format")
        })?;
        let base = choice(keys.base).map_err(|BadValue { value, reason }| {
            let range = text.find(&value).map(|start| start..start + value.len());
            fault(format!("not a lock: {reason}"), range, "here")
        })?;
        let terms = Terms { format: keys.format, deny_list: keys.deny_list, compressors: keys.compressor };
        Ok(Self { terms, base })
    }
}

fn choice(keys: BaseKeys) -> Result<LockedChoice, BadValue> {
    Ok(match keys {
        BaseKeys::Static { data } => LockedChoice::Static { data },
        BaseKeys::Image { reference, digest, media_type, platforms } => {
            LockedChoice::Image { reference: value(&reference)?, pin: pin(&digest, &media_type, &platforms)? }
        }
        BaseKeys::Layout { path, digest, media_type, platforms } => {
            LockedChoice::Layout { path, pin: pin(&digest, &media_type, &platforms)? }
        }
        BaseKeys::Debian { request, archives, platforms } => LockedChoice::Debian(debian::read(request, archives, platforms)?),
    })
}

fn pin(digest: &str, media_type: &str, platforms: &[PlatformKeys]) -> Result<Pin, BadValue> {
    let mut pinned = BTreeMap::new();
    for keys in platforms {
        if pinned.insert(value(&keys.platform)?, value(&keys.digest)?).is_some() {
            let reason = format!("platform `{}` is listed twice", keys.platform.escape_debug());
            return Err(BadValue { value: keys.platform.clone(), reason });
        }
    }
    Ok(Pin { digest: value(digest)?, media_type: MediaType::from(media_type), platforms: pinned })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_lock_is_said() {
        let good = super::super::tests::example().to_text();
        for (text, message) in [
            (
                good.replace("format = 1", "format = 99\nnew = 1"),
                "the lock has format 99, and this version of hardened cannot read it: unknown field `new`",
            ),
            (good.replace("sha256:e3", "sha256:x3"), "not a lock: a digest is `sha256:` and 64 lowercase hexadecimal digits"),
            (good.replace("linux/arm64", "linux/amd64"), "not a lock: platform `linux/amd64` is listed twice"),
            (good.replace("digest =", "digset ="), "not a lock: "),
            (good.replace("format = 1", ""), "not a lock: "),
            ("\u{0}".to_owned(), "not a lock: "),
        ] {
            let faults = Lock::parse("hardened.lock", &text).expect_err("a fault");
            assert!(faults[0].message.starts_with(message), "{}", faults[0].message);
            assert_eq!(faults[0].hints, [AGAIN]);
        }
    }
}
