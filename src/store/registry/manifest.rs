use serde_json::Value;

use super::Repository;
use super::call::{Action, Call};
use super::fault::Fault;
use crate::net::{Again, Method, RequestBody, Retry, header};
use crate::oci::{Digest, MANIFEST_LIMIT, MediaType, RawManifest, Selector};

/// How often a registry is asked again for what this process has just written, and what is not visible there yet: some storage is
/// eventually consistent (openshift/image-registry#220).
pub(super) const LATE: u32 = 6;

const ACCEPTED: [MediaType; 4] = [MediaType::Index, MediaType::Manifest, MediaType::DockerList, MediaType::DockerManifest];

impl Repository {
    /// Reads a manifest. One that this process may just have written is asked for again when it is not there yet.
    pub(super) fn get_manifest(&self, selector: &Selector) -> Result<RawManifest, Fault> {
        let mut tries = self.tries();
        loop {
            match self.get_once(selector, self.reading()) {
                Ok(manifest) => return Ok(manifest),
                Err(fault) => {
                    let late = fault.status() == Some(404) && self.was_written() && tries.failed() < LATE;
                    let again = if late { Again::Soon } else { fault.again() };
                    tries.next(fault, again)?;
                }
            }
        }
    }

    pub(super) fn get_once(&self, selector: &Selector, action: Action) -> Result<RawManifest, Fault> {
        let response = self.call(&self.asking(Method::GET, selector, action)?)?;
        if !response.status().is_success() {
            return Err(Fault::of(response));
        }
        let claimed = response.header("content-type").map(MediaType::from);
        let bytes = response.read_all(MANIFEST_LIMIT)?;
        if let Selector::Digest(expected) = selector {
            let actual = Digest::of(&bytes);
            if actual != *expected {
                return Err(Fault::corrupt(format!("the registry sent a manifest whose digest is {actual}")));
            }
        }
        Ok(RawManifest { media_type: media_type(claimed, &bytes), bytes })
    }

    /// Says whether a tag or digest names exactly these bytes. It is asked once: whatever goes wrong shows when the image is written.
    pub(super) fn names(&self, selector: &Selector, bytes: &[u8]) -> bool {
        self.get_once(selector, Action::Push).is_ok_and(|manifest| manifest.bytes == bytes)
    }

    fn asking(&self, method: Method, selector: &Selector, action: Action) -> Result<Call<'static>, Fault> {
        let target = self.target(&path(selector))?;
        let accept: Vec<_> = ACCEPTED.iter().map(MediaType::as_str).collect();
        Ok(Call::new(method, target, action).header(header::ACCEPT, accept.join(", ")))
    }

    /// Writes a manifest under its digest or a tag.
    ///
    /// A tag that is already right is left alone: registries with immutable tags refuse to write the same manifest again
    /// (moby/buildkit#3776, aws/containers-roadmap#2179).
    pub(super) fn put_manifest(&self, manifest: &RawManifest, selector: &Selector) -> Result<(), Fault> {
        let digest = Digest::of(&manifest.bytes);
        if matches!(selector, Selector::Tag(_)) && self.retried(|| self.points_to(selector, digest))? {
            return Ok(());
        }
        let body = || Ok(RequestBody::Bytes(manifest.bytes.clone().into()));
        let call = Call::new(Method::PUT, self.target(&path(selector))?, Action::Push)
            .header(header::CONTENT_TYPE, manifest.media_type.as_str())
            .body(&body);
        let mut tries = self.tries();
        loop {
            let response = self.retried(|| self.call(&call))?;
            if response.status().is_success() {
                self.note_written();
                return Ok(());
            }
            let fault = Fault::of(response);
            let late = fault.is_unknown_part() && self.was_written() && tries.failed() < LATE;
            // The answer to an earlier try may have been lost.
            if !late && matches!(selector, Selector::Tag(_)) && self.points_to(selector, digest).unwrap_or(false) {
                return Ok(());
            }
            tries.next(fault, if late { Again::Soon } else { Again::Never })?;
        }
    }

    /// Says whether a tag names this digest. The header only decides whether the bytes are worth reading.
    fn points_to(&self, selector: &Selector, digest: Digest) -> Result<bool, Fault> {
        let response = self.call(&self.asking(Method::HEAD, selector, Action::Push)?)?;
        let claimed = response.header("docker-content-digest").and_then(|text| text.parse::<Digest>().ok());
        match response.status().as_u16() {
            200..=299 if claimed.is_none_or(|claimed| claimed == digest) => {}
            // 401 and 403 may stand for a tag that does not exist; writing it tells.
            _ => return Ok(false),
        }
        Ok(self.get_once(selector, Action::Push).is_ok_and(|manifest| Digest::of(&manifest.bytes) == digest))
    }
}

pub(super) fn path(selector: &Selector) -> String {
    match selector {
        Selector::Tag(tag) => format!("manifests/{tag}"),
        Selector::Digest(digest) => format!("manifests/{digest}"),
    }
}

/// Returns what a manifest came as; where the registry says nothing of use, what it calls itself, or what its keys make it.
fn media_type(claimed: Option<MediaType>, bytes: &[u8]) -> MediaType {
    const NOTHING: [&str; 4] = ["", "application/json", "application/octet-stream", "text/plain"];
    if let Some(claimed) = &claimed
        && !NOTHING.contains(&claimed.as_str())
    {
        return claimed.clone();
    }
    let document: Option<Value> = serde_json::from_slice(bytes).ok();
    let field = |name: &str| document.as_ref().and_then(|document| document.get(name));
    match field("mediaType").and_then(Value::as_str) {
        Some(name) => MediaType::from(name),
        None if field("manifests").is_some() => MediaType::Index,
        None if field("layers").is_some() => MediaType::Manifest,
        None => claimed.unwrap_or(MediaType::Other(String::new())),
    }
}
