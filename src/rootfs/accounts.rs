/// A line of `/etc/passwd` (passwd(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The login name.
    pub name: String,
    /// The numeric user.
    pub uid: u32,
    /// The numeric primary group.
    pub gid: u32,
    /// The home folder.
    pub home: String,
}

/// A line of `/etc/group` (group(5)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The group's name.
    pub name: String,
    /// The numeric group.
    pub gid: u32,
}

/// The texts of `/etc/passwd` and `/etc/group`. Lines that are there stay as they are, whatever their bytes; accounts are added at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    passwd: Vec<u8>,
    group: Vec<u8>,
}

impl Accounts {
    /// Takes the texts that an image has.
    pub fn new(passwd: &[u8], group: &[u8]) -> Self {
        let ended = |text: &[u8]| if text.is_empty() || text.ends_with(b"\n") { text.to_vec() } else { [text, b"\n"].concat() };
        Self { passwd: ended(passwd), group: ended(group) }
    }

    /// Returns the user of a number.
    pub fn user(&self, uid: u32) -> Option<User> {
        self.users().find(|user| user.uid == uid)
    }

    /// Returns the user of a name.
    pub fn user_named(&self, name: &str) -> Option<User> {
        self.users().find(|user| user.name == name)
    }

    /// Returns the group of a number.
    pub fn group(&self, gid: u32) -> Option<Group> {
        self.groups().find(|group| group.gid == gid)
    }

    /// Returns the group of a name.
    pub fn group_named(&self, name: &str) -> Option<Group> {
        self.groups().find(|group| group.name == name)
    }

    /// Adds a user, without a password and without a shell.
    pub fn add_user(&mut self, user: &User) {
        let User { name, uid, gid, home } = user;
        self.passwd.extend_from_slice(format!("{name}:x:{uid}:{gid}:{name}:{home}:/sbin/nologin\n").as_bytes());
    }

    /// Adds a group.
    pub fn add_group(&mut self, group: &Group) {
        self.group.extend_from_slice(format!("{}:x:{}:\n", group.name, group.gid).as_bytes());
    }

    /// Returns the text of `/etc/passwd`.
    pub fn passwd(&self) -> &[u8] {
        &self.passwd
    }

    /// Returns the text of `/etc/group`.
    pub fn groups_text(&self) -> &[u8] {
        &self.group
    }

    fn users(&self) -> impl Iterator<Item = User> {
        lines(&self.passwd).filter_map(|fields| {
            let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
            Some(User { name: text(name), uid: number(uid)?, gid: number(gid)?, home: text(home) })
        })
    }

    fn groups(&self) -> impl Iterator<Item = Group> {
        lines(&self.group).filter_map(|fields| {
            let [name, _, gid, ..] = fields.as_slice() else { return None };
            Some(Group { name: text(name), gid: number(gid)? })
        })
    }
}

/// Returns the fields of each line.
fn lines(text: &[u8]) -> impl Iterator<Item = Vec<&[u8]>> {
    let lines = text.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    lines.map(|line| line.split(|byte| *byte == b':').collect())
}

fn text(field: &[u8]) -> String {
    String::from_utf8_lossy(field).into_owned()
}

fn number(field: &[u8]) -> Option<u32> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_there_stay() {
        let passwd = b"root:x:0:0:root:/root:/bin/sh\nbroken\nj\xfcrg:x:7:7:J\xfcrg:/home/j\xfcrg:/bin/sh\r\n_apt:x:100:65534::/nonexistent:/usr/sbin/nologin";
        let mut accounts = Accounts::new(passwd, b"root:x:0:\nstaff:x:50:a,b\r\nusers:x:60\r\n");
        assert_eq!(accounts.user(7).map(|user| user.gid), Some(7));
        assert_eq!(accounts.group(60).map(|group| group.name).as_deref(), Some("users"));
        assert_eq!(accounts.user(100).map(|user| user.name).as_deref(), Some("_apt"));
        assert_eq!(accounts.group_named("staff").map(|group| group.gid), Some(50));
        assert_eq!(accounts.user(65532), None);
        accounts.add_user(&User { name: "app".to_owned(), uid: 65532, gid: 65532, home: "/home/app".to_owned() });
        accounts.add_group(&Group { name: "app".to_owned(), gid: 65532 });
        assert_eq!(accounts.passwd(), [&passwd[..], b"\napp:x:65532:65532:app:/home/app:/sbin/nologin\n"].concat());
        assert_eq!(accounts.user_named("app").map(|user| user.uid), Some(65532));
        assert!(accounts.groups_text().ends_with(b"staff:x:50:a,b\r\nusers:x:60\r\napp:x:65532:\n"));
    }
}
