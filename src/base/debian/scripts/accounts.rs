use super::follow::Call;
use super::paths::no_use;
use super::root::Root;
use super::step::{AccountCall, Action};

/// The users that every Debian system has, with their numbers and homes (base-passwd, `passwd.master`).
pub(in crate::base::debian) const USERS: &[(&str, u32, u32, &str)] = &[
    ("daemon", 1, 1, "/usr/sbin"),
    ("bin", 2, 2, "/bin"),
    ("sys", 3, 3, "/dev"),
    ("sync", 4, 65534, "/bin"),
    ("games", 5, 60, "/usr/games"),
    ("man", 6, 12, "/var/cache/man"),
    ("lp", 7, 7, "/var/spool/lpd"),
    ("mail", 8, 8, "/var/mail"),
    ("news", 9, 9, "/var/spool/news"),
    ("uucp", 10, 10, "/var/spool/uucp"),
    ("proxy", 13, 13, "/bin"),
    ("www-data", 33, 33, "/var/www"),
    ("backup", 34, 34, "/var/backups"),
    ("list", 38, 38, "/var/list"),
    ("irc", 39, 39, "/run/ircd"),
    ("_apt", 42, 65534, "/nonexistent"),
];
/// The groups that every Debian system has, with their numbers (base-passwd, `group.master`).
pub(in crate::base::debian) const GROUPS: &[(&str, u32)] = &[
    ("daemon", 1),
    ("bin", 2),
    ("sys", 3),
    ("adm", 4),
    ("tty", 5),
    ("disk", 6),
    ("lp", 7),
    ("mail", 8),
    ("news", 9),
    ("uucp", 10),
    ("man", 12),
    ("proxy", 13),
    ("kmem", 15),
    ("dialout", 20),
    ("fax", 21),
    ("voice", 22),
    ("cdrom", 24),
    ("floppy", 25),
    ("tape", 26),
    ("sudo", 27),
    ("audio", 29),
    ("dip", 30),
    ("www-data", 33),
    ("backup", 34),
    ("operator", 37),
    ("list", 38),
    ("irc", 39),
    ("src", 40),
    ("shadow", 42),
    ("utmp", 43),
    ("video", 44),
    ("sasl", 45),
    ("plugdev", 46),
    ("staff", 50),
    ("games", 60),
    ("users", 100),
    ("nogroup", 65534),
];

/// The options of the four commands that take a word of their own (adduser(8), useradd(8)).
const WITH_WORD: &[&str] = &[
    "--home",
    "--home-dir",
    "-d",
    "-h",
    "--shell",
    "-s",
    "--uid",
    "-u",
    "--gid",
    "-g",
    "--ingroup",
    "--gecos",
    "--comment",
    "-c",
    "--firstuid",
    "--lastuid",
    "--firstgid",
    "--lastgid",
    "--conf",
    "-G",
    "--groups",
    "-b",
    "--base-dir",
    "-k",
    "--skel",
    "-K",
    "--key",
    "-e",
    "-f",
    "-p",
    "--add_extra_groups",
];

/// Reads `adduser [options] USER [GROUP]` and `useradd [options] USER`.
pub(super) fn user(call: &Call, root: &Root<'_>) -> Vec<Action> {
    account(call, true, root)
}

/// Reads `addgroup [options] GROUP` and `groupadd [options] GROUP`.
pub(super) fn group(call: &Call, root: &Root<'_>) -> Vec<Action> {
    account(call, false, root)
}

fn account(call: &Call, is_user: bool, root: &Root<'_>) -> Vec<Action> {
    let mut found = AccountCall { is_user, ..AccountCall::default() };
    let mut operands = Vec::new();
    let (mut is_system, mut has_group) = (false, false);
    let is_adduser = call.words.first().is_some_and(|word| word.text.ends_with("adduser"));
    let has = |option: &str| call.words.iter().any(|word| word.text == option);
    let mut words = call.words.iter().skip(1);
    while let Some(word) = words.next() {
        let (option, joined) =
            word.text.split_once('=').map_or((word.text.as_str(), None), |(option, value)| (option, Some(value.to_owned())));
        if !option.starts_with('-') {
            operands.push(word);
            continue;
        }
        is_system |= matches!(option, "--system" | "-r" | "-S");
        has_group |= matches!(option, "--group" | "-U" | "--user-group");
        let value = if joined.is_none() && WITH_WORD.contains(&option) { words.next().map(|word| word.text.clone()) } else { joined };
        match (option, value) {
            ("--home" | "--home-dir" | "-d" | "-h", value) => found.home = value,
            ("--uid" | "-u", value) => found.number = value.and_then(|value| value.parse().ok()),
            ("--gid" | "-g", value) if !is_user => found.number = value.and_then(|value| value.parse().ok()),
            ("--gid" | "-g" | "--ingroup", value) => found.group = value,
            _ => {}
        }
    }
    match operands.as_slice() {
        [name] if name.known => {
            name.text.clone_into(&mut found.name);
            if is_user && is_adduser && is_system && !has_group && found.group.is_none() {
                found.group = Some("nogroup".to_owned());
            }
            // adduser makes the home that it is given, useradd where it is told to.
            let is_made = is_user && if is_adduser { !has("--no-create-home") } else { has("--create-home") || has("-m") };
            let home = found.home.as_deref().filter(|home| is_made && no_use(home, root).is_none() && !root.exists(home));
            let home = home.filter(|home| *home != "/nonexistent").and_then(Root::path);
            let home = home.map(|path| Action::Folder { path, mode: 0o755, written: true });
            home.into_iter().chain([Action::Account(found)]).collect()
        }
        [_, _] => vec![Action::harmless("an additional group of an account: the process has only the groups of the recipe")],
        _ => vec![Action::missing(Some("/etc/passwd"), "an account whose name the script computes")],
    }
}

/// Reads a file of `sysusers.d` (sysusers.d(5)).
pub(in crate::base::debian) fn of_sysusers(text: &str) -> Vec<AccountCall> {
    let mut found = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let fields = fields_of(line);
        let [kind, name, rest @ ..] = fields.as_slice() else { continue };
        let field = |number: usize| rest.get(number).filter(|field| !matches!(field.as_str(), "-" | "")).cloned();
        let (number, group) = match field(0) {
            Some(id) => match id.split_once(':') {
                Some((uid, group)) => (uid.parse().ok(), Some(group.to_owned())),
                None => (id.parse().ok(), None),
            },
            None => (None, None),
        };
        let is_user = match kind.trim_end_matches('!') {
            "u" => true,
            "g" => false,
            _ => continue,
        };
        if name.contains('%') {
            continue;
        }
        let home = field(2).filter(|home| is_user && home.starts_with('/'));
        found.push(AccountCall { name: name.clone(), is_user, number, group, home });
    }
    found
}

/// Divides a line of a file of systemd at blanks that are not in quotes.
pub(in crate::base::debian) fn fields_of(line: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field: Option<String> = None;
    let mut quote = None;
    for letter in line.chars() {
        match (quote, letter) {
            (Some(open), letter) if open == letter => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                field.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => fields.extend(field.take()),
            (_, letter) => field.get_or_insert_default().push(letter),
        }
    }
    fields.extend(field);
    fields
}
