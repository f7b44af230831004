//! A small project of its own folder, built by hardened as its users do.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

#[path = "made.rs"]
pub(crate) mod made;

pub(crate) use made::program;

const RECIPE: &str = r#"
[image]
name = "registry.example.no/shop/api"
[base]
static = true
[[files]]
from = "tree"
to = "/srv"
[[files]]
from = "hello"
to = "/hello"
[process]
entrypoint = ["/hello"]
[layers]
"#;

pub(crate) struct Project {
    folder: TempDir,
}

impl Project {
    pub(crate) fn new(layers: &str) -> Self {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join("hardened.toml"), format!("{RECIPE}{layers}")).unwrap();
        fs::write(folder.path().join("hello"), program(62)).unwrap();
        fs::set_permissions(folder.path().join("hello"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        Self { folder }
    }

    pub(crate) fn tree(&self) -> PathBuf {
        self.folder.path().join("tree")
    }

    pub(crate) fn write(&self, name: &str, content: &[u8]) {
        let path = self.tree().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
    }

    pub(crate) fn build(&self, cache: &Path, more: &[&str]) -> Value {
        let out = TempDir::new().unwrap();
        let place = format!("oci:{}", out.path().join("image").display());
        let built = self.run(cache, &[&["build", "-o", &place], more].concat());
        serde_json::from_str(&built).unwrap()
    }

    /// Runs hardened in the project, and returns its result as JSON.
    pub(crate) fn run(&self, cache: &Path, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_hardened"))
            .current_dir(self.folder.path())
            .env("HOME", self.folder.path())
            .env_remove("SOURCE_DATE_EPOCH")
            .args(["--format", "json", "-q", "--cache-dir"])
            .arg(cache)
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Makes the files old enough to be known by their times, as most files are.
pub(crate) fn settle() {
    std::thread::sleep(Duration::from_millis(40));
}
