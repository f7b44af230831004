//! The limit of a step (`--retry-for`), at servers that are slow on purpose, and at those that are only slow.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use hardened::feed::{Feed, Mirror};
use hardened::host::Environment;
use hardened::host::cache::Cache;
use hardened::net::{Http, RetryPolicy, Settings, Timeouts};
use hardened::oci::{Selector, Silent, Store};

use crate::client::{answer, bytes, causes, is_blob_get, layer, nobody, pull, push, settings, tag, told, with};
use crate::registry::{Fault, Guard, TestRegistry};
use crate::sandbox::Sandbox;

/// How long a step may wait here, and by when it has ended in any case: long before the usual limit of 10 minutes, and late enough for a
/// machine that stops for some seconds.
const LIMIT: Duration = Duration::from_secs(1);
const PROMPT: Duration = Duration::from_secs(20);

/// A client with the usual timeouts, whose steps have a limit.
fn limited() -> Settings {
    Settings { retry: RetryPolicy { deadline: Some(LIMIT), ..settings().retry }, ..settings() }
}

/// Starts a server that hands each connection over, and returns its address.
fn serve(connection: impl Fn(TcpStream) + Send + Sync + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let connection = Arc::new(connection);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = Arc::clone(&connection);
            thread::spawn(move || connection(stream));
        }
    });
    address
}

/// Reads the head of a request.
fn head(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let mut byte = [0];
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|count| count == 1) {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// Sends bytes one by one, until nobody wants them.
fn drip(stream: &mut TcpStream, bytes: &[u8]) {
    for byte in bytes.iter().chain(std::iter::repeat(&b' ')) {
        if stream.write_all(&[*byte]).is_err() {
            return;
        }
        thread::sleep(Duration::from_millis(150));
    }
}

const BODY: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";

fn drips(place: &'static str) -> String {
    serve(move |mut stream| {
        let asked = if place == "tls" { String::new() } else { head(&mut stream) };
        let own = stream.local_addr().unwrap();
        let mut say = |bytes: &[u8]| stream.write_all(bytes).unwrap_or_default();
        match place {
            "nothing" => thread::sleep(Duration::from_mins(1)),
            // The beginning of a TLS record.
            "tls" => drip(&mut stream, b"\x16\x03\x03\x40\x00\x02"),
            "head" => drip(&mut stream, b"HTTP/1.1 200 OK\r\nX: "),
            "token" if !asked.contains("/token") => say(format!(
                "HTTP/1.1 401 No\r\nConnection: close\r\nContent-Length: 0\r\nWWW-Authenticate: Bearer realm=\"http://{own}/token\"\r\n\r\n"
            )
            .as_bytes()),
            "redirect" if !asked.contains("/elsewhere") => {
                say(b"HTTP/1.1 302 Found\r\nConnection: close\r\nContent-Length: 0\r\nLocation: /elsewhere\r\n\r\n");
            }
            "explanation" => {
                say(b"HTTP/1.1 503 Busy\r\nContent-Length: 100000\r\n\r\n");
                drip(&mut stream, b"busy");
            }
            _ => {
                say(BODY);
                drip(&mut stream, b"{");
            }
        }
    })
}

#[test]
fn f10_a_step_ends_with_its_limit_wherever_a_server_drips() {
    thread::scope(|scope| {
        for place in ["nothing", "tls", "head", "token", "redirect", "explanation", "body"] {
            scope.spawn(move || {
                // Time for two tries, of HTTP and of TLS, on a machine that does much else.
                let retry = RetryPolicy { deadline: Some(LIMIT * 3), ..settings().retry };
                let begun = Instant::now();
                let from = with(Settings { retry, ..settings() }, nobody(), &drips(place));
                let said = told(&from.read_manifest(&Selector::Tag(tag("1"))).unwrap_err());
                assert!(begun.elapsed() < PROMPT, "{place}: {:?}", begun.elapsed());
                let named = if place == "explanation" { "answered 503" } else { "slow or silent" };
                assert!(said.contains(named) && !said.contains("plain HTTP") && !said.contains("broke"), "{place}: {said}");
                let begun = Instant::now();
                let error = pull(&from, &bytes(100_000)).unwrap_err();
                assert!(begun.elapsed() < PROMPT, "{place}: {:?}: {error}", begun.elapsed());
            });
        }
        scope.spawn(|| {
            let slow = |seen: &crate::registry::Seen, _: usize| is_blob_get(seen).then_some(Fault::Drip(Duration::from_millis(100)));
            let test = TestRegistry::with(Guard::Open, slow);
            test.put_blob("shop/api", &bytes(1000));
            let begun = Instant::now();
            // No stop of a machine is as long, so that it ends while bytes come.
            let retry = RetryPolicy { deadline: Some(LIMIT * 8), ..settings().retry };
            let error = pull(&with(Settings { retry, ..settings() }, nobody(), test.host()), &bytes(1000)).unwrap_err();
            assert!(begun.elapsed() < PROMPT && error.contains("sent almost no data") && error.contains("--retry-for"), "{error}");
        });
    });
}

#[test]
fn f10_a_tls_handshake_that_drips_is_named_whichever_limit_ends_it() {
    // The timeout of a connection is over before the step's.
    let timeouts = Timeouts { connect: Duration::from_millis(400), ..Timeouts::default() };
    let from = with(Settings { timeouts, ..limited() }, nobody(), &drips("tls"));
    let said = told(&from.read_manifest(&Selector::Tag(tag("1"))).unwrap_err());
    assert!(said.contains("is slow or silent: it did not complete the TLS handshake"), "{said}");
}

#[test]
fn f10_a_mirror_that_drips_ends_with_the_limit_and_the_next_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    let (cache, _) = Cache::open_for(&Environment::default(), Some(folder.path())).unwrap();
    let feed = Feed::new(Http::new(limited()), cache);
    let good = serve(|mut stream| {
        head(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nindex").unwrap();
    });
    for (scheme, place) in [("http", "body"), ("http", "head"), ("https", "tls"), ("https", "head")] {
        let begun = Instant::now();
        let mirror = |scheme: &str, host: &str| Mirror::new(&format!("{scheme}://{host}/debian")).unwrap();
        let slow = mirror(scheme, &drips(place));
        let read = |mirrors: &[Mirror]| feed.read(mirrors, "dists/stable/InRelease", 1 << 20, |bytes| Ok(bytes.to_vec()));
        let said = causes(&read(std::slice::from_ref(&slow)).map(drop).unwrap_err());
        assert!(said.contains("slow") && !said.contains("plain HTTP"), "{scheme} {place}: {said}");
        let (content, _) = read(&[slow.clone(), mirror("http", &good)]).unwrap();
        assert_eq!(content, b"index");
        let package = layer(&bytes(100_000));
        let error = feed.fetch(&[slow], &["pool/a.deb", "pool/b.deb"], &package, &Silent).unwrap_err();
        assert!(causes(&error).contains("slow"), "{scheme} {place}: {}", causes(&error));
        assert!(begun.elapsed() < PROMPT * 2, "{scheme} {place}: {:?}", begun.elapsed());
    }
}

#[test]
fn f10_a_transfer_that_goes_on_outlasts_the_limit() {
    // Both take about twice the limit, and never stand still.
    let content = bytes(256 << 10);
    let sent = content.clone();
    let slow = serve(move |mut stream| {
        head(&mut stream);
        let length = sent.len();
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        for piece in sent.chunks(8 << 10) {
            if stream.write_all(piece).is_err() {
                return;
            }
            thread::sleep(LIMIT / 16);
        }
    });
    let begun = Instant::now();
    assert!(pull(&with(limited(), nobody(), &slow), &content).unwrap() == content);
    assert!(begun.elapsed() > LIMIT);
    // More than all buffers between the two hold.
    let slow = serve(move |mut stream| {
        loop {
            let asked = head(&mut stream);
            let reply = match asked.split(' ').next().unwrap_or_default() {
                "HEAD" => "404 None\r\nContent-Length: 0",
                "POST" => "202 Begun\r\nLocation: /v2/shop/api/blobs/uploads/1\r\nContent-Length: 0",
                "PUT" => {
                    let mut left = 32 << 20;
                    let mut piece = vec![0; 1 << 20];
                    while left > 0 {
                        left -= stream.read(&mut piece).unwrap();
                        thread::sleep(LIMIT / 200);
                    }
                    "201 Done\r\nContent-Length: 0"
                }
                _ => return,
            };
            let _ = write!(stream, "HTTP/1.1 {reply}\r\n\r\n");
        }
    });
    let begun = Instant::now();
    push(&with(limited(), nobody(), &slow), &bytes(32 << 20)).map_err(|error| told(&error)).unwrap();
    assert!(begun.elapsed() > LIMIT / 2, "{:?}", begun.elapsed());
}

#[test]
fn f04_a_pause_beyond_the_limit_ends_the_step_at_once() {
    for value in ["5", "99999999", "99999999999999999999999", "Fri, 31 Dec 2399 23:59:59 GMT"] {
        let test =
            TestRegistry::with(Guard::Open, move |_, _| Some(answer(503, &[("Retry-After", value)], "{\"errors\":[{\"code\":\"BUSY\"}]}")));
        let from = with(limited(), nobody(), test.host());
        let begun = Instant::now();
        let said = told(&from.read_manifest(&Selector::Tag(tag("1"))).unwrap_err());
        assert_eq!(test.seen().len(), 1, "{value}");
        for part in ["answered 503", "BUSY", "`Retry-After`", "a step may take 1 seconds", "`--retry-for SECONDS`"] {
            assert!(said.contains(part), "`{part}` is not in {said}");
        }
        // Others keep the pause too, and are not sent.
        let said = told(&from.read_manifest(&Selector::Tag(tag("2"))).unwrap_err());
        assert!(said.contains("asked not to be asked for") && test.seen().len() == 1, "{said}");
        assert!(begun.elapsed() < PROMPT, "{value}");
    }
}

#[test]
fn f10_long_waits_are_said_with_what_and_why_and_how_long() {
    thread::scope(|scope| {
        scope.spawn(|| {
            let busy = |_: &crate::registry::Seen, before: usize| (before == 0).then(|| answer(503, &[("Retry-After", "6")], ""));
            let test = TestRegistry::with(Guard::Open, busy);
            let sandbox = Sandbox::new(&format!("image = \"{}/base:1\"", test.host()));
            let ran = sandbox.run(&["inspect", &format!("{}/base:1", test.host()), "--retry-for", "60"]);
            let expected = format!("waiting 6 seconds before `{}` is asked again: it asks for that (`Retry-After`)", test.host());
            ran.fails(3, &[&expected, "404"]);
        });
        scope.spawn(|| {
            let host = drips("nothing");
            let sandbox = Sandbox::new(&format!("image = \"{host}/base:1\""));
            let begun = Instant::now();
            let ran = sandbox.run(&["inspect", &format!("{host}/base:1"), "--retry-for", "11"]);
            ran.fails(3, &[&format!("waiting for `{host}`, which has not answered in full for 5 seconds"), "slow or silent", "given up"]);
            assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", begun.elapsed());
        });
    });
}
