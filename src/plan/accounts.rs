use crate::diagnostic::Diagnostic;
use crate::diagnostic::Span;
use crate::recipe::UserChoice;
use crate::rootfs::{Accounts, Content, Entry, EntryKind, Fact, FactKind, Group, ImagePath, Owner, Resolved, Rootfs, User};

use super::{Fault, Settings, Source};

/// Makes what the recipe asks for without naming files: the user's accounts, its home, and the folders that must exist.
pub(super) fn generate(
    below: &Rootfs<'_>,
    user: &UserChoice,
    writable: &[(ImagePath, Option<Span>)],
    settings: &Settings,
    faults: &mut Vec<Fault>,
) -> Source {
    let owner = user.owner;
    let mut entries = accounts(below, user, faults);
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

/// Returns new texts of the account files, if the user or group is not in them.
fn accounts(below: &Rootfs<'_>, user: &UserChoice, faults: &mut Vec<Fault>) -> Vec<(ImagePath, Entry)> {
    let (passwd, group) = (text(below, "etc/passwd"), text(below, "etc/group"));
    let mut accounts = Accounts::new(passwd.as_deref().unwrap_or_default(), group.as_deref().unwrap_or_default());
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
    let texts = [("etc/passwd", before.passwd(), accounts.passwd()), ("etc/group", before.groups_text(), accounts.groups_text())];
    let changed = texts.iter().filter(|(_, before, after)| before != after);
    changed.filter_map(|(path, _, after)| Some((ImagePath::new(path.as_bytes()).ok()?, file(after)))).collect()
}

fn file(text: &str) -> Entry {
    Entry { kind: EntryKind::File(Content::Inline(text.as_bytes().into())), mode: 0o644, owner: Owner::default() }
}

fn taken(what: &str, key: &str, name: &str, (known, asked): (u32, u32), span: Option<&Span>) -> Diagnostic {
    Diagnostic::error(format!("the {what} `{name}` has the {key} {known} in the base, and {asked} in the recipe"))
        .at(span, format!("asks for {asked}"))
        .hint(format!("write `{key} = {known}` in `[user]`, or choose another name"))
}

/// Returns the text of an account file, from the base's facts or the embedded base.
fn text(below: &Rootfs<'_>, path: &str) -> Option<String> {
    let Resolved::File(path, fact) = below.resolve(&ImagePath::new(path.as_bytes()).ok()?) else { return None };
    if let Some((_, Entry { kind: EntryKind::File(Content::Inline(bytes)), .. })) = below.own_entry(&path) {
        return Some(String::from_utf8_lossy(bytes).into_owned());
    }
    match fact.kind {
        FactKind::File { content, .. } => content.map(String::from),
        _ => None,
    }
}
