use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use serde::Deserialize;
use toml::Spanned;

use super::debian::{self, ArchiveKeys, PackagesKeys};
use super::{DebianRequest, FORMAT, Lock, LockedChoice, Pin};
use crate::diagnostic::{Diagnostic, SourceText, Span};
use crate::oci::MediaType;

const AGAIN: &str = "run `hardened lock --update`, which writes it anew";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LockKeys {
    #[expect(dead_code, reason = "looked at before all else")]
    format: u32,
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

impl Lock {
    /// Reads a lock. `name` is the file's path as the user wrote it.
    ///
    /// # Errors
    /// When it is not a lock, or one of another format.
    pub fn parse(name: &str, text: &str) -> Result<Self, Vec<Diagnostic>> {
        let source = Arc::new(SourceText { name: name.to_owned(), text: text.to_owned() });
        let fault = |message: String, range: Option<std::ops::Range<usize>>, label: &str| {
            let span = range.map(|range| Span { source: Arc::clone(&source), range });
            vec![Diagnostic::error(message).at(span.as_ref(), label).hint(AGAIN)]
        };
        let not_a_lock = |error: &toml::de::Error| fault(format!("not a lock: {}", error.message()), error.span(), "here");
        // A lock of a later format may hold keys that we do not know: what it is goes first.
        let format = toml::from_str::<FormatKey>(text).map_err(|error| not_a_lock(&error))?.format;
        if *format.get_ref() != FORMAT {
            let message = format!("the lock has format {}, and this version of hardened writes format {FORMAT}", format.get_ref());
            return Err(fault(message, Some(format.span()), "another format"));
        }
        let keys = toml::from_str::<LockKeys>(text).map_err(|error| not_a_lock(&error))?;
        let base = choice(keys.base).map_err(|(value, reason)| {
            let range = text.find(&value).map(|start| start..start + value.len());
            fault(format!("not a lock: {reason}"), range, "here")
        })?;
        Ok(Self { compressors: keys.compressor, base })
    }
}

/// A value and what is wrong with it.
pub(super) type Wrong = (String, String);

fn choice(keys: BaseKeys) -> Result<LockedChoice, Wrong> {
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

fn pin(digest: &str, media_type: &str, platforms: &[PlatformKeys]) -> Result<Pin, Wrong> {
    let mut pinned = BTreeMap::new();
    for keys in platforms {
        if pinned.insert(value(&keys.platform)?, value(&keys.digest)?).is_some() {
            return Err((keys.platform.clone(), format!("platform `{}` stands in it twice", keys.platform.escape_debug())));
        }
    }
    Ok(Pin { digest: value(digest)?, media_type: MediaType::from(media_type), platforms: pinned })
}

pub(super) fn value<T: FromStr>(text: &str) -> Result<T, Wrong>
where
    T::Err: Display,
{
    text.parse().map_err(|error: T::Err| (text.to_owned(), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_lock_is_said() {
        let good = super::super::tests::example().to_text();
        for (text, message) in [
            (good.replace("format = 1", "format = 2"), "the lock has format 2, and this version of hardened writes format 1"),
            (good.replace("sha256:e3", "sha256:x3"), "not a lock: a digest is `sha256:` and 64 lowercase hexadecimal digits"),
            (good.replace("linux/arm64", "linux/amd64"), "not a lock: platform `linux/amd64` stands in it twice"),
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
