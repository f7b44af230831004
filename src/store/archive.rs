//! An OCI image layout in one tar file.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::layout::{MARK, disk};
use super::layout_index::{FullNames, layout_index};
use super::listed::{Chosen, Listed, media_type_of};
use super::publication::{Blobs, Publication};
use super::referrers::{referrer, referrers_among};
use crate::host::open_regular;
use crate::layer::{MemberKind, StrictTar};
use crate::oci::{
    BlobSource, Descriptor, Digest, DocumentFault, MANIFEST_LIMIT, MediaType, Progress, RawManifest, Selector, Store, StoreError,
    StoreFault, Tag, Verified, Written, canonical_json,
};

/// Writes an image as a layout in a tar, with the same bytes for the same image. Its index names the root by these tags
/// and their full names, and lists each referrer under its own descriptor, without a name, as in a [`super::layout::Layout`].
///
/// # Errors
/// When a blob cannot be had, a referrer has no subject, or `out` fails.
pub fn write(publication: &Publication, tags: &[Tag], names: &FullNames, out: &mut dyn Write) -> io::Result<()> {
    let mut tar = TarWriter::new(out);
    tar.folder("blobs/")?;
    tar.folder("blobs/sha256/")?;
    let document = |raw: &RawManifest| (raw.descriptor().digest, (raw.descriptor(), Arc::new(raw.bytes.clone()) as Arc<dyn BlobSource>));
    let mut all: Blobs = publication.manifests().map(document).collect();
    all.extend(publication.blobs.iter().map(|(digest, (descriptor, source))| (*digest, (descriptor.clone(), Arc::clone(source)))));
    for (descriptor, source) in all.values() {
        let name = blob_name(&descriptor.digest);
        tar.file(&name, descriptor.size, &mut Verified::new(source.open()?, descriptor))?;
    }
    let index = canonical_json(&index_of(publication, tags, names)?)?;
    tar.file("index.json", index.len() as u64, &mut &index[..])?;
    tar.file("oci-layout", MARK.len() as u64, &mut MARK.as_bytes())?;
    tar.finish()
}

fn index_of(publication: &Publication, tags: &[Tag], names: &FullNames) -> io::Result<Value> {
    let root = &publication.root;
    let tagged = |tag: &Tag| names.entry(root.descriptor(), tag);
    let mut manifests: Vec<Descriptor> = if tags.is_empty() { vec![root.descriptor()] } else { tags.iter().map(tagged).collect() };
    for artifact in &publication.referrers {
        manifests.push(referrer(artifact).map_err(io::Error::other)?.descriptor);
    }
    Ok(layout_index(&manifests))
}

/// Writes a plain tar of files with mode 0644, root's, at time 0.
pub(super) struct TarWriter<'a> {
    out: &'a mut dyn Write,
}

impl<'a> TarWriter<'a> {
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out }
    }

    pub(super) fn folder(&mut self, name: &str) -> io::Result<()> {
        self.header(name, tar::EntryType::Directory, 0o755, 0)
    }

    /// Writes a file of a size that is known.
    pub(super) fn file(&mut self, name: &str, size: u64, content: &mut dyn Read) -> io::Result<()> {
        self.header(name, tar::EntryType::Regular, 0o644, size)?;
        let copied = io::copy(content, self.out)?;
        if copied != size {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("`{name}` has {copied} bytes, and should have {size}")));
        }
        let padding = copied.next_multiple_of(512) - copied;
        io::copy(&mut io::repeat(0).take(padding), self.out).map(drop)
    }

    fn header(&mut self, name: &str, kind: tar::EntryType, mode: u32, size: u64) -> io::Result<()> {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        // A layer of more than 8 GiB gets GNU's binary form here, which every reader of such archives knows.
        header.set_size(size);
        if let Some(ustar) = header.as_ustar_mut() {
            ustar.name[..name.len()].copy_from_slice(name.as_bytes());
            ustar.set_device_major(0);
            ustar.set_device_minor(0);
        }
        header.set_cksum();
        self.out.write_all(header.as_bytes())
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.out.write_all(&[0; 1024])?;
        self.out.flush()
    }
}

/// How many files an archive of an image may hold: blobs and a few documents.
const FILES: usize = 100_000;
/// How many bytes the names in it may have together.
const NAMES: usize = 16 << 20;

/// The files of an archive: where each begins, and how long it is.
#[derive(Debug)]
pub(super) struct TarFiles {
    pub(super) path: PathBuf,
    files: BTreeMap<String, (u64, u64)>,
    links: BTreeMap<String, String>,
}

impl TarFiles {
    /// Reads the list of files of a plain tar.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let file = open_regular(path).map_err(|error| {
            let fault = if error.kind() == io::ErrorKind::NotFound { StoreFault::Missing } else { StoreFault::Disk };
            let missing = error.kind() == io::ErrorKind::NotFound;
            let error = StoreError::new(fault, format!("could not open the archive `{}`", path.display())).caused_by(error);
            if missing { error.hint("name a file that exists; `hardened build -o oci-archive:FILE` writes one") } else { error }
        })?;
        let mut magic = [0; 4];
        let count = (&file).take(4).read(&mut magic).map_err(|error| disk("read", path, error))?;
        if matches!(&magic[..count], [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd]) {
            let message = format!("the archive `{}` is compressed, and an uncompressed tar is required", path.display());
            return Err(StoreError::new(StoreFault::Corrupt, message).hint("unpack it first: `gunzip` or `unzstd`"));
        }
        let broken =
            |fault| StoreError::new(StoreFault::Corrupt, format!("could not read the archive `{}`", path.display())).caused_by(fault);
        (&file).rewind().map_err(|error| disk("read", path, error))?;
        let mut tar = StrictTar::new(Skipping(file));
        let mut found = Self { path: path.to_owned(), files: BTreeMap::new(), links: BTreeMap::new() };
        let mut names = 0;
        while let Some(member) = tar.next_member().map_err(broken)? {
            let name = String::from_utf8_lossy(member.path.as_bytes()).into_owned();
            // Some readers take the first of two, some the last.
            let corrupt = |reason: &str| StoreError::new(StoreFault::Corrupt, format!("the archive `{}` {reason}", path.display()));
            if found.files.contains_key(&name) || found.links.contains_key(&name) {
                return Err(corrupt(&format!("holds `{}` twice", member.path)));
            }
            if found.files.len() + found.links.len() >= FILES {
                return Err(corrupt(&format!("holds more than {FILES} files")));
            }
            names += name.len() + if let MemberKind::Symlink(target) = &member.kind { target.len() } else { 0 };
            if names > NAMES {
                return Err(corrupt(&format!("holds names of more than {NAMES} bytes")));
            }
            match member.kind {
                MemberKind::File => drop(found.files.insert(name, (tar.position(), member.size))),
                MemberKind::Symlink(target) => drop(found.links.insert(name, String::from_utf8_lossy(&target).into_owned())),
                _ => {}
            }
        }
        Ok(found)
    }

    /// Opens a file; a link is followed once, as old engines wrote them between layers.
    pub(super) fn file(&self, name: &str) -> Result<(io::Take<File>, u64), StoreError> {
        let clean = |name: &str| name.trim_start_matches("./").to_owned();
        let name = clean(name);
        let target = self.links.get(&name).map(|target| clean(target.trim_start_matches("../")));
        let missing =
            || StoreError::new(StoreFault::Missing, format!("the archive `{}` has no file `{}`", self.path.display(), name.escape_debug()));
        let (start, size) = self.files.get(target.as_ref().unwrap_or(&name)).copied().ok_or_else(missing)?;
        let open = || {
            let mut file = open_regular(&self.path)?;
            file.seek(SeekFrom::Start(start))?;
            Ok(file.take(size))
        };
        open().map(|file| (file, size)).map_err(|error| disk("read", &self.path, error))
    }

    pub(super) fn small(&self, name: &str) -> Result<Vec<u8>, StoreError> {
        let (mut file, size) = self.file(name)?;
        if size > MANIFEST_LIMIT {
            return Err(StoreError::new(
                StoreFault::Corrupt,
                format!("`{}` in `{}` has more than {MANIFEST_LIMIT} bytes", name.escape_debug(), self.path.display()),
            ));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(|error| disk("read", &self.path, error))?;
        Ok(bytes)
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.files.contains_key(name)
    }
}

/// Reads a file; contents are read through rather than sought over, so that a file that ends early is noticed.
struct Skipping(File);

impl Read for Skipping {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

/// An OCI archive that is read.
#[derive(Debug)]
pub struct Archive {
    files: TarFiles,
}

impl Archive {
    /// Opens an archive.
    ///
    /// # Errors
    /// When it is none.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let files = TarFiles::open(path)?;
        if files.has("oci-layout") && files.has("index.json") {
            return Ok(Self { files });
        }
        let message = format!("`{}` is not an OCI archive: it holds no `oci-layout` and `index.json`", path.display());
        let hint = files.has("manifest.json").then(|| format!("`docker-archive:{}` may be meant", path.display()));
        let failure = StoreError::new(StoreFault::Corrupt, message);
        Err(hint.into_iter().fold(failure, StoreError::hint))
    }

    /// Returns the manifest or index that is selected, or the only one, as a [`super::layout::Layout`] does.
    ///
    /// # Errors
    /// When there is none.
    pub fn read_selected(&self, selector: Option<&Selector>) -> Result<RawManifest, StoreError> {
        if let Some(selector) = selector {
            return self.read_manifest(selector);
        }
        let container = format!("the archive `{}`", self.files.path.display());
        self.chosen(self.listed()?.only(&container, |entry| self.manifest_of(entry))?)
    }

    fn chosen(&self, chosen: Chosen) -> Result<RawManifest, StoreError> {
        match chosen {
            Chosen::Entry(entry) => self.manifest_of(&entry),
            Chosen::Index(raw) => Ok(raw),
        }
    }

    fn listed(&self) -> Result<Listed, StoreError> {
        Listed::read(self.files.small("index.json")?).map_err(|fault| self.broken(fault))
    }

    fn broken(&self, fault: DocumentFault) -> StoreError {
        StoreError::new(StoreFault::Corrupt, format!("`index.json` of `{}` is broken", self.files.path.display())).caused_by(fault)
    }

    fn manifest_of(&self, descriptor: &Descriptor) -> Result<RawManifest, StoreError> {
        let bytes = self.open_blob(descriptor)?.read_all(MANIFEST_LIMIT);
        let broken = |error| {
            StoreError::new(StoreFault::Corrupt, format!("could not read the manifest {} of `{}`", descriptor.digest, self.name()))
                .caused_by(error)
        };
        Ok(RawManifest { bytes: bytes.map_err(broken)?, media_type: descriptor.media_type.clone() })
    }
}

fn blob_name(digest: &Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

pub(super) fn read_only(name: &str) -> StoreError {
    StoreError::new(StoreFault::Refused, format!("`{name}` is read-only"))
}

impl Store for Archive {
    fn name(&self) -> String {
        format!("oci-archive:{}", self.files.path.display())
    }

    fn read_manifest(&self, selector: &Selector) -> Result<RawManifest, StoreError> {
        let listed = self.listed()?;
        let found = listed.selected(selector, |entry| self.manifest_of(entry)).map_err(|fault| self.broken(fault))?;
        if let Some(chosen) = found {
            return self.chosen(chosen);
        }
        let missing = || {
            let error = StoreError::new(StoreFault::Missing, format!("`{}` has no image `{selector}`", self.name()));
            listed.names().into_iter().fold(error, |error, names| error.hint(format!("it has {names}")))
        };
        let Selector::Digest(digest) = selector else { return Err(missing()) };
        if !self.files.has(&blob_name(digest)) {
            return Err(missing());
        }
        let (_, size) = self.files.file(&blob_name(digest))?;
        let raw = self.manifest_of(&Descriptor::new(MediaType::Manifest, *digest, size))?;
        Ok(RawManifest { media_type: media_type_of(&raw.bytes), ..raw })
    }

    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, StoreError> {
        Ok(self.files.has(&blob_name(&descriptor.digest)))
    }

    fn open_blob(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn Read + Send>>, StoreError> {
        let (file, _) = self.files.file(&blob_name(&descriptor.digest))?;
        Ok(Verified::new(Box::new(file), descriptor))
    }

    fn write_blob(&self, _: &Descriptor, _: &dyn BlobSource, _: &dyn Progress) -> Result<Written, StoreError> {
        Err(read_only(&self.name()))
    }

    fn write_manifest(&self, _: &RawManifest, _: Option<&Tag>) -> Result<(), StoreError> {
        Err(read_only(&self.name()))
    }

    fn referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, StoreError> {
        referrers_among(self.listed()?.entries(), subject, artifact_type, |entry| self.manifest_of(entry))
    }

    fn attach(&self, _: &[RawManifest]) -> Result<(), StoreError> {
        Err(read_only(&self.name()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn publication() -> Publication {
        let index = json!({"schemaVersion": 2, "mediaType": MediaType::Index.as_str(), "manifests": []});
        let blob = b"blob".to_vec();
        let descriptor = Descriptor::of(MediaType::Config, &blob);
        let blobs = BTreeMap::from([(descriptor.digest, (descriptor, Arc::new(blob) as Arc<dyn BlobSource>))]);
        Publication::single(RawManifest { bytes: canonical_json(&index).unwrap(), media_type: MediaType::Index }, blobs)
    }

    #[test]
    fn an_archive_holds_what_refers_to_its_image() {
        let subject = Some(publication().root.descriptor());
        let artifact = crate::image::Artifact { artifact_type: "a/b".to_owned(), layers: vec![], subject, annotations: BTreeMap::new() };
        let artifact = RawManifest::from(&artifact.manifest().unwrap());
        let attached = Publication { referrers: vec![artifact.clone()], ..publication() };
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        let mut bytes = vec![];
        write(&attached, &[], &FullNames::default(), &mut bytes).unwrap();
        std::fs::write(&path, &bytes).unwrap();
        let archive = Archive::open(&path).unwrap();
        assert_eq!(archive.read_selected(None).unwrap(), attached.root);
        let found = archive.referrers(&attached.digest(), Some("a/b")).unwrap();
        assert_eq!(found, [Descriptor { artifact_type: Some("a/b".to_owned()), ..artifact.descriptor() }]);
        assert!(archive.attach(&[artifact]).is_err());
        let wrong = Publication { referrers: vec![publication().root], ..publication() };
        assert!(write(&wrong, &[], &FullNames::default(), &mut vec![]).is_err());
    }

    #[test]
    fn what_is_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("image.tar");
        let tags = ["one", "two"].map(|tag| tag.parse().unwrap());
        let mut bytes = vec![];
        write(&publication(), &tags, &FullNames::default(), &mut bytes).unwrap();
        let mut again = vec![];
        write(&publication(), &tags, &FullNames::default(), &mut again).unwrap();
        assert!(bytes == again);
        std::fs::write(&path, &bytes).unwrap();
        let archive = Archive::open(&path).unwrap();
        assert_eq!(archive.read_selected(None).unwrap(), publication().root);
        assert_eq!(archive.read_selected(Some(&Selector::Tag("two".parse().unwrap()))).unwrap(), publication().root);
        assert!(archive.read_selected(Some(&Selector::Tag("three".parse().unwrap()))).is_err());
        let descriptor = Descriptor::of(MediaType::Config, b"blob");
        assert_eq!(archive.open_blob(&descriptor).unwrap().read_all(9).unwrap(), b"blob");
        std::fs::write(&path, &bytes[..bytes.len() - 1500]).unwrap();
        assert!(Archive::open(&path).is_err());
        std::fs::write(&path, [0x1f, 0x8b, 8, 0]).unwrap();
        assert!(Archive::open(&path).is_err_and(|error| error.error.message.contains("compressed")));
    }
}
