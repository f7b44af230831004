use std::collections::BTreeMap;
use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// What is at a path.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Kind {
    Folder,
    File {
        digest: [u8; 32],
    },
    Link {
        target: String,
    },
    /// A device.
    Other,
}

/// What is at a path, and whose it is.
#[derive(Clone)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) mode: u32,
    pub(super) owner: (u64, u64),
}

/// The files of a root, by path below the merged `/usr`, without a slash at either end.
#[derive(Default)]
pub(super) struct Tree {
    pub(super) nodes: BTreeMap<String, Node>,
    /// The contents of files that were asked for.
    pub(super) texts: BTreeMap<String, Vec<u8>>,
}

/// Returns where a path is below the merged `/usr`; the links themselves stay.
pub(super) fn merged(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path).trim_matches('/');
    match path.split_once('/') {
        Some(("bin" | "lib" | "lib32" | "lib64" | "libx32" | "sbin", _)) => format!("usr/{path}"),
        _ => path.to_owned(),
    }
}

impl Tree {
    /// Adds what a tar archive has; the contents of the files that `keeps` names are kept.
    pub(super) fn add(&mut self, tar: impl Read, keeps: impl Fn(&str) -> bool) {
        let mut archive = tar::Archive::new(tar);
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let path = merged(std::str::from_utf8(&entry.path_bytes()).unwrap());
            if path.is_empty() {
                continue;
            }
            let target = entry.link_name_bytes().map(|target| String::from_utf8(target.into_owned()).unwrap());
            let (header, mut hash) = (entry.header().clone(), Sha256::new());
            let kind = match header.entry_type() {
                tar::EntryType::Directory => Kind::Folder,
                tar::EntryType::Symlink => Kind::Link { target: target.unwrap() },
                tar::EntryType::Link => self.nodes[&merged(&target.unwrap())].kind.clone(),
                kind if !kind.is_file() => Kind::Other,
                _ if keeps(&path) => {
                    let mut text = Vec::new();
                    entry.read_to_end(&mut text).unwrap();
                    hash.update(&text);
                    self.texts.insert(path.clone(), text);
                    Kind::File { digest: hash.finalize().into() }
                }
                _ => {
                    io::copy(&mut entry, &mut Hashing(&mut hash)).unwrap();
                    Kind::File { digest: hash.finalize().into() }
                }
            };
            let owner = (header.uid().unwrap(), header.gid().unwrap());
            self.nodes.insert(path, Node { kind, mode: header.mode().unwrap() & 0o7777, owner });
        }
        // Whoever writes it goes on after the archive's end.
        io::copy(&mut archive.into_inner(), &mut io::sink()).unwrap();
    }

    /// Returns the path that a path leads to, after all links; it need not exist.
    pub(super) fn end(&self, path: &str) -> Option<String> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut done: Vec<String> = Vec::new();
        let mut links = 0;
        while let Some(name) = left.pop() {
            match name.as_str() {
                "" | "." => continue,
                ".." => {
                    done.pop();
                    continue;
                }
                _ => done.push(name),
            }
            if let Some(Node { kind: Kind::Link { target }, .. }) = self.nodes.get(&done.join("/")) {
                links += 1;
                if links > 40 {
                    return None;
                }
                done.pop();
                if target.starts_with('/') {
                    done.clear();
                }
                left.extend(target.split('/').rev().map(str::to_owned));
            }
        }
        Some(done.join("/"))
    }

    /// Returns what a path leads to, after all links.
    pub(super) fn followed(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&self.end(path)?)
    }
}

struct Hashing<'a>(&'a mut Sha256);

impl io::Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
