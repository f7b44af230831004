use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::host::{Unfinished, write_unfinished};
use crate::oci::{Descriptor, ImageReference, Manifest, Progress, RawManifest, Selector, Store, StoreError, StoreFault, Tag};
use crate::store::archive::{self, Archive};
use crate::store::docker_archive::{self, DockerArchive};
use crate::store::layout_index::FullNames;
use crate::store::publication::Publication;

/// An archive that is written whole.
pub(super) struct ArchiveFile {
    pub(super) path: PathBuf,
    pub(super) form: Form,
}

/// Counts what is written.
pub(super) struct Counted<'a, 'b> {
    pub(super) out: &'a mut dyn Write,
    pub(super) progress: &'b dyn Progress,
}

impl Write for Counted<'_, '_> {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let count = self.out.write(buffer)?;
        self.progress.advance(count as u64);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// What an archive looks like, and the names in it.
pub(super) enum Form {
    Oci(Vec<Tag>, FullNames),
    Docker(Vec<ImageReference>),
}

impl ArchiveFile {
    /// Returns the archive's name for messages.
    pub(super) fn name(&self) -> String {
        let kind = if matches!(self.form, Form::Oci(..)) { "oci-archive" } else { "docker-archive" };
        format!("{kind}:{}", self.path.display())
    }

    /// Returns about how many bytes the archive has; `None` where its layers are unpacked.
    pub(super) fn size(&self, publication: &Publication) -> Option<u64> {
        let blobs = publication.blobs.values();
        matches!(self.form, Form::Oci(..)).then(|| blobs.fold(0, |size: u64, (descriptor, _)| size.saturating_add(descriptor.size)))
    }

    /// Writes the archive into an unfinished file beside its final name, and flushes it to the disk.
    pub(super) fn write(&self, publication: &Publication, progress: &dyn Progress) -> Result<Unfinished, StoreError> {
        let write = || {
            if self.path.is_dir() {
                // The rename would find this out, after other names have changed.
                return Err(io::ErrorKind::IsADirectory.into());
            }
            let file = write_unfinished(&self.path, |out| {
                let out = &mut Counted { out, progress };
                match &self.form {
                    Form::Oci(tags, names) => archive::write(publication, tags, names, out),
                    Form::Docker(names) => docker_archive::write_image(publication, names, out),
                }
            })?;
            file.as_file().sync_all()?;
            Ok(file)
        };
        write().map_err(|error| self.unwritten(error))
    }

    /// Reads the archive back that is at `path`, under its own name or an unfinished one: all manifests, and the bytes of every blob.
    pub(super) fn verify(&self, path: &Path, publication: &Publication) -> Result<(), StoreError> {
        let read = || match &self.form {
            Form::Oci(tags, _) => {
                let archive = Archive::open(path)?;
                for tag in tags {
                    self.same(&archive.read_manifest(&Selector::Tag(tag.clone()))?, &publication.root)?;
                }
                for manifest in publication.manifests() {
                    self.same(&archive.read_manifest(&Selector::Digest(manifest.descriptor().digest))?, manifest)?;
                }
                publication.blobs.values().try_for_each(|(descriptor, _)| self.blob(&archive, descriptor))
            }
            Form::Docker(_) => {
                let archive = DockerArchive::open(path)?;
                let found = archive.manifest().parse::<Manifest>().map_err(|fault| self.unlike().caused_by(fault))?;
                let written = publication.root.parse::<Manifest>().map_err(|fault| self.unlike().caused_by(fault))?;
                if found.view().config.digest != written.view().config.digest {
                    return Err(self.unlike());
                }
                // A layer's digest is that of its tar here, which the config names.
                found.view().layers.iter().chain([&found.view().config]).try_for_each(|descriptor| self.blob(&archive, descriptor))
            }
        };
        read().map_err(|error| if error.fault == StoreFault::Disk { error } else { self.unlike().caused_by(error) })
    }

    /// Gives the file its name.
    pub(super) fn rename(&self, file: Unfinished) -> Result<(), StoreError> {
        file.finish(&self.path).map_err(|error| self.unwritten(error))
    }

    fn same(&self, found: &RawManifest, written: &RawManifest) -> Result<(), StoreError> {
        if found.bytes == written.bytes { Ok(()) } else { Err(self.unlike()) }
    }

    fn blob(&self, archive: &dyn Store, descriptor: &Descriptor) -> Result<(), StoreError> {
        let mut blob = archive.open_blob(descriptor)?;
        io::copy(&mut blob, &mut io::sink()).map(drop).map_err(|error| self.unlike().caused_by(error))
    }

    fn unwritten(&self, error: io::Error) -> StoreError {
        StoreError::disk(format!("could not write `{}`", self.name()), error)
    }

    fn unlike(&self) -> StoreError {
        StoreError::new(StoreFault::Corrupt, format!("`{}` does not read back as it was written", self.name()))
    }
}
