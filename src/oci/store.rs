use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use super::{Descriptor, Digest, Document, DocumentFault, ImageName, MediaType, Parsed, Tag, Verified};
use crate::diagnostic::ExternalError;

/// What a manifest is asked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// A tag, which may move.
    Tag(Tag),
    /// A digest, which cannot.
    Digest(Digest),
}

impl fmt::Display for Selector {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => write!(formatter, ":{tag}"),
            Self::Digest(digest) => write!(formatter, "@{digest}"),
        }
    }
}

/// A manifest or index as a store holds it: bytes and the media type that they came under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawManifest {
    /// The bytes, at most [`super::MANIFEST_LIMIT`].
    pub bytes: Vec<u8>,
    /// The media type.
    pub media_type: MediaType,
}

impl RawManifest {
    /// Returns the descriptor.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::of(self.media_type.clone(), &self.bytes)
    }

    /// Reads it as a manifest or index.
    ///
    /// # Errors
    /// When it is none.
    pub fn parse<T: Document>(&self) -> Result<Parsed<T>, DocumentFault> {
        Parsed::read(&self.bytes, &self.media_type)
    }
}

impl<T> From<&Parsed<T>> for RawManifest {
    fn from(parsed: &Parsed<T>) -> Self {
        Self { bytes: parsed.bytes().to_vec(), media_type: parsed.descriptor().media_type.clone() }
    }
}

/// Content that can be opened again for each try of an upload.
pub trait BlobSource: Send + Sync {
    /// Opens the content at its beginning. A store calls this only when it needs the bytes.
    ///
    /// # Errors
    /// When the content cannot be had.
    fn open(&self) -> io::Result<Box<dyn Read + Send>>;

    /// Brings the content to this machine, where it is not and opening it would do so first; returns whether it did.
    ///
    /// # Errors
    /// When the content cannot be had.
    fn fetch(&self, progress: &dyn Progress) -> io::Result<bool> {
        let _ = progress;
        Ok(false)
    }

    /// Returns a file of this machine that holds the content and was checked by this process while it wrote it.
    /// A store on the same disk can take the file itself, without reading it again.
    fn fresh_file(&self) -> Option<&Path> {
        None
    }

    /// Returns the repository that the content came from, so that a registry can mount it.
    fn origin(&self) -> Option<&ImageName> {
        None
    }
}

impl<B: BlobSource + ?Sized> BlobSource for &B {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        (**self).open()
    }

    fn fetch(&self, progress: &dyn Progress) -> io::Result<bool> {
        (**self).fetch(progress)
    }

    fn fresh_file(&self) -> Option<&Path> {
        (**self).fresh_file()
    }

    fn origin(&self) -> Option<&ImageName> {
        (**self).origin()
    }
}

impl BlobSource for Vec<u8> {
    fn open(&self) -> io::Result<Box<dyn Read + Send>> {
        Ok(Box::new(io::Cursor::new(self.clone())))
    }
}

/// How a blob came to be in a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Written {
    /// The store had it.
    Present,
    /// The store took it from another of its repositories.
    Mounted,
    /// The bytes were sent.
    Uploaded,
}

/// Receives the progress of a transfer.
pub trait Progress: Send + Sync {
    /// Some bytes more were moved.
    fn advance(&self, bytes: u64);

    /// The transfer starts again at the beginning.
    fn restart(&self) {}
}

/// Ignores progress.
pub struct Silent;

impl Progress for Silent {
    fn advance(&self, _: u64) {}
}

/// A store of images: a repository of a registry, a layout on disk, an archive.
///
/// A write that succeeds means that the content is stored under its digest, not that this call stored it.
pub trait Store: Send + Sync {
    /// Returns the store's name for messages: `registry.example.no/shop/api`, `oci:dir`.
    fn name(&self) -> String;

    /// Returns a manifest or index. When it was asked for by digest, the bytes have that digest.
    ///
    /// # Errors
    /// [`StoreFault::Missing`] when there is none.
    fn read_manifest(&self, selector: &Selector) -> Result<RawManifest, StoreError>;

    /// Says whether the store has a blob.
    ///
    /// # Errors
    /// When the store cannot say.
    fn has_blob(&self, descriptor: &Descriptor) -> Result<bool, StoreError>;

    /// Opens a blob.
    ///
    /// # Errors
    /// [`StoreFault::Missing`] when there is none.
    fn open_blob(&self, descriptor: &Descriptor) -> Result<Verified<Box<dyn Read + Send>>, StoreError>;

    /// Stores a blob, and opens its source only when the bytes are needed.
    ///
    /// # Errors
    /// When the source or the store fails, or the bytes are not the descriptor's.
    fn write_blob(&self, descriptor: &Descriptor, source: &dyn BlobSource, progress: &dyn Progress) -> Result<Written, StoreError>;

    /// Says whether all these tags name this manifest or index already, so that nothing of the image has to be sent;
    /// without tags, whether the store has it under its digest.
    /// A store that cannot tell with a request or two says no.
    fn is_named(&self, _manifest: &RawManifest, _tags: &[Tag]) -> bool {
        false
    }

    /// Stores a manifest or index under its digest, and under a tag if one is given.
    ///
    /// # Errors
    /// When the store refuses it.
    fn write_manifest(&self, manifest: &RawManifest, tag: Option<&Tag>) -> Result<(), StoreError>;

    /// Lists the manifests whose `subject` has this digest, without duplicates; with an artifact type, only those of exactly this
    /// type (distribution-spec, "Listing Referrers"). A store that holds no referrers lists none.
    ///
    /// # Errors
    /// When the store cannot say, or its list is broken. A subject that nothing refers to is no error.
    fn referrers(&self, _subject: &Digest, _artifact_type: Option<&str>) -> Result<Vec<Descriptor>, StoreError> {
        Ok(Vec::new())
    }

    /// Stores manifests under their digests and lists each among the referrers of its `subject`
    /// (distribution-spec, "Pushing Manifests with Subject"). Their blobs have to be there already; the subject need not.
    ///
    /// All artifacts of one run belong into one call: a registry without the referrers API then gets one list for each subject.
    ///
    /// # Errors
    /// When one has no subject, when the store refuses one, or when a list could not be kept complete. Manifests that were
    /// written stay, so that the same call can be made again.
    fn attach(&self, _artifacts: &[RawManifest]) -> Result<(), StoreError> {
        Err(StoreError::new(StoreFault::Refused, format!("`{}` cannot store referrers", self.name())))
    }
}

/// Reads a manifest or index by its digest, which has to come under the media type that something else gives it (CVE-2021-41190). `who` says what does:
/// `the lock calls`.
///
/// # Errors
/// When it is not there, or came as something else.
pub fn read_as(store: &dyn Store, digest: &Digest, media_type: &MediaType, who: &str) -> Result<RawManifest, StoreError> {
    let raw = store.read_manifest(&Selector::Digest(*digest))?;
    if raw.media_type == *media_type {
        return Ok(raw);
    }
    let (wanted, found) = (media_type.as_str().escape_debug(), raw.media_type.as_str().escape_debug());
    Err(StoreError::new(StoreFault::Corrupt, format!("{who} {digest} `{wanted}`, but it was received as `{found}`")))
}

/// What kind of failure a store had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreFault {
    /// There is no such thing.
    Missing,
    /// No credentials, or bad ones.
    Unauthorized,
    /// The credentials do not allow this.
    Denied,
    /// What is there is not what it should be: a wrong digest, an unreadable document.
    Corrupt,
    /// The store cannot be reached, or fails.
    Unreachable,
    /// The store was reached, and refused what was asked.
    Refused,
    /// The network was needed, and may not be used.
    Offline,
    /// The local disk or file failed.
    Disk,
}

/// A failure of a store: the thing and the step, the cause, and what to do next.
#[derive(Debug)]
pub struct StoreError {
    /// What kind of failure it was.
    pub fault: StoreFault,
    /// The thing and the step, the cause, and what to do next.
    pub error: ExternalError,
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

impl From<StoreError> for ExternalError {
    fn from(error: StoreError) -> Self {
        error.error
    }
}

impl StoreError {
    /// Returns a failure without a cause of its own.
    pub fn new(fault: StoreFault, message: impl Into<String>) -> Self {
        Self { fault, error: ExternalError::new(message) }
    }

    /// Returns a failure of this machine's disk, with what to do about the kinds that a user can mend.
    pub fn disk(message: impl Into<String>, error: io::Error) -> Self {
        let hint = disk_hint(&error);
        hint.into_iter().fold(Self::new(StoreFault::Disk, message).caused_by(error), Self::hint)
    }

    /// Adds the cause.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.error = self.error.caused_by(source);
        self
    }

    /// Adds a next step.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.error = self.error.hint(hint);
        self
    }
}

/// Returns what to do about a failure to write to a disk, for the kinds that a user can mend.
pub fn disk_hint(error: &io::Error) -> Option<&'static str> {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Some("free space on that disk (with `hardened cache prune` if the cache is on it), or use a path on another disk")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Some("name a path that you may write to"),
        io::ErrorKind::NotFound => Some("make the folder first, or name one that exists"),
        _ => None,
    }
}
