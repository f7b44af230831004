use std::collections::BTreeSet;
use std::sync::Arc;

use crate::oci::{Digest, Hasher};
use crate::plan::Plan;
use crate::plan::script::{EnvLine, env_line};
use crate::rootfs::{Changeset, Dynamic, Entry, EntryKind, Head, ImagePath, Machine};

use super::ProofMemory;
use super::files::Files;
use super::finding::{Finding, Level, is_for, machine_name};
use super::loader::{Libc, Loader, Surroundings, from_directory};
use super::process::{Depth, Object, Process};

/// Raised when findings are made otherwise, so that older ones are not recalled.
const FORMAT: &[u8] = b"others 2\0";

/// Files of the app that the entrypoint does not reach: add-ons that programs load by name, and programs that somebody may start.
pub(super) struct Others<'a> {
    pub(super) plan: &'a Plan,
    pub(super) files: &'a Files<'a>,
    pub(super) surroundings: &'a Surroundings,
    /// What the entrypoint has loaded when it loads an add-on.
    pub(super) main: Option<&'a Process<'a>>,
    /// The image's loader.
    pub(super) loader: Option<&'a Loader>,
}

impl Others<'_> {
    /// Looks at what may be a program or library, except for what is proved already.
    pub(super) fn findings(&self, changesets: &[&Changeset], seen: &BTreeSet<ImagePath>, memory: Option<&dyn ProofMemory>) -> Vec<Finding> {
        let remembered = memory.and_then(|memory| Some((memory, self.key(changesets, seen)?)));
        if let Some((memory, key)) = &remembered
            && let Some(found) = memory.recall(key).and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            return found;
        }
        let mut findings = Vec::new();
        let entries = changesets.iter().flat_map(|changeset| changeset.entries());
        for (path, _) in entries.filter(|(path, entry)| is_candidate(path, entry) && !seen.contains(path)) {
            self.look(path, &mut findings);
        }
        findings.sort();
        findings.dedup();
        if let Some((memory, key)) = remembered
            && let Ok(bytes) = serde_json::to_vec(&findings)
        {
            memory.keep(&key, &bytes);
        }
        findings
    }

    /// Returns a digest over all that the findings depend on; `None` when a file is too young to be known by its times.
    fn key(&self, changesets: &[&Changeset], seen: &BTreeSet<ImagePath>) -> Option<Digest> {
        let mut hasher = Hasher::default();
        hasher.update(FORMAT);
        let config = &self.plan.config;
        let texts = format!(
            "{}\0{:?}\0{:?}\0{:?}\0{:?}\0{}",
            self.plan.platform,
            self.surroundings,
            self.files.owner,
            config.entrypoint(),
            config.command(),
            self.loader.is_some()
        );
        hasher.update(texts.as_bytes());
        for diff_id in config.diff_ids() {
            hasher.update(diff_id.to_string().as_bytes());
        }
        for path in seen {
            hasher.update(path.as_bytes());
            hasher.update(b"\0");
        }
        for (path, entry) in changesets.iter().flat_map(|changeset| changeset.entries()) {
            hasher.update(path.as_bytes());
            hasher
                .update(&[&b"\0"[..], &entry.mode.to_le_bytes(), &entry.owner.uid.to_le_bytes(), &entry.owner.gid.to_le_bytes()].concat());
            match (&entry.kind, Files::inline(entry)) {
                (_, Some(bytes)) => hasher.update(Digest::of(bytes).as_bytes()),
                (EntryKind::File(content), None) => {
                    let (_, _, stat) = content.found(path)?;
                    if stat.is_young() && is_candidate(path, entry) {
                        return None;
                    }
                    hasher.update(&[stat.size.to_le_bytes(), (stat.stamp | 1).to_le_bytes()].concat());
                }
                (EntryKind::Symlink(target), None) => hasher.update(&[&b">"[..], target].concat()),
                (EntryKind::HardLink(target), None) => hasher.update(&[b"=", target.as_bytes()].concat()),
                (EntryKind::Directory, None) => hasher.update(b"/"),
            }
        }
        Some(hasher.finish().0)
    }

    fn look(&self, path: &ImagePath, findings: &mut Vec<Finding>) {
        let Some(fact) = self.files.view.entry(path) else { return };
        let told = |level, needs: &str, reason: String| Finding { level, path: path.to_string(), needs: needs.to_owned(), reason };
        match self.files.head(path, &fact) {
            Ok(Head::Script { interpreter, argument }) if fact.mode & 0o111 != 0 => {
                findings.extend(self.script(&interpreter, argument.as_deref()).map(|(needs, reason)| told(Level::Warning, &needs, reason)));
            }
            Ok(Head::Elf { machine, interpreter, dynamic }) => {
                self.elf(path, &machine, interpreter.as_deref(), dynamic, findings);
            }
            Ok(_) => {}
            Err(reason) => findings.push(told(Level::Unproved, "", format!("was not looked at: {reason}"))),
        }
    }

    /// Returns what a script misses.
    fn script(&self, interpreter: &str, argument: Option<&str>) -> Option<(String, String)> {
        let missing = |name: &str| Some((name.to_owned(), "is not in the image".to_owned()));
        if !self.files.has(&from_directory("", interpreter.as_bytes())) {
            return missing(interpreter);
        }
        if !interpreter.ends_with("/env") {
            return None;
        }
        match env_line(argument) {
            EnvLine::Wrong(reason) => Some((String::new(), reason)),
            EnvLine::Starts { name, .. } if name.contains('/') => {
                let found = self.files.has(&from_directory(&self.surroundings.directory, name.as_bytes()));
                if found { None } else { missing(&name) }
            }
            EnvLine::Starts { name, path } => {
                let path = path.as_deref().unwrap_or(&self.surroundings.path);
                let found = path.split(':').any(|folder| self.files.has(format!("{folder}/{name}").as_bytes()));
                if found { None } else { Some((name, format!("is in no folder of `{path}`"))) }
            }
        }
    }

    fn elf(
        &self,
        path: &ImagePath,
        machine: &Machine,
        interpreter: Option<&str>,
        dynamic: Option<Arc<Dynamic>>,
        findings: &mut Vec<Finding>,
    ) {
        let told = |level, needs: &str, reason: String| Finding { level, path: path.to_string(), needs: needs.to_owned(), reason };
        if !is_for(machine, &self.plan.platform.architecture) {
            let reason = format!("is for {}, and the image for {}", machine_name(machine), self.plan.platform);
            return findings.push(told(Level::Information, "", reason));
        }
        let Some(dynamic) = dynamic else { return };
        if let Some(gap) = dynamic.gap {
            findings.push(told(Level::Unproved, "", gap.reason().to_owned()));
        }
        let own = libc_of(interpreter, &dynamic);
        if let (Some(own), Some(loader)) = (own, self.loader)
            && own != loader.libc
        {
            let reason = format!("is for {}, and the image has {}", name_of(own), name_of(loader.libc));
            return findings.push(told(Level::Information, "", reason));
        }
        let mut problems = Vec::new();
        let process = match interpreter {
            Some(interpreter) if !self.files.has(interpreter.as_bytes()) => {
                return findings.push(told(Level::Warning, interpreter, "is not in the image".to_owned()));
            }
            Some(interpreter) => match Loader::open(self.files, interpreter, &self.plan.platform.architecture) {
                Ok(loader) => {
                    let mut process = Process::new(self.files, loader, self.surroundings, &[]);
                    let index = process.push(Object::main(path.clone(), dynamic));
                    process.load(index, Depth::All, &mut problems);
                    process
                }
                Err(reason) => return findings.push(told(Level::Unproved, "", reason)),
            },
            None => {
                let alone = || {
                    let loader = self.loader.cloned().unwrap_or_else(|| Loader::none(&self.plan.platform.architecture));
                    Process::new(self.files, loader, self.surroundings, &[])
                };
                let mut process = self.main.cloned().unwrap_or_else(alone);
                process.forget();
                let parent = process.main();
                let index = process.push(Object { parent, ..Object::main(path.clone(), dynamic) });
                process.load(index, Depth::All, &mut problems);
                process
            }
        };
        findings.extend(process.remarks().iter().cloned());
        findings.extend(problems.into_iter().map(|problem| problem.finding(self.files)));
    }
}

/// Says whether a file may be a program or library, by its mode and name: only such files are read.
fn is_candidate(path: &ImagePath, entry: &Entry) -> bool {
    let name = path.name();
    let is_library = || {
        let text = String::from_utf8_lossy(name);
        text.ends_with(".so") || text.contains(".so.") || text.ends_with(".node")
    };
    matches!(entry.kind, EntryKind::File(_)) && (entry.mode & 0o111 != 0 || is_library())
}

/// Returns whose C library a file is linked to, by the names that only one of them has.
fn libc_of(interpreter: Option<&str>, dynamic: &Dynamic) -> Option<Libc> {
    let names = interpreter.and_then(|path| path.rsplit('/').next()).into_iter().chain(dynamic.needed.iter().map(|name| &**name));
    let libc = |name: &str| match name {
        _ if name.starts_with("ld-musl-") || name.starts_with("libc.musl-") => Some(Libc::Musl),
        _ if name.starts_with("ld-linux") || name == "libc.so.6" => Some(Libc::Glibc),
        _ => None,
    };
    names.into_iter().find_map(libc)
}

fn name_of(libc: Libc) -> &'static str {
    match libc {
        Libc::Glibc => "glibc",
        Libc::Musl => "musl",
    }
}
