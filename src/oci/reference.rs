use std::fmt;
use std::str::FromStr;

use super::Digest;

/// A registry and a repository in it: `registry.example.no/shop/api`.
///
/// Names without a registry mean Docker Hub, as everywhere: `nginx` is `docker.io/library/nginx`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageName {
    registry: String,
    repository: String,
}

/// A tag (distribution-spec, "Pull"): at most 128 characters of `[a-zA-Z0-9._-]`, the first a letter, digit or `_`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

/// An image name with a tag, a digest, or both.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageReference {
    /// The registry and repository.
    pub name: ImageName,
    /// The tag, when one is named.
    pub tag: Option<Tag>,
    /// The digest, when one is named. It decides, and the tag is for people.
    pub digest: Option<Digest>,
}

/// Why a text is no image name, tag or reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceFault {
    /// It is not a reference at all.
    #[error("`{}` is not an image reference: {reason}", text.escape_debug())]
    Form {
        /// The text.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// A name without tag or digest was wanted.
    #[error("`{0}` contains a tag or digest, and only a name is allowed")]
    NotBare(String),
    /// It is not a tag.
    #[error("`{}` is not a tag: at most 128 characters of `a-z A-Z 0-9 . _ -`, not starting with `.` or `-`", .0.escape_debug())]
    Tag(String),
    /// A scheme was written before the host.
    #[error("`{0}` starts with a scheme, and an image reference has none")]
    Scheme(String),
}

impl ImageName {
    /// Returns the registry's host, with its port if one is named: `docker.io` for Docker Hub.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the repository.
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the reference to a tag of this image.
    #[must_use]
    pub fn tagged(&self, tag: &Tag) -> ImageReference {
        ImageReference { name: self.clone(), tag: Some(tag.clone()), digest: None }
    }

    /// Returns the reference to a digest of this image.
    #[must_use]
    pub fn at(&self, digest: Digest) -> ImageReference {
        ImageReference { name: self.clone(), tag: None, digest: Some(digest) }
    }
}

impl fmt::Display for ImageName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.registry, self.repository)
    }
}

impl FromStr for ImageName {
    type Err = ReferenceFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let reference: ImageReference = text.parse()?;
        if reference.tag.is_some() || reference.digest.is_some() {
            return Err(ReferenceFault::NotBare(text.to_owned()));
        }
        Ok(reference.name)
    }
}

impl Tag {
    /// Returns the tag `sha256-HEX`, by which clients find what refers to a manifest where a registry has no referrers API
    /// (distribution-spec, "Referrers Tag Schema").
    pub fn of_digest(digest: &Digest) -> Self {
        Self(format!("sha256-{}", digest.hex()))
    }

    /// Returns the tag that is meant when none is named.
    #[must_use]
    pub fn latest() -> Self {
        Self("latest".to_owned())
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = ReferenceFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let rest = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-'));
        if first && rest && text.len() <= 128 { Ok(Self(text.to_owned())) } else { Err(ReferenceFault::Tag(text.to_owned())) }
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl ImageReference {
    /// Returns the tag, `latest` when neither a tag nor a digest is named.
    pub fn tag_or_latest(&self) -> Option<Tag> {
        match (&self.tag, self.digest) {
            (None, None) => Some(Tag::latest()),
            (tag, _) => tag.clone(),
        }
    }
}

impl FromStr for ImageReference {
    type Err = ReferenceFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((scheme @ ("http" | "https" | "docker" | "oci"), _)) = text.split_once("://") {
            return Err(ReferenceFault::Scheme(format!("{scheme}://")));
        }
        let form = |reason: &dyn fmt::Display| ReferenceFault::Form { text: without_user(text), reason: reason.to_string() };
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse::<Digest>().map_err(|error| form(&error))?)),
            None => (text, None),
        };
        let last = rest.rsplit('/').next().unwrap_or_default();
        // `localhost:5000` alone is a name with a tag to every reader, as here.
        let tag = last.split_once(':').map(|(_, tag)| tag.parse::<Tag>()).transpose()?;
        let name = tag.as_ref().map_or(rest, |tag| &rest[..rest.len() - tag.as_str().len() - 1]);
        let name = split_name(name).map_err(|reason| form(&reason))?;
        Ok(Self { name, tag, digest })
    }
}

/// The longest repository, in characters, as the reference implementations have it.
const LONGEST: usize = 255;

/// Splits a name into registry and repository (distribution's `reference` package, whose grammar all clients share).
fn split_name(name: &str) -> Result<ImageName, &'static str> {
    let is_registry = |first: &str| first.contains(['.', ':']) || first == "localhost";
    let (registry, repository) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        _ => ("docker.io", name),
    };
    if !is_host(registry) {
        return Err("the part before the first slash is not a host");
    }
    let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
    let repository =
        if registry == "docker.io" && !repository.contains('/') { format!("library/{repository}") } else { repository.to_owned() };
    if name.is_empty() {
        return Err("it names no repository");
    }
    if repository.len() > LONGEST {
        return Err("the repository has more than 255 characters");
    }
    if repository.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err("a repository is written in lower case");
    }
    if !repository.split('/').all(is_component) {
        return Err("a repository name consists of letters and digits, separated by `.`, `_`, `__`, `-` or `/`");
    }
    Ok(ImageName { registry: registry.to_owned(), repository })
}

fn is_host(host: &str) -> bool {
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if let Some((address, after)) = host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        // Its groups are judged where it becomes a URL; a zone (`%eth0`) names a network interface of this machine, and does not belong in a name.
        let is_address = address.contains(':') && address.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.'));
        return is_address && (after.is_empty() || after.strip_prefix(':').is_some_and(is_port));
    }
    let (host, port) = host.split_once(':').map_or((host, None), |(host, port)| (host, Some(port)));
    let label = |label: &str| {
        let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = label.as_bytes();
        edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
    };
    host.split('.').all(label) && port.is_none_or(is_port)
}

/// Letters and digits, parted by one dot, one or two underscores, or dashes.
fn is_component(component: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = component.as_bytes();
    let edges = bytes.first().zip(bytes.last()).is_some_and(|(first, last)| plain(*first) && plain(*last));
    let parts = component.split(|letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    edges && parts.into_iter().all(|part| matches!(part, "" | "." | "_" | "__") || part.bytes().all(|byte| byte == b'-'))
}

/// Returns a text as it may be shown: what stands before an `@` that no digest follows may be a user and a password.
fn without_user(text: &str) -> String {
    let shown = match text.rsplit_once('@') {
        Some((_, rest)) if !rest.starts_with("sha256:") && !rest.starts_with("sha512:") => format!("…@{rest}"),
        Some((name, rest)) if name.contains('@') => format!("…@{}@{rest}", name.rsplit('@').next().unwrap_or_default()),
        _ => text.to_owned(),
    };
    shown.chars().take(300).collect()
}

impl fmt::Display for ImageReference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.name)?;
        self.tag.iter().try_for_each(|tag| write!(formatter, ":{tag}"))?;
        self.digest.iter().try_for_each(|digest| write!(formatter, "@{digest}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How another reader reads the same text.
    fn by_oci_spec(text: &str) -> Option<String> {
        let typed: oci_spec::distribution::Reference = text.parse().ok()?;
        // It takes a host without a dot for a part of the repository, also where that cannot be.
        let lower = !typed.repository().bytes().any(|byte| byte.is_ascii_uppercase());
        lower.then(|| format!("{}/{}", typed.registry(), typed.repository()))
    }

    proptest::proptest! {
        #[test]
        fn names_are_read_as_by_oci_spec(text in "([a-zA-B0-1.:-]{0,6}/)?[a-bA0._-]{0,7}(/[a-b0_-]{0,4})?(:[a-bA0._-]{0,4})?") {
            let ours = text.parse::<ImageReference>().ok().map(|reference| reference.name.to_string());
            proptest::prop_assert_eq!(ours, by_oci_spec(&text));
        }
    }

    #[test]
    fn references_are_read_as_everywhere() {
        let digest = format!("sha256:{}", "a".repeat(64));
        for (text, expected) in [
            ("nginx".to_owned(), Some("docker.io/library/nginx".to_owned())),
            ("nginx:1.27".to_owned(), Some("docker.io/library/nginx:1.27".to_owned())),
            ("grafana/loki".to_owned(), Some("docker.io/grafana/loki".to_owned())),
            ("localhost:5000/a/b".to_owned(), Some("localhost:5000/a/b".to_owned())),
            ("127.0.0.1:5000/a/b:c".to_owned(), Some("127.0.0.1:5000/a/b:c".to_owned())),
            (format!("gcr.io/x/y:z@{digest}"), Some(format!("gcr.io/x/y:z@{digest}"))),
            ("gcr.io/x/Y".to_owned(), None),
            ("gcr.io/x/y:".to_owned(), None),
            ("gcr.io/x/y@sha256:abc".to_owned(), None),
            ("https://gcr.io/x/y".to_owned(), None),
            ("user:password@gcr.io/x/y".to_owned(), None),
            (String::new(), None),
            ("gcr.io/../y".to_owned(), None),
        ] {
            assert_eq!(text.parse::<ImageReference>().ok().map(|reference| reference.to_string()), expected, "{text}");
        }
    }
}
