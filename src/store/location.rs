use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::diagnostic::nearest;
use crate::oci::{Digest, ImageReference, ReferenceFault, Selector};

/// Where an image is or goes, as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `oci:DIR[:TAG|@DIGEST]`: an OCI image layout.
    Layout(PathBuf, Option<Selector>),
    /// `oci-archive:FILE[:TAG|@DIGEST]`: an OCI image layout in a tar.
    Archive(PathBuf, Option<Selector>),
    /// `docker-archive:FILE[@DIGEST]`: what `docker save` writes; the digest is that of the config, Docker's image ID.
    DockerArchive(PathBuf, Option<Digest>),
    /// `docker-daemon:`: the engine.
    DockerDaemon,
    /// A reference in a registry, with or without `docker://`.
    Registry(ImageReference),
}

const KINDS: &[&str] = &["oci", "oci-archive", "docker-archive", "docker-daemon", "docker"];

/// Why a text names no location.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LocationFault {
    /// The path is missing.
    #[error("`{0}:` needs a path: `{0}:PATH`")]
    Path(String),
    /// There is no such kind.
    #[error("`{}` is not a supported kind of location: {} or a registry reference", .written.escape_debug(), "oci:DIR, oci-archive:FILE, docker-archive:FILE, docker-daemon:")]
    Kind {
        /// What was written before the colon.
        written: String,
        /// What may be meant.
        nearest: Option<&'static str>,
    },
    /// It is no reference.
    #[error(transparent)]
    Reference(#[from] ReferenceFault),
}

impl Location {
    /// Returns the file or folder of this machine, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Layout(path, _) | Self::Archive(path, _) | Self::DockerArchive(path, _) => Some(path),
            Self::DockerDaemon | Self::Registry(_) => None,
        }
    }

    /// Returns the location with this digest behind it instead of a tag, as verbs that read images take it; nothing for a registry.
    pub fn at(&self, digest: Digest) -> Option<String> {
        let selector = Some(Selector::Digest(digest));
        match self {
            Self::Layout(path, _) => Some(Self::Layout(path.clone(), selector).to_string()),
            Self::Archive(path, _) => Some(Self::Archive(path.clone(), selector).to_string()),
            Self::DockerArchive(path, _) => Some(Self::DockerArchive(path.clone(), Some(digest)).to_string()),
            Self::DockerDaemon => Some(format!("{self}@{digest}")),
            Self::Registry(_) => None,
        }
    }

    /// Says whether a word before a colon names a kind of location: `oci` of `oci:image`.
    pub fn is_kind(word: &str) -> bool {
        KINDS.contains(&word)
    }

    /// Returns the kind of location that is written nearly like a word, `oci-archive` for `oci-archve`.
    pub fn nearest_kind(word: &str) -> Option<&'static str> {
        nearest(word, KINDS.iter().copied())
    }
}

impl LocationFault {
    /// Returns what to write instead.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kind { nearest: Some(nearest), .. } => Some(format!("`{nearest}:` may be meant")),
            _ => None,
        }
    }
}

impl FromStr for Location {
    type Err = LocationFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((kind, rest)) = text.split_once(':') else { return Ok(Self::Registry(text.parse()?)) };
        let path = || {
            let (path, selector) = path_and_selector(rest);
            if path.as_os_str().is_empty() { Err(LocationFault::Path(kind.to_owned())) } else { Ok((path, selector)) }
        };
        match kind {
            "oci" => path().map(|(path, selector)| Self::Layout(path, selector)),
            "oci-archive" => path().map(|(path, selector)| Self::Archive(path, selector)),
            // Its names come from the recipe; what follows the file, as skopeo writes it, is a name and not part of the path.
            "docker-archive" => path().map(|(path, selector)| match selector {
                Some(Selector::Digest(digest)) => Self::DockerArchive(path, Some(digest)),
                _ => Self::DockerArchive(path, None),
            }),
            "docker-daemon" => Ok(Self::DockerDaemon),
            "docker" => Ok(Self::Registry(rest.trim_start_matches('/').parse()?)),
            _ => match text.parse() {
                Ok(reference) if !looks_like_a_path(rest) => Ok(Self::Registry(reference)),
                Err(fault) if !looks_like_a_path(rest) => Err(fault.into()),
                _ => Err(LocationFault::Kind { written: kind.to_owned(), nearest: Self::nearest_kind(kind) }),
            },
        }
    }
}

/// Splits `PATH`, `PATH:TAG` and `PATH@DIGEST`. A path may hold a colon and an at sign; what follows the last one is a tag or digest only if it
/// can be one.
pub fn path_and_selector(text: &str) -> (PathBuf, Option<Selector>) {
    let by_digest = || text.rsplit_once('@').and_then(|(path, digest)| Some((path, Selector::Digest(digest.parse().ok()?))));
    let by_tag = || text.rsplit_once(':').and_then(|(path, tag)| Some((path, Selector::Tag(tag.parse().ok()?))));
    match by_digest().or_else(by_tag) {
        Some((path, selector)) => (PathBuf::from(path), Some(selector)),
        None => (PathBuf::from(text), None),
    }
}

fn looks_like_a_path(rest: &str) -> bool {
    rest.starts_with(['/', '.']) || rest.rsplit('.').next().is_some_and(|ending| matches!(ending, "tar" | "tgz"))
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path, selector) = match self {
            Self::Layout(path, selector) => ("oci", path, selector.clone()),
            Self::Archive(path, selector) => ("oci-archive", path, selector.clone()),
            Self::DockerArchive(path, digest) => ("docker-archive", path, digest.map(Selector::Digest)),
            Self::DockerDaemon => return formatter.write_str("docker-daemon:"),
            Self::Registry(reference) => return reference.fmt(formatter),
        };
        write!(formatter, "{kind}:{}", path.display())?;
        selector.map_or(Ok(()), |selector| selector.fmt(formatter))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_location_with_a_digest_is_read_back() {
        let digest = Digest::of(b"x");
        for (text, expected) in [
            ("oci:image", "oci:image"),
            ("oci:image:1.4", "oci:image"),
            ("oci:a:b@c:1.4", "oci:a:b@c"),
            ("oci-archive:out/x.tar:dev", "oci-archive:out/x.tar"),
            ("docker-archive:x.tar", "docker-archive:x.tar"),
        ] {
            let written = text.parse::<Location>().unwrap().at(digest).unwrap();
            assert_eq!(written, format!("{expected}@{digest}"), "{text}");
            assert_eq!(written.parse::<Location>().unwrap().to_string(), written);
        }
        assert_eq!("nginx".parse::<Location>().unwrap().at(digest), None);
    }

    #[test]
    fn locations_are_told_apart() {
        for (text, expected) in [
            ("oci:image", Some("oci:image")),
            ("oci:out/image:1.4", Some("oci:out/image:1.4")),
            ("oci:out/a@b:1.4", Some("oci:out/a@b:1.4")),
            (
                "oci:out@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                Some("oci:out@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ),
            ("oci-archive:/tmp/x.tar", Some("oci-archive:/tmp/x.tar")),
            ("docker-archive:x.tar", Some("docker-archive:x.tar")),
            ("docker-archive:x.tar:shop/api:dev", Some("docker-archive:x.tar:shop/api")),
            (
                "docker-archive:x.tar@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                Some("docker-archive:x.tar@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ),
            ("docker-daemon:", Some("docker-daemon:")),
            ("docker://gcr.io/a/b:c", Some("gcr.io/a/b:c")),
            ("nginx", Some("docker.io/library/nginx")),
            ("nginx:1.27", Some("docker.io/library/nginx:1.27")),
            ("127.0.0.1:5000/a/b:c", Some("127.0.0.1:5000/a/b:c")),
            ("oci:", None),
            ("ocii:./image", None),
            ("docker-archiv:x.tar", None),
            ("Nginx", None),
        ] {
            assert_eq!(text.parse::<Location>().ok().map(|location| location.to_string()).as_deref(), expected, "{text}");
        }
        let fault = "oci-archiv:./x.tar".parse::<Location>().unwrap_err();
        assert_eq!(fault.hint().as_deref(), Some("`oci-archive:` may be meant"));
        assert_eq!((Location::nearest_kind("oci-archve"), Location::nearest_kind("nginx")), (Some("oci-archive"), None));
    }
}
