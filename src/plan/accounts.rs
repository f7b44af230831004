use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span};
use crate::recipe::UserChoice;
use crate::rootfs::{Accounts, Content, Entry, EntryKind, Fact, FactKind, Group, ImagePath, Owner, Resolved, User};

use super::Fault;
use super::below::Below;

/// How many bytes an account file may have: two hundred thousand accounts.
pub const ACCOUNT_FILE_LIMIT: u64 = 16 << 20;
/// The account files.
pub const ACCOUNT_FILES: [&str; 2] = ["etc/passwd", "etc/group"];

/// What the accounts of an image come to.
#[derive(Debug, Default)]
pub(super) struct PlannedAccounts {
    /// New texts of the account files, if the user or group is not in those of the base.
    pub(super) files: Vec<(ImagePath, Entry)>,
    /// The home folder of the account that the process runs as, where the accounts are known.
    pub(super) home: Option<ImagePath>,
}

/// Returns new texts of the account files, if the user or group is not in them. They stand where the base's files are: behind a link, its target is
/// replaced, and runtimes follow it inside of the image as before.
pub(super) fn accounts(image: &Below<'_>, user: &UserChoice, faults: &mut Vec<Fault>) -> PlannedAccounts {
    let [passwd, group] = match ACCOUNT_FILES.map(|name| account_file(image, name)) {
        [Ok(passwd), Ok(group)] => [passwd, group],
        [passwd, group] => {
            let unknown = |message| Fault::Recipe(Diagnostic::error(message).hint(OTHER_ACCOUNTS));
            faults.extend([passwd.err(), group.err()].into_iter().flatten().map(unknown));
            return PlannedAccounts::default();
        }
    };
    if passwd.path == group.path {
        let message = format!("`/etc/passwd` and `/etc/group` of the base are the same file, `{}`", passwd.path);
        faults.push(Fault::Recipe(Diagnostic::error(message).hint(OTHER_ACCOUNTS)));
        return PlannedAccounts::default();
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
    let home = accounts.user(uid).and_then(|account| ImagePath::absolute(&account.home).ok());
    let texts = [(passwd.path, before.passwd(), accounts.passwd()), (group.path, before.groups_text(), accounts.groups_text())];
    let changed = texts.into_iter().filter(|(_, before, after)| before != after);
    PlannedAccounts { files: changed.map(|(path, _, after)| (path, file(after))).collect(), home }
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

const OTHER_ACCOUNTS: &str = "add the complete file with a `[[files]]` entry with `text` and `to`, or choose another base; otherwise the users of this base would be lost";

/// Reads an account file of the base. One that the recipe itself has need not be known.
///
/// # Errors
/// When it is there, and what it holds cannot be known; says why.
fn account_file(image: &Below<'_>, name: &str) -> Result<AccountFile, String> {
    let path = ImagePath::new(name.as_bytes()).unwrap_or_default();
    let unknown = |reason: String| format!("the accounts in `{path}` of the base could not be read: {reason}");
    let found = match image.files.resolve(&path) {
        Resolved::Missing(path) => Ok(AccountFile { path, text: Arc::default() }),
        Resolved::Loop => Err(unknown("its symbolic links form a loop".to_owned())),
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
            Err(format!("`{path}` has {size} bytes; at most {ACCOUNT_FILE_LIMIT} are read"))
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
