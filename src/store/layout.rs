//! An OCI image layout on disk (image-spec, `image-layout.md`).
//!
//! **Invariants.** The folder itself may be reached through links, since the user names it. No link in it is followed, for reading or writing:
//! `oci-layout`, `index.json` and blobs are regular files, `blobs` and `blobs/sha256` are folders.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::layout_index::{FullNames, layout_index};
use super::listed::{Chosen, Listed, media_type_of};
use super::referrers::{referrer, referrers_among};
use crate::host::{UNFINISHED, Unfinished, sweep};
use crate::oci::{
    ANNOTATION_REF_NAME, BlobSource, Descriptor, Digest, DocumentFault, MANIFEST_LIMIT, MediaType, Progress, RawManifest, Selector, Store,
    StoreError, StoreFault, Tag, Verified, Written, canonical_json,
};

/// The content of `oci-layout`.
pub(super) const MARK: &str = r#"{"imageLayoutVersion":"1.0.0"}"#;

/// An OCI image layout.
#[derive(Debug)]
pub struct Layout {
    folder: PathBuf,
    names: FullNames,
}

impl Layout {
    /// Opens a layout that exists.
    ///
    /// # Errors
    /// When the folder is none.
    pub fn open(folder: &Path) -> Result<Self, StoreError> {
        let layout = Self { folder: folder.to_owned(), names: FullNames::default() };
        layout.refuse_links()?;
        let mark = layout.read_file(Path::new("oci-layout"), 4096)?;
        let version = crate::oci::strict_json(&mark).ok().and_then(|value| value["imageLayoutVersion"].as_str().map(str::to_owned));
        if version.as_deref() == Some("1.0.0") {
            return Ok(layout);
        }
        Err(StoreError::new(StoreFault::Corrupt, format!("`{}` is not an OCI image layout of version 1.0.0", folder.display())))
    }

    /// Opens a layout to write to. One that does not exist is made with the first thing that is written, so that a build
    /// that fails before leaves nothing.
    ///
    /// # Errors
    /// When the folder holds something else.
    pub fn create(folder: &Path) -> Result<Self, StoreError> {
        let layout = Self { folder: folder.to_owned(), names: FullNames::default() };
        layout.refuse_links()?;
        sweep(folder, UNFINISHED);
        if folder.join("oci-layout").exists() {
            return Self::open(folder);
        }
        // A build that was killed while it made the layout has left files too: they are not foreign.
        let own = |name: &str| matches!(name, "blobs" | "index.json") || name.starts_with(UNFINISHED);
        if fs::read_dir(folder)
            .is_ok_and(|mut entries| entries.any(|entry| !entry.is_ok_and(|entry| entry.file_name().to_str().is_some_and(own))))
        {
            let message = format!("`{}` holds other files, and is not an OCI image layout", folder.display());
            return Err(StoreError::new(StoreFault::Refused, message).hint("name an empty folder, or one that does not exist"));
        }
        if folder.exists() && !folder.is_dir() {
            return Err(StoreError::new(StoreFault::Refused, format!("`{}` is no folder", folder.display())));
        }
        Ok(layout)
    }

    /// Sets the full names that images get here beside their tags.
    #[must_use]
    pub fn with_names(self, names: FullNames) -> Self {
        Self { names, ..self }
    }

    /// Refuses a layout with a link where the specification has a file or folder: what is written would land elsewhere, and what is read could be
    /// any file of this machine.
    fn refuse_links(&self) -> Result<(), StoreError> {
        let is_link = |name: &&&str| fs::symlink_metadata(self.folder.join(name)).is_ok_and(|found| found.file_type().is_symlink());
        let Some(name) = ["oci-layout", "index.json", "blobs", "blobs/sha256"].iter().find(is_link) else { return Ok(()) };
        let message = format!("`{}` is a link, and no link in a layout is followed", self.folder.join(name).display());
        let hint = "copy what it leads to in its stead, or name another folder; the layout's folder itself may be a link";
        Err(StoreError::new(StoreFault::Refused, message).hint(hint))
    }

    /// Makes the folder for blobs if there is none. `oci-layout` and `index.json` come with the first name.
    fn make_folder(&self) -> Result<(), StoreError> {
        self.refuse_links()?;
        fs::create_dir_all(self.folder.join("blobs/sha256")).map_err(|error| disk("make", &self.folder, error))
    }

    /// Says whether the layout names anything yet. One whose first image is still on its way has blobs and no index.
    fn has_index(&self) -> bool {
        self.folder.join("index.json").exists()
    }

    /// Two builds may write into one layout at once, and neither may undo what the other named.
    fn lock(&self) -> Result<File, StoreError> {
        let lock = || {
            // The folder itself is locked: a file for it would stay behind.
            let file = File::open(&self.folder)?;
            file.lock().map(|()| file)
        };
        lock().map_err(|error| disk("lock", &self.folder, error))
    }

    /// Returns the manifest or index of a layout that holds one; where it lists images for several platforms under one name or none, an index
    /// of them.
    ///
    /// # Errors
    /// When it holds none, or several under different names.
    pub fn read_only_manifest(&self) -> Result<RawManifest, StoreError> {
        let container = format!("the layout `{}`", self.folder.display());
        self.chosen(self.listed()?.only(&container, |entry| self.manifest_of(entry))?)
    }

    /// Returns the manifest or index that is selected, or the only one.
    ///
    /// # Errors
    /// When there is none.
    pub fn read_selected(&self, selector: Option<&Selector>) -> Result<RawManifest, StoreError> {
        selector.map_or_else(|| self.read_only_manifest(), |selector| self.read_manifest(selector))
    }

    /// Returns the tags that images have here, sorted.
    ///
    /// # Errors
    /// When `index.json` cannot be read.
    pub fn tags(&self) -> Result<Vec<String>, StoreError> {
        let entries = self.entries()?;
        let names: BTreeSet<String> = entries.iter().filter_map(|entry| entry.annotations.get(ANNOTATION_REF_NAME)).cloned().collect();
        Ok(names.into_iter().filter(|name| name.parse::<Tag>().is_ok()).collect())
    }

    fn chosen(&self, chosen: Chosen) -> Result<RawManifest, StoreError> {
        match chosen {
            Chosen::Entry(entry) => self.manifest_of(&entry),
            Chosen::Index(raw) => Ok(raw),
        }
    }

    fn listed(&self) -> Result<Listed, StoreError> {
        Listed::read(self.read_file(Path::new("index.json"), MANIFEST_LIMIT)?).map_err(|fault| self.broken(fault))
    }

    fn broken(&self, fault: DocumentFault) -> StoreError {
        StoreError::new(StoreFault::Corrupt, format!("`index.json` of the layout `{}` is broken", self.folder.display())).caused_by(fault)
    }

    fn entries(&self) -> Result<Vec<Descriptor>, StoreError> {
        Ok(self.listed()?.entries().to_vec())
    }

    fn manifest_of(&self, descriptor: &Descriptor) -> Result<RawManifest, StoreError> {
        if descriptor.size > MANIFEST_LIMIT {
            return Err(StoreError::new(
                StoreFault::Corrupt,
                format!("the manifest {} has more than {MANIFEST_LIMIT} bytes", descriptor.digest),
            ));
        }
        let bytes = self.open_blob(descriptor)?.read_all(MANIFEST_LIMIT);
        let broken = |error| {
            StoreError::new(StoreFault::Corrupt, format!("could not read the manifest {} of `{}`", descriptor.digest, self.name()))
                .caused_by(error)
        };
        Ok(RawManifest { bytes: bytes.map_err(broken)?, media_type: descriptor.media_type.clone() })
    }

    fn blob_path(&self, digest: &Digest) -> PathBuf {
        self.folder.join("blobs/sha256").join(digest.hex())
    }

    fn read_file(&self, name: &Path, limit: u64) -> Result<Vec<u8>, StoreError> {
        let path = self.folder.join(name);
        let file = open_regular(&path).map_err(|error| {
            let message = format!("`{}` is not an OCI image layout: could not read `{}`", self.folder.display(), name.display());
            let fault = if error.kind() == io::ErrorKind::NotFound { StoreFault::Missing } else { StoreFault::Disk };
            let hint = "name the folder that holds `oci-layout` and `index.json`; `hardened build -o oci:DIR` writes one";
            StoreError::new(fault, message).caused_by(error).hint(hint)
        })?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| disk("read", &path, error))?;
        if bytes.len() as u64 > limit {
            return Err(StoreError::new(StoreFault::Corrupt, format!("`{}` has more than {limit} bytes", path.display())));
        }
        Ok(bytes)
    }

    /// Writes a file whole or not at all.
    fn write_file(&self, name: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        let write = || {
            let mut file = Unfinished::new(&self.folder, UNFINISHED)?;
            file.as_file_mut().write_all(bytes)?;
            file.finish(&path)
        };
        write().map_err(|error| disk("write", &path, error))
    }

    fn index_bytes(&self, manifests: &[Descriptor]) -> Result<Vec<u8>, StoreError> {
        canonical_json(&layout_index(manifests)).map_err(|error| disk("write", &self.folder.join("index.json"), error.into()))
    }

    /// Names a manifest in `index.json`; what had the tag before loses it.
    fn name_manifest(&self, descriptor: Descriptor, tag: &Tag) -> Result<(), StoreError> {
        self.make_folder()?;
        let _lock = self.lock()?;
        let mut entries = if self.has_index() { self.entries()? } else { Vec::new() };
        entries.retain(|entry| entry.annotations.get(ANNOTATION_REF_NAME).map(String::as_str) != Some(tag.as_str()));
        entries.push(self.names.entry(descriptor, tag));
        self.write_file(Path::new("index.json"), &self.index_bytes(&entries)?)?;
        if self.folder.join("oci-layout").exists() {
            return Ok(());
        }
        // `oci-layout` is written last: a folder that has it is a layout.
        self.write_file(Path::new("oci-layout"), MARK.as_bytes())
    }
}

impl Store for Layout {
    fn name(&self) -> String {
        format!("oci:{}", self.folder.display())
    }

    fn read_manifest(&self, selector: &Selector) -> Result<RawManifest, StoreError> {
        let by_digest = matches!(selector, Selector::Digest(_));
        let listed = if by_digest && !self.has_index() { None } else { Some(self.listed()?) };
        let found = listed.as_ref().map(|listed| listed.selected(selector, |entry| self.manifest_of(entry))).transpose();
        if let Some(chosen) = found.map_err(|fault| self.broken(fault))?.flatten() {
            return self.chosen(chosen);
        }
        let missing = || {
            let error = StoreError::new(StoreFault::Missing, format!("the layout `{}` has no image `{selector}`", self.folder.display()));
            let names = listed.as_ref().and_then(Listed::names);
            names.into_iter().fold(error, |error, names| error.hint(format!("it has {names}")))
        };
        // A manifest below an index is named by its digest alone; the document says what it is.
        let Selector::Digest(digest) = selector else { return Err(missing()) };
        let size = fs::symlink_metadata(self.blob_path(digest)).map_err(|_| missing())?.len();
        let raw = self.manifest_of(&Descriptor::new(MediaType::Manifest, *digest, size))?;
        Ok(RawManifest { media_type: media_type_of(&raw.bytes), ..raw })
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        Ok(fs::symlink_metadata(self.blob_path(&descriptor.digest))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == descriptor.size))
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn Read + Send>>, StoreError> {
        // Links may have come since the layout was opened.
        self.refuse_links()?;
        let path = self.blob_path(&descriptor.digest);
        let file = open_regular(&path).map_err(|error| {
            let fault = if error.kind() == io::ErrorKind::NotFound { StoreFault::Missing } else { StoreFault::Disk };
            StoreError::new(fault, format!("could not open the blob {} of `{}`", descriptor.digest, self.name())).caused_by(error)
        })?;
        Ok(Verified::new(Box::new(file), descriptor))
    }

    fn write_blob(&self, descriptor: &Descriptor, source: &dyn BlobSource, progress: &dyn Progress) -> Result<Written, StoreError> {
        // A file of the right size under a digest's name was written whole, by a rename; every reader checks it anyway.
        if self.has_blob(descriptor)? {
            return Ok(Written::Present);
        }
        self.make_folder()?;
        let path = self.blob_path(&descriptor.digest);
        if source.fresh_file().is_some_and(|file| share(file, &path).is_ok()) && self.has_blob(descriptor)? {
            progress.advance(descriptor.size);
            return Ok(Written::Uploaded);
        }
        let write = || {
            let mut blob = Verified::new(source.open()?, descriptor);
            let mut file = Unfinished::new(&self.folder, UNFINISHED)?;
            let mut buffer = vec![0; 256 << 10];
            loop {
                let count = blob.read(&mut buffer)?;
                if count == 0 {
                    break;
                }
                file.as_file_mut().write_all(&buffer[..count])?;
                progress.advance(count as u64);
            }
            file.finish(&path)
        };
        write().map(|()| Written::Uploaded).map_err(|error| disk("write", &path, error))
    }

    fn write_manifest(&self, manifest: &RawManifest, tag: Option<&Tag>) -> Result<(), StoreError> {
        let descriptor = manifest.descriptor();
        self.write_blob(&descriptor, &manifest.bytes, &crate::oci::Silent)?;
        tag.map_or(Ok(()), |tag| self.name_manifest(descriptor, tag))
    }

    /// Reads what `index.json` lists, and the index under the fallback tag: oras-go lists every manifest in `index.json` (`content/oci`, `saveIndex`),
    /// regclient keeps an index under the fallback tag (`scheme/ocidir`, `ReferrerPut`).
    fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, StoreError> {
        referrers_among(&self.entries()?, subject, artifact_type, |entry| self.manifest_of(entry))
    }

    /// Lists the artifacts in `index.json` under their own descriptors, without a name, as oras-go does (`content/oci`, `saveIndex`).
    fn attach(&self, artifacts: &[RawManifest]) -> Result<(), StoreError> {
        let found: Vec<Descriptor> = artifacts.iter().map(|raw| Ok(referrer(raw)?.descriptor)).collect::<Result<_, StoreError>>()?;
        for artifact in artifacts {
            self.write_manifest(artifact, None)?;
        }
        if found.is_empty() {
            return Ok(());
        }
        let _lock = self.lock()?;
        let mut entries = self.entries()?;
        let before = entries.len();
        for descriptor in found {
            if !entries.iter().any(|entry| entry.digest == descriptor.digest) {
                entries.push(descriptor);
            }
        }
        if entries.len() == before {
            return Ok(());
        }
        self.write_file(Path::new("index.json"), &self.index_bytes(&entries)?)
    }
}

/// Opens a file that is no link: a link in a foreign layout could lead anywhere (go-containerregistry 7f937fe5).
fn open_regular(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, Mode::empty())?);
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")) }
}

/// Gives a file that was flushed to the disk a second name. Nobody writes into either: both change by renames alone.
fn share(file: &Path, path: &Path) -> io::Result<()> {
    fs::hard_link(file, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

pub(super) fn disk(step: &str, path: &Path, error: io::Error) -> StoreError {
    StoreError::disk(format!("could not {step} `{}`", path.display()), error)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::oci::Silent;

    fn tag(text: &str) -> Tag {
        text.parse().unwrap()
    }

    fn manifest(text: &str) -> RawManifest {
        let index = json!({"schemaVersion": 2, "mediaType": MediaType::Index.as_str(), "manifests": [], "annotations": {"x": text}});
        RawManifest { bytes: canonical_json(&index).unwrap(), media_type: MediaType::Index }
    }

    #[test]
    fn images_are_named_and_other_images_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/layout");
        let layout = Layout::create(&path).unwrap();
        layout.write_manifest(&manifest("one"), Some(&tag("one"))).unwrap();
        assert_eq!(layout.read_only_manifest().unwrap(), manifest("one"));
        let again = Layout::create(&path).unwrap();
        again.write_manifest(&manifest("two"), Some(&tag("two"))).unwrap();
        again.write_manifest(&manifest("new"), Some(&tag("one"))).unwrap();
        assert_eq!(again.read_manifest(&Selector::Tag(tag("one"))).unwrap(), manifest("new"));
        assert_eq!(again.read_manifest(&Selector::Tag(tag("two"))).unwrap(), manifest("two"));
        assert_eq!(again.read_manifest(&Selector::Digest(manifest("one").descriptor().digest)).unwrap(), manifest("one"));
        assert!(again.read_manifest(&Selector::Tag(tag("three"))).is_err_and(|error| error.fault == StoreFault::Missing));
        assert!(again.read_only_manifest().is_err());
        let names: Vec<_> = fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
    }

    #[test]
    fn artifacts_are_attached_and_the_image_stays_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(&folder.path().join("layout")).unwrap();
        let image = manifest("image");
        layout.write_manifest(&image, Some(&tag("one"))).unwrap();
        let subject = image.descriptor();
        let artifact = |kind: &str| {
            let annotations = std::collections::BTreeMap::from([("a".to_owned(), kind.to_owned())]);
            let artifact =
                crate::image::Artifact { artifact_type: kind.to_owned(), layers: vec![], subject: Some(subject.clone()), annotations };
            RawManifest::from(&artifact.manifest().unwrap())
        };
        let artifacts = [artifact("a/signature"), artifact("a/sbom")];
        for _ in 0..2 {
            layout.attach(&artifacts).unwrap();
        }
        let found = layout.referrers(&subject.digest, None).unwrap();
        assert_eq!(found.iter().map(|found| found.digest).collect::<Vec<_>>(), artifacts.each_ref().map(|raw| raw.descriptor().digest));
        assert_eq!((found[1].artifact_type.as_deref(), found[1].annotations["a"].as_str()), (Some("a/sbom"), "a/sbom"));
        assert_eq!(layout.referrers(&subject.digest, Some("a/sbom")).unwrap(), found[1..]);
        assert_eq!(layout.referrers(&Digest::of(b"other"), None).unwrap(), []);
        assert_eq!(layout.read_selected(None).unwrap(), image);
        assert!(layout.attach(&[image]).is_err_and(|error| error.fault == StoreFault::Corrupt));

        // A list that another tool keeps under the fallback tag.
        let foreign = Descriptor { artifact_type: Some("a/vex".to_owned()), ..Descriptor::of(MediaType::Manifest, b"vex") };
        let mut list = crate::oci::ReferrerList::default();
        list.add(std::slice::from_ref(&foreign));
        layout.write_manifest(&list.to_raw().unwrap(), Some(&Tag::of_digest(&subject.digest))).unwrap();
        assert_eq!(layout.referrers(&subject.digest, Some("a/vex")).unwrap(), [foreign]);
        assert_eq!(layout.referrers(&subject.digest, None).unwrap().len(), 3);
        assert_eq!(layout.read_selected(None).unwrap(), manifest("image"));
    }

    #[test]
    fn only_the_described_blob_is_stored() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::create(folder.path()).unwrap();
        let descriptor = Descriptor::of(MediaType::Config, b"content");
        assert!(layout.write_blob(&descriptor, &b"contenT".to_vec(), &Silent).is_err());
        assert!(!layout.has_blob(&descriptor).unwrap());
        assert_eq!(layout.write_blob(&descriptor, &b"content".to_vec(), &Silent).unwrap(), Written::Uploaded);
        assert_eq!(layout.write_blob(&descriptor, &b"content".to_vec(), &Silent).unwrap(), Written::Present);
        assert_eq!(layout.open_blob(&descriptor).unwrap().read_all(100).unwrap(), b"content");
    }

    #[test]
    fn no_link_in_a_layout_is_followed() {
        for name in ["blobs", "blobs/sha256", "index.json", "oci-layout"] {
            let folder = tempfile::tempdir().unwrap();
            let (path, elsewhere) = (folder.path().join("layout"), folder.path().join("elsewhere"));
            let layout = Layout::create(&path).unwrap();
            layout.write_manifest(&manifest("one"), Some(&tag("one"))).unwrap();
            // All that the link leads to is as it should be, and is left alone.
            fs::rename(path.join(name), &elsewhere).unwrap();
            std::os::unix::fs::symlink(&elsewhere, path.join(name)).unwrap();
            let before = if elsewhere.is_dir() { fs::read_dir(&elsewhere).unwrap().count() } else { 0 };
            let refused = |error: StoreError| error.fault == StoreFault::Refused && error.error.message.contains(name);
            assert!(Layout::open(&path).is_err_and(refused), "{name}");
            assert!(Layout::create(&path).is_err_and(refused), "{name}");
            assert!(layout.write_manifest(&manifest("two"), Some(&tag("two"))).is_err_and(refused), "{name}");
            assert!(layout.open_blob(&manifest("one").descriptor()).is_err_and(refused), "{name}");
            if elsewhere.is_dir() {
                assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), before, "{name}");
            }
            // A link to nothing would be made to lead to something.
            fs::remove_file(path.join(name)).unwrap();
            std::os::unix::fs::symlink(folder.path().join("gone"), path.join(name)).unwrap();
            assert!(Layout::create(&path).is_err_and(refused), "{name}");
        }
        // The folder itself is the user's to name.
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("real")).unwrap();
        std::os::unix::fs::symlink("real", folder.path().join("link")).unwrap();
        Layout::create(&folder.path().join("link")).unwrap().write_manifest(&manifest("one"), Some(&tag("one"))).unwrap();
        assert!(Layout::open(&folder.path().join("real")).is_ok());
    }

    #[test]
    fn hostile_layouts_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), b"x").unwrap();
        assert!(Layout::create(folder.path()).is_err_and(|error| error.fault == StoreFault::Refused));
        assert!(Layout::open(folder.path()).is_err_and(|error| error.fault == StoreFault::Missing));
        let path = folder.path().join("layout");
        let layout = Layout::create(&path).unwrap();
        assert!(!path.exists());
        layout.write_manifest(&manifest("one"), None).unwrap();
        let descriptor = Descriptor::of(MediaType::Config, b"secret");
        fs::write(folder.path().join("secret"), b"secret").unwrap();
        std::os::unix::fs::symlink("../../../secret", layout.blob_path(&descriptor.digest)).unwrap();
        assert!(layout.open_blob(&descriptor).is_err());
        fs::write(path.join("index.json"), br#"{"schemaVersion":2,"manifests":[],"layers":[]}"#).unwrap();
        assert!(layout.read_only_manifest().is_err_and(|error| error.fault == StoreFault::Corrupt));
        fs::write(path.join("oci-layout"), br#"{"imageLayoutVersion":"9.0.0"}"#).unwrap();
        assert!(Layout::open(&path).is_err());
    }
}
