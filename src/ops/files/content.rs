use std::fs::File;
use std::io::{self, Seek, Write};
use std::sync::{Arc, Mutex, PoisonError};

use crate::diagnostic::ExternalError;
use crate::host::cache::Cache;
use crate::image::PlatformImage;
use crate::layer::collect::{Collector, FileCollector, FileHeader, Wanted};
use crate::layer::{Limits, read_layer};
use crate::oci::{BlobSource, Digest, Hasher, ImageLayer};
use crate::ops::opened;
use crate::ops::{Failure, Run};
use crate::rootfs::{Fact, FactKind, Resolved};

use super::{COLLECTORS, FilesRequest, missing};

/// Writes the content of one file of an image, once it was read and its layer's digest checked.
///
/// # Errors
/// When there is no such image or file, the image is broken, or it has several platforms of which none is chosen.
pub fn copy_content(request: &FilesRequest, out: &mut dyn Write, run: Run<'_>) -> Result<(), Failure> {
    let (path, location) = (&request.path, &request.location);
    let opened = opened::open(location, run.tools)?;
    let images = opened.images(request.platform.as_ref(), run.tools)?;
    let image = match images.images() {
        [PlatformImage { image, .. }] => image,
        several => {
            let names: Vec<String> = several.iter().map(|image| format!("`--platform {}`", image.platform)).collect();
            let message = format!("`{location}` has images for {} platforms", several.len());
            return Err(Failure::wrong(message).hint(format!("choose one: {}", names.join(", "))));
        }
    };
    let rootfs = opened.files(image, &COLLECTORS, run)?;
    let (real, size, digest) = match rootfs.resolve(path) {
        Resolved::File(real, Fact { kind: FactKind::File { size, digest, .. }, .. }) => (real, size, digest),
        Resolved::File(real, _) => return Err(Failure::wrong(format!("`{real}` in `{location}` is no regular file"))),
        Resolved::Missing(real) if real != *path => {
            return Err(Failure::wrong(format!("`{path}` in `{location}` leads to `{real}`, which is not there")));
        }
        Resolved::Missing(_) => return Err(missing(path, location)),
        Resolved::Loop => return Err(Failure::wrong(format!("`{path}` in `{location}` leads through a loop of links"))),
    };
    let number = rootfs.layer_of(&real).and_then(|number| usize::try_from(number).ok());
    let layer = number.and_then(|number| image.layers().get(number)).ok_or_else(|| missing(path, location))?;
    let wanted = WantedFile { size, digest: digest.unwrap_or_else(|| Digest::of(b"")), cache: &run.tools.cache, found: Arc::default() };
    let mut content = wanted.read(layer, &opened.blob(&layer.descriptor))?;
    match io::copy(&mut content, out).and_then(|_| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ExternalError::new("could not write the file's content").caused_by(error).into())
        }
        _ => Ok(()),
    }
}

/// Finds a file of a layer by its content. A hard link has no content of its own, and the name that has it may be another.
struct WantedFile<'a> {
    size: u64,
    digest: Digest,
    cache: &'a Cache,
    found: Arc<Mutex<Option<File>>>,
}

impl WantedFile<'_> {
    /// Reads the layer to its end, and returns the content.
    fn read(&self, layer: &ImageLayer, blob: &dyn BlobSource) -> Result<File, Failure> {
        let digest = layer.descriptor.digest;
        let unreadable =
            |cause: Box<dyn std::error::Error + Send + Sync>| Failure::external(format!("could not read layer {digest}"), cause);
        let compression = layer.descriptor.media_type.layer_compression().ok_or_else(|| unreadable("its media type is unknown".into()))?;
        let blob = blob.open().map_err(|error| unreadable(error.into()))?;
        read_layer(blob, compression, &Limits::default(), &[self]).map_err(|fault| unreadable(fault.into()))?;
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut file = found.ok_or_else(|| unreadable("the file's content could not be kept".into()))?;
        file.rewind().map_err(|error| unreadable(error.into()))?;
        Ok(file)
    }
}

impl Collector for WantedFile<'_> {
    fn name(&self) -> &'static str {
        "wanted"
    }

    fn version(&self) -> u32 {
        1
    }

    fn memory(&self) -> u64 {
        0
    }

    fn begin(&self, file: &FileHeader<'_>) -> Option<Box<dyn FileCollector + Send>> {
        let is_found = self.found.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if file.size != self.size || is_found {
            return None;
        }
        let (scratch, found) = (self.cache.scratch().ok()?, Arc::clone(&self.found));
        Some(Box::new(Candidate { scratch: Some(scratch), hasher: Hasher::default(), digest: self.digest, left: file.size, found }))
    }

    fn apply(&self, _: &str, _: &mut FactKind) -> Result<(), serde_json::Error> {
        Ok(())
    }
}

/// A file of the right size.
struct Candidate {
    scratch: Option<File>,
    hasher: Hasher,
    digest: Digest,
    left: u64,
    found: Arc<Mutex<Option<File>>>,
}

impl FileCollector for Candidate {
    fn take(&mut self, bytes: &[u8]) -> Wanted {
        self.hasher.update(bytes);
        self.left = self.left.saturating_sub(bytes.len() as u64);
        self.scratch = self.scratch.take().filter(|mut file| file.write_all(bytes).is_ok());
        if self.left > 0 && self.scratch.is_some() { Wanted::More } else { Wanted::Enough }
    }

    fn finish(self: Box<Self>) -> Option<Box<str>> {
        let (digest, _) = self.hasher.finish();
        if self.left == 0 && digest == self.digest {
            *self.found.lock().unwrap_or_else(PoisonError::into_inner) = self.scratch;
        }
        None
    }
}
