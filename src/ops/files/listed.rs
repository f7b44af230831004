use serde::Serialize;

use super::packages::PackageFiles;
use crate::rootfs::{DeviceKind, FactKind, HiddenFile, ImagePath, Layered, Rootfs};

/// The files of an image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ListedFiles {
    /// What a container sees, sorted by path.
    pub files: Vec<ListedFile>,
    /// What is in a layer and a container does not see, because an upper layer hides it.
    pub hidden: Vec<ListedFile>,
}

/// One file, folder, link, device or FIFO.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ListedFile {
    /// The path.
    pub path: String,
    /// `file`, `directory`, `symlink`, `character-device`, `block-device` or `fifo`.
    pub kind: &'static str,
    /// The permission bits in octal: `0755`.
    pub mode: String,
    /// The owner's user.
    pub uid: u32,
    /// The owner's group.
    pub gid: u32,
    /// The size of a file in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// The digest of a file's content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The target of a symbolic link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// The numbers of a device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<ListedDevice>,
    /// The extended attributes: `NAME=` and the value in hexadecimal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub attributes: Vec<String>,
    /// The layer that it is of, counted from 0 at the bottom.
    pub layer: u32,
    /// The Debian package that it is of, where the image lists the files of its packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The layer that hides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden_by: Option<u32>,
}

/// The numbers of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ListedDevice {
    /// The driver.
    pub major: u32,
    /// Which of its devices.
    pub minor: u32,
}

impl ListedFiles {
    /// Returns what is at a path and below it.
    pub(super) fn of(rootfs: &Rootfs<'_>, path: &ImagePath) -> Self {
        let packages = PackageFiles::of(rootfs);
        let visible = |(path, file): &(ImagePath, Layered)| {
            let package = packages.package(path).map(str::to_owned);
            ListedFile { package, ..ListedFile::of(path, file) }
        };
        let hidden = |HiddenFile { path, file, by }: &HiddenFile| ListedFile { hidden_by: Some(*by), ..ListedFile::of(path, file) };
        let files = rootfs.files().filter(|(file, _)| file.starts_with(path));
        let all_hidden = rootfs.hidden();
        let below = all_hidden.iter().filter(|file| file.path.starts_with(path));
        Self { files: files.map(|file| visible(&file)).collect(), hidden: below.map(hidden).collect() }
    }
}

impl ListedFile {
    fn of(path: &ImagePath, Layered { fact, layer }: &Layered) -> Self {
        let kind = match &fact.kind {
            FactKind::Directory => "directory",
            FactKind::File { .. } => "file",
            FactKind::Symlink(_) => "symlink",
            FactKind::Device(device) if device.kind == DeviceKind::Block => "block-device",
            FactKind::Device(_) => "character-device",
            FactKind::Fifo => "fifo",
        };
        let (size, digest) = match &fact.kind {
            FactKind::File { size, digest, .. } => (Some(*size), digest.map(|digest| digest.to_string())),
            _ => (None, None),
        };
        let device = if let FactKind::Device(device) = fact.kind { Some(device) } else { None };
        Self {
            path: path.to_string(),
            kind,
            mode: format!("{:04o}", fact.mode),
            uid: fact.uid,
            gid: fact.gid,
            size,
            digest,
            target: if let FactKind::Symlink(target) = &fact.kind { Some(target.0.escape_ascii().to_string()) } else { None },
            device: device.map(|device| ListedDevice { major: device.major, minor: device.minor }),
            attributes: fact.attributes.in_words(),
            layer: *layer,
            package: None,
            hidden_by: None,
        }
    }
}
