//! What refers to an image, in stores that list all that they hold in one index: layouts and archives.

use crate::oci::{ANNOTATION_REF_NAME, Descriptor, Digest, RawManifest, Referrer, ReferrerList, StoreError, StoreFault, Tag};

/// Describes an artifact that is to be attached.
///
/// # Errors
/// When it is no manifest, or refers to nothing.
pub(super) fn referrer(raw: &RawManifest) -> Result<Referrer, StoreError> {
    let digest = raw.descriptor().digest;
    let error = || StoreError::new(StoreFault::Corrupt, format!("could not attach the manifest {digest}"));
    let found = Referrer::read(raw).map_err(|fault| error().caused_by(fault))?;
    found.ok_or_else(|| error().caused_by("it has no `subject`"))
}

/// Returns the entries of an `index.json` that are images: without artifacts that nobody named, and without lists of referrers. When
/// nothing else is listed, all are returned.
pub(super) fn images(entries: Vec<Descriptor>) -> Vec<Descriptor> {
    let is_image = |entry: &Descriptor| match entry.annotations.get(ANNOTATION_REF_NAME) {
        Some(name) => !is_fallback_tag(name),
        None => !entry.is_called_artifact(),
    };
    let found: Vec<Descriptor> = entries.iter().filter(|entry| is_image(entry)).cloned().collect();
    if found.is_empty() { entries } else { found }
}

fn is_fallback_tag(name: &str) -> bool {
    name.strip_prefix("sha256-").is_some_and(|hex| format!("sha256:{hex}").parse::<Digest>().is_ok())
}

/// Lists the manifests among the entries of an `index.json` that have this subject, and those in the index under its fallback tag.
///
/// # Errors
/// When a manifest cannot be read, or the fallback tag names no list.
pub(super) fn referrers_among(
    entries: &[Descriptor],
    subject: &Digest,
    artifact_type: Option<&str>,
    read: impl Fn(&Descriptor) -> Result<RawManifest, StoreError>,
) -> Result<Vec<Descriptor>, StoreError> {
    let tag = Tag::of_digest(subject);
    let mut found = Vec::new();
    for entry in entries.iter().filter(|entry| entry.media_type.is_manifest() || entry.media_type.is_index()) {
        let raw = read(entry)?;
        if entry.annotations.get(ANNOTATION_REF_NAME).map(String::as_str) == Some(tag.as_str()) {
            let broken =
                |fault| StoreError::new(StoreFault::Corrupt, format!("what `{tag}` refers to is not a list of referrers")).caused_by(fault);
            found.extend(ReferrerList::read(&raw.bytes).map_err(broken)?.descriptors());
        } else if let Ok(Some(referrer)) = Referrer::read(&raw)
            && referrer.subject == *subject
        {
            found.push(referrer.descriptor);
        }
    }
    Ok(ReferrerList::selected(found, artifact_type))
}
