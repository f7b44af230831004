//! Bases made of this machine's own interpreters, as OCI image layouts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use serde_json::json;
use sha2::{Digest as _, Sha256};

use crate::layout::hex;
use crate::peer::{Peer, locate, success};

/// The files of a base, by their path in the image without the leading `/`.
#[derive(Default)]
pub(crate) struct Base {
    nodes: BTreeMap<String, Node>,
}

enum Node {
    Folder(u32),
    File(Vec<u8>, u32),
    Link(String),
}

impl Base {
    /// Makes a base with the folders that programs expect, `/lib` and its like being links as in Debian.
    pub(crate) fn new() -> Self {
        let mut base = Self::default();
        for folder in ["etc", "usr", "usr/bin", "usr/lib", "usr/lib64"] {
            base.nodes.insert(folder.to_owned(), Node::Folder(0o755));
        }
        base.nodes.insert("tmp".to_owned(), Node::Folder(0o1777));
        let base = base.link("bin", "usr/bin").link("lib", "usr/lib").link("lib64", "usr/lib64");
        let accounts = "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n";
        base.file("etc/passwd", accounts.as_bytes(), 0o644).file("etc/group", b"root:x:0:\nnonroot:x:65532:\n", 0o644)
    }

    /// Makes a base with this machine's Node.js.
    pub(crate) fn node() -> Option<Self> {
        let node = Peer::find("node")?;
        Some(Self::new().program("usr/bin/node", node.path()).certificates())
    }

    /// Makes a base with this machine's Python.
    pub(crate) fn python() -> Option<Self> {
        let python = Peer::find("python3")?;
        let home = tempfile::TempDir::new().unwrap();
        let question = "import os, sys, sysconfig; print(os.path.realpath(sys.executable)); print(sysconfig.get_paths()['stdlib'])";
        let answer = python.run(home.path(), ["-I", "-c", question]);
        let (program, library) = answer.trim().split_once('\n').unwrap();
        let library = Path::new(library);
        let to = format!("usr/lib/{}", library.file_name().unwrap().to_str().unwrap());
        let needless = ["__pycache__", "test", "site-packages", "dist-packages", "config-", "idlelib", "tkinter", "ensurepip"];
        let base = Self::new().program("usr/bin/python3", Path::new(program));
        Some(base.tree(library, &to, &|name| needless.iter().any(|start| name.starts_with(start))).certificates())
    }

    /// Makes a base with a small Java runtime, linked from this machine's JDK.
    pub(crate) fn java() -> Option<Self> {
        let jlink = Peer::find("jlink")?;
        let home = tempfile::TempDir::new().unwrap();
        let runtime = home.path().join("runtime");
        let mut command = jlink.command(home.path(), 240);
        command.args(["--add-modules", "java.base,jdk.httpserver", "--strip-debug", "--no-man-pages", "--no-header-files", "--output"]);
        success(command.arg(&runtime));
        let base = Self::new().tree(&runtime, "usr/lib/jvm/runtime", &|_| false);
        Some(base.link("usr/bin/java", "../lib/jvm/runtime/bin/java").certificates())
    }

    /// Adds a file, and the folders above.
    pub(crate) fn file(mut self, path: &str, content: &[u8], mode: u32) -> Self {
        self.add(path, Node::File(content.to_vec(), mode));
        self
    }

    /// Adds a symbolic link.
    pub(crate) fn link(mut self, path: &str, target: &str) -> Self {
        self.add(path, Node::Link(target.to_owned()));
        self
    }

    /// Adds a program of this machine with the libraries it is linked to.
    pub(crate) fn program(mut self, path: &str, program: &Path) -> Self {
        self.add(path, Node::File(fs::read(program).unwrap(), 0o755));
        self.libraries(&[program.to_owned()])
    }

    /// Adds a folder of this machine, with the libraries that what is in it is linked to.
    fn tree(mut self, folder: &Path, to: &str, without: &dyn Fn(&str) -> bool) -> Self {
        let mut linked = Vec::new();
        self.walk(folder, to, without, &mut linked);
        self.libraries(&linked)
    }

    fn walk(&mut self, folder: &Path, to: &str, without: &dyn Fn(&str) -> bool, linked: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap();
            let target = format!("{to}/{name}");
            match fs::metadata(&path) {
                _ if without(name) => {}
                Ok(found) if found.is_dir() => self.walk(&path, &target, without, linked),
                Ok(found) => {
                    let content = fs::read(&path).unwrap();
                    if content.starts_with(b"\x7fELF") {
                        linked.push(path.clone());
                    }
                    self.add(&target, Node::File(content, if found.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 }));
                }
                // A link into the air.
                Err(_) => {}
            }
        }
    }

    fn certificates(self) -> Self {
        match fs::read("/etc/ssl/certs/ca-certificates.crt") {
            Ok(content) => self.file("etc/ssl/certs/ca-certificates.crt", &content, 0o644),
            Err(_) => self,
        }
    }

    /// Adds the shared libraries and the loader of programs, where the loader looks for them.
    fn libraries(mut self, programs: &[PathBuf]) -> Self {
        let home = tempfile::TempDir::new().unwrap();
        let ldd = locate("ldd").unwrap();
        let output = crate::peer::bounded(&ldd, home.path(), 60).args(programs).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let words = text.lines().filter(|line| !line.ends_with(':')).flat_map(str::split_whitespace);
        let own: BTreeSet<PathBuf> = programs.iter().filter_map(|path| path.parent()).map(Path::to_owned).collect();
        for library in words.filter(|word| word.starts_with('/')).map(Path::new).collect::<BTreeSet<_>>() {
            // Their folder without links, so that `/lib` stays one; their name with links, because programs ask for that.
            let folder = fs::canonicalize(library.parent().unwrap()).unwrap();
            if own.contains(&folder) {
                continue;
            }
            let path = folder.join(library.file_name().unwrap());
            let path = if path.starts_with("/usr") { path } else { Path::new("/usr/lib/x86_64-linux-gnu").join(path.file_name().unwrap()) };
            let content = fs::read(library).unwrap();
            self.add(path.to_str().unwrap().trim_start_matches('/'), Node::File(content, 0o755));
        }
        self
    }

    fn add(&mut self, path: &str, node: Node) {
        for (index, _) in path.match_indices('/') {
            self.nodes.entry(path[..index].to_owned()).or_insert(Node::Folder(0o755));
        }
        self.nodes.insert(path.to_owned(), node);
    }

    /// Writes the base as a layout with one layer and one platform.
    pub(crate) fn write(&self, folder: &Path, architecture: &str) {
        let tar = self.tar();
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&tar).unwrap();
        let layer = gzip.finish().unwrap();
        let path = "PATH=/usr/local/bin:/usr/bin:/bin";
        let config = json!({
            "architecture": architecture, "os": "linux",
            "config": {"Env": [path, "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"], "Labels": {"of": "the base"}},
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{}", hex(&Sha256::digest(&tar)))]},
            "history": [{"created_by": "the base's maker"}],
        });
        fs::create_dir_all(folder.join("blobs/sha256")).unwrap();
        let config = blob(folder, "application/vnd.oci.image.config.v1+json", &serde_json::to_vec(&config).unwrap());
        let layer = blob(folder, "application/vnd.oci.image.layer.v1.tar+gzip", &layer);
        let media_type = "application/vnd.oci.image.manifest.v1+json";
        let manifest = json!({"schemaVersion": 2, "mediaType": media_type, "config": config, "layers": [layer]});
        let manifest = blob(folder, media_type, &serde_json::to_vec(&manifest).unwrap());
        let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [manifest]});
        fs::write(folder.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        fs::write(folder.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    }

    fn tar(&self) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, node) in &self.nodes {
            let mut header = tar::Header::new_ustar();
            let (kind, mode, content): (_, _, &[u8]) = match node {
                Node::Folder(mode) => (tar::EntryType::Directory, *mode, &[]),
                Node::File(content, mode) => (tar::EntryType::Regular, *mode, content),
                Node::Link(_) => (tar::EntryType::Symlink, 0o777, &[]),
            };
            header.set_entry_type(kind);
            header.set_mode(mode);
            header.set_size(content.len() as u64);
            match node {
                Node::Link(target) => builder.append_link(&mut header, path, target).unwrap(),
                _ => builder.append_data(&mut header, path, content).unwrap(),
            }
        }
        builder.into_inner().unwrap()
    }
}

fn blob(folder: &Path, media_type: &str, content: &[u8]) -> serde_json::Value {
    let digest = hex(&Sha256::digest(content));
    fs::write(folder.join("blobs/sha256").join(&digest), content).unwrap();
    json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len()})
}
