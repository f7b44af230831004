//! The cases of containerd's `TestBreakouts`, by their names: a lower layer, a layer on top, and what a container may see of it.
//! containerd follows links inside of the root where we refuse; what both accept has the same meaning.

use hardened::rootfs::{FactKind, ImagePath, Resolved, Rootfs};

use crate::facts;
use crate::tar_bytes::Tar;

enum Outcome {
    /// The layer is refused for this reason.
    Refused(&'static str),
    /// Afterwards, this path leads to a file of that size, or to nothing.
    Leads(&'static str, Option<(&'static str, u64)>),
    /// Two paths are one file; the view has the facts of the one under the other's name too.
    Same(&'static str, &'static str),
}

fn base() -> Tar {
    Tar::new().folder("etc/").file("etc/passwd", b"inside")
}

fn users() -> Tar {
    Tar::new().folder("etc/").file("etc/passwd", b"all users").file("etc/whitedout", b"ahhhh").symlink("localetc", "/etc")
}

#[test]
#[expect(clippy::too_many_lines, reason = "one table")]
fn containerds_breakouts() {
    use Outcome::{Leads, Refused, Same};
    let (below, out, nowhere, climbs) = ("lies below", "leads out of the image", "which is not an earlier file", "it holds `..`");
    let none = Tar::new;
    let etc = || Tar::new().folder("etc").file("/etc/passwd", b"inside");
    let cases: Vec<(&str, Tar, Tar, Outcome)> = vec![
        ("SymlinkAbsolute", none(), Tar::new().folder("etc").symlink("localetc", "/etc").file("/localetc/unbroken", b"x"), Refused(below)),
        (
            "SymlinkUpAndOut",
            none(),
            Tar::new().folder("dummy").symlink("localetc", "/dummy/../etc").file("/localetc/unbroken", b"x"),
            Refused(below),
        ),
        (
            "SymlinkMultipleAbsolute",
            none(),
            Tar::new().folder("dummy").symlink("/dummy/etc", "/etc").symlink("localetc", "/dummy/etc").file("/dummy/etc/unbroken", b"x"),
            Refused(below),
        ),
        (
            "SymlinkMultipleRelative",
            none(),
            Tar::new().folder("dummy").symlink("/dummy/etc", "/etc").symlink("localetc", "./dummy/etc").file("/dummy/etc/unbroken", b"x"),
            Refused(below),
        ),
        ("SymlinkEmptyFile", none(), etc().symlink("localetc", "/etc").file("/localetc/passwd", b""), Refused(below)),
        ("HardlinkRelative", none(), etc().folder("b").symlink("b/d1", "../../etc").hard_link("b/mine", "/b/d1/passwd"), Refused(out)),
        (
            "HardlinkDownAndOut",
            none(),
            etc().folder("b").symlink("b/d1", "../downandout/../../etc").hard_link("b/mine", "/b/d1/passwd"),
            Refused(out),
        ),
        ("HardlinkAbsolute", none(), etc().symlink("localetc", "/etc").hard_link("localpasswd", "/localetc/passwd"), Refused(nowhere)),
        (
            "HardlinkRelativeLong",
            none(),
            etc().symlink("localetc", "../../../../../../../etc").hard_link("l", "/localetc/passwd"),
            Refused(out),
        ),
        (
            "HardlinkRelativeUpAndOut",
            none(),
            etc().symlink("localetc", "upandout/../../../etc").hard_link("l", "/localetc/passwd"),
            Refused(out),
        ),
        ("HardlinkDirectRelative", none(), etc().hard_link("localpasswd", "../../../../../etc/passwd"), Refused(climbs)),
        ("HardlinkDirectAbsolute", none(), etc().hard_link("localpasswd", "/etc/passwd"), Same("localpasswd", "etc/passwd")),
        (
            "HardlinkSymlinkBeforeCreateTarget",
            none(),
            Tar::new().symlink("p", "/etc/passwd").hard_link("dup", "p").file("etc/passwd", b"x"),
            Leads("dup", Some(("/etc/passwd", 1))),
        ),
        (
            "HardlinkSymlinkRelative",
            none(),
            etc().symlink("passwdlink", "../../../../../etc/passwd").hard_link("l", "/passwdlink"),
            Refused(out),
        ),
        (
            "HardlinkSymlinkAbsolute",
            none(),
            etc().symlink("passwdlink", "/etc/passwd").hard_link("l", "/passwdlink"),
            Leads("l", Some(("/etc/passwd", 6))),
        ),
        (
            "HardlinkSymlinkChmod",
            none(),
            Tar::new().symlink("/outside", "/tmp/perm400").hard_link("sketchylink", "/outside"),
            Leads("sketchylink", None),
        ),
        ("SymlinkParentDirectory", none(), etc().symlink("..", "/etc/").hard_link("localpasswd", "/etc/passwd"), Refused(climbs)),
        (
            "SymlinkEmptyFilename",
            none(),
            etc().symlink("", "/etc/").hard_link("localpasswd", "/etc/passwd"),
            Refused("an entry without a name"),
        ),
        (
            "SymlinkParentRelative",
            none(),
            etc().symlink("localetc/sub/..", "/etc/").hard_link("/localetc/p", "/etc/passwd"),
            Refused(climbs),
        ),
        ("SymlinkSlashEnded", none(), etc().folder("localetc/").hard_link("/localetc/p", "/etc/passwd"), Same("localetc/p", "etc/passwd")),
        (
            "SymlinkOverrideDirectory",
            base().folder("localetc/"),
            Tar::new().symlink("localetc", "/etc").file("localetc/p", b"x"),
            Refused(below),
        ),
        (
            "SymlinkOverrideDirectoryRelative",
            base().folder("localetc/"),
            Tar::new().symlink("localetc", "../../etc").file("localetc/p", b"x"),
            Refused(out),
        ),
        (
            "DirectoryOverrideSymlink",
            base().symlink("localetc", "/etc"),
            Tar::new().folder("/localetc/").file("/localetc/p", b"xy"),
            Leads("localetc/p", Some(("/localetc/p", 2))),
        ),
        (
            "DirectoryOverrideSymlinkAndHardlink",
            base().symlink("localetc", "etc").hard_link("etc/p", "etc/passwd"),
            Tar::new().folder("/localetc/").file("/localetc/p", b"different"),
            Leads("etc/passwd", Some(("/etc/passwd", 6))),
        ),
        ("WhiteoutRootParent", base(), Tar::new().file(".wh...", b""), Refused("does not hide a valid name")),
        ("WhiteoutParent", base(), Tar::new().file("etc/.wh...", b""), Refused("does not hide a valid name")),
        ("WhiteoutRoot", base(), Tar::new().file(".wh..", b""), Refused("does not hide a valid name")),
        ("WhiteoutCurrentDirectory", base(), Tar::new().file("etc/.wh..", b""), Refused("does not hide a valid name")),
        ("WhiteoutSymlink", users(), Tar::new().file(".wh.localetc", b""), Leads("etc/passwd", Some(("/etc/passwd", 9)))),
        ("WhiteoutSymlinkPath", users(), Tar::new().file("localetc/.wh.whitedout", b""), Leads("etc/whitedout", None)),
        (
            "WhiteoutDirectoryName",
            users(),
            Tar::new().file(".wh.etc/somefile", b"non-empty"),
            Leads(".wh.etc/somefile", Some(("/.wh.etc/somefile", 9))),
        ),
        (
            "WhiteoutDeadSymlinkParent",
            base().symlink("dead", "/dne"),
            Tar::new().file("dead/.wh.etc", b""),
            Leads("etc/passwd", Some(("/etc/passwd", 6))),
        ),
        ("WhiteoutRelativePath", base(), Tar::new().file("dne/../.wh.etc", b""), Refused(climbs)),
    ];
    assert_eq!(cases.len(), 33);
    for (name, lower, upper, outcome) in cases {
        let found = facts(&upper.end());
        let (lower, upper) = match (outcome, found) {
            (Refused(reason), Err(message)) => {
                assert!(message.contains(reason), "{name}: {message}");
                continue;
            }
            (Refused(reason), Ok(found)) => panic!("{name} is not refused ({reason}): {found:?}"),
            (_, Err(message)) => panic!("{name} is refused: {message}"),
            (outcome, Ok(found)) => (facts(&lower.end()).unwrap(), (found, outcome)),
        };
        let (upper, outcome) = upper;
        let mut rootfs = Rootfs::new();
        rootfs.apply(&lower);
        rootfs.apply(&upper);
        let path = |text: &str| ImagePath::new(text.as_bytes()).unwrap();
        let resolve = |text: &str| match rootfs.resolve(&path(text)) {
            Resolved::File(real, fact) => match fact.kind {
                FactKind::File { size, .. } => Some((real.to_string(), size)),
                other => panic!("{name}: {other:?}"),
            },
            _ => None,
        };
        match outcome {
            Leads(from, expected) => assert_eq!(resolve(from), expected.map(|(path, size)| (path.to_owned(), size)), "{name}"),
            Same(one, other) => assert_eq!(resolve(one).map(|(_, size)| size), resolve(other).map(|(_, size)| size), "{name}"),
            Refused(_) => {}
        }
        if name == "WhiteoutSymlink" {
            assert_eq!(resolve("localetc/passwd"), None);
        }
    }
}
