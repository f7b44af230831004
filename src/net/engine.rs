use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Body;
use tokio::runtime::Builder;
use tokio::sync::mpsc::{self, Sender};

use super::client;
use super::fault::chain;
use super::redact;
use crate::diagnostic::ExternalError;
use crate::host::Environment;

/// How long an engine may take to answer once it has the whole image.
const ANSWER: Duration = Duration::from_mins(10);
/// How much of an answer is read.
const ANSWER_LIMIT: usize = 1 << 20;
/// How much is sent at a time.
const PIECE: usize = 256 << 10;

/// The HTTP interface of a container engine: Docker's, or Podman's that speaks the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineApi {
    reach: Reach,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reach {
    Socket(PathBuf),
    Tcp(String),
}

impl EngineApi {
    /// Finds the engine: `DOCKER_HOST` (`unix://` or `tcp://`), else the first that exists of Docker's socket and Podman's two.
    ///
    /// # Errors
    /// When there is none, or `DOCKER_HOST` is of another kind.
    pub fn from_environment(environment: &Environment) -> Result<Self, ExternalError> {
        if let Some(host) = environment.text("DOCKER_HOST") {
            return Self::named(host);
        }
        let own = environment.path("XDG_RUNTIME_DIR").map(|folder| folder.join("podman/podman.sock"));
        let usual = ["/var/run/docker.sock", "/run/podman/podman.sock"].map(PathBuf::from);
        let mut sockets = own.into_iter().chain(usual);
        let found = sockets.find(|socket| socket.exists()).ok_or_else(|| {
            ExternalError::new("could not find an engine: neither Docker's socket nor Podman's exists")
                .hint("start one (`podman system service --time=0`), or name it: `DOCKER_HOST=unix:///path/of/the.sock`")
        })?;
        Ok(Self { reach: Reach::Socket(found) })
    }

    fn named(host: &str) -> Result<Self, ExternalError> {
        let other = |kind: &str| {
            ExternalError::new(format!("DOCKER_HOST is of the kind `{}`; only `unix://` and `tcp://` are supported", kind.escape_debug()))
                .hint("write the image to a file, and load it there: `-o docker-archive:image.tar`, then `docker load -i image.tar`")
        };
        match host.split_once("://") {
            Some(("unix", path)) => Ok(Self { reach: Reach::Socket(PathBuf::from(path)) }),
            Some(("tcp" | "http", address)) => Ok(Self { reach: Reach::Tcp(address.trim_end_matches('/').to_owned()) }),
            Some((kind, _)) => Err(other(kind)),
            None => Err(other(&redact::without_secrets(host))),
        }
    }

    /// Returns the engine's name for messages.
    pub fn name(&self) -> String {
        match &self.reach {
            Reach::Socket(path) => format!("the engine at unix://{}", path.display()),
            Reach::Tcp(address) => format!("the engine at tcp://{}", redact::escaped(&redact::without_secrets(address))),
        }
    }

    /// Loads an image: `write` writes a Docker archive, which is sent while it is written. Returns the engine's message.
    ///
    /// # Errors
    /// When the engine cannot be reached or refuses, or `write` fails.
    pub fn load(&self, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<String, ExternalError> {
        let failed = || ExternalError::new(format!("could not load the image into {}", self.name()));
        let unreached = |error: reqwest::Error| {
            let error = error.without_url();
            let words = chain(&error).pop().map(|text| redact::escaped(&text)).unwrap_or_default();
            let start = "check that it runs, or name another: `DOCKER_HOST=unix:///path/of/the.sock`";
            if error.is_connect() {
                failed().caused_by(format!("no engine answers there: {words}")).hint(start)
            } else {
                failed().caused_by(words)
            }
        };
        let (sender, mut receiver) = mpsc::channel::<io::Result<Bytes>>(4);
        let pieces = futures_util::stream::poll_fn(move |task| receiver.poll_recv(task));
        let builder = match &self.reach {
            Reach::Socket(path) => client::unconfigured().unix_socket(path.clone()),
            Reach::Tcp(_) => client::unconfigured().connect_timeout(Duration::from_secs(10)),
        };
        let client = builder.no_proxy().build().map_err(unreached)?;
        let host = if let Reach::Tcp(address) = &self.reach { address.as_str() } else { "localhost" };
        let request =
            client.post(format!("http://{host}/images/load")).header("Content-Type", "application/x-tar").body(Body::wrap_stream(pieces));
        let runtime = Builder::new_current_thread().enable_all().build().map_err(|error| failed().caused_by(error))?;
        thread::scope(|scope| {
            let answer = scope.spawn(move || runtime.block_on(exchange(request)));
            let written = send(sender, write);
            let answer = answer.join().map_err(|_| failed())?;
            // An engine that refuses stops reading, and then writing fails as well: its answer says more.
            match (answer, written) {
                (Ok((true, text)), Ok(())) => spoken(&text).map_err(|text| failed().caused_by(text)),
                (Ok((false, text)), _) => Err(failed().caused_by(spoken(&text).unwrap_or_else(|text| text))),
                (_, Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => Err(failed().caused_by(error)),
                (Err(error), _) => Err(unreached(error)),
                (Ok(_), Err(error)) => Err(failed().caused_by(error)),
            }
        })
    }
}

async fn exchange(request: reqwest::RequestBuilder) -> Result<(bool, String), reqwest::Error> {
    let mut response = request.timeout(ANSWER).send().await?;
    let good = response.status().is_success();
    let mut bytes = Vec::new();
    while let Some(piece) = response.chunk().await? {
        let room = ANSWER_LIMIT - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(room)]);
    }
    Ok((good, String::from_utf8_lossy(&bytes).into_owned()))
}

/// Reads the engine's answer, a JSON object on each line, and returns its message, or its error.
fn spoken(answer: &str) -> Result<String, String> {
    let mut said = String::new();
    for line in answer.lines() {
        let Ok(value) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        for key in ["error", "message", "cause"] {
            if let Some(text) = value[key].as_str() {
                return Err(redact::escaped(text.trim()));
            }
        }
        said.push_str(value["stream"].as_str().unwrap_or_default());
    }
    Ok(redact::escaped(said.trim()))
}

#[expect(clippy::needless_pass_by_value, reason = "the stream ends when its sender is gone")]
fn send(sender: Sender<io::Result<Bytes>>, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(PIECE, Pieces(sender.clone()));
    let written = write(&mut out).and_then(|()| out.flush());
    if written.is_err() {
        // Without this the engine would take what it has for the whole.
        let _ = sender.blocking_send(Err(io::Error::other("the image could not be read")));
    }
    written
}

/// Sends each piece that is written to it.
struct Pieces(Sender<io::Result<Bytes>>);

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes))).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_found_where_it_is_named() {
        for (host, expected) in [
            ("unix:///run/x.sock", Some("the engine at unix:///run/x.sock")),
            ("tcp://127.0.0.1:2375", Some("the engine at tcp://127.0.0.1:2375")),
            ("tcp://user:secret@127.0.0.1:2375", Some("the engine at tcp://127.0.0.1:2375")),
            ("ssh://me@host", None),
            ("nonsense", None),
        ] {
            let environment: Environment = [("DOCKER_HOST", host)].into_iter().collect();
            assert_eq!(EngineApi::from_environment(&environment).ok().map(|engine| engine.name()).as_deref(), expected);
        }
    }

    #[test]
    fn answers_are_read() {
        assert_eq!(spoken("{\"stream\":\"Loaded image: x\\n\"}\n"), Ok("Loaded image: x".to_owned()));
        assert_eq!(spoken("{\"stream\":\"a\"}\n{\"error\":\"bad\\u001b[2J\"}"), Err("bad\\u{1b}[2J".to_owned()));
        assert_eq!(spoken("{\"message\":\"no\"}"), Err("no".to_owned()));
    }
}
