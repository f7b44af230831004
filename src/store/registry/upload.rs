use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};

use super::Repository;
use super::call::{Action, Call};
use super::fault::Fault;
use super::realm;
use crate::net::{Again, HttpFault, Method, RequestBody, Response, Retry, Step, Target, Tries, header};
use crate::oci::{BlobSource, Descriptor, Progress, StoreFault, Verified, Written};

/// How often an upload is sent on to another address.
const HOPS: usize = 5;

/// One blob on its way to a repository.
pub(super) struct Upload<'u> {
    repository: &'u Repository,
    descriptor: &'u Descriptor,
    source: &'u dyn BlobSource,
    progress: &'u dyn Progress,
}

/// What became of an attempt to go on with a session.
enum Resumed {
    Done,
    /// The registry has forgotten the session, or cannot go on with it.
    Lost,
}

impl<'u> Upload<'u> {
    pub(super) fn new(
        repository: &'u Repository,
        descriptor: &'u Descriptor,
        source: &'u dyn BlobSource,
        progress: &'u dyn Progress,
    ) -> Self {
        Self { repository, descriptor, source, progress }
    }

    /// Sends the blob, if the registry does not have it: it is mounted, or sent whole, or continued where it broke.
    pub(super) fn run(&self) -> Result<Written, Fault> {
        if self.repository.has(&self.descriptor.digest, self.descriptor.size, Action::Push)? {
            return Ok(Written::Present);
        }
        let mut session = match self.mount() {
            Some(Mounted::There) => {
                self.repository.note_written();
                return Ok(Written::Mounted);
            }
            Some(Mounted::Session(target)) => Some(target),
            None => None,
        };
        let mut tries = self.repository.tries();
        let mut begun = false;
        let mut most = 0;
        loop {
            let fault = match self.attempt(&mut session, &mut begun, &mut most, &mut tries) {
                Ok(()) => {
                    self.repository.note_written();
                    return Ok(Written::Uploaded);
                }
                Err(fault) => fault,
            };
            // A session that has gone (404), is out of step (416) or was answered oddly is replaced, a few times.
            let lost = matches!(fault.status(), Some(404 | 416)) && tries.failed() < 3;
            if lost {
                session = None;
            }
            let again = if lost { Again::Soon } else { fault.again() };
            tries.next(fault, again)?;
        }
    }

    fn attempt(&self, session: &mut Option<Target>, begun: &mut bool, most: &mut u64, tries: &mut Tries) -> Result<(), Fault> {
        if *begun {
            // The bytes may have arrived, and only the answer was lost (GoogleContainerTools/jib#4301).
            if self.repository.has(&self.descriptor.digest, self.descriptor.size, Action::Push)? {
                return Ok(());
            }
            if let Some(target) = session.clone() {
                match self.resume(target, session, most, tries)? {
                    Resumed::Done => return Ok(()),
                    Resumed::Lost => *session = None,
                }
            }
            self.progress.restart();
        }
        let target = match session {
            Some(target) => target.clone(),
            None => self.start()?,
        };
        *session = Some(target.clone());
        *begun = true;
        let response = self.put(&target, 0)?;
        completed(response)
    }

    /// Tries to take the blob from the repository that it came from. Whatever goes wrong with that is no fault: the blob is sent.
    fn mount(&self) -> Option<Mounted> {
        let from = self.source.origin()?;
        let own = &self.repository.name;
        if from.registry() != own.registry() || from.repository() == own.repository() {
            return None;
        }
        let target = self.repository.target("blobs/uploads/").ok()?;
        let target = target.with_query("mount", &self.descriptor.digest.to_string()).with_query("from", from.repository());
        let mut call = Call::new(Method::POST, target, Action::Push);
        call.from = Some(from.repository());
        let response = self.bodyless(&call).ok()?;
        match response.status().as_u16() {
            201 => Some(Mounted::There),
            202 => self.location(&response).ok().map(Mounted::Session),
            _ => None,
        }
    }

    /// Asks something small, with tries of its own: those of the upload count how often its bytes went out.
    fn bodyless(&self, call: &Call<'_>) -> Result<Response, Fault> {
        self.repository.retried(|| self.repository.call(call))
    }

    /// Opens a session (distribution-spec, end-4a).
    fn start(&self) -> Result<Target, Fault> {
        let target = self.repository.target("blobs/uploads/")?;
        let response = self.bodyless(&Call::new(Method::POST, target, Action::Push))?;
        if response.status() == 202 { self.location(&response) } else { Err(Fault::of(response)) }
    }

    /// Sends the bytes from `offset` on and names the digest: the whole in one request (end-6).
    fn put(&self, target: &Target, offset: u64) -> Result<Response, Fault> {
        let target = target.with_query("digest", &self.descriptor.digest.to_string());
        self.send(&Method::PUT, target, offset, &[])
    }

    fn send(&self, method: &Method, mut target: Target, offset: u64, headers: &[(header::HeaderName, String)]) -> Result<Response, Fault> {
        let left = self.descriptor.size - offset;
        let progress = Counted { progress: self.progress, step: &self.repository.step, position: AtomicU64::new(offset) };
        let body = || -> io::Result<RequestBody<'_>> {
            if left == 0 {
                return Ok(RequestBody::Empty);
            }
            // The whole is hashed, also what is passed over: wrong bytes end here and not at the registry.
            let mut reader = Verified::new(self.source.open()?, self.descriptor);
            io::copy(&mut reader.by_ref().take(offset), &mut io::sink())?;
            progress.position.store(offset, Ordering::Relaxed);
            Ok(RequestBody::Stream { reader: Box::new(reader), length: Some(left), progress: &progress })
        };
        for hop in 0..HOPS {
            let mut call = Call::new(method.clone(), target.clone(), Action::Push)
                .header(header::CONTENT_TYPE, "application/octet-stream")
                .body(&body);
            call.headers.extend_from_slice(headers);
            if hop > 0 {
                call = call.redirected();
            }
            let response = self.repository.call(&call)?;
            match (response.status().as_u16(), response.header("location")) {
                (307 | 308, Some(location)) => target = self.hop(&response, location)?,
                _ => return Ok(response),
            }
        }
        let message = "the registry redirects the upload too often".to_owned();
        Err(Fault::Refused { fault: StoreFault::Refused, message, hints: Vec::new() })
    }

    /// Returns where a session is.
    fn location(&self, response: &Response) -> Result<Target, Fault> {
        let location = response.header("location").ok_or_else(|| {
            let host = response.target().url().host_str().unwrap_or_default().to_owned();
            HttpFault::Answer { host, detail: "it started an upload without a `Location` header".to_owned() }
        })?;
        self.hop(response, location)
    }

    fn hop(&self, response: &Response, location: &str) -> Result<Target, Fault> {
        let next = response.hop(location)?;
        let api = self.repository.target("")?;
        realm::check_upload(&self.repository.registry.0.http, self.repository.name.registry(), api.url(), next.url())?;
        Ok(next)
    }

    /// Goes on with a session; one that says it is elsewhere than it said (416) is asked once more.
    fn resume(&self, target: Target, session: &mut Option<Target>, most: &mut u64, tries: &mut Tries) -> Result<Resumed, Fault> {
        let resumed = self.resume_once(target, session, most, tries);
        match (resumed, session.clone()) {
            (Err(fault), Some(target)) if fault.status() == Some(416) => self.resume_once(target, session, most, tries),
            (resumed, _) => resumed,
        }
    }

    /// Asks a session how far it has come (end-13), sends the rest (end-5), and closes it.
    fn resume_once(&self, target: Target, session: &mut Option<Target>, most: &mut u64, tries: &mut Tries) -> Result<Resumed, Fault> {
        let response = self.bodyless(&Call::new(Method::GET, target.clone(), Action::Push))?;
        if !response.status().is_success() {
            return Ok(Resumed::Lost);
        }
        let Some(offset) = received(response.header("range")).filter(|offset| *offset <= self.descriptor.size) else {
            return Ok(Resumed::Lost);
        };
        let mut target = if response.header("location").is_some() { self.location(&response)? } else { target };
        *session = Some(target.clone());
        if offset > *most {
            *most = offset;
            tries.progressed();
        }
        self.progress.restart();
        if 0 < offset && offset < self.descriptor.size {
            self.progress.advance(offset);
            let range = format!("{offset}-{}", self.descriptor.size - 1);
            let response = self.send(&Method::PATCH, target.clone(), offset, &[(header::CONTENT_RANGE, range)])?;
            match response.status().as_u16() {
                200..=299 => {}
                416 => return Err(Fault::of(response)),
                // A registry that refuses the rest of a PUT as a PATCH gets everything again.
                400..=499 if Again::after_status(response.status().as_u16()) == Again::Never => return Ok(Resumed::Lost),
                _ => return Err(Fault::of(response)),
            }
            if response.header("location").is_some() {
                target = self.location(&response)?;
            }
            *session = Some(target.clone());
        }
        let response = self.put(&target, if offset == 0 { 0 } else { self.descriptor.size })?;
        if response.status().is_client_error() && Again::after_status(response.status().as_u16()) == Again::Never {
            return Ok(Resumed::Lost);
        }
        completed(response).map(|()| Resumed::Done)
    }
}

/// Tells how far an upload has come, and counts that as what its step has reached.
struct Counted<'c> {
    progress: &'c dyn Progress,
    step: &'c Step,
    /// The offset in the blob.
    position: AtomicU64,
}

impl Progress for Counted<'_> {
    fn advance(&self, bytes: u64) {
        self.step.reached(self.position.fetch_add(bytes, Ordering::Relaxed) + bytes);
        self.progress.advance(bytes);
    }

    fn restart(&self) {
        self.progress.restart();
    }
}

enum Mounted {
    There,
    /// The registry did not mount, and opened a session instead.
    Session(Target),
}

fn completed(response: Response) -> Result<(), Fault> {
    if response.status().is_success() { Ok(()) } else { Err(Fault::of(response)) }
}

/// Reads how many bytes a session has: `0-9` are ten. Registries write `0-0` for none (distribution/distribution#2363,
/// opencontainers/distribution-spec#578); where it does mean one, the registry refuses the whole that is sent after it, and the session is
/// replaced.
pub fn received(range: Option<&str>) -> Option<u64> {
    let (start, end) = range?.trim().trim_start_matches("bytes=").split_once('-')?;
    let end: u64 = end.trim().parse().ok()?;
    let count = if end == 0 { Some(0) } else { end.checked_add(1) };
    count.filter(|_| start.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_says_how_many_bytes_it_has() {
        for (range, expected) in [
            (Some("0-9"), Some(10)),
            (Some("bytes=0-9"), Some(10)),
            (Some("0-0"), Some(0)),
            (Some("5-9"), None),
            (Some("0--1"), None),
            (Some("0-18446744073709551615"), None),
            (Some("x"), None),
            (None, None),
        ] {
            assert_eq!(received(range), expected, "{range:?}");
        }
    }
}
