use std::fmt::Write as _;

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

/// The texts of `/etc/passwd` and `/etc/group`. Lines that are there stay as they are; accounts are added at the end.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Accounts {
    passwd: String,
    group: String,
}

impl Accounts {
    /// Takes the texts that an image has.
    pub fn new(passwd: &str, group: &str) -> Self {
        let ended = |text: &str| if text.is_empty() || text.ends_with('\n') { text.to_owned() } else { format!("{text}\n") };
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
        // Writing to a String cannot fail.
        let _ = writeln!(self.passwd, "{name}:x:{uid}:{gid}:{name}:{home}:/sbin/nologin");
    }

    /// Adds a group.
    pub fn add_group(&mut self, group: &Group) {
        let _ = writeln!(self.group, "{}:x:{}:", group.name, group.gid);
    }

    /// Returns the text of `/etc/passwd`.
    pub fn passwd(&self) -> &str {
        &self.passwd
    }

    /// Returns the text of `/etc/group`.
    pub fn groups_text(&self) -> &str {
        &self.group
    }

    fn users(&self) -> impl Iterator<Item = User> {
        self.passwd.lines().filter_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, uid, gid, _, home, ..] = fields.as_slice() else { return None };
            Some(User { name: (*name).to_owned(), uid: uid.parse().ok()?, gid: gid.parse().ok()?, home: (*home).to_owned() })
        })
    }

    fn groups(&self) -> impl Iterator<Item = Group> {
        self.group.lines().filter_map(|line| {
            let mut fields = line.split(':');
            let (name, _, gid) = (fields.next()?, fields.next()?, fields.next()?);
            Some(Group { name: name.to_owned(), gid: gid.parse().ok()? })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_there_stay() {
        let mut accounts = Accounts::new(
            "root:x:0:0:root:/root:/bin/sh\nbroken\n_apt:x:100:65534::/nonexistent:/usr/sbin/nologin",
            "root:x:0:\nstaff:x:50:a,b\n",
        );
        assert_eq!(accounts.user(100).map(|user| user.name).as_deref(), Some("_apt"));
        assert_eq!(accounts.group_named("staff").map(|group| group.gid), Some(50));
        assert_eq!(accounts.user(65532), None);
        accounts.add_user(&User { name: "app".to_owned(), uid: 65532, gid: 65532, home: "/home/app".to_owned() });
        accounts.add_group(&Group { name: "app".to_owned(), gid: 65532 });
        assert!(accounts.passwd().starts_with("root:x:0:0:root:/root:/bin/sh\nbroken\n_apt:x:100:65534::/nonexistent:/usr/sbin/nologin\napp:x:65532:65532:app:/home/app:/sbin/nologin\n"));
        assert_eq!(accounts.user_named("app").map(|user| user.uid), Some(65532));
        assert!(accounts.groups_text().ends_with("staff:x:50:a,b\napp:x:65532:\n"));
    }
}
