use super::{Fact, FactKind, Owner};

impl Fact {
    /// Says whether a process of a user and group has all of some permissions on the file: 4 to read, 2 to write, 1 to execute
    /// or to pass through a folder, or a sum of these.
    pub fn allows(&self, process: Owner, wanted: u16) -> bool {
        if process.uid == 0 {
            // Root reads and writes all, and executes what anybody may execute.
            return wanted & 1 == 0 || self.mode & 0o111 != 0 || self.kind == FactKind::Directory;
        }
        let owner = self.owner();
        let shift = if owner.uid == process.uid {
            6
        } else if owner.gid == process.gid {
            3
        } else {
            0
        };
        self.mode >> shift & wanted == wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::Head;

    #[test]
    fn the_first_class_that_fits_decides() {
        let file = || FactKind::File { size: 1, head: Head::Other, content: None, digest: None };
        let allows = |mode, kind, (uid, gid), wanted| Fact::new(kind, mode, Owner { uid: 7, gid: 8 }).allows(Owner { uid, gid }, wanted);
        for (mode, process, wanted, expected) in [
            (0o750, (7, 8), 0o5, true),
            (0o750, (9, 8), 0o5, true),
            (0o750, (9, 8), 0o2, false),
            (0o754, (9, 9), 0o4, true),
            (0o754, (9, 9), 0o5, false),
            // The owner's own bits count, even where all others have more.
            (0o077, (7, 8), 0o4, false),
            (0o707, (9, 8), 0o4, false),
            (0o000, (0, 0), 0o6, true),
            (0o000, (0, 0), 0o1, false),
            (0o001, (0, 0), 0o1, true),
        ] {
            assert_eq!(allows(mode, file(), process, wanted), expected, "{mode:o} {process:?} {wanted:o}");
        }
        assert!(allows(0o000, FactKind::Directory, (0, 0), 0o1), "root passes through every folder");
    }
}
