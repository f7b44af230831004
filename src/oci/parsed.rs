use std::sync::Arc;

use serde_json::Value;

use super::{Descriptor, Digest, DigestFault, JsonFault, MediaType, canonical_json, strict_json};

/// How large a manifest, index or config may be: 4 MiB, what registries accept at least and clients read at most
/// (distribution-spec, "Pushing Manifests").
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// A JSON document of the image specification.
pub trait Document: Sized {
    /// What the document is called in messages.
    const KIND: &'static str;

    /// Says whether a document of this media type is one of these.
    fn accepts(media_type: &MediaType) -> bool;

    /// Makes the view of a document.
    ///
    /// # Errors
    /// Says what the document lacks.
    fn view(value: Value, media_type: &MediaType) -> Result<Self, DocumentFault>;

    /// Returns the document that holds this view.
    fn value(&self) -> Value;
}

/// Why bytes are not the document that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentFault {
    /// It is of another media type.
    #[error("media type `{}` is not that of an {kind}", media_type.escape_debug())]
    Kind {
        /// What was expected.
        kind: &'static str,
        /// What is there.
        media_type: String,
    },
    /// The document names another media type than its descriptor or the registry.
    #[error("its `mediaType` is `{}`, and its descriptor or the registry says `{}`", inside.escape_debug(), outside.escape_debug())]
    MediaType {
        /// The document's own.
        inside: String,
        /// The one that it came under.
        outside: String,
    },
    /// The document could be read as a manifest and as an index.
    #[error("it also holds the key `{}` of the other kind of document", .0.escape_debug())]
    Ambiguous(String),
    /// It is not the JSON that the specification asks for.
    #[error("{0}")]
    Form(String),
    /// A digest in it is none.
    #[error(transparent)]
    Digest(#[from] DigestFault),
    /// It is not strict JSON.
    #[error(transparent)]
    Json(#[from] JsonFault),
    /// The bytes have another digest or size.
    #[error("its digest is {actual}, not {expected}")]
    Mismatch {
        /// The digest that it should have.
        expected: Digest,
        /// The digest that it has.
        actual: Digest,
    },
    /// It is larger than any reader accepts.
    #[error("it has {0} bytes, more than {MANIFEST_LIMIT}")]
    Size(u64),
}

/// A document's bytes, its view, and its descriptor, which belong together.
#[derive(Debug, Clone, PartialEq)]
pub struct Parsed<T> {
    bytes: Arc<[u8]>,
    view: T,
    descriptor: Descriptor,
}

impl<T: Document> Parsed<T> {
    /// Reads a document that came under a media type.
    ///
    /// # Errors
    /// When the bytes are not such a document, by the strictest reading.
    pub fn read(bytes: &[u8], media_type: &MediaType) -> Result<Self, DocumentFault> {
        if !T::accepts(media_type) {
            return Err(DocumentFault::Kind { kind: T::KIND, media_type: media_type.to_string() });
        }
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(DocumentFault::Size(bytes.len() as u64));
        }
        let view = T::view(strict_json(bytes)?, media_type)?;
        Ok(Self { descriptor: Descriptor::of(media_type.clone(), bytes), bytes: bytes.into(), view })
    }

    /// Reads the document that a descriptor names.
    ///
    /// # Errors
    /// As [`Parsed::read`], and when the bytes are not the descriptor's.
    pub fn read_described(bytes: &[u8], descriptor: &Descriptor) -> Result<Self, DocumentFault> {
        let actual = Digest::of(bytes);
        if actual != descriptor.digest {
            return Err(DocumentFault::Mismatch { expected: descriptor.digest, actual });
        }
        Self::read(bytes, &descriptor.media_type)
    }

    /// Writes a document in canonical form.
    ///
    /// # Errors
    /// When it is larger than [`MANIFEST_LIMIT`], which readers would refuse.
    pub fn write(view: T, media_type: MediaType) -> Result<Self, DocumentFault> {
        let bytes = canonical_json(&view.value()).map_err(|error| DocumentFault::Form(error.to_string()))?;
        if bytes.len() as u64 > MANIFEST_LIMIT {
            return Err(DocumentFault::Size(bytes.len() as u64));
        }
        Ok(Self { descriptor: Descriptor::of(media_type, &bytes), bytes: bytes.into(), view })
    }
}

impl<T> Parsed<T> {
    /// Returns the bytes, as they were read or written.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Returns the view.
    pub fn view(&self) -> &T {
        &self.view
    }

    /// Returns media type, digest and size.
    pub fn descriptor(&self) -> &Descriptor {
        &self.descriptor
    }

    /// Returns the digest.
    pub fn digest(&self) -> Digest {
        self.descriptor.digest
    }
}
