use std::fs::File;
use std::io::{self, Read, Seek, Write};

use crate::diagnostic::ExternalError;
use crate::image::PlatformImage;
use crate::layer::collect::STANDARD;
use crate::ops::opened;
use crate::ops::repair::repaired;
use crate::ops::{Failure, Run};
use crate::rootfs::{Fact, FactKind, Resolved};

use super::{FilesRequest, missing};

/// Writes the content of one file of an image, once it was read and its layer's digest checked.
///
/// # Errors
/// When there is no such image or file, the image is broken, or it has several platforms of which none is chosen.
pub fn copy_content(request: &FilesRequest, out: &mut dyn Write, run: Run<'_>) -> Result<(), Failure> {
    let mut content = repaired(run, |run| content(request, run))?;
    match io::copy(&mut content, out).and_then(|_| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(ExternalError::new("could not write to standard output").caused_by(error).into())
        }
        _ => Ok(()),
    }
}

/// Returns the content, in a file without a name.
fn content(request: &FilesRequest, run: Run<'_>) -> Result<io::Take<File>, Failure> {
    let (path, location) = (&request.path, &request.location);
    let opened = opened::open(location, run)?;
    let images = opened.images(request.platform.as_ref(), run)?;
    let image = match images.images() {
        [PlatformImage { image, .. }] => image,
        several => {
            let names: Vec<String> = several.iter().map(|image| format!("`--platform {}`", image.platform)).collect();
            let message = format!("`{location}` has images for {} platforms", several.len());
            return Err(Failure::wrong(message).hint(format!("choose one: {}", names.join(", "))));
        }
    };
    let rootfs = opened.files(image, &STANDARD, run)?;
    let (real, size) = match rootfs.resolve(path) {
        Resolved::File(real, Fact { kind: FactKind::File { size, .. }, .. }) => (real, size),
        Resolved::File(real, _) => return Err(Failure::wrong(format!("`{real}` in `{location}` is not a regular file"))),
        Resolved::Missing(real) if real != *path => {
            return Err(Failure::wrong(format!("`{path}` in `{location}` leads to `{real}`, which is not there")));
        }
        Resolved::Missing(_) => return Err(missing(path, location)),
        Resolved::Loop => return Err(Failure::wrong(format!("`{path}` in `{location}` is part of a loop of symbolic links"))),
    };
    let stored = rootfs.stored_at(&real).and_then(|(number, entry)| Some((image.layers().get(usize::try_from(number).ok()?)?, entry)));
    let (layer, entry) = stored.ok_or_else(|| missing(path, location))?;
    let failed = |error: io::Error| ExternalError::new(format!("could not keep the content of `{path}`")).caused_by(error);
    let mut scratch = run.tools.cache.scratch().map_err(failed)?;
    let size = opened.copy_file(&layer.descriptor, &entry, size, &mut scratch, run)?.ok_or_else(|| missing(path, location))?;
    scratch.rewind().map_err(failed)?;
    Ok(scratch.take(size))
}
