//! What refers to a manifest of a registry (distribution-spec 1.1): the referrers API, and the fallback tag where there is none.
//!
//! A registry has no compare-and-swap for tags: of two clients that read the list under a fallback tag and put it back at the same time,
//! one loses what it added (distribution-spec, "Referrers Tag Schema"). Two of ours do not lose anything, as long as a request
//! takes less than 3 seconds: a writer puts a list only less than [`FRESH`] after it read it, and looks again after [`LOOK_AFTER`], when every
//! writer that had read an older list is done. Against other tools, which do not look again, ours can only add what they removed. Whatever
//! happens to the list, the manifests stay.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use super::Repository;
use super::call::{Action, Call};
use super::fault::Fault;
use super::manifest::{LATE, path};
use crate::net::{Again, HttpFault, Method, Origin, RequestBody, Response, Retry, Target, Wait, header};
use crate::oci::{Descriptor, Digest, MANIFEST_LIMIT, MediaType, RawManifest, ReferrerList, Selector, StoreError, StoreFault, Tag};
use crate::store::referrers::referrer;

/// How old what was read of a fallback list may be when a merged one is put.
const FRESH: Duration = Duration::from_secs(2);
/// How long after a put the list is looked at again.
const LOOK_AFTER: Duration = Duration::from_secs(5);
/// How much longer at most, by chance.
const JITTER: Duration = Duration::from_secs(2);
/// How often the list is looked at again.
const LOOKS: u32 = 5;
/// How often a list is read anew, before one look, because it got too old before it could be put.
const STALE: u32 = 5;
/// How many pages a list of the API may have, and how many bytes all of them together: links may never end (oras-project/oras-go#1215).
const PAGES: (usize, u64) = (100, 16 << 20);

/// One page of the API's answer.
struct Page {
    list: ReferrerList,
    size: u64,
    next: Option<Target>,
}

/// What became of putting a list.
enum Put {
    Done,
    /// What it was made from had become too old; nothing was sent.
    Stale,
}

impl Repository {
    /// Lists what refers to a manifest. The type is also asked for, and the answer filtered again: a registry need not filter.
    pub(super) fn list_referrers(&self, subject: &Digest, artifact_type: Option<&str>) -> Result<Vec<Descriptor>, Fault> {
        let found = match self.listed_by_api(subject, artifact_type, Action::Pull)? {
            Some(found) => found,
            None => self.fallback_list(subject, Action::Pull)?.descriptors(),
        };
        Ok(ReferrerList::selected(found, artifact_type))
    }

    /// Writes artifacts, and lists them where the registry does not do that itself.
    pub(super) fn attach_all(&self, artifacts: &[RawManifest]) -> Result<(), StoreError> {
        let mut subjects: BTreeMap<Digest, Vec<Descriptor>> = BTreeMap::new();
        for artifact in artifacts {
            let found = referrer(artifact)?;
            subjects.entry(found.subject).or_default().push(found.descriptor);
        }
        for artifact in artifacts {
            let selector = Selector::Digest(artifact.descriptor().digest);
            let step = || format!("could not write `{}{selector}`", self.name);
            self.next_step().put_manifest(artifact, &selector).map_err(|fault| self.error(fault, &step()))?;
        }
        for (subject, wanted) in subjects {
            let step = || format!("could not list the referrers of `{}@{subject}`", self.name);
            // The answer to the PUT does not say it: ECR has sent `OCI-Subject` without the API (sigstore/sigstore-js#1183).
            let listed = self.next_step().listed_by_api(&subject, None, Action::Push).map_err(|fault| self.error(fault, &step()))?;
            if listed.is_none() {
                self.list_under_tag(&subject, &wanted)?;
            }
        }
        Ok(())
    }

    /// Asks the referrers API; `None` when the registry has none, and its answer is no OCI index: also with 200 (sigstore/sigstore-js#1187;
    /// HTML from GitLab, gitlab#592700).
    fn listed_by_api(&self, subject: &Digest, artifact_type: Option<&str>, action: Action) -> Result<Option<Vec<Descriptor>>, Fault> {
        let mut target = self.target(&format!("referrers/{subject}"))?;
        if let Some(artifact_type) = artifact_type {
            target = target.with_query("artifactType", artifact_type);
        }
        let (mut found, mut seen, mut size) = (Vec::new(), BTreeSet::new(), 0);
        loop {
            if !seen.insert(target.url().to_string()) {
                return Err(Fault::corrupt("the pages of the list of referrers form a loop"));
            }
            let Some(page) = self.retried(|| self.page(&target, action))? else {
                return if seen.len() == 1 {
                    Ok(None)
                } else {
                    Err(Fault::corrupt("a page of the list of referrers is not an OCI image index"))
                };
            };
            found.extend(page.list.descriptors());
            size += page.size;
            let Some(next) = page.next else { return Ok(Some(found)) };
            if seen.len() >= PAGES.0 || size > PAGES.1 {
                let message = format!("the list of referrers has more than {} pages or {} bytes", PAGES.0, PAGES.1);
                return Err(Fault::corrupt(message));
            }
            target = next;
        }
    }

    fn page(&self, target: &Target, action: Action) -> Result<Option<Page>, Fault> {
        let call = Call::new(Method::GET, target.clone(), action).header(header::ACCEPT, MediaType::Index.as_str());
        let response = self.call(&call)?;
        match response.status().as_u16() {
            200 => {}
            401 | 403 => return Err(Fault::of(response)),
            // A busy registry may have the API. 500 counts as none: a server may fail so at a path that it has no route for.
            status if status != 500 && Again::after_status(status) == Again::Soon => return Err(Fault::of(response)),
            _ => return Ok(None),
        }
        if response.header("content-type").map(MediaType::from) != Some(MediaType::Index) {
            return Ok(None);
        }
        let next = next_page(&response)?;
        let bytes = response.read_all(MANIFEST_LIMIT)?;
        Ok(ReferrerList::read(&bytes).ok().map(|list| Page { list, size: bytes.len() as u64, next }))
    }

    /// Reads the list under the fallback tag. No tag is an empty list, and so is the subject itself.
    fn fallback_list(&self, subject: &Digest, action: Action) -> Result<ReferrerList, Fault> {
        let tag = Tag::of_digest(subject);
        let raw = match self.retried(|| self.get_once(&Selector::Tag(tag.clone()), action)) {
            Ok(raw) => raw,
            Err(fault) if fault.status() == Some(404) => return Ok(ReferrerList::default()),
            Err(fault) => return Err(fault),
        };
        // GitLab reads `sha256-HEX` as the digest, and answers with the image itself (oras-project/oras-go#1396).
        if Digest::of(&raw.bytes) == *subject {
            return Ok(ReferrerList::default());
        }
        if raw.media_type != MediaType::Index {
            return Err(Fault::corrupt(format!(
                "the tag `{tag}` names no list of referrers, but `{}`",
                raw.media_type.as_str().escape_debug()
            )));
        }
        ReferrerList::read(&raw.bytes)
            .map_err(|fault| Fault::corrupt(format!("the list of referrers under the tag `{tag}` is broken: {fault}")))
    }

    /// Adds artifacts to the list under the fallback tag, until they are there some time after.
    fn list_under_tag(&self, subject: &Digest, wanted: &[Descriptor]) -> Result<(), StoreError> {
        let step = || format!("could not add to the list of referrers of `{}@{subject}`", self.name);
        for look in 0..LOOKS {
            if look > 0 {
                self.wait_for_writers();
            }
            if self.next_step().merged(subject, wanted).map_err(|fault| self.error(fault, &step()))? {
                return Ok(());
            }
        }
        self.wait_for_writers();
        let list = self.next_step().fallback_list(subject, Action::Push).map_err(|fault| self.error(fault, &step()))?;
        let missing: Vec<String> = wanted.iter().filter(|one| !list.lists(&one.digest)).map(|one| one.digest.to_string()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let message = format!("{}: other clients change the list at the same time", step());
        Err(StoreError::new(StoreFault::Refused, message)
            .caused_by(format!("it was written {LOOKS} times, but does not list {}", missing.join(", ")))
            .hint("the manifests are stored; run the command again when no other client adds referrers to this image"))
    }

    /// Waits until every writer that had read an older list is done.
    fn wait_for_writers(&self) {
        let clock = &self.registry.0.clock;
        let length = LOOK_AFTER + clock.jitter(JITTER);
        let before = format!("the list of what refers to the image is read again at `{}`", self.name.registry());
        let why = "another client may have replaced it at the same time".to_owned();
        self.step.tell(&Wait::Pause { length, before, why });
        clock.wait(length);
    }

    /// Says whether all are listed; otherwise puts a list to which they are added.
    fn merged(&self, subject: &Digest, wanted: &[Descriptor]) -> Result<bool, Fault> {
        let mut tries = self.tries();
        let mut stale = 0;
        loop {
            let mut list = self.fallback_list(subject, Action::Push)?;
            let read_at = self.registry.0.clock.now();
            if wanted.iter().all(|one| list.lists(&one.digest)) {
                return Ok(true);
            }
            list.add(wanted);
            match self.put_list(subject, &list, read_at) {
                Ok(Put::Done) => return Ok(false),
                Ok(Put::Stale) => {
                    stale += 1;
                    if stale == STALE {
                        return Err(Fault::corrupt(format!(
                            "the registry is too slow: the list that was read is older than {} s",
                            FRESH.as_secs()
                        )));
                    }
                }
                Err(fault) => {
                    let late = fault.is_unknown_part() && self.was_written() && tries.failed() < LATE;
                    let again = if late { Again::Soon } else { fault.again() };
                    tries.next(fault, again)?;
                }
            }
        }
    }

    /// Puts a list under the fallback tag, if what it was made from is still fresh when the request is sent.
    fn put_list(&self, subject: &Digest, list: &ReferrerList, read_at: Duration) -> Result<Put, Fault> {
        let raw = list.to_raw().map_err(|fault| Fault::corrupt(fault.to_string()))?;
        let selector = Selector::Tag(Tag::of_digest(subject));
        let is_fresh = || self.registry.0.clock.now().saturating_sub(read_at) < FRESH;
        // It is asked for again after the registry has asked for credentials.
        let body = || if is_fresh() { Ok(RequestBody::Bytes(raw.bytes.clone().into())) } else { Err(io::Error::other("stale")) };
        let call = Call::new(Method::PUT, self.target(&path(&selector))?, Action::Push)
            .header(header::CONTENT_TYPE, raw.media_type.as_str())
            .body(&body);
        match self.call(&call) {
            Ok(response) if response.status().is_success() => {
                self.note_written();
                Ok(Put::Done)
            }
            Ok(response) => Err(Fault::of(response)),
            Err(Fault::Http(HttpFault::Source(_))) => Ok(Put::Stale),
            Err(fault) => Err(fault),
        }
    }
}

/// Returns where the next page is (RFC 8288, `rel="next"`). Only the origin that gave this page is asked for it.
fn next_page(response: &Response) -> Result<Option<Target>, Fault> {
    let Some(link) = response.headers("link").into_iter().find_map(next_link) else { return Ok(None) };
    let next = response.hop(&link)?;
    if Origin::of(next.url()) != Origin::of(response.target().url()) {
        return Err(Fault::corrupt("the next page of the list of referrers is at another host"));
    }
    Ok(Some(next))
}

/// Finds the link to the next page in a `Link` header, which may hold several links.
fn next_link(value: &str) -> Option<String> {
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let (link, after) = after.split_once('>')?;
        let parameters = after.split('<').next().unwrap_or_default();
        let is_next = |parameter: &str| {
            let (name, value) = parameter.trim().trim_end_matches(',').split_once('=').unwrap_or_default();
            name.trim().eq_ignore_ascii_case("rel")
                && value.trim().trim_matches('"').split_ascii_whitespace().any(|relation| relation.eq_ignore_ascii_case("next"))
        };
        if parameters.split(';').any(is_next) {
            return Some(link.to_owned());
        }
        rest = after;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found_among_links() {
        for (value, expected) in [
            (r#"</v2/a?last=x>; rel="next""#, Some("/v2/a?last=x")),
            ("</a>;rel=next", Some("/a")),
            (r#"</b>; rel="first", </c>; title="x"; Rel="prev next""#, Some("/c")),
            (r#"</b>; rel="first""#, None),
            (r#"</b>; title="next""#, None),
            ("</b; rel=next", None),
            ("", None),
        ] {
            assert_eq!(next_link(value).as_deref(), expected, "{value}");
        }
    }
}
