use std::collections::BTreeSet;
use std::sync::Arc;

use crate::oci::{Digest, Hasher};
use crate::rootfs::{Changeset, Dynamic, Entry, EntryKind, FactKind, Head, ImagePath, Machine};

use super::ProofRequest;
use super::files::Files;
use super::launch::{Launch, env_line};
use super::load::Depth;
use super::loader::{Libc, Loader, ProcessSettings, from_directory};
use super::lookup::{Lookup, Seeker, look_up};
use super::object::Object;
use super::process::Process;
use super::remark::{Level, Remark};

/// Raised when remarks are made otherwise, so that older ones are not recalled.
const FORMAT: &[u8] = b"others 3\0";

/// Files that nothing reaches which the image starts: add-ons that programs load by name, and programs that somebody may start.
pub(super) struct Others<'a> {
    pub(super) request: &'a ProofRequest<'a>,
    pub(super) files: &'a Files<'a>,
    pub(super) settings: &'a Arc<ProcessSettings>,
    /// What the image's program has loaded when it loads an add-on.
    pub(super) main: Option<&'a Process<'a>>,
    /// The image's loader.
    pub(super) loader: Option<&'a Loader>,
}

impl Others<'_> {
    /// Looks at what may be a program or library, except for what is proved already.
    pub(super) fn remarks(&self, seen: &BTreeSet<ImagePath>) -> Vec<Remark> {
        let remembered = self.request.options.memory.and_then(|memory| Some((memory, self.key(seen)?)));
        if let Some((memory, key)) = &remembered
            && let Some(found) = memory.recall(key).and_then(|bytes| serde_json::from_slice(&bytes).ok())
        {
            return found;
        }
        let mut remarks = Vec::new();
        let own = self.own_entries().filter(|(path, entry)| is_candidate(path, entry)).map(|(path, _)| path);
        let named = self.request.options.layer_files.iter().filter(|path| self.is_candidate_of_layers(path));
        for path in own.chain(named).filter(|path| !seen.contains(*path)) {
            self.look(path, &mut remarks);
        }
        remarks.sort();
        remarks.dedup();
        if let Some((memory, key)) = remembered
            && let Ok(bytes) = serde_json::to_vec(&remarks)
        {
            memory.keep(&key, &bytes);
        }
        remarks
    }

    /// Returns the entries of our own layers.
    fn own_entries(&self) -> impl Iterator<Item = &(ImagePath, Entry)> {
        self.files.rootfs.changesets().iter().flat_map(|changeset: &&Changeset| changeset.entries())
    }

    /// Returns a digest over all that the remarks depend on; `None` when a file is too young to be known by its times.
    fn key(&self, seen: &BTreeSet<ImagePath>) -> Option<Digest> {
        let mut hasher = Hasher::default();
        hasher.update(FORMAT);
        let ProofRequest { platform, config, owner, options, .. } = self.request;
        let (entrypoint, command) = (config.entrypoint(), config.command());
        let texts = format!(
            "{platform}\0{:?}\0{owner:?}\0{entrypoint:?}\0{command:?}\0{}\0{}\0{}\0{}\0",
            self.settings,
            self.loader.is_some(),
            config.diff_ids().len(),
            options.layer_files.len(),
            seen.len()
        );
        hasher.update(texts.as_bytes());
        for diff_id in config.diff_ids() {
            hasher.update(diff_id.as_bytes());
        }
        for path in options.layer_files.iter().chain(seen) {
            hasher.update(path.as_bytes());
            hasher.update(b"\0");
        }
        for (path, entry) in self.own_entries() {
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

    /// Says whether a file that is not ours may be a program or library.
    fn is_candidate_of_layers(&self, path: &ImagePath) -> bool {
        let is_program = |mode: u16| mode & 0o111 != 0 || has_name_of_library(path);
        self.files.rootfs.entry(path).is_some_and(|fact| matches!(fact.kind, FactKind::File { .. }) && is_program(fact.mode))
    }

    fn look(&self, path: &ImagePath, remarks: &mut Vec<Remark>) {
        let Some(fact) = self.files.rootfs.entry(path) else { return };
        let remark = |level, needs: &str, reason: String| Remark::new(level, path, needs, reason);
        match self.files.head(path, &fact) {
            Ok(Head::Script { interpreter, argument }) if fact.mode & 0o111 != 0 => {
                remarks
                    .extend(self.script(&interpreter, argument.as_deref()).map(|(needs, reason)| remark(Level::Warning, &needs, reason)));
            }
            Ok(Head::Elf { machine, interpreter, dynamic }) => {
                self.elf(path, &machine, interpreter.as_deref(), dynamic, remarks);
            }
            Ok(_) => {}
            Err(reason) => remarks.push(remark(Level::Unproved, "", format!("was not checked: {reason}"))),
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
            Launch::Wrong(reason) => Some((String::new(), reason)),
            Launch::Nothing | Launch::Unknown(_) => None,
            Launch::Program { words, changes } => {
                self.program(words.into_iter().next()?, &ProcessSettings::clone(self.settings).changed(&changes))
            }
        }
    }

    /// Returns what keeps `env` from finding a program.
    fn program(&self, name: String, settings: &ProcessSettings) -> Option<(String, String)> {
        if name.contains('/') {
            let found = self.files.has(&from_directory(&settings.directory, name.as_bytes()));
            return if found { None } else { Some((name, "is not in the image".to_owned())) };
        }
        let path = &settings.path;
        match look_up(self.files, settings, &name, Seeker::Process) {
            Lookup::Found { .. } | Lookup::Relative(_) => None,
            Lookup::Nothing(skipped) if skipped.is_empty() => Some((name, format!("is in no folder of `{path}`"))),
            Lookup::Nothing(skipped) => {
                Some((name, format!("is in folders of `{path}` only as a file that the user may not execute: {}", skipped.join(", "))))
            }
        }
    }

    fn elf(
        &self,
        path: &ImagePath,
        machine: &Machine,
        interpreter: Option<&str>,
        dynamic: Option<Arc<Dynamic>>,
        remarks: &mut Vec<Remark>,
    ) {
        let remark = |level, needs: &str, reason: String| Remark::new(level, path, needs, reason);
        if !machine.is_for(&self.request.platform.architecture) {
            let reason = format!("is for {}, and the image is for {}", machine.name(), self.request.platform);
            return remarks.push(remark(Level::Information, "", reason));
        }
        let Some(dynamic) = dynamic else { return };
        if let Some(gap) = dynamic.gap {
            remarks.push(remark(Level::Unproved, "", gap.reason().to_owned()));
        }
        let own = libc_of(interpreter, &dynamic);
        if let (Some(own), Some(loader)) = (own, self.loader)
            && own != loader.libc
        {
            let reason = format!("is for {}, and the image has {}", name_of(own), name_of(loader.libc));
            return remarks.push(remark(Level::Information, "", reason));
        }
        let mut problems = Vec::new();
        let process = match interpreter {
            Some(interpreter) if !self.files.has(interpreter.as_bytes()) => {
                return remarks.push(remark(Level::Warning, interpreter, "is not in the image".to_owned()));
            }
            Some(interpreter) => match Loader::open(self.files, interpreter, &self.request.platform.architecture) {
                Ok(loader) => {
                    let mut process = Process::new(self.files, loader, Arc::clone(self.settings), &[]);
                    let index = process.push(Object::main(path.clone(), dynamic));
                    process.load(index, Depth::All, &mut problems);
                    process
                }
                Err(reason) => return remarks.push(remark(Level::Unproved, "", reason)),
            },
            None => {
                let alone = || {
                    let loader = self.loader.cloned().unwrap_or_else(|| Loader::none(&self.request.platform.architecture));
                    Process::new(self.files, loader, Arc::clone(self.settings), &[])
                };
                let mut process = self.main.cloned().unwrap_or_else(alone);
                process.forget();
                let parent = process.main();
                let index = process.push(Object { parent, ..Object::main(path.clone(), dynamic) });
                process.load(index, Depth::All, &mut problems);
                process
            }
        };
        remarks.extend(process.remarks().iter().cloned());
        remarks.extend(problems.into_iter().map(|problem| problem.remark(self.files, None)));
    }
}

/// Says whether an entry may be a program or library, by its mode and name: only such files are read.
fn is_candidate(path: &ImagePath, entry: &Entry) -> bool {
    matches!(entry.kind, EntryKind::File(_)) && (entry.mode & 0o111 != 0 || has_name_of_library(path))
}

fn has_name_of_library(path: &ImagePath) -> bool {
    let name = String::from_utf8_lossy(path.name());
    name.ends_with(".so") || name.contains(".so.") || name.ends_with(".node")
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
