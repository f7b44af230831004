use std::fmt;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::text::open_regular;

/// What a search in a folder and in those above it found.
#[derive(Debug)]
pub enum Above {
    /// A file in the folder itself, which is not looked at.
    Here,
    /// A file in a folder above.
    Found {
        /// The file, relative to the folder: `../../hardened.toml`.
        path: PathBuf,
        /// The Git repository that both are in.
        repository: Repository,
    },
    /// A file that is there and must not be used.
    Refused {
        /// The file.
        path: PathBuf,
        /// Why.
        why: Refused,
    },
    /// None.
    Nowhere,
}

/// Whether a folder and a file above it are in one Git repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repository {
    /// They are.
    Same,
    /// They are not, or there is none.
    None,
}

/// Why a file above the current folder is not used.
#[derive(Debug)]
pub enum Refused {
    /// It or its folder belongs to another user.
    Owner,
    /// Others may write to it or to its folder.
    Writable,
    /// Its folder is on another file system.
    FileSystem,
    /// Its folder is the home folder, where the search ends.
    Home,
    /// It is not a regular file.
    Kind,
    /// It cannot be opened.
    Unreadable(io::Error),
}

impl fmt::Display for Refused {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Owner => formatter.write_str("it or its folder belongs to another user"),
            Self::Writable => formatter.write_str("other users may write to it or to its folder"),
            Self::FileSystem => formatter.write_str("it is on another file system"),
            Self::Home => formatter.write_str("it is in the home folder, where the search ends"),
            Self::Kind => formatter.write_str("it is not a regular file"),
            Self::Unreadable(error) => write!(formatter, "it cannot be opened: {error}"),
        }
    }
}

/// Looks for a file in a folder and in those above it, up to the first that has `.git`.
///
/// The search ends before the home folder, before another file system, and before a folder that belongs to another user or that others may
/// write to: they could decide what is built. The folder itself is not checked, as the user chose it.
pub fn find_above(folder: &Path, name: &str, home: Option<&Path>) -> Above {
    let exists = |folder: &Path, name: &str| folder.join(name).symlink_metadata().is_ok();
    if exists(folder, name) {
        return Above::Here;
    }
    let inode = |metadata: &Metadata| (metadata.dev(), metadata.ino());
    let home = home.and_then(|home| fs::metadata(home).ok()).map(|metadata| inode(&metadata));
    let Ok(mut below) = fs::metadata(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }) else { return Above::Nowhere };
    let (mut path, mut found) = (folder.to_owned(), None);
    if home == Some(inode(&below)) {
        return Above::Nowhere;
    }
    let mut repository = if exists(folder, ".git") { Repository::Same } else { Repository::None };
    while repository == Repository::None {
        path.push("..");
        let Ok(metadata) = fs::metadata(&path) else { break };
        if inode(&metadata) == inode(&below) {
            break;
        }
        let why = if metadata.dev() != below.dev() {
            Some(Refused::FileSystem)
        } else if home == Some(inode(&metadata)) {
            Some(Refused::Home)
        } else {
            distrust(metadata.uid(), metadata.gid(), metadata.mode())
        };
        if let Some(why) = why {
            if found.is_none() && exists(&path, name) {
                return Above::Refused { path: path.join(name), why };
            }
            break;
        }
        if found.is_none() && exists(&path, name) {
            let file = path.join(name);
            if let Err(why) = check(&file) {
                return Above::Refused { path: file, why };
            }
            found = Some(file);
        }
        if exists(&path, ".git") {
            repository = Repository::Same;
        }
        below = metadata;
    }
    found.map_or(Above::Nowhere, |path| Above::Found { path, repository })
}

/// Checks the file that is opened, not the name that leads to it.
fn check(file: &Path) -> Result<(), Refused> {
    let refused = |error: io::Error| if error.kind() == io::ErrorKind::InvalidInput { Refused::Kind } else { Refused::Unreadable(error) };
    let metadata = open_regular(file).and_then(|file| file.metadata()).map_err(refused)?;
    distrust(metadata.uid(), metadata.gid(), metadata.mode()).map_or(Ok(()), Err)
}

/// A group that has the user's own number is that user's alone, as Debian and Fedora make them: a umask of 002 is common there.
fn distrust(uid: u32, gid: u32, mode: u32) -> Option<Refused> {
    let own = rustix::process::geteuid().as_raw();
    let is_private = own != 0 && gid == own && rustix::process::getegid().as_raw() == gid;
    let writable = if is_private { 0o002 } else { 0o022 };
    if uid != own {
        Some(Refused::Owner)
    } else if mode & writable != 0 {
        Some(Refused::Writable)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn told(folder: &Path, home: Option<&Path>) -> String {
        match find_above(folder, "hardened.toml", home) {
            Above::Here => "here".to_owned(),
            Above::Found { path, repository } => format!("{} {repository:?}", path.strip_prefix(folder).unwrap().display()),
            Above::Refused { path, why } => format!("{}: {why}", path.strip_prefix(folder).unwrap().display()),
            Above::Nowhere => "nowhere".to_owned(),
        }
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_recipe_is_searched_for_up_to_where_others_decide() {
        let top = tempfile::tempdir().unwrap();
        let (outer, middle, inner) = (top.path().join("a"), top.path().join("a/b"), top.path().join("a/b/c"));
        fs::create_dir_all(&inner).unwrap();
        for folder in [&outer, &middle, &inner] {
            mode(folder, 0o755);
        }
        assert_eq!(told(&inner, None), "nowhere");
        let recipe = outer.join("hardened.toml");
        fs::write(&recipe, "").unwrap();
        mode(&recipe, 0o644);
        assert_eq!(told(&inner, None), "../../hardened.toml None");
        assert_eq!(told(&outer, None), "here");
        // The home folder ends it, and a recipe there is not used.
        assert_eq!(told(&inner, Some(&middle)), "nowhere");
        assert_eq!(told(&inner, Some(&outer)), "../../hardened.toml: it is in the home folder, where the search ends");
        assert_eq!(told(&inner, Some(&inner)), "nowhere");
        // So does a folder that others may write to, and so does such a recipe.
        mode(&middle, 0o777);
        assert_eq!(told(&inner, None), "nowhere");
        mode(&middle, 0o755);
        mode(&outer, 0o1777);
        assert_eq!(told(&inner, None), "../../hardened.toml: other users may write to it or to its folder");
        mode(&outer, 0o755);
        mode(&recipe, 0o646);
        assert_eq!(told(&inner, None), "../../hardened.toml: other users may write to it or to its folder");
        mode(&recipe, 0o644);
        // A repository is searched up to its own folder, whether `.git` is a folder or the file of a worktree.
        fs::write(outer.join(".git"), "gitdir: elsewhere").unwrap();
        assert_eq!(told(&inner, None), "../../hardened.toml Same");
        fs::create_dir(middle.join(".git")).unwrap();
        assert_eq!(told(&inner, None), "nowhere");
        fs::remove_dir(middle.join(".git")).unwrap();
        // A link is what it leads to.
        fs::remove_file(&recipe).unwrap();
        symlink("/dev/null", &recipe).unwrap();
        assert_eq!(told(&inner, None), "../../hardened.toml: it is not a regular file");
        fs::remove_file(&recipe).unwrap();
        symlink("missing", &recipe).unwrap();
        assert!(told(&inner, None).contains("cannot be opened"));
    }

    #[test]
    fn another_file_system_ends_the_search() {
        let device = |path: &str| fs::metadata(path).map(|metadata| metadata.dev()).ok();
        if device("/proc").is_some_and(|proc| Some(proc) != device("/")) {
            assert!(matches!(find_above(Path::new("/proc"), "etc", None), Above::Refused { why: Refused::FileSystem, .. }));
        }
    }

    #[test]
    fn a_folder_of_another_user_ends_the_search() {
        let own = rustix::process::geteuid().as_raw();
        assert!(matches!(distrust(own + 1, 0, 0o755), Some(Refused::Owner)));
        assert!(matches!(distrust(own, 0, 0o757), Some(Refused::Writable)));
        assert!(matches!(distrust(own, own + 1, 0o775), Some(Refused::Writable)));
        assert!(distrust(own, own, 0o755).is_none());
    }
}
