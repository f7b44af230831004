use std::collections::BTreeSet;

use super::{Check, Missing};
use crate::diagnostic::{Diagnostic, control_in_line, snippet};
use crate::oci::{ImageReference, ReferenceFault};
use crate::recipe::model::{Base, Inherit, Spanned};
use crate::recipe::node::At;
use crate::recipe::schema::{BaseKeys, InheritKey};

/// The keys that name a kind of base: exactly one is written.
const KINDS: &[&str] = &["static", "image", "layout", "debian"];

impl Check<'_> {
    pub(super) fn base(&mut self, at: At<'_>, keys: Option<&BaseKeys>) -> Option<(Spanned<Base>, BTreeSet<Inherit>)> {
        let at = at.key("base");
        let mut written: Vec<&str> = KINDS.iter().copied().filter(|kind| at.key(kind).is_written()).collect();
        // `static = false` beside another base says no more than that base does: `--set` cannot take a key away.
        let is_off = written.len() > 1 && keys.is_some_and(|keys| keys.static_base == Some(false));
        if is_off {
            written.retain(|kind| *kind != "static");
        }
        if let [first, second, others @ ..] = written.as_slice() {
            let message = match others.split_last() {
                None => format!("`base` has both `{first}` and `{second}`"),
                Some((last, between)) => {
                    let all: Vec<String> = [first, second].into_iter().chain(between).map(|kind| format!("`{kind}`")).collect();
                    format!("`base` has {} and `{last}`", all.join(", "))
                }
            };
            let fault = Diagnostic::error(message)
                .at(at.key_span(second), "one too many")
                .also_at(at.key_span(first), "the other")
                .hint("keep the one that the image starts from");
            self.push(fault, Missing::No);
        } else if written.is_empty() {
            let message = if at.is_written() { "`[base]` names no base" } else { "the recipe has no `[base]`" };
            let hint = "write `[base]` with `static = true`, `debian = { flavour = \"python3\" }`, `image = \"gcr.io/distroless/cc-debian13:nonroot\"` or `layout = \"vendor/base\"`";
            self.missing(at.span(), message.to_owned(), "no base", hint.to_owned());
        }
        let keys = keys?;
        let inherit = self.inherit(at, keys);
        let base = if let Some(is_static) = keys.static_base.filter(|_| !is_off) {
            if !is_static {
                self.fault(
                    at.key("static").span(),
                    "`base.static` is `false`".to_owned(),
                    "names no base",
                    "write `static = true`, or another base instead",
                );
            }
            Base::Static
        } else if let Some(image) = &keys.image {
            Base::Image(self.base_image(at.key("image"), image)?)
        } else if let Some(debian) = &keys.debian {
            Base::Debian(Box::new(self.debian(at.key("debian"), debian)?))
        } else {
            Base::Layout(self.layout(at.key("layout"), keys.layout.as_ref()?)?)
        };
        let span = written.first().and_then(|kind| at.key(kind).span()).cloned();
        Some((Spanned { value: base, span }, inherit))
    }

    fn base_image(&mut self, at: At<'_>, written: &str) -> Option<ImageReference> {
        let text = self.text(at, written)?;
        match text.parse::<ImageReference>() {
            Ok(reference) => Some(reference),
            Err(fault) => {
                let hint = match &fault {
                    ReferenceFault::Scheme(scheme) => format!("write it without `{scheme}`; an image layout on disk is named by `layout`"),
                    _ if text.starts_with('.') => format!("a folder is named by `layout = {}`", snippet::path(&text)),
                    _ if text.starts_with('/') => {
                        "a folder is named by `layout`, relative to the recipe: `layout = \"vendor/base\"`".to_owned()
                    }
                    _ => "write host, repository and tag: `gcr.io/distroless/cc-debian13:nonroot`".to_owned(),
                };
                self.fault(at.span(), fault.to_string(), "not an image reference", hint);
                None
            }
        }
    }

    fn layout(&mut self, at: At<'_>, written: &str) -> Option<String> {
        let text = self.text(at, written)?;
        let path = text.strip_prefix("oci:").unwrap_or(&text);
        if path.is_empty() || control_in_line(path).is_some() {
            self.fault(
                at.span(),
                "`base.layout` names no folder".to_owned(),
                "not a path",
                "write the folder of an OCI image layout: `layout = \"vendor/base\"`",
            );
            return None;
        }
        if path.starts_with('/') {
            let hint = "write it relative to the recipe, so that the recipe works on other machines too: `layout = \"vendor/base\"`";
            self.fault(at.span(), "`base.layout` is an absolute path".to_owned(), "not relative", hint);
            return None;
        }
        Some(path.to_owned())
    }

    fn inherit(&mut self, at: At<'_>, keys: &BaseKeys) -> BTreeSet<Inherit> {
        let Some(written) = &keys.inherit else { return BTreeSet::new() };
        if let Some(kind) = [("static", keys.static_base.is_some()), ("debian", keys.debian.is_some())].iter().find(|(_, is)| *is) {
            self.fault(
                at.key("inherit").span(),
                format!("`base.inherit` beside `{}`", kind.0),
                "nothing to inherit",
                "remove `inherit`: this base has no such settings",
            );
        }
        let meaning = |key: &InheritKey| match key {
            InheritKey::Labels => Inherit::Labels,
            InheritKey::Volumes => Inherit::Volumes,
            InheritKey::OnBuild => Inherit::OnBuild,
            InheritKey::ExposedPorts => Inherit::ExposedPorts,
            InheritKey::Healthcheck => Inherit::Healthcheck,
        };
        written.iter().map(meaning).collect()
    }
}
