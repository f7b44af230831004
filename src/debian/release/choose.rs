use super::{AllIndex, ByHash, IndexFile, Release};
use crate::oci::Digest;

/// A `Packages` file to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackagesFile {
    /// Its path below the suite's folder, `main/binary-amd64/Packages.xz`.
    pub path: String,
    /// Its path by its digest below the suite's folder, where the archive offers one.
    pub by_hash: Option<String>,
    /// How it is compressed.
    pub compression: Compression,
    /// The digest of its bytes, as they are fetched.
    pub digest: Digest,
    /// Their number.
    pub size: u64,
    /// Digest and size of what it holds, decompressed, where the release vouches for that too.
    pub plain: Option<IndexFile>,
}

/// How a file is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// xz.
    Xz,
    /// gzip.
    Gzip,
    /// Not at all.
    None,
}

/// Why a release has no index for what was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IndexChoiceFault {
    /// It has no such component.
    #[error("it has no component `{component}`, only {}", quoted(.known))]
    Component {
        /// What was asked for.
        component: String,
        /// What it has.
        known: Vec<String>,
    },
    /// It has no such architecture.
    #[error("it has no packages for `{architecture}`, only for {}", quoted(.known))]
    Architecture {
        /// What was asked for.
        architecture: String,
        /// What it has.
        known: Vec<String>,
    },
    /// It lists neither `Packages.xz` nor another form that is read.
    #[error("it lists no index `{path}` that is plain or compressed with xz or gzip")]
    Missing {
        /// The file, without an ending.
        path: String,
    },
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

impl Release {
    /// Returns the `Packages` files of a component for an architecture, xz before gzip before none: that of the architecture, and where packages
    /// for `all` have an index of their own, that one too. `updates/main`, as the security archive writes it, is `main`.
    ///
    /// # Errors
    /// When the release has no such component or architecture, or lists no such index.
    pub fn packages(&self, component: &str, architecture: &str) -> Result<Vec<PackagesFile>, IndexChoiceFault> {
        let last = |name: &str| name.rsplit('/').next().unwrap_or_default().to_owned();
        let is_known = self.components.iter().any(|known| known == component || last(known) == component);
        if !is_known {
            let known = self.components.iter().map(|name| last(name)).collect();
            return Err(IndexChoiceFault::Component { component: component.to_owned(), known });
        }
        if !self.architectures.iter().any(|known| known == architecture) {
            let known = self.architectures.iter().filter(|name| *name != "all").cloned().collect();
            return Err(IndexChoiceFault::Architecture { architecture: architecture.to_owned(), known });
        }
        let component = last(component);
        let mut found = vec![self.packages_of(&component, architecture)?];
        if self.all_index == AllIndex::Separate && architecture != "all" {
            found.push(self.packages_of(&component, "all")?);
        }
        Ok(found)
    }

    fn packages_of(&self, component: &str, architecture: &str) -> Result<PackagesFile, IndexChoiceFault> {
        let plain_path = format!("{component}/binary-{architecture}/Packages");
        let plain = self.files.get(&plain_path).copied();
        for (ending, compression) in [(".xz", Compression::Xz), (".gz", Compression::Gzip), ("", Compression::None)] {
            let path = format!("{plain_path}{ending}");
            let Some(IndexFile { digest, size }) = self.files.get(&path).copied() else { continue };
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let by_hash = (self.by_hash == ByHash::Offered).then(|| format!("{folder}/by-hash/SHA256/{}", digest.hex()));
            return Ok(PackagesFile { path, by_hash, compression, digest, size, plain });
        }
        Err(IndexChoiceFault::Missing { path: plain_path })
    }
}
