use std::io::{self, Read};

use super::Repository;
use super::call::{Action, Call};
use super::fault::Fault;
use crate::net::{Again, Body, HttpFault, Method, Response, Retry, Tries, header};
use crate::oci::{Descriptor, Digest};

/// A blob being read. When the connection breaks, it goes on where it broke.
pub(super) struct Download {
    repository: Repository,
    digest: Digest,
    size: u64,
    body: Body,
    /// The entity tag of the first answer, which a continuation has to have too.
    tag: Option<String>,
    offset: u64,
    /// Whether the registry was asked for a part, and knew none.
    whole_only: bool,
    /// Where the last break was.
    broke_at: u64,
    tries: Tries,
}

impl Download {
    pub(super) fn start(repository: &Repository, descriptor: &Descriptor) -> Result<Self, Fault> {
        let response = repository.retried(|| ask(repository, &descriptor.digest, None))?;
        if response.status() != 200 {
            return Err(Fault::of(response));
        }
        check_length(response.length(), descriptor.size)?;
        let tag = response.header("etag").filter(|tag| tag.starts_with('"')).map(str::to_owned);
        Ok(Self {
            repository: repository.clone(),
            digest: descriptor.digest,
            size: descriptor.size,
            body: response.into_body(),
            tag,
            offset: 0,
            whole_only: false,
            broke_at: 0,
            tries: repository.tries(),
        })
    }

    /// Opens the rest of the blob after a break.
    fn reopen(&mut self, fault: Fault) -> Result<(), Fault> {
        if self.offset > self.broke_at {
            self.tries.progressed();
        }
        self.broke_at = self.offset;
        let mut fault = fault;
        loop {
            let again = fault.again();
            self.tries.next(fault, again)?;
            match self.rest() {
                Ok(body) => {
                    self.body = body;
                    return Ok(());
                }
                Err(next) => fault = next,
            }
        }
    }

    fn rest(&mut self) -> Result<Body, Fault> {
        // The range has an end, since go-containerregistry's registry answers 416 to one without (anchore/stereoscope#695).
        let range =
            (self.offset > 0 && !self.whole_only).then(|| (format!("bytes={}-{}", self.offset, self.size - 1), self.tag.as_deref()));
        let response = ask(&self.repository, &self.digest, range)?;
        match response.status().as_u16() {
            206 if self.offset > 0 => match content_range(response.header("content-range")) {
                Some((start, total)) if start == self.offset && total.is_none_or(|total| total == self.size) => Ok(response.into_body()),
                _ => Err(Fault::corrupt("the registry continues the blob at an offset that was not requested")),
            },
            // The registry knows no ranges, or the blob has moved: it comes from the start, and what is known is passed over.
            200 => {
                check_length(response.length(), self.size)?;
                let mut body = response.into_body();
                let passed = io::copy(&mut body.by_ref().take(self.offset), &mut io::sink()).map_err(reading)?;
                if passed < self.offset { Err(early()) } else { Ok(body) }
            }
            // Either the blob is shorter, or the registry does not understand the range; a request for the whole tells.
            416 if !self.whole_only => {
                self.whole_only = true;
                self.rest()
            }
            _ => Err(Fault::of(response)),
        }
    }
}

fn ask(repository: &Repository, digest: &Digest, range: Option<(String, Option<&str>)>) -> Result<Response, Fault> {
    let mut call = Call::new(Method::GET, repository.target(&format!("blobs/{digest}"))?, Action::Pull);
    if let Some((range, tag)) = range {
        call = call.header(header::RANGE, range);
        if let Some(tag) = tag {
            call = call.header(header::IF_RANGE, tag);
        }
    }
    repository.call(&call)
}

fn check_length(length: Option<u64>, size: u64) -> Result<(), Fault> {
    match length {
        Some(length) if length != size => Err(Fault::corrupt(format!("the registry's blob has {length} bytes, and should have {size}"))),
        _ => Ok(()),
    }
}

/// Reads `bytes 5-9/10`: the start, and the total if it is known.
pub fn content_range(value: Option<&str>) -> Option<(u64, Option<u64>)> {
    let (range, total) = value?.trim().strip_prefix("bytes ")?.split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}

/// Returns the fault inside of a body's error.
fn reading(error: io::Error) -> Fault {
    match error.downcast::<HttpFault>() {
        Ok(fault) => Fault::Http(fault),
        Err(error) => Fault::Http(HttpFault::Source(error)),
    }
}

fn early() -> Fault {
    Fault::Http(HttpFault::Broken { host: "the registry".to_owned(), detail: "the blob ended early".to_owned() })
}

impl Read for Download {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let fault = match self.body.read(buffer) {
                Ok(0) if self.offset < self.size => early(),
                Ok(count) => {
                    self.offset += count as u64;
                    self.repository.step.reached(self.offset);
                    return Ok(count);
                }
                // All is here; how the connection ended is of no interest.
                Err(_) if self.offset >= self.size => return Ok(0),
                Err(error) => reading(error),
            };
            // `Again` is asked for once more inside; this keeps a fault that cannot heal from its waits.
            if fault.again() == Again::Never {
                return Err(self.failed(fault));
            }
            if let Err(fault) = self.reopen(fault) {
                return Err(self.failed(fault));
            }
        }
    }
}

impl Download {
    fn failed(&self, fault: Fault) -> io::Error {
        io::Error::other(self.repository.error(fault, &format!("could not read the blob {} of `{}`", self.digest, self.repository.name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        for (value, expected) in [
            (Some("bytes 5-9/10"), Some((5, Some(10)))),
            (Some("bytes 5-9/*"), Some((5, None))),
            (Some("bytes */10"), None),
            (Some("items 5-9/10"), None),
            (None, None),
        ] {
            assert_eq!(content_range(value), expected);
        }
    }
}
