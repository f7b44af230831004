//! A strict registry inside the test: it refuses what a real one refuses, logs what it was asked, and fails when it is told to.

#[path = "referrers.rs"]
pub(crate) mod referrers;

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hardened::oci::Digest;

use self::referrers::ReferrersApi;

/// A request, as the registry saw it.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// When it came.
    pub(crate) at: Instant,
}

impl Seen {
    pub(crate) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn query(&self, name: &str) -> Option<String> {
        let pairs = self.target.split_once('?')?.1.split('&');
        pairs
            .filter_map(|pair| pair.split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.replace("%3A", ":").replace("%2F", "/"))
    }
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// It is answered with this instead.
    Answer(u16, Vec<(String, String)>, String),
    /// The connection ends before anything is answered; nothing was done.
    ResetBefore,
    /// The connection ends after so many bytes of the request's body; what came is kept, if the registry keeps such.
    ResetBody(usize),
    /// It is done, and the connection ends before the answer.
    LoseAnswer,
    /// The answer's body ends after so many bytes.
    Truncate(usize),
    /// Ranges are not understood.
    IgnoreRange,
    /// It is answered as usual, with further headers.
    With(Vec<(String, String)>),
    /// These bytes are the answer, and the connection's end.
    Raw(Vec<u8>),
    /// After so many bytes of the answer's body nothing more comes, and the connection stays.
    Stall(usize),
    /// The body of the request is not read, and nothing is answered.
    Deaf,
    /// The answer's body comes byte by byte, so far apart.
    Drip(Duration),
}

type Faults = Box<dyn Fn(&Seen, usize) -> Option<Fault> + Send + Sync>;

/// Who may come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Guard {
    Open,
    Basic(&'static str),
    /// Tokens from the registry's own service, each good for so many requests.
    Token {
        uses: usize,
    },
    /// As `Token`, and each lasts so many seconds only.
    Brief {
        uses: usize,
        seconds: u64,
    },
    /// As `Token`; a request whose token has ended is asked for Basic, as Harbor asks for it, and this one is accepted where there is one.
    Harbor {
        uses: usize,
        basic: Option<&'static str>,
    },
    /// Tokens from somewhere else.
    ForeignRealm(String),
}

#[derive(Default)]
struct State {
    blobs: BTreeMap<(String, String), Vec<u8>>,
    manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    uploads: BTreeMap<String, Vec<u8>>,
    tokens: BTreeMap<String, usize>,
    seen: Vec<Seen>,
    next: usize,
    referrers: ReferrersApi,
}

/// A registry on loopback. It ends when it is dropped.
pub(crate) struct TestRegistry {
    address: String,
    state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl TestRegistry {
    pub(crate) fn start() -> Self {
        Self::with(Guard::Open, |_, _| None)
    }

    /// Starts one. `faults` is asked for each request, with the number of requests of the same method and path before it.
    pub(crate) fn with(guard: Guard, faults: impl Fn(&Seen, usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        Self::lasting(Duration::from_mins(2), guard, faults)
    }

    /// As [`TestRegistry::with`]; it takes connections for so long.
    pub(crate) fn lasting(time: Duration, guard: Guard, faults: impl Fn(&Seen, usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (state, stop) = (Arc::new(Mutex::new(State::default())), Arc::new(AtomicBool::new(false)));
        let server = Arc::new(Server { state: Arc::clone(&state), guard, faults: Box::new(faults), address: address.clone() });
        let ended = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let deadline = Instant::now() + time;
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) || Instant::now() > deadline {
                    return;
                }
                let server = Arc::clone(&server);
                if let Ok(stream) = stream {
                    std::thread::spawn(move || server.serve(&stream));
                }
            }
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    /// Says what it answers from now on when it is asked for referrers.
    pub(crate) fn answer_referrers(&self, api: ReferrersApi) {
        self.state().referrers = api;
    }

    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state().seen.clone()
    }

    /// Lists the requests with a body or an effect: all but GET and HEAD.
    pub(crate) fn writes(&self) -> Vec<String> {
        let effective = |seen: &&Seen| !matches!(seen.method.as_str(), "GET" | "HEAD");
        self.seen().iter().filter(effective).map(|seen| format!("{} {}", seen.method, seen.path())).collect()
    }

    /// Returns how many bytes of blobs were received in all.
    pub(crate) fn received(&self) -> usize {
        self.seen().iter().filter(|seen| seen.path().contains("/uploads/")).map(|seen| seen.body.len()).sum()
    }

    pub(crate) fn put_blob(&self, repository: &str, bytes: &[u8]) {
        self.state().blobs.insert((repository.to_owned(), Digest::of(bytes).to_string()), bytes.to_vec());
    }

    pub(crate) fn blob(&self, repository: &str, digest: Digest) -> Option<Vec<u8>> {
        self.state().blobs.get(&(repository.to_owned(), digest.to_string())).cloned()
    }

    pub(crate) fn put_manifest(&self, repository: &str, name: &str, media_type: &str, bytes: &[u8]) {
        self.state().manifests.insert((repository.to_owned(), name.to_owned()), (media_type.to_owned(), bytes.to_vec()));
    }

    pub(crate) fn manifest(&self, repository: &str, name: &str) -> Option<Vec<u8>> {
        self.state().manifests.get(&(repository.to_owned(), name.to_owned())).map(|(_, bytes)| bytes.clone())
    }
}

impl Drop for TestRegistry {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Server {
    state: Arc<Mutex<State>>,
    guard: Guard,
    faults: Faults,
    address: String,
}

struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

fn answer(status: u16) -> Answer {
    Answer { status, headers: vec![], body: vec![] }
}

fn refusal(status: u16, code: &str) -> Answer {
    Answer { body: format!("{{\"errors\":[{{\"code\":\"{code}\",\"message\":\"said the test\"}}]}}").into_bytes(), ..answer(status) }
}

impl Answer {
    fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

impl Server {
    fn serve(&self, stream: &TcpStream) {
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        // Head and body are two writes: without this, the second waits for the delayed acknowledgement of the first.
        stream.set_nodelay(true).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Ok(Some(keep)) = self.exchange(&mut reader, stream) {
            if !keep {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
    }

    fn exchange(&self, reader: &mut BufReader<TcpStream>, mut stream: &TcpStream) -> io::Result<Option<bool>> {
        let Some(mut seen) = head(reader)? else { return Ok(None) };
        let before = {
            let state = self.state();
            state.seen.iter().filter(|other| other.method == seen.method && other.path() == seen.path()).count()
        };
        let fault = (self.faults)(&seen, before);
        let length = seen.headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        if matches!(fault, Some(Fault::Deaf)) {
            self.state().seen.push(seen);
            return silent(stream);
        }
        let wanted = if let Some(Fault::ResetBody(count)) = fault { count.min(length) } else { length };
        let mut body = vec![0; wanted];
        reader.read_exact(&mut body)?;
        seen.body = body;
        let mut state = self.state();
        state.seen.push(seen.clone());
        let answer = match &fault {
            Some(Fault::ResetBefore) => return Ok(None),
            Some(Fault::ResetBody(_)) => {
                if let Some(upload) = state.uploads.get_mut(seen.path().rsplit('/').next().unwrap_or_default()) {
                    upload.extend_from_slice(&seen.body);
                }
                return Ok(None);
            }
            Some(Fault::Answer(status, headers, body)) => {
                Answer { status: *status, headers: headers.clone(), body: body.clone().into_bytes() }
            }
            _ => {
                if matches!(fault, Some(Fault::IgnoreRange)) {
                    seen.headers.remove("range");
                }
                self.answer(&seen, &mut state)
            }
        };
        drop(state);
        match &fault {
            Some(Fault::LoseAnswer) => return Ok(None),
            Some(Fault::Raw(bytes)) => return stream.write_all(bytes).map(|()| None),
            _ => {}
        }
        let mut text = format!("HTTP/1.1 {} Test\r\nContent-Length: {}\r\n", answer.status, answer.body.len());
        let further = if let Some(Fault::With(headers)) = &fault { &headers[..] } else { &[] };
        for (name, value) in answer.headers.iter().chain(further) {
            text.extend([name, ": ", value, "\r\n"]);
        }
        stream.write_all((text + "\r\n").as_bytes())?;
        let whole = answer.body.len();
        let shown = if let Some(Fault::Truncate(count) | Fault::Stall(count)) = fault { count.min(whole) } else { whole };
        if let Some(Fault::Drip(pause)) = fault {
            for byte in &answer.body {
                stream.write_all(&[*byte])?;
                std::thread::sleep(pause);
            }
        } else if seen.method != "HEAD" {
            stream.write_all(&answer.body[..shown])?;
        }
        if matches!(fault, Some(Fault::Stall(_))) {
            return silent(stream);
        }
        Ok(Some(shown == answer.body.len()))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answer(&self, seen: &Seen, state: &mut State) -> Answer {
        if seen.path() == "/token" {
            state.next += 1;
            let token = format!("token-{}", state.next);
            let mut lasts = 300;
            if let Guard::Token { uses } | Guard::Brief { uses, .. } | Guard::Harbor { uses, .. } = self.guard {
                state.tokens.insert(token.clone(), uses);
            }
            if let Guard::Brief { seconds, .. } = self.guard {
                lasts = seconds;
            }
            return answer(200).body(format!("{{\"token\":\"{token}\",\"expires_in\":{lasts}}}"));
        }
        if let Some(refusal) = self.guarded(seen, state) {
            return refusal;
        }
        let path = seen.path().trim_start_matches("/v2/");
        if path.is_empty() {
            return answer(200);
        }
        if let Some((repository, digest)) = path.split_once("/blobs/").filter(|(_, rest)| !rest.starts_with("uploads")) {
            return blob(seen, state, repository, digest);
        }
        if let Some((repository, session)) = path.split_once("/blobs/uploads/") {
            return upload(seen, state, repository, session);
        }
        if let Some((repository, subject)) = path.split_once("/referrers/") {
            return referrers::list(seen, state, repository, subject);
        }
        match path.split_once("/manifests/") {
            Some((repository, name)) => manifest(seen, state, repository, name),
            None => refusal(404, "UNSUPPORTED"),
        }
    }

    fn guarded(&self, seen: &Seen, state: &mut State) -> Option<Answer> {
        let given = seen.headers.get("authorization").map(String::as_str);
        let challenge = |text: String| Some(refusal(401, "UNAUTHORIZED").header("WWW-Authenticate", text));
        match &self.guard {
            Guard::Open => None,
            Guard::Basic(wanted) if given == Some(&format!("Basic {wanted}")) => None,
            Guard::Basic(_) => challenge("Basic realm=\"test\"".to_owned()),
            Guard::ForeignRealm(realm) => challenge(format!("Bearer realm=\"{realm}\",service=\"test\"")),
            Guard::Harbor { basic: Some(basic), .. } if given == Some(&format!("Basic {basic}")) => None,
            Guard::Token { .. } | Guard::Brief { .. } | Guard::Harbor { .. } => {
                let token = given.and_then(|text| text.strip_prefix("Bearer ")).and_then(|token| state.tokens.get_mut(token));
                match token {
                    Some(left) if *left > 0 => {
                        *left -= 1;
                        None
                    }
                    _ if given.is_some() && matches!(self.guard, Guard::Harbor { .. }) => challenge("Basic realm=\"harbor\"".to_owned()),
                    _ => challenge(format!(
                        "Bearer realm=\"http://{}/token\",service=\"test\",scope=\"repository:x:pull,push\"",
                        self.address
                    )),
                }
            }
        }
    }
}

fn head(reader: &mut BufReader<TcpStream>) -> io::Result<Option<Seen>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let mut words = line.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    Ok(Some(Seen { method, target, headers, body: vec![], at: Instant::now() }))
}

/// Says nothing until the other side gives up.
fn silent(mut stream: &TcpStream) -> io::Result<Option<bool>> {
    // What still comes of a body is not read either.
    let mut nothing = [0];
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(50));
        if stream.peek(&mut nothing)? == 0 {
            break;
        }
    }
    stream.flush()?;
    Ok(None)
}

fn blob(seen: &Seen, state: &State, repository: &str, digest: &str) -> Answer {
    let Some(bytes) = state.blobs.get(&(repository.to_owned(), digest.to_owned())) else { return refusal(404, "BLOB_UNKNOWN") };
    let start = seen.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.split('-').next()?.parse::<usize>().ok());
    match start {
        Some(start) if start < bytes.len() => {
            answer(206).header("Content-Range", format!("bytes {start}-{}/{}", bytes.len() - 1, bytes.len())).body(&bytes[start..])
        }
        _ => answer(200).body(bytes.clone()),
    }
}

fn upload(seen: &Seen, state: &mut State, repository: &str, session: &str) -> Answer {
    let location = |session: &str| format!("/v2/{repository}/blobs/uploads/{session}?state=x");
    if seen.method == "POST" {
        if let (Some(digest), Some(from)) = (seen.query("mount"), seen.query("from"))
            && let Some(bytes) = state.blobs.get(&(from, digest.clone())).cloned()
        {
            state.blobs.insert((repository.to_owned(), digest), bytes);
            return answer(201).header("Location", "/there");
        }
        state.next += 1;
        let session = format!("session-{}", state.next);
        state.uploads.insert(session.clone(), vec![]);
        return answer(202).header("Location", location(&session));
    }
    let Some(held) = state.uploads.get_mut(session) else { return refusal(404, "BLOB_UPLOAD_UNKNOWN") };
    let range = |held: &[u8]| format!("0-{}", held.len().saturating_sub(1));
    match seen.method.as_str() {
        "GET" => answer(204).header("Location", location(session)).header("Range", range(held)),
        "PATCH" => {
            let start = seen.headers.get("content-range").and_then(|text| text.split('-').next()?.parse::<usize>().ok());
            if start.is_some_and(|start| start != held.len()) {
                return answer(416).header("Range", range(held));
            }
            held.extend_from_slice(&seen.body);
            answer(202).header("Location", location(session)).header("Range", range(held))
        }
        _ => {
            held.extend_from_slice(&seen.body);
            let digest = Digest::of(held).to_string();
            if seen.query("digest") != Some(digest.clone()) {
                state.uploads.remove(session);
                return refusal(400, "DIGEST_INVALID");
            }
            let bytes = state.uploads.remove(session).unwrap_or_default();
            state.blobs.insert((repository.to_owned(), digest), bytes);
            answer(201).header("Location", "/there")
        }
    }
}

fn manifest(seen: &Seen, state: &mut State, repository: &str, name: &str) -> Answer {
    if seen.method == "PUT" {
        let value: serde_json::Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let has = |digest: &str| {
            let key = (repository.to_owned(), digest.to_owned());
            state.blobs.contains_key(&key) || state.manifests.contains_key(&key)
        };
        let named = ["layers", "manifests"].iter().filter_map(|key| value[key].as_array()).flatten().chain(value.get("config"));
        if named.filter_map(|descriptor| descriptor["digest"].as_str()).any(|digest| !has(digest)) {
            return refusal(400, "MANIFEST_BLOB_UNKNOWN");
        }
        let digest = Digest::of(&seen.body).to_string();
        if name.starts_with("sha256:") && name != digest {
            return refusal(400, "DIGEST_INVALID");
        }
        let media_type = seen.headers.get("content-type").cloned().unwrap_or_default();
        for name in [name, &digest] {
            state.manifests.insert((repository.to_owned(), name.to_owned()), (media_type.clone(), seen.body.clone()));
        }
        return referrers::taken(state, &value, answer(201).header("Location", "/there"));
    }
    match state.manifests.get(&(repository.to_owned(), name.to_owned())) {
        Some((media_type, bytes)) => answer(200)
            .header("Content-Type", media_type)
            .header("Docker-Content-Digest", Digest::of(bytes).to_string())
            .body(bytes.clone()),
        None => refusal(404, "MANIFEST_UNKNOWN"),
    }
}
