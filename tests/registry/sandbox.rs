//! A folder with a recipe, and the program run in it as its users run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::project::program;

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
    /// Checks that the run failed in this way, with each of these texts in its message.
    pub(crate) fn fails(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{}\n{}", self.out, self.err);
        assert!(self.out.is_empty(), "{}", self.out);
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
}

impl Sandbox {
    /// A folder with a program `app` for amd64, and a recipe that starts it on a base.
    pub(crate) fn new(base: &str) -> Self {
        Self::with(&recipe(base))
    }

    pub(crate) fn with(recipe: &str) -> Self {
        let sandbox = Self { folder: TempDir::new().unwrap(), environment: vec![] };
        sandbox.write("hardened.toml", recipe.as_bytes());
        sandbox.write("app", &program(62));
        sandbox.executable("app");
        sandbox
    }

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
        fs::set_permissions(self.path(name), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&self.path("cache"), arguments)
    }

    pub(crate) fn run_with(&self, cache: &Path, arguments: &[&str]) -> Ran {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hardened"));
        command.env_clear().current_dir(self.folder.path()).env("HOME", self.path("home")).env("HARDENED_CACHE_DIR", cache);
        let Output { status, stdout, stderr } = command.envs(self.environment.clone()).args(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ran { code: status.code(), out: text(stdout), err: text(stderr) }
    }
}

pub(crate) fn recipe(base: &str) -> String {
    format!(
        "[image]\nname = \"registry.example.no/shop/api\"\n[base]\n{base}\n[[files]]\nfrom = \"app\"\nto = \"/app\"\n[process]\nentrypoint = [\"/app\"]\n"
    )
}
