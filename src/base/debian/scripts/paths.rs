use super::field::Field;
use super::follow::Call;
use super::root::{Root, Truth};
use super::step::Action;
use crate::base::debian::filter::path_text;
use crate::rootfs::EntryKind;

/// What is made anew whenever a container starts.
const PASSING: &[&str] = &["/run", "/tmp", "/proc", "/sys", "/dev", "/var/run", "/var/lock", "/var/tmp"];
/// What only Debian's own tools or people at a prompt read, with the reason.
const UNUSED: &[(&str, &str)] = &[
    ("/usr/local", "folders for what an administrator installs by hand"),
    ("/root", "files of root's own home"),
    ("/home", "files in home folders"),
    ("/boot", "files for booting a machine"),
    ("/var/backups", "copies of files of an older version"),
    ("/var/lib/dpkg", "the records of a package manager"),
    ("/var/lib/ucf", "the records of a tool for configuration files"),
    ("/var/cache/debconf", "answers to installation questions (debconf)"),
    ("/var/lib/systemd", "the records of a service manager"),
    ("/var/lib/update-rc.d", "the records of a service manager"),
    ("/usr/share/doc", "documentation"),
    ("/usr/share/man", "documentation"),
    ("/etc/rc", "files of a service manager"),
    ("/etc/shadow", "passwords, which no account of an image has"),
    ("/etc/gshadow", "passwords, which no account of an image has"),
    ("/etc/shells", "the list of login shells"),
    ("/etc/passwd", "accounts, which are written when the image is built"),
    ("/etc/group", "accounts, which are written when the image is built"),
    ("/etc/subuid", "subordinate user and group IDs for nested containers"),
    ("/etc/subgid", "subordinate user and group IDs for nested containers"),
    ("/etc/inetd.conf", "what another service manager would start"),
];

/// Returns why an image has no use for a path.
pub(super) fn no_use(path: &str, root: &Root<'_>) -> Option<String> {
    let is_below = |above: &str| {
        path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || above == "/etc/rc" && rest.len() > 2)
    };
    if PASSING.iter().any(|above| is_below(above)) {
        return Some("files below /run and /tmp are created again in each container".to_owned());
    }
    if let Some((_, why)) = UNUSED.iter().find(|(above, _)| is_below(above)) {
        return Some((*why).to_owned());
    }
    let path = Root::path(path)?;
    root.filters.reason(&path).map(|reason| format!("left out of images: {reason}"))
}

/// Returns the path that a copy gets: below the destination when that is a folder.
pub(super) fn target(source: &str, destination: &str, root: &Root<'_>) -> String {
    let is_folder = destination.ends_with('/') || root.kind(destination).is_some_and(|kind| *kind == EntryKind::Directory);
    let name = source.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if is_folder { format!("{}/{name}", destination.trim_end_matches('/')) } else { destination.to_owned() }
}

/// Divides the arguments into options with their words, and operands.
fn operands<'c>(call: &'c Call, with_word: &[&str]) -> (Vec<(&'c str, &'c str)>, Vec<&'c Field>) {
    let (mut options, mut operands) = (Vec::new(), Vec::new());
    let mut words = call.words.iter().skip(1);
    while let Some(word) = words.next() {
        let text = word.text.as_str();
        if !text.starts_with('-') || text == "-" {
            operands.push(word);
        } else if let Some((name, value)) = text.split_once('=') {
            options.push((name, value));
        } else if with_word.contains(&text) {
            options.push((text, words.next().map_or("", |word| word.text.as_str())));
        } else {
            options.push((text, ""));
        }
    }
    (options, operands)
}

fn has(options: &[(&str, &str)], letter: char, long: &str) -> bool {
    options.iter().any(|(option, _)| *option == long || option.starts_with('-') && !option.starts_with("--") && option.contains(letter))
}

fn value<'c>(options: &[(&'c str, &'c str)], names: &[&str]) -> Option<&'c str> {
    options.iter().find(|(option, _)| names.contains(option)).map(|(_, value)| *value)
}

/// Reads a mode in octal digits; letters are not computed.
fn octal(mode: Option<&str>) -> Option<u16> {
    mode.and_then(|mode| u16::from_str_radix(mode, 8).ok())
}

fn is_service(owner: Option<&str>) -> bool {
    owner.is_some_and(|owner| {
        let user = owner.split([':', '.']).next().unwrap_or_default();
        !matches!(user, "" | "root" | "0")
    })
}

/// Does for each path what `make` says, unless an image has no use for it or it is not known.
fn each(paths: &[&Field], root: &Root<'_>, needed: &str, mut make: impl FnMut(&str) -> Vec<Action>) -> Vec<Action> {
    let mut actions = Vec::new();
    for path in paths {
        match no_use(&path.text, root) {
            Some(why) => actions.push(Action::Harmless { why }),
            None if !path.known || !path.text.starts_with('/') => actions.push(Action::missing(Some(&path.text), needed)),
            None => actions.extend(make(&path.text)),
        }
    }
    if actions.is_empty() { vec![Action::harmless("names no file")] } else { actions }
}

pub(super) fn mkdir(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (options, paths) = operands(call, &["-m", "--mode", "-Z"]);
    let mode = octal(value(&options, &["-m", "--mode"])).unwrap_or(0o755);
    each(&paths, root, "a folder whose path the script computes", |path| {
        Root::path(path).map(|path| Action::Folder { path, mode, written: false }).into_iter().collect()
    })
}

/// Reads `install -d FOLDER…` and `install SOURCE TARGET` (install(1)).
pub(super) fn install(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (options, paths) = operands(call, &["-m", "--mode", "-o", "--owner", "-g", "--group", "-t", "--target-directory", "-S"]);
    let mode = octal(value(&options, &["-m", "--mode"])).unwrap_or(0o755);
    // `-dm0750` and `-m0750` hold the mode in the same word.
    let joined = options.iter().find_map(|(option, _)| option.strip_prefix("-dm").or_else(|| option.strip_prefix("-m")));
    let mode = octal(joined.filter(|digits| !digits.is_empty())).unwrap_or(mode);
    if has(&options, 'd', "--directory") {
        let written = is_service(value(&options, &["-o", "--owner"]));
        return each(&paths, root, "a folder whose path the script computes", |path| {
            Root::path(path).map(|path| Action::Folder { path, mode, written }).into_iter().collect()
        });
    }
    copies(&paths, call, root)
}

pub(super) fn copy(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (_, paths) = operands(call, &["-t", "--target-directory", "-S", "--suffix"]);
    copies(&paths, call, root)
}

fn copies(paths: &[&Field], call: &Call, root: &Root<'_>) -> Vec<Action> {
    let needed = "a copy that the script makes of a file that is not in the package";
    let Some((destination, sources)) = paths.split_last().filter(|(_, sources)| !sources.is_empty()) else {
        return vec![Action::missing(None, needed)];
    };
    let mut actions = Vec::new();
    let is_deep = call.words.iter().any(|word| {
        matches!(word.text.as_str(), "--recursive" | "--archive")
            || word.text.starts_with('-') && !word.text.starts_with("--") && word.text.contains(['r', 'R', 'a'])
    });
    for source in sources {
        let to = target(&source.text, &destination.text, root);
        actions.push(match (no_use(&destination.text, root), root.kind(&source.text)) {
            (Some(why), _) => Action::Harmless { why },
            (None, Some(EntryKind::Directory)) if source.known && destination.known && is_deep => {
                let files = root.below(&source.text);
                actions.extend(files.into_iter().filter_map(|(from, rest)| {
                    let to = Root::path(&format!("{to}/{rest}"))?;
                    Some(Action::Copy { from, to })
                }));
                continue;
            }
            (None, None) if source.text == "/dev/null" && destination.known => match Root::path(&to) {
                Some(path) => Action::Text { path, text: String::new(), appends: false },
                None => Action::missing(Some(&to), needed),
            },
            _ if destination.known && root.exists(&to) => Action::harmless("the file is in the package already"),
            (None, Some(kind)) if source.known && destination.known && *kind != EntryKind::Directory => {
                match (Root::path(&source.text), Root::path(&to)) {
                    (Some(from), Some(to)) => Action::Copy { from, to },
                    _ => Action::missing(Some(&destination.text), needed),
                }
            }
            (None, None) if source.known && absent(&source.text, root) => Action::harmless("there is nothing to copy on a new system"),
            // Only where a condition holds that is not known, and with names that are not known: what an older version left behind.
            _ if !call.certain && !source.known => Action::harmless("a copy of a file of an older version"),
            _ => Action::missing(Some(&destination.text), needed),
        });
    }
    actions
}

/// Says whether a file cannot be there on a new system.
fn absent(path: &str, root: &Root<'_>) -> bool {
    root.test("-e", path) == Truth::No
}

/// Reads `ln -s TARGET LINK`.
pub(super) fn link(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (options, paths) = operands(call, &["-t", "-S"]);
    let needed = "a link that the script computes";
    let [source, destination] = paths.as_slice() else { return vec![Action::missing(None, needed)] };
    let path = if has(&options, 'T', "--no-target-directory") || has(&options, 'n', "--no-dereference") {
        destination.text.clone()
    } else {
        target(&source.text, &destination.text, root)
    };
    if let Some(why) = no_use(&path, root) {
        return vec![Action::Harmless { why }];
    }
    match Root::path(&path).filter(|_| source.known && destination.known && has(&options, 's', "--symbolic")) {
        Some(_) if root.exists(&path) => vec![Action::harmless("a file with this path already exists")],
        Some(path) => vec![Action::Link { path, target: source.text.clone() }],
        // A hard link to a file is a copy of it in an image.
        None if source.known && destination.known && !has(&options, 's', "--symbolic") => copies(&paths, call, root),
        None => vec![Action::missing(Some(&path), needed)],
    }
}

pub(super) fn moved(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (_, paths) = operands(call, &["-t", "-S"]);
    let Some((destination, sources)) = paths.split_last() else { return vec![Action::missing(None, "a file that is moved")] };
    if let Some(why) = no_use(&destination.text, root) {
        return vec![Action::Harmless { why }];
    }
    let is_absent = |source: &&Field| source.known && absent(&source.text, root);
    if sources.iter().all(is_absent) {
        return vec![Action::harmless("moves files of an older version")];
    }
    if !call.certain {
        return vec![Action::harmless("moves a file only if an older version or an installation question created it")];
    }
    vec![Action::missing(Some(&destination.text), "a file that the script creates and moves to this path")]
}

pub(super) fn remove(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (_, paths) = operands(call, &[]);
    let shipped = paths.iter().find(|path| path.known && call.certain && root.exists(&path.text) && no_use(&path.text, root).is_none());
    match shipped.filter(|path| !root.kind(&path.text).is_some_and(|kind| *kind == EntryKind::Directory)) {
        Some(path) => vec![Action::missing(Some(&path.text), "the script removes this file, and the image keeps it")],
        None => vec![Action::harmless("removes files of an older version")],
    }
}

pub(super) fn touch(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (_, paths) = operands(call, &["-d", "-r", "-t"]);
    each(&paths, root, "an empty file whose path the script computes", |path| {
        if path.starts_with("/var/log/") {
            return vec![Action::harmless("an empty log file, which the service creates itself")];
        }
        if root.exists(path) {
            return vec![Action::harmless("the file is in the package already")];
        }
        Root::path(path).map(|path| Action::Text { path, text: String::new(), appends: true }).into_iter().collect()
    })
}

pub(super) fn mode(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (_, paths) = operands(call, &["--reference"]);
    let Some((mode, paths)) = paths.split_first() else { return vec![Action::harmless("names no file")] };
    let why = "files of packages are readable by everyone, and no program has a set-user-ID or set-group-ID bit";
    let mode = octal(Some(&mode.text));
    each(paths, root, why, |path| match (mode, Root::path(path)) {
        (Some(mode), Some(path)) => vec![Action::Mode { path, mode }],
        _ => vec![Action::harmless(why)],
    })
    .into_iter()
    .map(|action| if matches!(action, Action::Missing { .. }) { Action::harmless(why) } else { action })
    .collect()
}

pub(super) fn owner(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (_, paths) = operands(call, &["--reference", "--from"]);
    let Some((owner, paths)) = paths.split_first() else { return vec![Action::harmless("names no file")] };
    let is_group = call.words.first().is_some_and(|word| word.text.ends_with("chgrp"));
    owned(!is_group && is_service(Some(&owner.text)), paths, root)
}

/// Returns what becomes of files that get an owner: they stay root's, and the folders of services are told.
fn owned(is_service: bool, paths: &[&Field], root: &Root<'_>) -> Vec<Action> {
    let why = "files of packages are owned by root: the process runs as the user of the recipe";
    let mut actions = Vec::new();
    for path in paths {
        let is_told = is_service && path.known && path.text.starts_with("/var/") && no_use(&path.text, root).is_none();
        match Root::path(&path.text).filter(|_| is_told) {
            Some(path) => actions.push(Action::Written { path }),
            None => actions.push(Action::harmless(why)),
        }
    }
    if actions.is_empty() { vec![Action::harmless(why)] } else { actions }
}

/// Reads `dpkg-statoverride --add USER GROUP MODE PATH`.
pub(super) fn override_of(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let (options, words) = operands(call, &["--admindir"]);
    if value(&options, &["--add"]).is_none() {
        return vec![Action::harmless("reads or removes a rule about file owners; a new system has none")];
    }
    match words.as_slice() {
        [user, _, _, path] => owned(is_service(Some(&user.text)), &[path], root),
        _ => vec![Action::harmless("files of packages are owned by root: the process runs as the user of the recipe")],
    }
}

pub(super) fn edited(call: &Call, root: &Root<'_>) -> Vec<Action> {
    let Some(path) = call.words.last() else { return Vec::new() };
    if let Some(why) = no_use(&path.text, root) {
        return vec![Action::Harmless { why }];
    }
    if path.known && absent(&path.text, root) {
        return vec![Action::harmless("edits files of an older version")];
    }
    vec![Action::missing(Some(&path.text), "the script edits this file; the image has the unchanged file of the package")]
}

/// Judges `find … -exec COMMAND` and `xargs COMMAND` by the command.
pub(super) fn found(call: &Call) -> Vec<Action> {
    let does = |name: &str| call.words.iter().any(|word| word.text == name || word.text.ends_with(&format!("/{name}")));
    if ["chown", "chmod", "chgrp"].iter().any(|name| does(name)) {
        return vec![Action::harmless("files of packages are owned by root: the process runs as the user of the recipe")];
    }
    if ["rm", "rmdir", "-delete"].iter().any(|name| does(name)) {
        return vec![Action::harmless("removes files of an older version")];
    }
    if ["-exec", "-execdir", "-ok"].iter().any(|name| does(name)) || call.words.first().is_some_and(|word| word.text == "xargs") {
        return vec![Action::missing(None, "what the script does with each file that it finds")];
    }
    vec![Action::harmless("looks for files")]
}

/// Returns what becomes of the files that a command's output goes to.
pub(super) fn writes(call: &Call, name: &str, root: &Root<'_>) -> Vec<Action> {
    let mut actions = Vec::new();
    for write in &call.writes {
        let target = &write.target;
        if let Some(why) = no_use(&target.text, root) {
            actions.push(Action::Harmless { why });
            continue;
        }
        if target.text.starts_with("/var/log/") {
            actions.push(Action::harmless("a log of the installation"));
            continue;
        }
        if matches!(target.text.as_str(), "/dev/stderr" | "/dev/stdout") {
            continue;
        }
        let content = match (name, &write.input) {
            ("cat", Some(input)) if call.words.len() == 1 => Some(input.clone()),
            ("" | ":" | "true", None) => Some(String::new()),
            ("echo", None) => echoed(&call.words[1..]),
            ("printf", None) => match &call.words[1..] {
                [text] if text.known && !text.text.contains('%') => Some(text.text.replace("\\n", "\n")),
                _ => None,
            },
            _ => None,
        };
        actions.push(match (content, Root::path(&target.text)) {
            (Some(_), Some(_)) if target.known && root.exists(&target.text) && !write.appends => {
                Action::harmless("the file is in the package already")
            }
            (Some(text), Some(path)) if target.known && !(write.appends && root.exists(&target.text)) => {
                Action::Text { path, text, appends: write.appends }
            }
            _ if !target.known && !call.certain => Action::harmless("temporary data of the script"),
            (_, Some(path)) if target.known && !write.appends => {
                Action::Makes { file: path_text(&path), of: Vec::new(), needed: "a file with content that the script computes".to_owned() }
            }
            _ => Action::missing(Some(&target.text), "a file with content that the script computes"),
        });
    }
    actions
}

fn echoed(words: &[Field]) -> Option<String> {
    let (words, end) = match words.first() {
        Some(first) if first.text == "-n" => (&words[1..], ""),
        _ => (words, "\n"),
    };
    let known = words.iter().all(|word| word.known && !word.text.contains('\\'));
    known.then(|| words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ") + end)
}
