use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span};
use crate::recipe::UserChoice;
use crate::rootfs::{Accounts, Content, Entry, EntryKind, Fact, FactKind, Group, ImagePath, OpenContent, Owner, Resolved, Rootfs, User};

use super::{Fault, Settings, Source};

/// How many bytes an account file may have: two hundred thousand accounts.
pub const ACCOUNT_FILE_LIMIT: u64 = 16 << 20;
/// The account files.
pub const ACCOUNT_FILES: [&str; 2] = ["etc/passwd", "etc/group"];

/// What an image has before our own layers, and what the recipe puts there.
pub(super) struct Below<'a> {
    /// The files of the base.
    pub(super) files: &'a Rootfs<'a>,
    /// What reads those of them that are not in memory.
    pub(super) contents: &'a dyn OpenContent,
    /// The recipe's own files.
    pub(super) sources: &'a [Source],
}

/// Makes what the recipe asks for without naming files: the user's accounts, its home, and the folders that must exist.
pub(super) fn generate(
    image: &Below<'_>,
    user: &UserChoice,
    writable: &[(ImagePath, Option<Span>)],
    settings: &Settings,
    faults: &mut Vec<Fault>,
) -> Source {
    let (below, owner) = (image.files, user.owner);
    let mut entries = accounts(image, user, faults);
    if !entries.is_empty() && owner.uid != 0 && is_missing(below, &user.home) {
        entries.push((user.home.value.clone(), folder(0o700, owner)));
    }
    let directory = settings.working_directory.as_deref().and_then(|path| ImagePath::absolute(path).ok());
    if let Some(path) = directory.filter(|path| is_missing(below, path)) {
        entries.push((path, folder(0o755, Owner::default())));
    }
    let volumes = settings.volumes.iter().filter_map(|path| ImagePath::absolute(path).ok());
    for path in writable.iter().map(|(path, _)| path.clone()).chain(volumes) {
        if let Some(entry) = made_writable(below, &path, owner) {
            entries.retain(|(other, _)| *other != path);
            entries.push((path, entry));
        }
    }
    Source { name: "accounts and folders".to_owned(), span: None, layer: None, replace: false, entries }
}

fn folder(mode: u16, owner: Owner) -> Entry {
    Entry { kind: EntryKind::Directory, mode, owner }
}

fn is_missing(below: &Rootfs<'_>, path: &ImagePath) -> bool {
    matches!(below.resolve(path), Resolved::Missing(_))
}

/// Returns the folder that lets the user write, unless the image has one that does.
fn made_writable(below: &Rootfs<'_>, path: &ImagePath, owner: Owner) -> Option<Entry> {
    match below.resolve(path) {
        Resolved::File(_, fact @ Fact { kind: FactKind::Directory, .. }) if fact.allows(owner, 0o3) => None,
        _ => Some(folder(0o755, owner)),
    }
}

/// Returns new texts of the account files, if the user or group is not in them. They stand where the base's files are: behind a link, its target is
/// replaced, and runtimes follow it inside of the image as before.
fn accounts(image: &Below<'_>, user: &UserChoice, faults: &mut Vec<Fault>) -> Vec<(ImagePath, Entry)> {
    let [passwd, group] = match ACCOUNT_FILES.map(|name| account_file(image, name)) {
        [Ok(passwd), Ok(group)] => [passwd, group],
        [passwd, group] => {
            let unknown = |message| Fault::Recipe(Diagnostic::error(message).hint(OTHER_ACCOUNTS));
            faults.extend([passwd.err(), group.err()].into_iter().flatten().map(unknown));
            return Vec::new();
        }
    };
    if passwd.path == group.path {
        let message = format!("`/etc/passwd` and `/etc/group` of the base are one file, `{}`", passwd.path);
        faults.push(Fault::Recipe(Diagnostic::error(message).hint(OTHER_ACCOUNTS)));
        return Vec::new();
    }
    let mut accounts = Accounts::new(&passwd.text, &group.text);
    let before = accounts.clone();
    let Owner { uid, gid } = user.owner;
    if accounts.user(0).is_none() {
        accounts.add_user(&User { name: "root".to_owned(), uid: 0, gid: 0, home: "/root".to_owned() });
    }
    if accounts.group(0).is_none() {
        accounts.add_group(&Group { name: "root".to_owned(), gid: 0 });
    }
    if let Some(known) = accounts.user_named(&user.name).filter(|known| known.uid != uid) {
        faults.push(Fault::Recipe(taken("user", "uid", &user.name, (known.uid, uid), user.name.span.as_ref())));
    } else if accounts.user(uid).is_none() {
        let (name, home) = (user.name.value.clone(), user.home.to_string());
        accounts.add_user(&User { name, uid, gid, home });
    }
    if let Some(known) = accounts.group_named(&user.group).filter(|known| known.gid != gid) {
        faults.push(Fault::Recipe(taken("group", "gid", &user.group, (known.gid, gid), user.name.span.as_ref())));
    } else if accounts.group(gid).is_none() {
        accounts.add_group(&Group { name: user.group.clone(), gid });
    }
    let texts = [(passwd.path, before.passwd(), accounts.passwd()), (group.path, before.groups_text(), accounts.groups_text())];
    let changed = texts.into_iter().filter(|(_, before, after)| before != after);
    changed.map(|(path, _, after)| (path, file(after))).collect()
}

fn file(text: &[u8]) -> Entry {
    Entry { kind: EntryKind::File(Content::Inline(text.into())), mode: 0o644, owner: Owner::default() }
}

fn taken(what: &str, key: &str, name: &str, (known, asked): (u32, u32), span: Option<&Span>) -> Diagnostic {
    Diagnostic::error(format!("the {what} `{name}` has the {key} {known} in the base, and {asked} in the recipe"))
        .at(span, format!("asks for {asked}"))
        .hint(format!("write `{key} = {known}` in `[user]`, or choose another name"))
}

/// An account file of the base.
struct AccountFile {
    /// Where it is: where links lead from `/etc`.
    path: ImagePath,
    /// What it holds; nothing where there is no such file.
    text: Arc<[u8]>,
}

const OTHER_ACCOUNTS: &str =
    "write the whole file yourself, in `[[files]]` with `text` and `to`, or choose another base: its users would be lost otherwise";

/// Reads an account file of the base. One that the recipe itself has need not be known.
///
/// # Errors
/// When it is there, and what it holds cannot be known; says why.
fn account_file(image: &Below<'_>, name: &str) -> Result<AccountFile, String> {
    let path = ImagePath::new(name.as_bytes()).unwrap_or_default();
    let unknown = |reason: String| format!("the accounts in `{path}` of the base are not known: {reason}");
    let found = match image.files.resolve(&path) {
        Resolved::Missing(path) => Ok(AccountFile { path, text: Arc::default() }),
        Resolved::Loop => Err(unknown("its links lead in a circle".to_owned())),
        Resolved::File(real, fact) => text(image, &real, &fact).map(|text| AccountFile { path: real, text }).map_err(unknown),
    };
    // The recipe's own paths were led through the links of the base, but for the last name.
    let own = match path.parent().map(|parent| image.files.resolve(&parent)) {
        Some(Resolved::File(real, _) | Resolved::Missing(real)) => real.join(path.name()).unwrap_or_else(|_| path.clone()),
        Some(Resolved::Loop) | None => path.clone(),
    };
    let is_ours = || image.sources.iter().any(|source| source.entries.iter().any(|(other, _)| *other == own));
    found.or_else(|fault| if is_ours() { Ok(AccountFile { path: path.clone(), text: Arc::default() }) } else { Err(fault) })
}

/// Returns the content of an account file, or why there is none.
fn text(image: &Below<'_>, path: &ImagePath, fact: &Fact) -> Result<Arc<[u8]>, String> {
    match &fact.kind {
        FactKind::File { size, .. } if *size > ACCOUNT_FILE_LIMIT => {
            Err(format!("`{path}` has {size} bytes, and {ACCOUNT_FILE_LIMIT} are read at most"))
        }
        FactKind::File { .. } => match image.files.content(path, image.contents) {
            Ok(Some(text)) => Ok(text),
            Ok(None) => Err(format!("`{path}` was not read")),
            Err(fault) => Err(format!("`{path}` could not be read: {fault}")),
        },
        FactKind::Directory => Err(format!("`{path}` is a folder")),
        FactKind::Device(_) => Err(format!("`{path}` is a device")),
        FactKind::Fifo => Err(format!("`{path}` is a FIFO")),
        FactKind::Symlink(_) => Err(format!("`{path}` is a link")),
    }
}
