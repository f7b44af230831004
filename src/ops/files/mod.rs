//! `hardened ls` and `hardened cat`: the files of an image, and the content of one.

use serde::Serialize;

use crate::image::PlatformImage;
use crate::layer::collect::{Collector, Digests, FILE_LISTS, STANDARD};
use crate::oci::Platform;
use crate::rootfs::{ImagePath, Resolved, Rootfs};
use crate::store::Location;

use super::opened;
use super::repair::repaired;
use super::{Failure, Run};

pub use content::copy_content;
pub use listed::{ListedDevice, ListedFile, ListedFiles};

mod content;
mod listed;
mod packages;

/// What is collected for a list of files.
const COLLECTORS: [&dyn Collector; 4] = [STANDARD[0], STANDARD[1], &Digests, &FILE_LISTS];

/// Which files are listed.
#[derive(Debug, Clone)]
pub struct FilesRequest {
    /// The image.
    pub location: Location,
    /// Only this platform of an index.
    pub platform: Option<Platform>,
    /// A path in the image: a folder with all below it, or one file.
    pub path: ImagePath,
}

/// The files of an image, or of several for different platforms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct ImageFiles {
    /// The images.
    pub images: Vec<PlatformFiles>,
}

/// The files of one image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub struct PlatformFiles {
    /// The platform.
    pub platform: String,
    /// The digest of the manifest.
    pub digest: String,
    /// The files.
    #[serde(flatten)]
    pub files: ListedFiles,
}

/// Lists the files of an image. Its layers are read once.
///
/// # Errors
/// When there is no such image, it is broken, or none of its platforms has the path.
pub fn list(request: &FilesRequest, run: Run<'_>) -> Result<ImageFiles, Failure> {
    repaired(run, |run| list_once(request, run))
}

fn list_once(request: &FilesRequest, run: Run<'_>) -> Result<ImageFiles, Failure> {
    let opened = opened::open(&request.location, run)?;
    let images = opened.images(request.platform.as_ref(), run)?;
    let mut listed = Vec::new();
    for PlatformImage { image, platform } in images.images() {
        let rootfs = opened.files(image, &COLLECTORS, run)?;
        let files = ListedFiles::of(&rootfs, &real_path(&rootfs, &request.path));
        listed.push(PlatformFiles { platform: platform.to_string(), digest: image.digest().to_string(), files });
    }
    if !request.path.is_root() && listed.iter().all(|image| image.files.files.is_empty() && image.files.hidden.is_empty()) {
        return Err(missing(&request.path, &request.location));
    }
    Ok(ImageFiles { images: listed })
}

/// Leads a path through the links of its folders; a link itself stays, unless it leads to a folder.
fn real_path(rootfs: &Rootfs<'_>, path: &ImagePath) -> ImagePath {
    use crate::rootfs::{Fact, FactKind};
    if let Resolved::File(real, Fact { kind: FactKind::Directory, .. }) = rootfs.resolve(path) {
        return real;
    }
    let folder = match rootfs.resolve(&path.parent().unwrap_or_default()) {
        Resolved::File(real, _) | Resolved::Missing(real) => real,
        Resolved::Loop => return path.clone(),
    };
    folder.join(path.name()).unwrap_or_else(|_| path.clone())
}

fn missing(path: &ImagePath, location: &Location) -> Failure {
    Failure::wrong(format!("`{location}` has no `{path}`")).hint(format!("`hardened ls {location}` lists its files"))
}
