use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// A program that others wrote.
pub(crate) struct Peer {
    path: PathBuf,
}

impl Peer {
    /// Finds a peer. Without it the test is to return: it was said, or is a failure when peers are required.
    pub(crate) fn find(name: &str) -> Option<Self> {
        let found = locate(name);
        if found.is_none() {
            assert!(
                std::env::var_os("HARDENED_REQUIRE_PEERS").is_none_or(|value| value != "1"),
                "{name} is not installed, and peers are required"
            );
            // Not `eprintln!`: the test runner would keep it to itself when the test passes.
            writeln!(io::stderr(), "skipped: {name} is not installed").unwrap();
        }
        found.map(|path| Self { path })
    }

    /// Where the program is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Prepares a run with nothing of the caller's environment, its home below `home`, ended after `seconds`.
    pub(crate) fn command(&self, home: &Path, seconds: u32) -> Command {
        bounded(&self.path, home, seconds)
    }

    /// Runs it, and returns what it wrote to standard output; a failure fails the test with all that was written.
    pub(crate) fn run<I: AsRef<OsStr>>(&self, home: &Path, arguments: impl IntoIterator<Item = I>) -> String {
        success(self.command(home, 120).args(arguments))
    }
}

/// Finds a program on PATH, or where `go install` puts it.
pub(crate) fn locate(name: &str) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    if let Some(home) = std::env::var_os("HOME") {
        folders.push(Path::new(&home).join("go/bin"));
    }
    folders.extend(["/usr/local/go/bin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    // Debian has GLib's programs for scripts in a folder of each architecture.
    folders.push(Path::new("/usr/lib").join(format!("{}-linux-gnu/glib-2.0", std::env::consts::ARCH)));
    let is_program = |path: &PathBuf| fs::metadata(path).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0);
    folders.into_iter().map(|folder| folder.join(name)).find(is_program)
}

/// Prepares a run of a program that is ended after `seconds`, also when the test itself is killed.
pub(crate) fn bounded(program: &Path, home: &Path, seconds: u32) -> Command {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=5", &seconds.to_string()]).arg(program).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", home).env("XDG_RUNTIME_DIR", home.join("run"));
    command.env("TMPDIR", home).env("LC_ALL", "C.UTF-8").current_dir(home).stdin(Stdio::null());
    fs::create_dir_all(home.join("run")).unwrap();
    command
}

/// Runs a command that must succeed, and returns what it wrote to standard output.
pub(crate) fn success(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", told(command, &output));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns all that is known about a run, for a test that fails.
pub(crate) fn told(command: &Command, output: &Output) -> String {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    format!("{command:?}\n{}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", output.status)
}

/// Returns a port of loopback that nobody listens on.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Waits until the condition holds; a test that waits longer than `seconds` fails.
pub(crate) fn wait_for(what: &str, seconds: u64, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(seconds);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen within {seconds} seconds");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// A server that runs as long as its test.
pub(crate) struct Server {
    child: Child,
    log: PathBuf,
}

impl Server {
    /// Starts a server, made by [`bounded`], and waits until `ready`. Its output goes to a file.
    pub(crate) fn start(mut command: Command, log: &Path, mut ready: impl FnMut() -> bool) -> Self {
        let file = File::create(log).unwrap();
        let child = command.stdout(file.try_clone().unwrap()).stderr(file).spawn().unwrap();
        let mut server = Self { child, log: log.to_owned() };
        wait_for("the server's start", 30, || {
            assert!(server.child.try_wait().unwrap().is_none(), "{command:?} ended:\n{}", server.log());
            ready()
        });
        server
    }

    /// Returns all that it wrote.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // `timeout` hands the signal on to what it started; were it killed, its child would stay.
        let pid = rustix::process::Pid::from_child(&self.child);
        if rustix::process::kill_process(pid, rustix::process::Signal::TERM).is_ok() {
            let _ = self.child.wait();
        }
    }
}

/// Tells whether somebody listens on a port of loopback.
pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}
