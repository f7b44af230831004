//! Debian packages and a signed archive of them, made by hand.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pgp::composed::{Deserializable as _, SignedSecretKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{PacketTrait as _, SignatureConfig, SignatureType, Subpacket, SubpacketData};
use pgp::types::{KeyDetails as _, Password, Timestamp};
use sha2::{Digest as _, Sha256};

#[path = "../../src/layer/deb/sample.rs"]
mod sample;

use sample::{ar, member, tar};

/// A key that signs archives of tests, and one that none trusts.
pub(crate) const ARCHIVE_KEY: &str = include_str!("../../src/debian/release/samples/archive.asc");
pub(crate) const STRANGER_KEY: &str = include_str!("../../src/debian/release/samples/stranger.asc");

/// 2026-07-11 10:16:37 UTC.
pub(crate) const DATE: i64 = 1_783_764_997;

/// A package to be made.
#[derive(Clone)]
pub(crate) struct Deb {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) architecture: String,
    /// More fields of its control file: `Depends: libx (>= 1)`.
    pub(crate) fields: Vec<String>,
    pub(crate) scripts: Vec<(String, String)>,
    /// Path, mode and content; a folder ends with a slash, a link's content begins with `->`.
    pub(crate) files: Vec<(String, u32, Vec<u8>)>,
    /// Folders that it does not list, though it has files in them.
    pub(crate) unlisted: Vec<String>,
}

pub(crate) fn deb(name: &str, version: &str) -> Deb {
    let (name, version, architecture) = (name.to_owned(), version.to_owned(), "amd64".to_owned());
    Deb { name, version, architecture, fields: vec![], scripts: vec![], files: vec![], unlisted: vec![] }
}

impl Deb {
    pub(crate) fn field(mut self, field: &str) -> Self {
        self.fields.push(field.to_owned());
        self
    }

    pub(crate) fn script(mut self, name: &str, text: &str) -> Self {
        self.scripts.push((name.to_owned(), text.to_owned()));
        self
    }

    pub(crate) fn file(mut self, path: &str, content: &[u8]) -> Self {
        self.files.push((path.to_owned(), 0o644, content.to_vec()));
        self
    }

    pub(crate) fn program(mut self, path: &str, content: &[u8]) -> Self {
        self.files.push((path.to_owned(), 0o755, content.to_vec()));
        self
    }

    fn control(&self) -> String {
        let Self { name, version, architecture, fields, .. } = self;
        let fields = fields.iter().fold(String::new(), |text, field| text + field + "\n");
        format!(
            "Package: {name}\nVersion: {version}\nArchitecture: {architecture}\nMaintainer: A Person <a@example.org>\n{fields}Description: {name}\n"
        )
    }

    /// Returns the bytes of the `.deb`.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut control = vec![entry("./", b'5', 0o755, "", b""), entry("./control", b'0', 0o644, "", self.control().as_bytes())];
        for (name, text) in &self.scripts {
            control.push(entry(&format!("./{name}"), b'0', 0o755, "", text.as_bytes()));
        }
        let mut data = vec![entry("./", b'5', 0o755, "", b"")];
        let mut folders: Vec<String> = Vec::new();
        for (path, mode, content) in &self.files {
            for (end, _) in path.match_indices('/') {
                let folder = path[..end].to_owned();
                if !folders.contains(&folder) && !self.unlisted.contains(&folder) {
                    let mode = if path.strip_suffix('/') == Some(&folder) { *mode } else { 0o755 };
                    data.push(entry(&format!("./{folder}/"), b'5', mode, "", b""));
                    folders.push(folder);
                }
            }
            let name = format!("./{path}");
            match content.strip_prefix(b"->") {
                Some(target) => data.push(entry(&name, b'2', 0o777, std::str::from_utf8(target).unwrap(), b"")),
                None if path.ends_with('/') => {}
                None => data.push(entry(&name, b'0', *mode, "", content)),
            }
        }
        let members = [("debian-binary", b"2.0\n".to_vec()), ("control.tar.gz", gzip(&tar(&control))), ("data.tar.gz", gzip(&tar(&data)))];
        ar(&members.map(|(name, content)| member(name, &content)))
    }

    fn path(&self) -> String {
        format!("pool/main/{}/{}_{}_{}.deb", self.name, self.name, self.version.replace(':', "%3a"), self.architecture)
    }
}

fn entry(name: &str, kind: u8, mode: u32, link: &str, content: &[u8]) -> Vec<u8> {
    sample::entry(0, name, kind, mode, link, content)
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(vec![], flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Returns the public part of a key.
pub(crate) fn public_key(secret: &str) -> Vec<u8> {
    use pgp::ser::Serialize as _;
    SignedSecretKey::from_string(secret).unwrap().0.to_public_key().to_bytes().unwrap()
}

/// Signs a text as `InRelease` files are signed.
pub(crate) fn signed(text: &str, secret: &str) -> String {
    let (key, _) = SignedSecretKey::from_string(secret).unwrap();
    let mut config = SignatureConfig::v4(SignatureType::Text, key.primary_key.algorithm(), HashAlgorithm::Sha256);
    config.hashed_subpackets = vec![
        Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::from_secs(u32::try_from(DATE).unwrap()))).unwrap(),
        Subpacket::regular(SubpacketData::IssuerFingerprint(key.primary_key.fingerprint())).unwrap(),
    ];
    let signature = config.sign(&key.primary_key, &Password::empty(), text.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    signature.to_writer_with_header(&mut bytes).unwrap();
    let base64 = STANDARD.encode(bytes);
    let lines: Vec<&str> = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!(
        "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{text}\n-----BEGIN PGP SIGNATURE-----\n\n{}\n-----END PGP SIGNATURE-----\n",
        lines.join("\n")
    )
}

/// A web server of this machine that has files, for as long as it lives.
pub(crate) struct Mirror {
    pub(crate) address: String,
    files: Arc<Mutex<BTreeMap<String, Vec<u8>>>>,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Mirror {
    /// Serves the packages of a suite called `stable`, signed by the key of tests, for amd64 and arm64.
    pub(crate) fn new(packages: &[Deb]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let files: Arc<Mutex<BTreeMap<String, Vec<u8>>>> = Arc::default();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let thread = {
            let (files, asked, stop) = (Arc::clone(&files), Arc::clone(&asked), Arc::clone(&stop));
            thread::spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((stream, _)) => {
                            let (files, asked) = (Arc::clone(&files), Arc::clone(&asked));
                            thread::spawn(move || answer(stream, &files, &asked));
                        }
                        Err(_) => thread::sleep(Duration::from_millis(2)),
                    }
                }
            })
        };
        let mirror = Self { address, files, asked, stop, thread: Some(thread) };
        mirror.publish(packages, DATE, "", ARCHIVE_KEY);
        mirror
    }

    /// Publishes packages anew; `more` are fields of the release: `Valid-Until: …`.
    pub(crate) fn publish(&self, packages: &[Deb], date: i64, more: &str, key: &str) {
        let mut release = format!(
            "Origin: Tests\nSuite: stable\nCodename: tests\nDate: {}\n{more}Architectures: amd64 arm64\nComponents: main\nSHA256:",
            date_text(date)
        );
        for architecture in ["amd64", "arm64"] {
            let mut index = String::new();
            for package in packages.iter().filter(|package| package.architecture == architecture || package.architecture == "all") {
                let bytes = package.bytes();
                let control = package.control();
                let (path, size, sum) = (package.path(), bytes.len(), sha256(&bytes));
                write!(index, "{control}Filename: {path}\nSize: {size}\nSHA256: {sum}\n\n").unwrap();
                self.put(&path, bytes);
            }
            let packed = gzip(index.as_bytes());
            let path = format!("main/binary-{architecture}/Packages.gz");
            write!(release, "\n {} {} {path}", sha256(&packed), packed.len()).unwrap();
            self.put(&format!("dists/stable/{path}"), packed);
        }
        self.put("dists/stable/InRelease", signed(&release, key).into_bytes());
    }

    pub(crate) fn put(&self, path: &str, bytes: Vec<u8>) {
        self.files.lock().unwrap().insert(format!("/{path}"), bytes);
    }

    pub(crate) fn take(&self, path: &str) -> Vec<u8> {
        self.files.lock().unwrap().remove(&format!("/{path}")).unwrap()
    }

    /// Returns the paths of all files that have this in them.
    pub(crate) fn paths(&self, part: &str) -> Vec<String> {
        self.files.lock().unwrap().keys().filter(|path| path.contains(part)).map(|path| path[1..].to_owned()).collect()
    }

    /// Returns what was asked for since it was last called.
    pub(crate) fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

impl Drop for Mirror {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

pub(crate) fn date_text(seconds: i64) -> String {
    let time = jiff::Timestamp::from_second(seconds).unwrap();
    time.strftime("%a, %d %b %Y %H:%M:%S UTC").to_string()
}

fn answer(mut stream: TcpStream, files: &Mutex<BTreeMap<String, Vec<u8>>>, asked: &Mutex<Vec<String>>) {
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut request = Vec::new();
    let mut byte = [0];
    while !request.ends_with(b"\r\n\r\n") && request.len() < 65536 {
        match stream.read(&mut byte) {
            Ok(1) => request.push(byte[0]),
            _ => return,
        }
    }
    let text = String::from_utf8_lossy(&request).into_owned();
    let path = text.split(' ').nth(1).unwrap_or_default().replace("%25", "%").replace("%3A", ":");
    let found = files.lock().unwrap().get(&path).cloned();
    asked.lock().unwrap().push(path);
    let (status, body) = found.map_or(("404 Not Found", b"no such file".to_vec()), |body| ("200 OK", body));
    let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    // A client that has seen enough may be gone.
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body));
}
