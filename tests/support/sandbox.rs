//! A folder with a recipe, and the program run in it as its users run it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A folder of its own, with the home and the cache of the runs in it.
pub(crate) struct Sandbox {
    folder: TempDir,
    environment: Vec<(String, String)>,
}

/// How a run ended.
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Checks that the run failed in this way, with each of these texts in its message, and that standard output has nothing but a report.
    pub(crate) fn fails(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        let is_report = |report: serde_json::Value| report["exit_code"] == code && report["error"]["message"].is_string();
        assert!(self.out.is_empty() || serde_json::from_str(&self.out).is_ok_and(is_report), "{}", self.out);
        for text in texts {
            assert!(self.err.contains(text), "`{text}` is not in:\n{}", self.err);
        }
        assert!(!self.err.contains("panicked"), "{}", self.err);
    }

    pub(crate) fn succeeds(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap()
    }

    /// Returns the digest of the reference that was printed.
    pub(crate) fn digest(&self) -> String {
        self.out.trim_end().rsplit('@').next().unwrap().to_owned()
    }
}

impl Sandbox {
    /// A folder with this recipe, and a program `app` for amd64.
    pub(crate) fn with(recipe: &str, app: &[u8]) -> Self {
        let sandbox = Self { folder: TempDir::new().unwrap(), environment: vec![] };
        sandbox.write("hardened.toml", recipe.as_bytes());
        sandbox.write("app", app);
        sandbox.executable("app");
        sandbox
    }

    /// Sets a variable for all runs.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub(crate) fn executable(&self, name: &str) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Prepares a run with the sandbox's own home and cache, and nothing else in its environment.
    pub(crate) fn command(&self, arguments: &[impl AsRef<OsStr>]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardened"));
        command.env_clear().current_dir(self.folder.path()).env("HOME", self.path("home"));
        command.env("HARDENED_CACHE_DIR", self.path("cache")).envs(self.environment.clone()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).output().unwrap())
    }

    pub(crate) fn run_with(&self, cache: &Path, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments).env("HARDENED_CACHE_DIR", cache).output().unwrap())
    }
}
