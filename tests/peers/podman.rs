use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::peer::{Peer, Server, success, wait_for};

/// Podman and runc, with images and containers of their own in a temporary folder.
pub(crate) struct Podman {
    program: Peer,
    folder: TempDir,
}

/// A container that runs until it is dropped.
pub(crate) struct Container<'a> {
    podman: &'a Podman,
    id: String,
}

/// What locks a container in: no network, nothing writable but `/tmp`, no capability, no way to gain one.
const LOCKED_IN: [&str; 9] =
    ["--rm", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--pull=missing"];

impl Podman {
    /// Finds podman and runc.
    pub(crate) fn find() -> Option<Self> {
        let (program, runc) = (Peer::find("podman")?, Peer::find("runc")?);
        let folder = TempDir::new().unwrap();
        // The limits of a container may not pass those of the user who starts it, which differ from machine to machine.
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile=1024:4096\", \"nproc=1024:2048\"]\n[engine]\nruntime = \"runc\"\n\
             cgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n[engine.runtimes]\nrunc = [\"{}\"]\n",
            runc.path().display(),
        );
        fs::write(folder.path().join("containers.conf"), settings).unwrap();
        Some(Self { program, folder })
    }

    /// Prepares a run.
    pub(crate) fn command(&self, seconds: u32) -> Command {
        let folder = self.folder.path();
        let mut command = self.program.command(folder, seconds);
        command.env("CONTAINERS_CONF", folder.join("containers.conf"));
        command.arg("--root").arg(folder.join("images")).arg("--runroot").arg(folder.join("containers"));
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs", "--events-backend", "file"]);
        command
    }

    /// Runs podman.
    pub(crate) fn podman(&self, arguments: &[&str]) -> String {
        success(self.command(180).args(arguments))
    }

    /// Runs an image locked in, without a network, and returns what it prints.
    pub(crate) fn run(&self, image: &str, arguments: &[&str]) -> String {
        success(self.command(120).arg("run").args(LOCKED_IN).args(["--network", "none", "--tls-verify=false", image]).args(arguments))
    }

    /// Runs an image locked in, on the host's network, to its end, and returns what became of it.
    pub(crate) fn reach(&self, image: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(120);
        command.arg("run").args(LOCKED_IN).args(["--network", "host", "--tls-verify=false", image]).args(arguments).output().unwrap()
    }

    /// Runs a program of an image locked in, without a network, in place of the image's own.
    pub(crate) fn run_program(&self, image: &str, program: &str, arguments: &[&str]) -> Output {
        let mut command = self.command(120);
        command.arg("run").args(LOCKED_IN).args(["--network", "none", "--entrypoint", program, image]);
        command.args(arguments).output().unwrap()
    }

    /// Starts an image locked in, on the host's network, as a service that ends after two minutes at the latest.
    pub(crate) fn start(&self, image: &str, environment: &[(&str, &str)]) -> Container<'_> {
        let environment: Vec<String> = environment.iter().map(|(name, value)| format!("--env={name}={value}")).collect();
        self.serve_image(image, environment.iter().map(String::as_str).chain(["--network=host"]))
    }

    /// Starts an image locked in, on a network of its own of which one port is reached at one of loopback.
    pub(crate) fn publish(&self, image: &str, inside: u16, outside: u16) -> Container<'_> {
        self.serve_image(image, ["--network=slirp4netns", &format!("--publish=127.0.0.1:{outside}:{inside}")])
    }

    fn serve_image<'a>(&self, image: &str, flags: impl IntoIterator<Item = &'a str>) -> Container<'_> {
        let mut command = self.command(120);
        command.arg("run").args(LOCKED_IN).args(["--detach", "--timeout", "120", "--tls-verify=false"]).args(flags);
        Container { podman: self, id: success(command.arg(image)).trim().to_owned() }
    }

    /// Serves the engine's HTTP API on a socket; returns the server and the socket's address.
    pub(crate) fn serve(&self) -> (Server, String) {
        let socket = self.folder.path().join("podman.sock");
        let address = format!("unix://{}", socket.display());
        let mut command = self.command(240);
        command.args(["system", "service", "--time=240", &address]);
        let server =
            Server::start(command, &self.folder.path().join("service.log"), || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        (server, address)
    }
}

impl Container<'_> {
    /// Sends an HTTP request until it is answered, and returns the answer.
    pub(crate) fn ask(&self, port: u16, path: &str) -> String {
        let mut answer = String::new();
        wait_for("an answer of the service", 30, || match request(port, path) {
            Ok(text) if text.starts_with("HTTP/1.") => {
                answer = text;
                true
            }
            _ => {
                let running = self.podman.podman(&["ps", "--quiet", "--no-trunc"]);
                assert!(running.contains(&self.id), "the container ended");
                false
            }
        });
        answer
    }

    /// Returns as whom its processes run, one a line, by the image's own accounts.
    pub(crate) fn users(&self) -> String {
        self.podman.podman(&["top", &self.id, "user"])
    }
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        let _ = self.podman.command(60).args(["rm", "--force", "--time", "2", &self.id]).output();
    }
}

fn request(port: u16, path: &str) -> std::io::Result<String> {
    use std::io::{Read as _, Write as _};
    let mut connection = std::net::TcpStream::connect(("127.0.0.1", port))?;
    connection.set_read_timeout(Some(std::time::Duration::from_secs(10)))?;
    write!(connection, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer)?;
    Ok(answer)
}
