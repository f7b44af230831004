use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::diagnostic::nearest;
use crate::oci::{ImageReference, ReferenceFault, Tag};

/// Where an image is or goes, as it is written on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// `oci:DIR[:TAG]`: an OCI image layout.
    Layout(PathBuf, Option<Tag>),
    /// `oci-archive:FILE[:TAG]`: an OCI image layout in a tar.
    Archive(PathBuf, Option<Tag>),
    /// `docker-archive:FILE`: what `docker save` writes.
    DockerArchive(PathBuf),
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
    #[error("`{}` is no kind of location: {} or a registry reference", .written.escape_debug(), "oci:DIR, oci-archive:FILE, docker-archive:FILE, docker-daemon:")]
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
            Self::Layout(path, _) | Self::Archive(path, _) | Self::DockerArchive(path) => Some(path),
            Self::DockerDaemon | Self::Registry(_) => None,
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
            let (path, tag) = path_and_tag(rest);
            if path.as_os_str().is_empty() { Err(LocationFault::Path(kind.to_owned())) } else { Ok((path, tag)) }
        };
        match kind {
            "oci" => path().map(|(path, tag)| Self::Layout(path, tag)),
            "oci-archive" => path().map(|(path, tag)| Self::Archive(path, tag)),
            // Its names come from the recipe; what follows the file, as skopeo writes it, is a name and not part of the path.
            "docker-archive" => path().map(|(path, _)| Self::DockerArchive(path)),
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

/// A file or folder may hold a colon; what follows the last one is a tag only if it can be one.
fn path_and_tag(text: &str) -> (PathBuf, Option<Tag>) {
    match text.rsplit_once(':').and_then(|(path, tag)| Some((path, tag.parse::<Tag>().ok()?))) {
        Some((path, tag)) => (PathBuf::from(path), Some(tag)),
        None => (PathBuf::from(text), None),
    }
}

fn looks_like_a_path(rest: &str) -> bool {
    rest.starts_with(['/', '.']) || rest.rsplit('.').next().is_some_and(|ending| matches!(ending, "tar" | "tgz"))
}

impl fmt::Display for Location {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, path, tag) = match self {
            Self::Layout(path, tag) => ("oci", path, tag.as_ref()),
            Self::Archive(path, tag) => ("oci-archive", path, tag.as_ref()),
            Self::DockerArchive(path) => ("docker-archive", path, None),
            Self::DockerDaemon => return formatter.write_str("docker-daemon:"),
            Self::Registry(reference) => return reference.fmt(formatter),
        };
        write!(formatter, "{kind}:{}", path.display())?;
        tag.map_or(Ok(()), |tag| write!(formatter, ":{tag}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_told_apart() {
        for (text, expected) in [
            ("oci:image", Some("oci:image")),
            ("oci:out/image:1.4", Some("oci:out/image:1.4")),
            ("oci-archive:/tmp/x.tar", Some("oci-archive:/tmp/x.tar")),
            ("docker-archive:x.tar", Some("docker-archive:x.tar")),
            ("docker-archive:x.tar:shop/api:dev", Some("docker-archive:x.tar:shop/api")),
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
