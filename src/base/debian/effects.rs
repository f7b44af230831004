use std::collections::{BTreeMap, BTreeSet};

use super::assemble::{Assembly, AssemblyFault};
use super::files::{ImageFiles, file, symlink, without_parents};
use super::filter::{Filters, globs, path_text};
use super::needs::Need;
use super::request::AssemblyRequest;
use super::scripts::{
    AccountCall, Action, Commands, Followed, ScriptEffect, ScriptStep, Scripts, Step, TRIGGERS, WrittenFolder, of_sysusers, read,
};
use crate::debian::fits;
use crate::rootfs::{Entry, EntryKind, ImagePath, Owner};

/// Where packages have the files that `systemd-sysusers` reads.
const SYSUSERS: &[u8] = b"usr/lib/sysusers.d/";
/// Where a link may lead although nothing of the image is there.
const OUTSIDE: &[&str] = &["/dev/", "/proc/", "/run", "/sys/", "/tmp"];

/// What files are called that are made of the text in a script.
const TEXTS: &str = "files whose content is in the script";

/// What was done in place of maintainer scripts.
#[derive(Default)]
pub(super) struct Done {
    steps: Vec<(Step, ScriptEffect)>,
    pub(super) accounts: Vec<AccountCall>,
    pub(super) written: BTreeSet<WrittenFolder>,
    /// Empty files, which are made where nothing else makes them.
    pub(super) empty: Vec<ImagePath>,
}

fn made(by: &str) -> ScriptEffect {
    ScriptEffect::Made { by: by.to_owned() }
}

fn harmless(why: &str) -> ScriptEffect {
    ScriptEffect::Harmless { why: why.to_owned() }
}

impl Assembly<'_> {
    /// Returns what the scripts of all packages would do.
    pub(super) fn read_scripts(&self, filters: &Filters, commands: &Commands) -> Followed {
        let mut shipped: BTreeMap<&ImagePath, &EntryKind> = self.dropped.iter().map(|((_, path), entry)| (path, &entry.kind)).collect();
        shipped.extend(self.files.iter().map(|(path, file)| (path, &file.entry.kind)));
        let packages = self.request.packages.iter().map(|package| (package.name, package.facts));
        read(packages, Scripts { shipped, commands, filters, architecture: self.request.architecture })
    }

    /// Does what scripts would do, as far as it is data. Where a need stands in for a package's scripts, only its alternatives are set up.
    pub(super) fn follow_scripts(&mut self, steps: Vec<Step>, needs: &[Need]) -> Done {
        let mut done = Done::default();
        for package in self.request.packages {
            let files = package.facts.kept.iter().filter(|(path, _)| path.as_bytes().starts_with(SYSUSERS));
            done.accounts.extend(files.flat_map(|(_, content)| of_sysusers(&String::from_utf8_lossy(&content.0))));
        }
        let stands_in = |name: &str| needs.iter().find(|need| need.covers.iter().any(|pattern| fits(pattern, name)));
        let mut alternatives = Vec::new();
        let mut later = Vec::new();
        for step in whole_files(steps) {
            let is_harmless = matches!(step.action, Action::Harmless { .. });
            match (&step.action, stands_in(self.request.packages[step.package].name)) {
                (Action::Alternative { .. }, _) => alternatives.push(step),
                (_, Some(need)) if !is_harmless => done.steps.push((step, made(&need.reason))),
                // A link or a mode is of something that may be made by another step.
                (Action::Link { .. } | Action::Mode { .. } | Action::Written { .. }, _) => later.push(step),
                _ => {
                    let effect = self.step(&step, &mut done);
                    done.steps.push((step, effect));
                }
            }
        }
        self.alternatives(alternatives, &mut done);
        for step in later {
            let effect = self.step(&step, &mut done);
            done.steps.push((step, effect));
        }
        done
    }

    fn step(&mut self, step: &Step, done: &mut Done) -> ScriptEffect {
        let folder = |mode: u16| Entry { kind: EntryKind::Directory, mode: open_mode(mode, true), owner: Owner::default() };
        match &step.action {
            Action::Copy { from, to } => self.copy_shipped(from, to),
            Action::Folder { path, mode, written } => {
                self.put(&path_text(path), folder(*mode), None);
                if *written {
                    self.is_written(path, step, done);
                }
                made("folders that scripts make")
            }
            Action::Text { path, text, .. } if text.is_empty() => {
                done.empty.push(path.clone());
                made(TEXTS)
            }
            Action::Text { path, text, .. } => {
                self.put(&path_text(path), file(text.as_bytes()), None);
                made(TEXTS)
            }
            Action::Link { path, target } => self.link(path, target),
            Action::Mode { path, mode } => self.mode(path, *mode),
            Action::Written { path } => {
                self.is_written(path, step, done);
                harmless(
                    "the folder stays owned by root: the process runs as the user of the recipe, and `process.writable` makes a folder writable for it",
                )
            }
            Action::Account(call) => {
                done.accounts.push(call.clone());
                made("accounts that packages ask for")
            }
            Action::Made { by } => made(by),
            Action::Harmless { why } => harmless(why),
            Action::Missing { file, needed } => ScriptEffect::Missing { file: file.clone(), needed: needed.clone() },
            // Told when all is made.
            Action::Makes { needed, .. } => ScriptEffect::Missing { file: None, needed: needed.clone() },
            Action::Alternative { .. } => made("links of `update-alternatives`"),
        }
    }

    /// Copies a file that a package ships, also one that is left out of the image itself.
    pub(super) fn copy_shipped(&mut self, from: &ImagePath, to: &ImagePath) -> ScriptEffect {
        let kept = self.files.get(from).map(|file| (file.entry.clone(), file.package));
        let left_out =
            || self.dropped.iter().find(|((_, path), _)| path == from).map(|((package, _), entry)| (entry.clone(), Some(*package)));
        match kept.or_else(left_out).filter(|(entry, _)| matches!(entry.kind, EntryKind::File(_))) {
            Some((entry, package)) => {
                let entry = Entry { mode: open_mode(entry.mode, false), owner: Owner::default(), ..entry };
                self.put(&path_text(to), entry, package);
                made("configuration files copied from the package's templates")
            }
            None => ScriptEffect::Missing {
                file: Some(to.to_string()),
                needed: format!("a copy of `{from}`, which is not a file of a package"),
            },
        }
    }

    fn link(&mut self, path: &ImagePath, target: &str) -> ScriptEffect {
        let above = path.parent().map(|above| above.to_string()).unwrap_or_default();
        let whole = if target.starts_with('/') { target.to_owned() } else { format!("{above}/{target}") };
        let at = ImagePath::new(&without_parents(whole.as_bytes())).ok().and_then(|at| self.canonical(&at));
        if !OUTSIDE.iter().any(|outside| whole.starts_with(outside)) && !at.is_some_and(|at| self.files.contains_key(&at)) {
            return harmless("the target of the link is not in the image");
        }
        self.put(&path_text(path), symlink(target), None);
        made("links that scripts make")
    }

    fn mode(&mut self, path: &ImagePath, mode: u16) -> ScriptEffect {
        let why = "files of packages are readable by everyone, and no program has a set-user-ID or set-group-ID bit";
        let Some(file) = self.files.get_mut(path) else { return harmless("the file is not in the image") };
        let is_folder = match file.entry.kind {
            EntryKind::Directory => true,
            EntryKind::File(_) => false,
            EntryKind::Symlink(_) | EntryKind::HardLink(_) => return harmless(why),
        };
        let open = open_mode(mode, is_folder);
        if open == file.entry.mode {
            return harmless(why);
        }
        file.entry.mode = open;
        made("permissions that scripts set")
    }

    fn is_written(&self, path: &ImagePath, step: &Step, done: &mut Done) {
        if self.files.get(path).is_some_and(|file| file.entry.kind == EntryKind::Directory) {
            let package = self.request.packages[step.package].name.to_owned();
            done.written.insert(WrittenFolder { path: path.to_string(), package });
        }
    }

    /// Sets up alternatives as `update-alternatives` would: the highest priority wins, the name decides among equals.
    fn alternatives(&mut self, steps: Vec<Step>, done: &mut Done) {
        let key = |step: &Step| match &step.action {
            Action::Alternative { target, priority, .. } => (-priority, target.clone()),
            _ => (0, ImagePath::root()),
        };
        let mut order: Vec<usize> = (0..steps.len()).collect();
        order.sort_by_key(|number| key(&steps[*number]));
        let mut effects = BTreeMap::new();
        for number in order {
            let Action::Alternative { link, target, .. } = &steps[number].action else { continue };
            let target = self.canonical(target).filter(|target| self.files.contains_key(target));
            let effect = match (self.canonical(link), target) {
                (Some(link), Some(target)) if link != target => {
                    self.put(&path_text(&link), symlink(&format!("/{}", path_text(&target))), None);
                    made("links of `update-alternatives`")
                }
                _ => harmless("the target of the link is not in the image"),
            };
            effects.insert(number, effect);
        }
        done.steps.extend(steps.into_iter().zip(effects.into_values()));
    }
}

impl Done {
    /// Adds steps that miss something.
    pub(super) fn add(&mut self, missing: Vec<Step>) {
        let effect = |step: &Step| match &step.action {
            Action::Missing { file, needed } => Some(ScriptEffect::Missing { file: file.clone(), needed: needed.clone() }),
            _ => None,
        };
        self.steps.extend(missing.into_iter().filter_map(|step| effect(&step).map(|effect| (step, effect))));
    }

    /// Tells what became of every command, once all files are made.
    pub(super) fn told(&self, request: &AssemblyRequest<'_>, files: &ImageFiles) -> Result<Vec<ScriptStep>, AssemblyFault> {
        let mut told = Vec::new();
        for (step, effect) in &self.steps {
            let effect = match (&step.action, effect) {
                (Action::Makes { file, of, needed }, ScriptEffect::Missing { .. }) => made_of(file, of, needed, files)?,
                (_, effect) => effect.clone(),
            };
            let (package, script) = (request.packages[step.package].name.to_owned(), step.script.to_owned());
            told.push((step.package, ScriptStep { package, script, line: step.line, command: step.command.clone(), effect }));
        }
        // Alternatives and links were done later than they are written.
        told.sort_by(|(one, first), (other, second)| (one, order(first)).cmp(&(other, order(second))));
        Ok(told.into_iter().map(|(_, step)| step).collect())
    }
}

fn order(step: &ScriptStep) -> (usize, usize) {
    (["preinst", "postinst", TRIGGERS, "tmpfiles.d"].iter().position(|script| *script == step.script).unwrap_or_default(), step.line)
}

/// Says whether a file is there that a command makes of others, or nothing that it is made of.
fn made_of(file: &str, of: &[String], needed: &str, files: &ImageFiles) -> Result<ScriptEffect, AssemblyFault> {
    let has = |patterns: &[String]| {
        let glob = globs(patterns).map_err(AssemblyFault::Rule)?;
        // A script may make the file empty, for the command to fill.
        let is_empty = |kind: &EntryKind| matches!(kind, EntryKind::File(content) if content.size() == 0);
        Ok::<bool, AssemblyFault>(files.iter().any(|(path, file)| glob.is_match(path_text(path)) && !is_empty(&file.entry.kind)))
    };
    Ok(if has(&[file.to_owned()])? {
        made("files that are generated from files of the image")
    } else if !of.is_empty() && !has(of)? {
        harmless("the image has none of the files that it is made from")
    } else {
        ScriptEffect::Missing { file: Some(format!("/{file}")), needed: needed.to_owned() }
    })
}

/// Returns a mode with which everyone may read, and only the owner write. A folder that everyone may write to, with the sticky bit, stays so.
fn open_mode(mode: u16, is_folder: bool) -> u16 {
    if is_folder {
        if mode & 0o1002 == 0o1002 { 0o1777 } else { 0o755 }
    } else if mode & 0o111 == 0 {
        0o644
    } else {
        0o755
    }
}

/// Joins what a script writes to one file in several commands. Where one of them is not known, the file is not made: half of it would be wrong.
fn whole_files(mut steps: Vec<Step>) -> Vec<Step> {
    let mut parts: BTreeMap<(usize, ImagePath), Vec<usize>> = BTreeMap::new();
    let mut unknown: BTreeSet<(usize, ImagePath)> = BTreeSet::new();
    for (number, step) in steps.iter().enumerate() {
        match &step.action {
            Action::Text { path, text, .. } if !text.is_empty() => parts.entry((step.package, path.clone())).or_default().push(number),
            Action::Missing { file: Some(file), .. } => drop(ImagePath::absolute(file).map(|path| unknown.insert((step.package, path)))),
            Action::Makes { file, .. } => drop(ImagePath::new(file.as_bytes()).map(|path| unknown.insert((step.package, path)))),
            _ => {}
        }
    }
    for (key, numbers) in parts {
        if unknown.contains(&key) {
            for number in numbers {
                let needed = "a file with content that the script partly computes".to_owned();
                steps[number].action = Action::Makes { file: path_text(&key.1), of: Vec::new(), needed };
            }
        } else if let [first, rest @ ..] = numbers.as_slice() {
            for number in rest {
                let own = std::mem::replace(&mut steps[*number].action, Action::Made { by: TEXTS.to_owned() });
                let Action::Text { text: more, appends, .. } = own else { continue };
                if let Action::Text { text, .. } = &mut steps[*first].action {
                    if !appends {
                        text.clear();
                    }
                    text.push_str(&more);
                }
            }
        }
    }
    steps
}
