use std::fs;
use std::path::Path;

use tempfile::TempDir;

use crate::peer::{Peer, Server, free_port, listens};

/// The user and password of a registry that wants them.
pub(crate) const USER: &str = "ci";
pub(crate) const PASSWORD: &str = "correct-horse-battery";

/// A registry on loopback.
pub(crate) struct Registry {
    server: Server,
    address: String,
    _folder: TempDir,
}

impl Registry {
    /// Starts Debian's docker-registry, which anybody may write to.
    pub(crate) fn distribution() -> Option<Self> {
        let program = Peer::find("docker-registry")?;
        Some(Self::start_distribution(&program, |_| String::new()))
    }

    /// Starts Debian's docker-registry, which wants [`USER`] and [`PASSWORD`].
    pub(crate) fn distribution_with_password() -> Option<Self> {
        let (program, htpasswd) = (Peer::find("docker-registry")?, Peer::find("htpasswd")?);
        Some(Self::start_distribution(&program, |folder| {
            fs::write(folder.join("htpasswd"), htpasswd.run(folder, ["-nbB", USER, PASSWORD])).unwrap();
            format!("auth: {{htpasswd: {{realm: hardened, path: {}}}}}\n", folder.join("htpasswd").display())
        }))
    }

    /// Starts the registry that is inside crane.
    pub(crate) fn crane() -> Option<Self> {
        let crane = Peer::find("crane")?;
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let mut command = crane.command(folder.path(), 1200);
        command.args(["registry", "serve", "--address", &format!("127.0.0.1:{port}")]);
        Some(Self { server: serve(command, folder.path(), port), address: format!("127.0.0.1:{port}"), _folder: folder })
    }

    fn start_distribution(program: &Peer, authentication: impl FnOnce(&Path) -> String) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), free_port());
        let settings = format!(
            "version: 0.1\nstorage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\nhttp: {{addr: 127.0.0.1:{port}}}\n{}",
            folder.path().join("kept").display(),
            authentication(folder.path()),
        );
        fs::write(folder.path().join("settings.yml"), settings).unwrap();
        let mut command = program.command(folder.path(), 1200);
        command.arg("serve").arg(folder.path().join("settings.yml"));
        Self { server: serve(command, folder.path(), port), address: format!("127.0.0.1:{port}"), _folder: folder }
    }

    /// The host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Returns the requests of the registry's own log, as `METHOD /path`, oldest first.
    pub(crate) fn requests(&self) -> Vec<String> {
        let log = self.server.log();
        log.lines().filter_map(request).collect()
    }

    /// Returns the requests that bring bytes of blobs. A mount (`POST …?mount=`) brings none.
    pub(crate) fn uploads(&self) -> Vec<String> {
        let brings = |request: &String| request.starts_with("PUT ") || request.starts_with("PATCH ");
        self.requests().into_iter().filter(|request| request.contains("/blobs/uploads/") && brings(request)).collect()
    }
}

fn serve(command: std::process::Command, folder: &Path, port: u16) -> Server {
    Server::start(command, &folder.join("log"), || listens(port))
}

/// docker-registry writes the line of a web server's log, `… "PUT /v2/… HTTP/1.1" …`, crane `… PUT /v2/…`.
fn request(line: &str) -> Option<String> {
    let start = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"].iter().find_map(|method| line.find(&format!("{method} /v2/")))?;
    let mut words = line[start..].split(' ');
    Some(format!("{} {}", words.next()?, words.next()?))
}
