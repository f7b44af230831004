use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The operating system and architecture that an image is for (image-spec, `image-index.md`, "platform").
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Platform {
    /// The CPU architecture, one of Go's `GOARCH` values.
    pub architecture: String,
    /// The operating system, one of Go's `GOOS` values.
    pub os: String,
    /// The version of the operating system, used by Windows.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// Mandatory features of the operating system.
    #[serde(rename = "os.features", default, skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
    /// The variant of the CPU, `v7` for example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// Why a text is no platform that we can build for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlatformFault {
    /// The text is not `os/architecture` or `os/architecture/variant`.
    #[error("a platform is written `os/architecture` or `os/architecture/variant`")]
    Form,
    /// The operating system is not Linux.
    #[error("operating system `{0}` is not supported, only `linux`")]
    Os(String),
    /// The architecture is none that Linux images exist for.
    #[error("architecture `{0}` is unknown")]
    Architecture(String),
    /// The variant is none of the architecture's.
    #[error("architecture `{0}` has no variant `{1}`")]
    Variant(String, String),
}

/// Architectures, what people also call them, and their variants: each runs what was made for those before it.
const ARCHITECTURES: &[(&str, &[&str], &[&str])] = &[
    ("amd64", &["x86_64", "x86-64"], &["v1", "v2", "v3", "v4"]),
    ("arm64", &["aarch64"], &["v8", "v9"]),
    ("arm", &["armhf", "armel"], &["v5", "v6", "v7", "v8"]),
    ("386", &["i386", "i686", "x86"], &[]),
    ("ppc64le", &["powerpc64le", "ppc64el"], &[]),
    ("s390x", &[], &[]),
    ("riscv64", &[], &[]),
    ("loong64", &["loongarch64"], &[]),
];

impl Platform {
    /// Returns the platform that is meant when none is named: never the host's, so that a laptop and CI agree.
    pub fn default_target() -> Self {
        Self::linux("amd64", None)
    }

    /// Returns a Linux platform.
    pub fn linux(architecture: &str, variant: Option<&str>) -> Self {
        Self {
            architecture: architecture.to_owned(),
            os: "linux".to_owned(),
            os_version: None,
            os_features: Vec::new(),
            variant: variant.map(str::to_owned),
        }
    }

    /// Returns the names of all architectures.
    pub fn architectures() -> impl Iterator<Item = &'static str> {
        ARCHITECTURES.iter().map(|(name, ..)| *name)
    }

    /// Returns the platform with the variant spelled out only where it tells platforms apart:
    /// `arm64` means `v8`, `amd64` means `v1`, `arm` means `v7` (containerd's `platforms.Normalize`).
    #[must_use]
    pub fn normalized(&self) -> Self {
        let mut normal = self.clone();
        match (normal.architecture.as_str(), normal.variant.as_deref()) {
            ("arm64", Some("v8" | "8")) | ("amd64", Some("v1")) | (_, Some("")) => normal.variant = None,
            ("arm", None) => normal.variant = Some("v7".to_owned()),
            _ => {}
        }
        normal
    }

    /// Says whether an image for `self` is the one wanted for `wanted`.
    pub fn is(&self, wanted: &Self) -> bool {
        let (own, wanted) = (self.normalized(), wanted.normalized());
        own.os == wanted.os && own.architecture == wanted.architecture && own.variant == wanted.variant
    }

    /// Returns by how many variants an image for `self` promises less than one for `wanted`, which runs it all the same: 0 for the one that is wanted,
    /// nothing where a CPU for `wanted` may lack what the image needs.
    pub fn distance_below(&self, wanted: &Self) -> Option<usize> {
        let (own, normal) = (self.normalized(), wanted.normalized());
        if self.is(wanted) {
            return Some(0);
        }
        if own.os != normal.os || own.architecture != normal.architecture {
            return None;
        }
        let (_, _, rising) = ARCHITECTURES.iter().find(|(name, ..)| *name == own.architecture)?;
        // Only `arm` implies another variant than its first, and that is spelled out by now.
        let rank = |platform: &Self| match &platform.variant {
            None => Some(0),
            Some(variant) => rising.iter().position(|known| known == variant),
        };
        rank(&normal)?.checked_sub(rank(&own)?)
    }
}

impl FromStr for Platform {
    type Err = PlatformFault;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = text.split('/');
        let (Some(os), Some(architecture), variant, None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
            return Err(PlatformFault::Form);
        };
        if os.is_empty() || architecture.is_empty() || variant == Some("") {
            return Err(PlatformFault::Form);
        }
        if os != "linux" {
            return Err(PlatformFault::Os(os.to_owned()));
        }
        let (name, _, variants) = ARCHITECTURES
            .iter()
            .find(|(name, also, _)| *name == architecture || also.contains(&architecture))
            .ok_or_else(|| PlatformFault::Architecture(architecture.to_owned()))?;
        if let Some(variant) = variant.filter(|variant| !variants.contains(variant)) {
            return Err(PlatformFault::Variant((*name).to_owned(), variant.to_owned()));
        }
        Ok(Self::linux(name, variant).normalized())
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.os, self.architecture)?;
        self.variant.iter().try_for_each(|variant| write!(formatter, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_made_for_less_runs_on_more() {
        let platform = |text: &str| match text.split_once('/') {
            Some((architecture, variant)) => Platform::linux(architecture, Some(variant)),
            None => Platform::linux(text, None),
        };
        for (image, wanted, expected) in [
            ("amd64", "amd64", Some(0)),
            ("amd64/v1", "amd64", Some(0)),
            ("amd64", "amd64/v2", Some(1)),
            ("amd64/v2", "amd64/v4", Some(2)),
            ("amd64/v3", "amd64/v2", None),
            ("amd64/v2", "amd64", None),
            ("arm64", "arm64/v9", Some(1)),
            ("arm64/8", "arm64", Some(0)),
            ("arm/v6", "arm", Some(1)),
            ("arm/v5", "arm/v7", Some(2)),
            ("arm", "arm/v6", None),
            ("arm/v7", "arm64", None),
            ("386", "amd64", None),
            ("amd64/new", "amd64/v2", None),
        ] {
            assert_eq!(platform(image).distance_below(&platform(wanted)), expected, "{image} for {wanted}");
        }
    }

    #[test]
    fn names_are_normalized_and_mistakes_named() {
        for (text, expected) in [
            ("linux/amd64", "linux/amd64"),
            ("linux/x86_64", "linux/amd64"),
            ("linux/aarch64", "linux/arm64"),
            ("linux/arm64/v8", "linux/arm64"),
            ("linux/arm", "linux/arm/v7"),
            ("linux/arm/v6", "linux/arm/v6"),
        ] {
            assert_eq!(text.parse::<Platform>().map(|platform| platform.to_string()), Ok(expected.to_owned()));
        }
        for bad in ["", "linux", "linux/", "/amd64", "linux/amd64/", "linux/amd64/v9", "windows/amd64", "linux/vax", "linux/amd64/v1/x"] {
            assert!(bad.parse::<Platform>().is_err(), "{bad}");
        }
    }
}
