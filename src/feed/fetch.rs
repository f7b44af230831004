use std::io::{self, Read, Write};

use super::{FetchError, FetchFault};
use crate::diagnostic::ExternalError;
use crate::host::cache::Cache;
use crate::net::{Again, GivenUp, Http, HttpFault, Method, Peer, Request, Retry, Step, Target, Tries, Url, header, retried};
use crate::oci::{Descriptor, Progress};

/// How much of a file is written at a time.
const PIECE: usize = 128 << 10;

/// The base URL of an archive of packages: of the archive itself, a mirror of it, or a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror(Url);

impl Mirror {
    /// Reads a URL; `None` when it is not `http` or `https`, or has a user or a query.
    pub fn new(address: &str) -> Option<Self> {
        let mut url = Url::parse(address.trim()).ok()?;
        let plain = matches!(url.scheme(), "http" | "https") && url.host_str().is_some() && url.query().is_none();
        if !plain || !url.username().is_empty() || url.password().is_some() {
            return None;
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        Some(Self(url))
    }

    /// Returns the URL of a file of the archive. The path is relative to the base: names and slashes.
    fn file(&self, path: &str) -> Option<Url> {
        // Names in an archive have `+` and `~` as they are; `%` and what else has a meaning in a URL is escaped.
        let escaped: String = path.bytes().map(escape).collect();
        self.0.join(&escaped).ok().filter(|url| url.path().starts_with(self.0.path()))
    }
}

impl std::fmt::Display for Mirror {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}", self.0.as_str().trim_end_matches('/'))
    }
}

fn escape(byte: u8) -> String {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' | b'~' | b'+' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

/// Why one mirror did not give a file.
enum Miss {
    /// It has none.
    Absent(u16),
    /// The connection or the server failed.
    Http(HttpFault),
    /// The server failed or refused; why it is not asked again, though that might help.
    Status(u16, Option<GivenUp>),
    /// What it has is another one.
    Other(String),
    /// The cache's disk failed: no other mirror would help.
    Disk(io::Error),
}

impl Retry for Miss {
    fn again(&self) -> Again {
        match self {
            Self::Http(fault) => fault.again(),
            Self::Status(status, _) => Again::after_status(*status),
            _ => Again::Never,
        }
    }

    fn reason(&self) -> String {
        self.to_string()
    }

    fn given_up(self, why: GivenUp) -> Self {
        match self {
            Self::Http(fault) => Self::Http(fault.given_up(why)),
            Self::Status(status, None) => Self::Status(status, Some(why)),
            other => other,
        }
    }
}

impl std::fmt::Display for Miss {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent(status) => write!(formatter, "it is not there (status {status})"),
            Self::Http(fault) => write!(formatter, "{fault}"),
            Self::Status(status, None) => write!(formatter, "status {status}"),
            Self::Status(status, Some(why)) => write!(formatter, "status {status}; {why}"),
            Self::Other(reason) => formatter.write_str(reason),
            Self::Disk(error) => write!(formatter, "{error}"),
        }
    }
}

/// The transfer of one file: the step that it is, and who is told how far it has come.
#[derive(Clone, Copy)]
struct Transfer<'t> {
    step: &'t Step,
    progress: &'t dyn Progress,
}

/// Fetches from archives into the cache.
#[derive(Clone)]
pub struct Feed {
    http: Http,
    cache: Cache,
}

impl Feed {
    /// Returns a feed that has not used the network yet.
    pub fn new(http: Http, cache: Cache) -> Self {
        Self { http, cache }
    }

    /// Reads a small file from the first mirror whose answer `judge` accepts, and returns that mirror.
    ///
    /// # Errors
    /// When no mirror has one that is accepted; the reasons of all of them are named.
    pub fn read<T>(
        &self,
        mirrors: &[Mirror],
        path: &str,
        limit: u64,
        mut judge: impl FnMut(&[u8]) -> Result<T, String>,
    ) -> Result<(T, Mirror), FetchError> {
        let mut misses = Vec::new();
        for mirror in mirrors {
            let step = self.http.step();
            let bytes = retried(self.tries(&step), || {
                let response = self.ask(mirror, path, None, &step)?;
                response.read_all(limit).map_err(Miss::Http)
            });
            match bytes.and_then(|bytes| judge(&bytes).map_err(Miss::Other)) {
                Ok(value) => return Ok((value, mirror.clone())),
                Err(miss) => misses.push((mirror, miss)),
            }
        }
        Err(failed(path, &misses))
    }

    /// Fetches a file of this size and digest into the cache, from the first mirror that has it. `paths` are the names that it may have there.
    ///
    /// # Errors
    /// When no mirror has it; the reasons of all of them are named.
    pub fn fetch(&self, mirrors: &[Mirror], paths: &[&str], wanted: &Descriptor, progress: &dyn Progress) -> Result<(), FetchError> {
        let mut misses = Vec::new();
        for mirror in mirrors {
            let step = self.http.step();
            for path in paths {
                match self.fetch_from(mirror, path, wanted, Transfer { step: &step, progress }) {
                    Ok(()) => return Ok(()),
                    Err(Miss::Disk(error)) => {
                        let message = format!("could not write `{path}` into the cache `{}`", self.cache.folder().display());
                        return Err(FetchError { fault: FetchFault::Cache, error: ExternalError::new(message).caused_by(error) });
                    }
                    Err(miss) => misses.push((mirror, miss)),
                }
                progress.restart();
            }
        }
        Err(failed(paths.first().copied().unwrap_or_default(), &misses))
    }

    fn fetch_from(&self, mirror: &Mirror, path: &str, wanted: &Descriptor, transfer: Transfer<'_>) -> Result<(), Miss> {
        let mut writer = self.cache.writer().map_err(Miss::Disk)?;
        let mut tries = self.tries(transfer.step);
        let mut offset = 0;
        loop {
            let before = offset;
            let miss = match self.take(mirror, path, wanted.size, &mut offset, &mut writer, transfer) {
                Ok(()) => break,
                Err(miss) => miss,
            };
            if offset > before {
                tries.progressed();
            }
            let again = miss.again();
            tries.next(miss, again)?;
        }
        match writer.finish(Some(wanted)) {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Miss::Other(format!("it sent another file: {error}"))),
            Err(error) => Err(Miss::Disk(error)),
        }
    }

    /// Reads the file from `offset` on, as far as it comes.
    fn take(
        &self,
        mirror: &Mirror,
        path: &str,
        size: u64,
        offset: &mut u64,
        writer: &mut dyn Write,
        transfer: Transfer<'_>,
    ) -> Result<(), Miss> {
        let response = self.ask(mirror, path, (*offset > 0).then_some(*offset), transfer.step)?;
        let begins = if response.status() == 206 { *offset } else { 0 };
        if let Some(length) = response.length().map(|length| begins.saturating_add(length)).filter(|length| *length != size) {
            return Err(Miss::Other(format!("it sent another file: it has {length} bytes, and should have {size}")));
        }
        if response.status() == 206 && !response.header("content-range").is_some_and(|range| range.starts_with(&format!("bytes {offset}-")))
        {
            return Err(Miss::Other("it continues at an offset that was not requested".to_owned()));
        }
        let mut body = response.into_body();
        // A server without ranges begins again: what is here already is passed over.
        let mut passed = if begins == 0 { *offset } else { 0 };
        let mut piece = vec![0; PIECE];
        while *offset < size {
            let count = body.read(&mut piece).map_err(broken)?;
            if count == 0 {
                return Err(Miss::Http(HttpFault::Broken { host: mirror.to_string(), detail: "the file ended early".to_owned() }));
            }
            let old = usize::try_from(passed).unwrap_or(usize::MAX).min(count);
            passed -= old as u64;
            let fresh = &piece[old..count];
            if fresh.len() as u64 > size - *offset {
                return Err(Miss::Other(format!("it sent another file: it has more than {size} bytes")));
            }
            writer.write_all(fresh).map_err(Miss::Disk)?;
            *offset += fresh.len() as u64;
            transfer.step.reached(*offset);
            transfer.progress.advance(fresh.len() as u64);
        }
        Ok(())
    }

    fn tries(&self, step: &Step) -> Tries {
        Tries::within(self.http.retry_policy(), step)
    }

    fn ask(&self, mirror: &Mirror, path: &str, offset: Option<u64>, step: &Step) -> Result<crate::net::Response, Miss> {
        let url = mirror.file(path).ok_or_else(|| Miss::Other("it is not a path in an archive".to_owned()))?;
        let mut request = Request::new(Method::GET, Target::named(url).over_plain_http()).within(step);
        if let Some(offset) = offset {
            request = request.header(header::RANGE, format!("bytes={offset}-"));
        }
        let response = self.http.send(request).map_err(Miss::Http)?;
        match response.status().as_u16() {
            200 => Ok(response),
            206 if offset.is_some() => Ok(response),
            status @ (404 | 410) => Err(Miss::Absent(status)),
            status => Err(Miss::Status(status, None)),
        }
    }
}

fn broken(error: io::Error) -> Miss {
    match error.downcast::<HttpFault>() {
        Ok(fault) => Miss::Http(fault),
        Err(error) => Miss::Other(error.to_string()),
    }
}

fn failed(path: &str, misses: &[(&Mirror, Miss)]) -> FetchError {
    let reasons: Vec<String> = misses.iter().map(|(mirror, miss)| format!("`{mirror}`: {miss}")).collect();
    let fault = match misses.last() {
        Some((_, Miss::Http(HttpFault::Offline { .. }))) => FetchFault::Offline,
        Some((_, Miss::Other(_))) => FetchFault::Corrupt,
        Some((_, Miss::Absent(_))) => FetchFault::Missing,
        _ => FetchFault::Unreachable,
    };
    let mut error = ExternalError::new(format!("could not fetch `{}`", path.escape_debug()));
    match misses.last() {
        Some((_, Miss::Http(fault))) => error.hints = fault.hints(Peer::Archive),
        Some((_, Miss::Status(_, Some(why)))) => error.hints = why.hint().into_iter().collect(),
        _ => {}
    }
    let error = if reasons.is_empty() { error } else { error.caused_by(reasons.join("; ")) };
    FetchError { fault, error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_lie_below_the_base_url() {
        let mirror = Mirror::new("http://deb.example.no/debian").unwrap();
        let file = |path: &str| mirror.file(path).map(|url| url.to_string());
        assert_eq!(file("dists/trixie/InRelease").as_deref(), Some("http://deb.example.no/debian/dists/trixie/InRelease"));
        assert_eq!(file("pool/a/a_1:2~b+c_all.deb").as_deref(), Some("http://deb.example.no/debian/pool/a/a_1%3A2~b+c_all.deb"));
        assert_eq!(file("../../etc/passwd"), None);
        assert_eq!(file("/etc/passwd"), None);
        assert_eq!(file("a?b#c%2e").as_deref(), Some("http://deb.example.no/debian/a%3Fb%23c%252e"));
        for address in ["ftp://a.example/debian", "https://user:pw@a.example/", "a.example/debian", "https://a.example/?x"] {
            assert_eq!(Mirror::new(address), None, "{address}");
        }
    }
}
