//! The lock, `hardened.lock`: the choices that the recipe leaves open, written down, so that the same recipe gives the same digest
//! tomorrow and on another machine.
//!
//! **Invariants.** Equal locks have equal texts: tables and platforms are sorted, and no time or machine is mentioned. A lock is stale only
//! when the base or its platforms change. When the format, the compressor or the deny list change, it keeps its pins, and only those
//! lines are renewed. Nothing here does input or output.

mod debian;
mod read;
mod renew;
mod stale;
mod text;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::diagnostic::snippet::basic_string;
use crate::oci::{Digest, ImageReference, MediaType, Platform};

pub use debian::{DebianRequest, LeftOutPackage, LockedArchive, LockedDebian, LockedPackage, LockedPackages, RECIPE, TABLES};
pub use renew::Terms;
pub use stale::Stale;

const HEADER: &str = "# Written by `hardened lock`; commit it beside the recipe, and let `hardened lock --update` change it.\n";

/// The choices that a recipe leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lock {
    /// What the image's bytes depend on besides the recipe and the base.
    pub terms: Terms,
    /// The base.
    pub base: LockedChoice,
}

/// What the base's name meant when it was locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockedChoice {
    /// The base inside the program.
    Static {
        /// The version of its data.
        data: String,
    },
    /// An image in a registry.
    Image {
        /// The reference, as the recipe names it, in full.
        reference: ImageReference,
        /// What it pointed to.
        pin: Pin,
    },
    /// An OCI image layout in a folder.
    Layout {
        /// The folder, as the recipe names it.
        path: String,
        /// What it held.
        pin: Pin,
    },
    /// Debian packages.
    Debian(LockedDebian),
}

/// An image pinned by digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    /// The digest of the index, or of the manifest when there is no index.
    pub digest: Digest,
    /// What the digest is of.
    pub media_type: MediaType,
    /// The manifest of each platform that is used.
    pub platforms: BTreeMap<Platform, Digest>,
}

impl LockedChoice {
    /// Returns the pinned image; the base inside the program and packages have none.
    pub fn pin(&self) -> Option<&Pin> {
        match self {
            Self::Static { .. } | Self::Debian(_) => None,
            Self::Image { pin, .. } | Self::Layout { pin, .. } => Some(pin),
        }
    }
}

impl Lock {
    /// Returns the text of the lock.
    pub fn to_text(&self) -> String {
        let mut text = HEADER.to_owned();
        // Writing to a String cannot fail.
        let _ = self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) -> std::fmt::Result {
        self.terms.write(text)?;
        writeln!(text, "\n[base]")?;
        match &self.base {
            LockedChoice::Static { data } => writeln!(text, "kind = \"static\"\ndata = {}", basic_string(data))?,
            LockedChoice::Image { reference, .. } => {
                writeln!(text, "kind = \"image\"\nreference = {}", basic_string(&reference.to_string()))?
            }
            LockedChoice::Layout { path, .. } => writeln!(text, "kind = \"layout\"\npath = {}", basic_string(path))?,
            LockedChoice::Debian(locked) => locked.write(text)?,
        }
        let Some(pin) = self.base.pin() else { return Ok(()) };
        writeln!(text, "digest = \"{}\"\nmedia-type = {}", pin.digest, basic_string(&pin.media_type.to_string()))?;
        let sorted: BTreeMap<String, &Digest> = pin.platforms.iter().map(|(platform, digest)| (platform.to_string(), digest)).collect();
        for (platform, digest) in sorted {
            writeln!(text, "\n[[base.platforms]]\nplatform = {}\ndigest = \"{digest}\"", basic_string(&platform))?;
        }
        Ok(())
    }
}

/// Returns where the lock of a recipe is: `hardened.toml` has `hardened.lock`.
pub fn lock_path(recipe: &Path) -> PathBuf {
    recipe.with_extension("lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn terms() -> Terms {
        let compressors = BTreeMap::from([("gzip".to_owned(), "libdeflate 1.26".to_owned())]);
        Terms { format: 1, deny_list: 1, compressors }
    }

    pub(super) fn example() -> Lock {
        let platforms = [("arm64", "b"), ("amd64", "a")].map(|(name, text)| (Platform::linux(name, None), Digest::of(text.as_bytes())));
        Lock {
            terms: terms(),
            base: LockedChoice::Image {
                reference: "gcr.io/distroless/cc:nonroot".parse().expect("a reference"),
                pin: Pin { digest: Digest::of(b""), media_type: MediaType::Index, platforms: BTreeMap::from(platforms) },
            },
        }
    }

    #[test]
    fn the_text_is_canonical_and_read_back() {
        let expected = "\
# Written by `hardened lock`; commit it beside the recipe, and let `hardened lock --update` change it.
format = 1
deny-list = 1

[compressor]
\"gzip\" = \"libdeflate 1.26\"

[base]
kind = \"image\"
reference = \"gcr.io/distroless/cc:nonroot\"
digest = \"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"
media-type = \"application/vnd.oci.image.index.v1+json\"

[[base.platforms]]
platform = \"linux/amd64\"
digest = \"sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb\"

[[base.platforms]]
platform = \"linux/arm64\"
digest = \"sha256:3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d\"
";
        let layout = |path: &str| {
            let LockedChoice::Image { pin, .. } = example().base else { panic!("an image") };
            Lock { base: LockedChoice::Layout { path: path.to_owned(), pin }, ..example() }
        };
        let fixed = Lock {
            terms: Terms { format: 2, deny_list: 3, compressors: BTreeMap::new() },
            base: LockedChoice::Static { data: "2026.11".to_owned() },
        };
        assert_eq!(example().to_text(), expected);
        for lock in [example(), layout("vendor/base"), layout("odd \"\\\u{1}æ"), fixed] {
            assert_eq!(Lock::parse("hardened.lock", &lock.to_text()).as_ref(), Ok(&lock));
        }
    }

    #[test]
    fn the_lock_is_beside_the_recipe() {
        for (recipe, lock) in [("hardened.toml", "hardened.lock"), ("a/x.toml", "a/x.lock"), ("plain", "plain.lock")] {
            assert_eq!(lock_path(Path::new(recipe)), Path::new(lock));
        }
    }
}
