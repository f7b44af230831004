//! What stands between a client and a registry: a proxy that fails requests by chance, and a line to a place far away.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How long a connection may be silent before it is ended: nothing here outlives its test.
const SILENT: Duration = Duration::from_mins(2);

/// What goes wrong with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// It is answered with this instead, and never reaches the registry.
    Answer(u16),
    /// The connection ends before the request reaches the registry.
    ResetBefore,
    /// The connection ends in the middle of the request's body; where there is none, in the middle of the answer.
    ResetMiddle,
    /// The registry does it, and the connection ends before the answer.
    LoseAnswer,
    /// The body of the answer ends in its middle.
    Truncate,
}

const TROUBLES: [Trouble; 7] = [
    Trouble::Answer(500),
    Trouble::Answer(503),
    Trouble::Answer(429),
    Trouble::ResetBefore,
    Trouble::ResetMiddle,
    Trouble::LoseAnswer,
    Trouble::Truncate,
];

/// What a proxy has seen.
#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    failed: AtomicU64,
    /// Bytes of bodies that clients sent.
    sent: AtomicU64,
    /// Bytes of bodies that clients were sent.
    received: AtomicU64,
}

/// A proxy that fails a part of all requests, in each of seven ways alike.
pub(crate) struct FaultyProxy {
    listener: Listener,
    counts: Arc<Counts>,
}

impl FaultyProxy {
    /// Starts a proxy for `upstream` that fails `percent` of all requests; `seed` decides which.
    pub(crate) fn start(upstream: &str, percent: u64, seed: u64) -> Self {
        let counts = Arc::new(Counts::default());
        let chance = Arc::new(Mutex::new(seed));
        let upstream = upstream.to_owned();
        let counted = Arc::clone(&counts);
        let listener = Listener::open(move |client| {
            let served = Served { upstream: &upstream, percent, chance: &chance, counts: &counted };
            // A connection that breaks is what this is for.
            let _ = served.serve(client);
            let _ = client.shutdown(Shutdown::Both);
        });
        Self { listener, counts }
    }

    pub(crate) fn host(&self) -> &str {
        &self.listener.address
    }

    /// How many requests came, and how many of them were failed.
    pub(crate) fn requests(&self) -> (u64, u64) {
        (self.counts.requests.load(Ordering::Relaxed), self.counts.failed.load(Ordering::Relaxed))
    }

    /// How many bytes of bodies clients sent, and how many they were sent.
    pub(crate) fn bytes(&self) -> (u64, u64) {
        (self.counts.sent.load(Ordering::Relaxed), self.counts.received.load(Ordering::Relaxed))
    }
}

struct Served<'a> {
    upstream: &'a str,
    percent: u64,
    chance: &'a Mutex<u64>,
    counts: &'a Counts,
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy)]
enum Framing {
    Length(u64),
    Chunked,
    UntilClose,
}

struct Head {
    lines: Vec<u8>,
    first: String,
    framing: Option<Framing>,
}

impl Served<'_> {
    fn serve(&self, client: &TcpStream) -> io::Result<()> {
        client.set_read_timeout(Some(SILENT))?;
        client.set_nodelay(true)?;
        let mut requests = BufReader::new(client.try_clone()?);
        let mut upstream: Option<BufReader<TcpStream>> = None;
        while let Some(head) = head(&mut requests)? {
            self.counts.requests.fetch_add(1, Ordering::Relaxed);
            let trouble = self.trouble();
            if trouble.is_some() {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
            }
            match trouble {
                Some(Trouble::ResetBefore) => return Ok(()),
                Some(Trouble::Answer(status)) => {
                    let read = forward(&mut requests, &mut io::sink(), head.framing, u64::MAX)?;
                    self.counts.sent.fetch_add(read, Ordering::Relaxed);
                    let retry = if status == 429 { "Retry-After: 1\r\n" } else { "" };
                    write!(&mut &*client, "HTTP/1.1 {status} Trouble\r\n{retry}Content-Length: 0\r\n\r\n")?;
                    continue;
                }
                _ => {}
            }
            let server = match &mut upstream {
                Some(server) => server,
                None => upstream.insert(connect(self.upstream)?),
            };
            if !self.exchange(&head, trouble, (&mut requests, client), server)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Brings one request to the registry and the answer back; `false` when the connection has ended by that.
    fn exchange(
        &self,
        head: &Head,
        trouble: Option<Trouble>,
        (requests, mut client): (&mut BufReader<TcpStream>, &TcpStream),
        server: &mut BufReader<TcpStream>,
    ) -> io::Result<bool> {
        server.get_mut().write_all(&head.lines)?;
        let half = match (trouble, head.framing) {
            (Some(Trouble::ResetMiddle), Some(Framing::Length(length))) if length > 1 => length / 2,
            (Some(Trouble::ResetMiddle), Some(Framing::Chunked)) => 100_000,
            _ => u64::MAX,
        };
        let sent = forward(requests, server.get_mut(), head.framing, half);
        self.counts.sent.fetch_add(*sent.as_ref().unwrap_or(&0), Ordering::Relaxed);
        if half != u64::MAX {
            // The registry sees the end of the connection, and keeps what has come.
            return Ok(false);
        }
        // A registry that refuses early stops reading; its answer is worth more than that.
        let whole = sent.is_ok();
        let answer = answer_head(server, head.first.starts_with("HEAD "))?;
        if trouble == Some(Trouble::LoseAnswer) {
            return Ok(false);
        }
        client.write_all(&answer.lines)?;
        let half = match (trouble, answer.framing) {
            (Some(_), Some(Framing::Length(length))) => length / 2,
            (Some(_), _) => 0,
            (None, _) => u64::MAX,
        };
        let received = forward(server, &mut &*client, answer.framing, half)?;
        self.counts.received.fetch_add(received, Ordering::Relaxed);
        let keeps = !matches!(answer.framing, Some(Framing::UntilClose));
        Ok(whole && trouble.is_none() && keeps)
    }

    fn trouble(&self) -> Option<Trouble> {
        let mut state = self.chance.lock().unwrap_or_else(PoisonError::into_inner);
        let mut below = |limit: u64| {
            *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (*state >> 33) % limit
        };
        let fails = below(100) < self.percent;
        let which = usize::try_from(below(7)).unwrap_or(0);
        fails.then_some(TROUBLES[which])
    }
}

fn connect(upstream: &str) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(upstream)?;
    stream.set_read_timeout(Some(SILENT))?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// Reads the head of a request or an answer; `None` at the end of the connection.
fn head(reader: &mut impl BufRead) -> io::Result<Option<Head>> {
    let (mut lines, mut first, mut framing) = (Vec::new(), None, None);
    loop {
        let start = lines.len();
        if reader.by_ref().take(64 << 10).read_until(b'\n', &mut lines)? == 0 {
            return if first.is_none() { Ok(None) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        let line = String::from_utf8_lossy(&lines[start..]).trim_end().to_owned();
        let Some(first) = &first else {
            first = Some(line);
            continue;
        };
        if line.is_empty() {
            return Ok(Some(Head { first: first.clone(), framing, lines }));
        }
        let (name, value) = line.split_once(':').unwrap_or_default();
        match (name.to_ascii_lowercase().as_str(), value.trim()) {
            ("content-length", length) => framing = length.parse().ok().map(Framing::Length),
            ("transfer-encoding", "chunked") => framing = Some(Framing::Chunked),
            _ => {}
        }
    }
}

fn answer_head(server: &mut BufReader<TcpStream>, without_body: bool) -> io::Result<Head> {
    loop {
        let mut head = head(server)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let status = head.first.split(' ').nth(1).unwrap_or_default().to_owned();
        if status.starts_with('1') {
            continue;
        }
        head.framing = if without_body || status == "204" || status == "304" { None } else { head.framing.or(Some(Framing::UntilClose)) };
        return Ok(head);
    }
}

/// Copies a body, at most about `most` bytes of it, and returns how many bytes it had.
fn forward(from: &mut impl BufRead, to: &mut impl Write, framing: Option<Framing>, most: u64) -> io::Result<u64> {
    match framing {
        None => Ok(0),
        Some(Framing::Length(length)) => {
            let count = io::copy(&mut from.by_ref().take(length.min(most)), to)?;
            if count < length.min(most) { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(count) }
        }
        Some(Framing::UntilClose) => io::copy(&mut from.by_ref().take(most), to),
        Some(Framing::Chunked) => {
            let mut total = 0;
            loop {
                let mut line = Vec::new();
                from.by_ref().take(1 << 10).read_until(b'\n', &mut line)?;
                let text = String::from_utf8_lossy(&line);
                let size = u64::from_str_radix(text.trim().split(';').next().unwrap_or_default(), 16);
                let size = size.map_err(|_| io::ErrorKind::InvalidData)?;
                if total + size > most {
                    return Ok(total);
                }
                to.write_all(&line)?;
                // With the line's end that follows each chunk; after the last one it closes the body.
                io::copy(&mut from.by_ref().take(size + 2), to)?;
                total += size;
                if size == 0 {
                    to.flush()?;
                    return Ok(total);
                }
            }
        }
    }
}

/// A line to a registry that is far away: each byte arrives later, and a connection costs a round trip.
pub(crate) struct FarLine {
    listener: Listener,
}

impl FarLine {
    /// Starts a line to `upstream` with so long a round trip.
    pub(crate) fn start(upstream: &str, round_trip: Duration) -> Self {
        let upstream = upstream.to_owned();
        Self {
            listener: Listener::open(move |client| {
                thread::sleep(round_trip);
                let Ok(server) = TcpStream::connect(&upstream) else { return };
                let _ = (server.set_nodelay(true), client.set_nodelay(true));
                let _ = (server.set_read_timeout(Some(SILENT)), client.set_read_timeout(Some(SILENT)));
                thread::scope(|scope| {
                    scope.spawn(|| late(client, &server, round_trip / 2));
                    late(&server, client, round_trip / 2);
                });
            }),
        }
    }

    pub(crate) fn host(&self) -> &str {
        &self.listener.address
    }
}

/// Carries bytes in one direction, each so much later than it came.
fn late(mut from: &TcpStream, mut to: &TcpStream, delay: Duration) {
    // As much as is under way on a long line: 64 pieces of 64 KiB.
    let (sender, receiver): (SyncSender<(Instant, Vec<u8>)>, Receiver<_>) = sync_channel(64);
    thread::scope(|scope| {
        scope.spawn(move || {
            for (when, piece) in receiver {
                thread::sleep(when.saturating_duration_since(Instant::now()));
                if to.write_all(&piece).is_err() {
                    break;
                }
            }
            let _ = to.shutdown(Shutdown::Write);
        });
        let mut buffer = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from.read(&mut buffer) {
            if sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
                break;
            }
        }
        drop(sender);
    });
}

/// A listener on loopback, with a thread for each connection. It ends when it is dropped.
struct Listener {
    address: String,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    fn open(serve: impl Fn(&TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let stop = Arc::new(AtomicBool::new(false));
        let (ended, serve) = (Arc::clone(&stop), Arc::new(serve));
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if ended.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), serve) = (stream, Arc::clone(&serve)) else { continue };
                thread::spawn(move || serve(&stream));
            }
        });
        Self { address, stop, thread: Some(thread) }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
