use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::peer::{bounded, locate, told};

/// Makes a temporary folder whose name is in lower case: podman takes the path of a layout for part of an image's name.
fn folder() -> TempDir {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    tempfile::Builder::new().prefix(&format!("peers-{}-{number}", std::process::id())).rand_bytes(0).tempdir().unwrap()
}

/// A project folder with a home, a cache and credentials of its own.
pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    /// Makes a project with a recipe.
    pub(crate) fn new(recipe: &str) -> Self {
        let project = Self { folder: folder() };
        project.file("hardened.toml", recipe)
    }

    /// Makes a project of one of the examples, with everything in its folder.
    pub(crate) fn of_example(name: &str) -> Self {
        let project = Self { folder: folder() };
        copy(&example(name), &project.path("."));
        project
    }

    /// Makes the project that prints what a process sees: the hello example's program on the embedded base.
    pub(crate) fn hello() -> Self {
        Self::new(HELLO).program("hello", &fs::read(hello()).unwrap())
    }

    /// Adds a file.
    pub(crate) fn file(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self
    }

    /// Adds a file that may be executed.
    pub(crate) fn program(self, name: &str, content: &[u8]) -> Self {
        let project = self.file(name, content);
        fs::set_permissions(project.path(name), fs::Permissions::from_mode(0o755)).unwrap();
        project
    }

    /// Returns where a file of the project is.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        let project = self.folder.path().join("project");
        if name == "." { project } else { project.join(name) }
    }

    /// Returns the home folder, which peers of this project share: credentials are found where hardened put them.
    pub(crate) fn home(&self) -> PathBuf {
        let home = self.folder.path().join("home");
        fs::create_dir_all(&home).unwrap();
        home
    }

    /// Prepares a run of hardened in the project.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        self.command_within(240, arguments)
    }

    /// Prepares a run that may take longer than others.
    pub(crate) fn command_within(&self, seconds: u32, arguments: &[&str]) -> Command {
        let mut command = bounded(Path::new(env!("CARGO_BIN_EXE_hardened")), &self.home(), seconds);
        command.args(arguments).current_dir(self.path("."));
        command
    }

    /// Runs hardened, which must succeed, and returns its answer without the line's end.
    pub(crate) fn hardened(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", told(&command, &output));
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    }

    /// Runs hardened with a text on standard input.
    pub(crate) fn hardened_with_input(&self, arguments: &[&str], input: &str) -> Output {
        let path = self.home().join("input");
        fs::write(&path, input).unwrap();
        self.command(arguments).stdin(Stdio::from(fs::File::open(path).unwrap())).output().unwrap()
    }
}

/// The recipe of [`Project::hello`].
pub(crate) const HELLO: &str = r#"
[image]
name = "hello"

[base]
static = true

[[files]]
from = "hello"
to = "/hello"

[process]
entrypoint = ["/hello"]
"#;

/// What [`Project::hello`] prints when it is locked in as it should be.
pub(crate) const HELLO_SAYS: &str = "hello from hardened, uid 65532, root file system read-only: yes, capabilities: none, network: none\n";

/// Returns the digest of a result: what follows the `@`, or all of it where the image went nowhere.
pub(crate) fn digest(reference: &str) -> &str {
    let digest = reference.rsplit_once('@').map_or(reference, |(_, digest)| digest);
    assert!(digest.starts_with("sha256:") && digest.len() == 71, "`{digest}` is no digest");
    digest
}

/// Returns the folder of an example.
pub(crate) fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// Copies a folder, with modes and links.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            copy(&source, &target);
        } else if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source).unwrap(), target).unwrap();
        } else {
            fs::copy(&source, &target).unwrap();
        }
    }
}

/// Compiles a program of an example as README does: static, with nothing but Rust. Done once for each name.
pub(crate) fn compile(source: &Path, program: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(program);
    let rustc = std::env::var_os("RUSTC").map(PathBuf::from).or_else(|| locate("rustc")).unwrap();
    let output = Command::new(rustc).args(["-O", "-C", "target-feature=+crt-static", "-o"]).arg(&path).arg(source).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    path
}

/// Returns the hello example's program.
pub(crate) fn hello() -> &'static Path {
    static PATH: OnceLock<PathBuf> = OnceLock::new();
    PATH.get_or_init(|| compile(&example("hello").join("main.rs"), "hello"))
}
