//! A server that stands for the whole internet: it is the proxy of the program under test, answers for every host, and notes all that
//! each of them was shown.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A request to some host.
#[derive(Debug, Clone)]
pub(crate) struct Shown {
    /// Scheme, host and port, as the request has them: `http://host:80`.
    pub(crate) origin: String,
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Shown {
    /// Returns all of it as one text.
    pub(crate) fn text(&self) -> String {
        let headers: Vec<String> = self.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        format!("{} {}\n{}\n{}", self.method, self.target, headers.join("\n"), String::from_utf8_lossy(&self.body))
    }
}

/// An answer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }
}

type Answer = dyn Fn(&Shown) -> Reply + Send + Sync;

/// Ends when it is dropped.
pub(crate) struct Trap {
    address: String,
    shown: Arc<Mutex<Vec<Shown>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Trap {
    pub(crate) fn start(answer: impl Fn(&Shown) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (shown, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let answer: Arc<Answer> = Arc::new(answer);
        let (seen, ended, own) = (Arc::clone(&shown), Arc::clone(&stop), address.clone());
        let thread = std::thread::spawn(move || {
            let deadline = Instant::now() + Duration::from_mins(2);
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) || Instant::now() > deadline {
                    return;
                }
                let (seen, answer, own) = (Arc::clone(&seen), Arc::clone(&answer), own.clone());
                if let Ok(stream) = stream {
                    std::thread::spawn(move || serve(&stream, &own, &seen, &*answer));
                }
            }
        });
        Self { address, shown, stop, thread: Some(thread) }
    }

    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(stream: &TcpStream, own: &str, seen: &Mutex<Vec<Shown>>, answer: &Answer) {
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(shown) = request(&mut reader, own) {
        let reply = if shown.method == "CONNECT" { Reply::new(502) } else { answer(&shown) };
        let is_head = shown.method == "HEAD";
        seen.lock().unwrap_or_else(PoisonError::into_inner).push(shown);
        let mut head = format!("HTTP/1.1 {} Test\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        let mut out = stream;
        if out.write_all((head + "\r\n").as_bytes()).is_err() || (!is_head && out.write_all(&reply.body).is_err()) {
            break;
        }
    }
    let _ = stream.shutdown(Shutdown::Both);
}

fn request(reader: &mut BufReader<TcpStream>, own: &str) -> Option<Shown> {
    let mut line = String::new();
    reader.read_line(&mut line).ok().filter(|count| *count > 0)?;
    let mut words = line.split(' ');
    let (method, whole) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let mut body = Vec::new();
    if let Some(length) = headers.get("content-length").and_then(|length| length.parse::<u64>().ok()) {
        reader.take(length).read_to_end(&mut body).ok()?;
    }
    // To a proxy the whole address is said; without one, this server is itself the host.
    let (origin, target) = match (method.as_str(), whole.strip_prefix("http://")) {
        ("CONNECT", _) => (format!("https://{whole}"), String::new()),
        (_, Some(rest)) => {
            let (host, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
            let port = if host.contains(':') { "" } else { ":80" };
            (format!("http://{host}{port}"), path.to_owned())
        }
        _ => (format!("http://{own}"), whole),
    };
    Some(Shown { origin, method, target, headers, body })
}
