use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{Check, Missing};
use crate::diagnostic::{Diagnostic, nearest, snippet};
use crate::oci::{ImageName, ImageReference, Platform, PlatformFault, ReferenceFault, Tag};
use crate::recipe::format::Format;
use crate::recipe::model::Spanned;
use crate::recipe::node::{At, Node, NodeKind};
use crate::recipe::schema::{CreatedKey, ImageKeys};

/// The last moment that can be written: the end of the year 9999, in the zone in which it comes first.
const LATEST: i64 = 253_402_207_200;
/// How many names with a tag an image may have.
const MOST_REFERENCES: usize = 10_000;

/// What `[image]` says.
pub(super) struct Image {
    pub(super) references: Vec<Spanned<ImageReference>>,
    pub(super) platforms: Vec<Spanned<Platform>>,
    pub(super) created: Option<i64>,
    pub(super) format: Format,
}

impl Check<'_> {
    pub(super) fn image(&mut self, at: At<'_>, keys: Option<&ImageKeys>, arguments: &[Node]) -> Image {
        let none = ImageKeys::default();
        let keys = keys.unwrap_or(&none);
        let names = self.names(at, keys);
        let tags = self.tags(at, keys);
        let platforms = self.platforms(at, keys);
        let created = keys.created.as_ref().and_then(|created| self.created(at.key("created"), created));
        let format = self.format(at.key("format"), keys.format);
        let mut references = Vec::new();
        if names.len().saturating_mul(tags.len()) > MOST_REFERENCES {
            let message = format!("{} names with {} tags each are too many", names.len(), tags.len());
            let hint = format!("write names and tags that make at most {MOST_REFERENCES} references");
            self.fault(at.span(), message, "too many", hint);
        } else if arguments.is_empty() {
            for name in &names {
                references.extend(tags.iter().map(|tag| Spanned { value: name.tagged(&tag.value), span: name.span.clone() }));
            }
        }
        for node in arguments {
            references.extend(self.argument(node, &tags));
        }
        let mut known = BTreeSet::new();
        references.retain(|reference| known.insert(reference.value.to_string()));
        Image { references, platforms, created, format }
    }

    fn names(&mut self, at: At<'_>, keys: &ImageKeys) -> Vec<Spanned<ImageName>> {
        if at.key("name").is_written() && at.key("names").is_written() {
            let fault = Diagnostic::error("`image` has both `name` and `names`")
                .at(at.key_span("names"), "the second of the two")
                .also_at(at.key_span("name"), "the first")
                .hint("write all of them into `names`");
            self.push(fault, Missing::No);
        }
        if keys.names.as_ref().is_some_and(Vec::is_empty) {
            self.fault(
                at.key("names").span(),
                "`image.names` is empty".to_owned(),
                "no name",
                "write `names = [\"registry.example.no/shop/api\"]`",
            );
        }
        let one = keys.name.iter().map(|name| (at.key("name"), name));
        let several = keys.names.iter().flatten().enumerate().map(|(index, name)| (at.key("names").index(index), name));
        let mut names: Vec<Spanned<ImageName>> = Vec::new();
        for (at, written) in one.chain(several) {
            let Some(text) = self.text(at, written) else { continue };
            match text.parse::<ImageName>() {
                Ok(value) => {
                    let name = Spanned { value, span: at.span().cloned() };
                    if !self.twice("image.names", &name, &name.to_string(), &names) {
                        names.push(name);
                    }
                }
                Err(fault) => self.bad_name(at, &text, &fault),
            }
        }
        names
    }

    fn bad_name(&mut self, at: At<'_>, text: &str, fault: &ReferenceFault) {
        let lower = text.to_lowercase();
        let hint = match fault {
            ReferenceFault::NotBare(_) => match text.parse::<ImageReference>() {
                Ok(ImageReference { name, tag: Some(tag), .. }) => format!("write `name = \"{name}\"` and `tags = [\"{tag}\"]`"),
                _ => "write the name alone: the digest is known when the image is built".to_owned(),
            },
            ReferenceFault::Scheme(scheme) => format!("write it without `{scheme}`"),
            _ if lower.parse::<ImageName>().is_ok() => format!("write it in lower case: `{lower}`"),
            _ => "write registry, repository: `registry.example.no/shop/api`".to_owned(),
        };
        self.fault(at.span(), fault.to_string(), "not an image name", hint);
    }

    fn tags(&mut self, at: At<'_>, keys: &ImageKeys) -> Vec<Spanned<Tag>> {
        let Some(written) = &keys.tags else { return vec![Spanned { value: Tag::latest(), span: None }] };
        let at = at.key("tags");
        if written.is_empty() {
            self.fault(at.span(), "`image.tags` is empty".to_owned(), "no tag", "write `tags = [\"latest\"]`, or leave the key out");
        }
        let mut tags: Vec<Spanned<Tag>> = Vec::new();
        for (index, written) in written.iter().enumerate() {
            let at = at.index(index);
            let Some(text) = self.text(at, written) else { continue };
            match text.parse() {
                Ok(value) => {
                    let tag = Spanned { value, span: at.span().cloned() };
                    if !self.twice("image.tags", &tag, &text, &tags) {
                        tags.push(tag);
                    }
                }
                Err(fault) => {
                    let clean: String = text
                        .chars()
                        .map(|letter| if letter.is_ascii_alphanumeric() || "._-".contains(letter) { letter } else { '-' })
                        .collect();
                    let clean = clean.trim_start_matches(['.', '-']);
                    let hint =
                        if clean.is_empty() || clean.len() > 128 { "write `\"1.4.2\"`".to_owned() } else { format!("write `\"{clean}\"`") };
                    let fault: ReferenceFault = fault;
                    self.fault(at.span(), fault.to_string(), "not a tag", hint);
                }
            }
        }
        tags
    }

    fn platforms(&mut self, at: At<'_>, keys: &ImageKeys) -> Vec<Spanned<Platform>> {
        let default = || vec![Spanned { value: Platform::default_target(), span: None }];
        let Some(written) = &keys.platforms else { return default() };
        let at = at.key("platforms");
        if written.is_empty() {
            self.fault(
                at.span(),
                "`image.platforms` is empty".to_owned(),
                "no platform",
                "write `platforms = [\"linux/amd64\"]`, or leave the key out",
            );
        }
        let mut platforms: Vec<Spanned<Platform>> = Vec::new();
        for (index, written) in written.iter().enumerate() {
            let at = at.index(index);
            let Some(text) = self.text(at, written) else { continue };
            match text.parse::<Platform>() {
                Ok(value) => {
                    let platform = Spanned { value, span: at.span().cloned() };
                    if !self.twice("image.platforms", &platform, &platform.to_string(), &platforms) {
                        platforms.push(platform);
                    }
                }
                Err(fault) => {
                    let message = format!("`{}` is not a platform: {fault}", text.escape_debug());
                    self.fault(at.span(), message, "not a platform", platform_hint(&text, &fault));
                }
            }
        }
        // What depends on the platform is checked for the usual one when no other is left.
        if platforms.is_empty() { default() } else { platforms }
    }

    fn created(&mut self, at: At<'_>, created: &CreatedKey) -> Option<i64> {
        let text = match created {
            CreatedKey::Seconds(seconds) => at.number(*seconds),
            CreatedKey::Text(written) => self.text(at, written)?,
        };
        match point_in_time(&text) {
            Ok(seconds) => Some(seconds),
            Err(fault) => {
                let (message, label, hint) = fault.told(&text);
                self.fault(at.span(), format!("`image.created` {message}"), label, hint);
                None
            }
        }
    }

    fn format(&mut self, at: At<'_>, written: Option<i64>) -> Format {
        let Some(written) = written else { return Format::NEWEST };
        let format = u32::try_from(written).ok().and_then(Format::numbered);
        format.unwrap_or_else(|| {
            let carried: Vec<String> = Format::carried().iter().map(|format| format.number().to_string()).collect();
            let message = format!("this version of hardened cannot write format {}, only {}", at.number(written), carried.join(" and "));
            let hint = format!(
                "write `format = {}`, or use a release of hardened that supports format {}",
                Format::NEWEST.number(),
                at.number(written)
            );
            self.fault(at.span(), message, "not carried", hint);
            Format::NEWEST
        })
    }

    fn argument(&mut self, node: &Node, tags: &[Spanned<Tag>]) -> Vec<Spanned<ImageReference>> {
        let at = At { node: Some(node) };
        let NodeKind::String(written) = &node.kind else { return Vec::new() };
        let Some(text) = self.text(at, written) else { return Vec::new() };
        let span = at.span().cloned();
        match text.parse::<ImageReference>() {
            Ok(reference) if reference.digest.is_some() => {
                self.fault(
                    at.span(),
                    format!("`{reference}` names a digest"),
                    "not a tag",
                    "write `-t NAME:TAG`: the digest is known when the image is built",
                );
                Vec::new()
            }
            Ok(reference) if reference.tag.is_some() => vec![Spanned { value: reference, span }],
            Ok(reference) => tags.iter().map(|tag| Spanned { value: reference.name.tagged(tag), span: span.clone() }).collect(),
            Err(fault) => {
                self.bad_name(at, &text, &fault);
                Vec::new()
            }
        }
    }
}

/// Why a text is no point in time that an image can have.
#[derive(Debug, PartialEq, Eq)]
enum TimeFault {
    Early,
    Late,
    /// So many seconds are meant as milliseconds.
    Milliseconds(i64),
    NoZone,
    NotRfc3339,
}

/// Reads RFC 3339 with a zone, or seconds since 1970.
fn point_in_time(text: &str) -> Result<i64, TimeFault> {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text).replace('_', "");
    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let seconds = digits.parse::<i64>().unwrap_or(i64::MAX);
        return match seconds {
            0 => Ok(0),
            _ if text.starts_with('-') => Err(TimeFault::Early),
            ..=LATEST => Ok(seconds),
            // The milliseconds of this century and the next.
            1_000_000_000_000..=7_000_000_000_000 => Err(TimeFault::Milliseconds(seconds / 1000)),
            _ => Err(TimeFault::Late),
        };
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        let seconds = time.as_second();
        return if seconds < 0 { Err(TimeFault::Early) } else { Ok(seconds) };
    }
    let year: String = text.trim_start_matches('+').chars().take_while(char::is_ascii_digit).collect();
    let rest = text.trim_start_matches('+').get(year.len()..).unwrap_or_default();
    let month_follows = rest.strip_prefix('-').is_some_and(|rest| rest.starts_with(|letter: char| letter.is_ascii_digit()));
    let is_date = |text: &str| text.parse::<jiff::civil::Date>().is_ok();
    if month_follows && (year.len() > 4 || (text.starts_with("9999-12-3") && text.get(..10).is_some_and(is_date))) {
        return Err(TimeFault::Late);
    }
    if text.starts_with('-') && text[1..].starts_with(|letter: char| letter.is_ascii_digit()) {
        return Err(TimeFault::Early);
    }
    match text.parse::<jiff::civil::DateTime>() {
        Ok(_) if !text.contains(['+', '[']) && text.contains(['T', 't', ' ']) => Err(TimeFault::NoZone),
        _ => Err(TimeFault::NotRfc3339),
    }
}

impl TimeFault {
    /// Returns what is wrong, a word on it, and what to write instead.
    fn told(&self, text: &str) -> (String, &'static str, String) {
        let general = "write RFC 3339 with a zone, `created = \"2026-11-24T00:00:00Z\"`, or seconds since 1970";
        let written = |text: &str| format!("write `created = {}`", snippet::exact(text));
        match self {
            Self::Early => ("is before 1970".to_owned(), "too early", general.to_owned()),
            Self::Late => ("is after the end of the year 9999".to_owned(), "too late", general.to_owned()),
            Self::Milliseconds(seconds) => {
                let message = "is after the end of the year 9999: it looks like milliseconds".to_owned();
                (message, "too late", format!("write seconds since 1970: `created = {seconds}`"))
            }
            Self::NoZone => ("has no time zone".to_owned(), "no zone", written(&format!("{}Z", text.trim()))),
            Self::NotRfc3339 => ("is not a point in time".to_owned(), "not RFC 3339", general.to_owned()),
        }
    }
}

fn platform_hint(text: &str, fault: &PlatformFault) -> String {
    match fault {
        PlatformFault::Form => match format!("linux/{text}").parse::<Platform>() {
            Ok(platform) => format!("write `{platform}`"),
            Err(_) => "write `linux/amd64`".to_owned(),
        },
        PlatformFault::Os(_) => "write `linux/amd64`: hardened builds images for Linux only".to_owned(),
        PlatformFault::Architecture(name) => {
            let known = Platform::architectures().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            let near = nearest(name, Platform::architectures());
            near.map_or_else(|| format!("the architectures are {known}"), |near| format!("write `linux/{near}`"))
        }
        PlatformFault::Variant(name, _) => format!("write `linux/{name}`, or one of its variants"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time() {
        for (text, expected) in [
            ("0", Ok(0)),
            ("1_000", Ok(1000)),
            ("-0", Ok(0)),
            ("-1", Err(TimeFault::Early)),
            ("253402207200", Ok(LATEST)),
            ("253402207201", Err(TimeFault::Late)),
            ("1764000000000", Err(TimeFault::Milliseconds(1_764_000_000))),
            ("99999999999999999999", Err(TimeFault::Late)),
            ("-99999999999999999999", Err(TimeFault::Early)),
            ("2026-11-24T00:00:00Z", Ok(1_795_478_400)),
            ("2026-11-24T01:00:00+01:00", Ok(1_795_478_400)),
            ("2016-12-31T23:59:60Z", Ok(1_483_228_799)),
            ("1969-12-31T23:59:59Z", Err(TimeFault::Early)),
            ("-000001-01-01T00:00:00Z", Err(TimeFault::Early)),
            ("-0001-01-01T00:00:00Z", Err(TimeFault::Early)),
            ("9999-12-31T23:59:59Z", Err(TimeFault::Late)),
            ("10000-01-01T00:00:00Z", Err(TimeFault::Late)),
            ("+010000-01-01T00:00:00Z", Err(TimeFault::Late)),
            ("2026-11-24", Err(TimeFault::NotRfc3339)),
            ("2026-11-24T00:00:00", Err(TimeFault::NoZone)),
            ("2026-02-30T00:00:00Z", Err(TimeFault::NotRfc3339)),
            ("yesterday", Err(TimeFault::NotRfc3339)),
            ("", Err(TimeFault::NotRfc3339)),
            ("-", Err(TimeFault::NotRfc3339)),
        ] {
            assert_eq!(point_in_time(text), expected, "{text}");
        }
    }
}
