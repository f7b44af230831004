//! The way to a registry: redirects, TLS, proxies, and addresses of every kind.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use hardened::host::Environment;
use hardened::net::Settings;
use hardened::oci::{Digest, Selector, Store, StoreFault};

use crate::client::{answer, bytes, count, index, is_blob_get, nobody, pull, push, repository, settings, somebody, tag, told, with};
use crate::registry::{Fault, Guard, TestRegistry};

#[test]
fn f18_redirects_are_followed_without_credentials() {
    let content = bytes(50_000);
    for status in [301, 302, 303, 307, 308] {
        let elsewhere = TestRegistry::start();
        elsewhere.put_blob("store", &content);
        let location = format!("http://{}/v2/store/blobs/{}?signature=a%2Fb%3D", elsewhere.host(), Digest::of(&content));
        let test = TestRegistry::with(Guard::Basic("dXNlcjpzZWNyZXQ="), move |seen, _| {
            (is_blob_get(seen) && seen.headers.contains_key("authorization")).then(|| answer(status, &[("Location", &location)], ""))
        });
        let from = with(settings(), somebody(test.host(), "secret"), test.host());
        assert!(pull(&from, &content).unwrap() == content, "{status}");
        let seen = elsewhere.seen();
        assert!(seen.len() == 1 && seen[0].target.ends_with("?signature=a%2Fb%3D"), "{seen:?}");
        assert!(seen[0].headers.keys().all(|name| name != "authorization" && name != "referer" && name != "cookie"), "{seen:?}");
    }
}

#[test]
fn f18_redirects_that_lead_astray_are_not_followed() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for (location, words) in [
        ("http://169.254.169.254/latest/meta-data".to_owned(), "private network"),
        ("http://[fe80::1]/x".to_owned(), "private network"),
        ("http://0.0.0.0/x".to_owned(), "private network"),
        ("http://[::ffff:169.254.169.254]/x".to_owned(), "private network"),
        (format!("http://user:secret@{free}/x"), "contains a user"),
        ("file:///etc/passwd".to_owned(), "neither HTTPS nor HTTP"),
        ("ftp://127.0.0.1/x".to_owned(), "neither HTTPS nor HTTP"),
        ("http://registry.example.no/x".to_owned(), "without TLS"),
        ("//".to_owned(), "not a usable URL"),
        ("http://[fe80::1%25eth0]/x".to_owned(), "not a usable URL"),
    ] {
        let to = location.clone();
        let test = TestRegistry::with(Guard::Open, move |seen, _| is_blob_get(seen).then(|| answer(307, &[("Location", &to)], "")));
        let error = pull(&repository(&test), &bytes(10)).unwrap_err();
        assert!(error.contains(words), "{location}: {error}");
        assert!(!error.contains("secret"), "{location}: {error}");
        assert_eq!(count(&test, is_blob_get), 1, "{location}");
    }
    // Round and round.
    let test = TestRegistry::with(Guard::Open, |seen, _| is_blob_get(seen).then(|| answer(302, &[("Location", seen.path())], "")));
    let error = pull(&repository(&test), &bytes(10)).unwrap_err();
    assert!(error.contains("more than 10 times"), "{error}");
    assert_eq!(count(&test, is_blob_get), 11);
}

#[test]
fn f18_an_upload_is_sent_on_with_its_bytes() {
    let content = bytes(80_000);
    for status in [307, 308] {
        let test = TestRegistry::with(Guard::Open, move |seen, _| {
            let moved = seen.method == "PUT" && seen.path().ends_with("session-1") && !seen.target.contains("again");
            moved.then(|| answer(status, &[("Location", &format!("{}&again=1", seen.target))], ""))
        });
        push(&repository(&test), &content).map_err(|error| told(&error)).unwrap();
        assert_eq!(test.blob("shop/api", Digest::of(&content)).unwrap(), content, "{status}");
    }
    let test = TestRegistry::with(Guard::Open, |seen, _| (seen.method == "PUT").then(|| answer(307, &[("Location", &seen.target)], "")));
    let error = push(&repository(&test), &content).unwrap_err();
    assert!(told(&error).contains("redirects the upload too often"), "{}", told(&error));
}

#[test]
fn f19_a_registry_without_tls_is_only_asked_where_that_was_said() {
    // Loopback may do without; other hosts are asked over TLS, and told what to write.
    let test = TestRegistry::start();
    push(&repository(&test), &bytes(10)).unwrap();
    assert_eq!(count(&test, |seen| seen.path() == "/v2/"), 0, "nothing is asked only to find out");
    let port = test.host().rsplit(':').next().unwrap().to_owned();
    let proxy = Middleman::start(Box::new(|_| [TUNNEL, b"HTTP/1.1 400 Plain\r\nContent-Length: 0\r\n\r\n"].concat()));
    let environment: Environment = [("HTTPS_PROXY", format!("http://{}", proxy.address))].into_iter().collect();
    let host = format!("registry.example.no:{port}");
    let error = with(Settings { environment, ..settings() }, nobody(), &host).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
    let said = told(&error);
    assert!(said.contains("plain HTTP") && said.contains(&format!("--insecure {host}")), "{said}");
    assert_eq!(proxy.asked(), [format!("CONNECT {host} HTTP/1.1")]);
}

#[test]
fn f20_proxies_are_used_as_the_environment_says() {
    // A proxy that answers itself, for a host that only it knows.
    let body = index("one").bytes;
    let head = format!("HTTP/1.1 200 x\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n", crate::client::INDEX, body.len());
    let whole = [head.as_bytes(), &body].concat();
    let answers: Answers = Box::new(move |_| whole.clone());
    let proxy = Middleman::start(answers);
    let host = "registry.example.no:8080";
    let settings = |variables: &[(&str, &str)]| Settings {
        environment: variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        insecure: vec![host.to_owned()],
        ..settings()
    };
    let url = format!("http://user:hunter2@{}", proxy.address);
    let read = |settings| with(settings, nobody(), host).read_manifest(&Selector::Tag(tag("1")));
    assert_eq!(read(settings(&[("HTTP_PROXY", &url), ("HTTPS_PROXY", "http://127.0.0.1:1")])).map_err(|error| told(&error)).ok(), None);
    let manifest = read(settings(&[("http_proxy", &url), ("https_proxy", &url)])).map_err(|error| told(&error));
    assert!(manifest.as_ref().is_ok_and(|manifest| *manifest == index("one")) || manifest.is_err_and(|said| !said.contains("hunter2")));
    assert!(proxy.asked().iter().any(|line| line.contains(host)), "{:?}", proxy.asked());
    // Loopback and what NO_PROXY names is asked directly.
    let test = TestRegistry::start();
    let environment: Environment = [("HTTP_PROXY", "http://127.0.0.1:1")].into_iter().collect();
    push(&with(Settings { environment, ..crate::client::settings() }, nobody(), test.host()), &bytes(5)).unwrap();
}

#[test]
fn f20_a_proxy_that_refuses_or_never_ends_is_an_error_without_its_password() {
    let long = [b"HTTP/1.1 200 x\r\n".to_vec(), b"X: y\r\n".repeat(2_000_000)].concat();
    for (reply, what) in [
        (b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n".to_vec(), "407"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n".to_vec(), "403"),
        (b"nonsense\r\n\r\n".to_vec(), "nonsense"),
        (long, "endless"),
        (vec![], "nothing"),
    ] {
        let proxy = Middleman::start(Box::new(move |_| reply.clone()));
        let url = format!("http://user:hunter2@{}", proxy.address);
        let environment: Environment = [("HTTPS_PROXY", url.as_str())].into_iter().collect();
        let settings = Settings { environment, ..settings() };
        let error = with(settings, nobody(), "registry.example.no").read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
        let said = told(&error);
        assert_eq!(error.fault, StoreFault::Unreachable, "{what}: {said}");
        assert!(!said.contains("hunter2") && said.len() < 5000, "{what}: {said}");
        assert!(proxy.asked().iter().all(|line| line == "CONNECT registry.example.no:443 HTTP/1.1"), "{:?}", proxy.asked());
    }
}

#[test]
fn f21_addresses_of_either_kind_are_reached_and_zones_refused() {
    // `localhost` may have two addresses; where one does not answer, the other does.
    let test = TestRegistry::start();
    let port = test.host().rsplit(':').next().unwrap();
    push(&with(settings(), nobody(), &format!("localhost:{port}")), &bytes(10)).unwrap();
    assert!(test.blob("shop/api", Digest::of(&bytes(10))).is_some());
    // A name that resolves to the other kind of address only: a server that listens there is reached, if this machine has such addresses.
    if let Ok(listener) = TcpListener::bind("[::1]:0") {
        let address = listener.local_addr().unwrap();
        let six = Middleman::on(listener, Box::new(|_| b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n".to_vec()));
        let local = format!("localhost:{}", address.port());
        let has_both = local.to_socket_addrs().is_ok_and(|mut found| found.any(|found| found.is_ipv6()));
        let hosts = [Some(address.to_string()), has_both.then_some(local)];
        for host in hosts.iter().flatten() {
            let error = with(settings(), nobody(), host).read_manifest(&Selector::Tag(tag("1"))).unwrap_err();
            assert_eq!(error.fault, StoreFault::Missing, "{host}: {}", told(&error));
        }
        assert_eq!(six.asked().len(), hosts.iter().flatten().count());
    }
    for zoned in ["[fe80::1%25eth0]:5000/a/b", "[fe80::1%eth0]:5000/a/b"] {
        assert!(zoned.parse::<hardened::oci::ImageName>().is_err(), "{zoned}");
    }
}

/// What a proxy says when it has made a tunnel.
const TUNNEL: &[u8] = b"HTTP/1.1 200 Connected\r\n\r\n";

type Answers = Box<dyn Fn(&str) -> Vec<u8> + Send + Sync>;

/// A server that gives its answer to each request's first line, and ends the connection.
struct Middleman {
    address: String,
    asked: Arc<Mutex<Vec<String>>>,
    thread: Option<JoinHandle<()>>,
}

impl Middleman {
    fn start(answers: Answers) -> Self {
        Self::on(TcpListener::bind("127.0.0.1:0").unwrap(), answers)
    }

    fn on(listener: TcpListener, answers: Answers) -> Self {
        let address = listener.local_addr().unwrap().to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&asked);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let mut lines = Vec::new();
                let mut line = String::new();
                while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                    lines.push(line.trim_end().to_owned());
                    line.clear();
                }
                let Some(first) = lines.first().cloned() else { continue };
                if first == "END" {
                    return;
                }
                noted.lock().unwrap().push(first.clone());
                let answer = answers(&first);
                // What comes through a tunnel is answered once it has come.
                if let Some(inner) = answer.strip_prefix(TUNNEL) {
                    let _ = stream.write_all(TUNNEL);
                    let _ = stream.read(&mut [0; 4096]);
                    let _ = stream.write_all(inner);
                } else {
                    let _ = stream.write_all(&answer);
                }
                let _ = stream.shutdown(Shutdown::Write);
                let _ = stream.read(&mut [0; 100]);
            }
        });
        Self { address, asked, thread: Some(thread) }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Middleman {
    fn drop(&mut self) {
        if let Ok(mut stream) = std::net::TcpStream::connect(&self.address) {
            let _ = stream.write_all(b"END\r\n\r\n");
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn f20_a_middleman_of_this_suite_says_what_it_is_told() {
    // The tests above stand on it.
    let middleman = Middleman::start(Box::new(|line| line.as_bytes().to_vec()));
    let mut stream = std::net::TcpStream::connect(&middleman.address).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert_eq!((answer.as_str(), middleman.asked()), ("GET / HTTP/1.1", vec!["GET / HTTP/1.1".to_owned()]));
    let _ = Fault::ResetBefore;
}
