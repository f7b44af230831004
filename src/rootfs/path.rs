use std::borrow::Borrow;
use std::fmt;

use crate::diagnostic::is_hostile;

/// What the names of whiteouts begin with (image-spec, `layer.md`, "Whiteouts").
const WHITEOUT: &[u8] = b".wh.";

/// A path inside an image, without the leading slash; the root itself is empty.
///
/// The bytes are the file system's, which need not be UTF-8. They are escaped when shown.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ImagePath(Box<[u8]>);

/// Why bytes are no path inside an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathFault {
    /// A `..` would leave a folder.
    #[error("it holds `..`")]
    Parent,
    /// There is a NUL byte.
    #[error("it holds a NUL byte")]
    Nul,
    /// It is longer than Linux allows.
    #[error("it is longer than 4096 bytes")]
    Long,
    /// One name in it is longer than file systems allow.
    #[error("a name in it is longer than 255 bytes")]
    LongName,
    /// It is not absolute.
    #[error("a path in an image starts with `/`")]
    Relative,
}

impl ImagePath {
    /// Returns the root.
    pub fn root() -> Self {
        Self::default()
    }

    /// Reads a path from an archive or a folder: a leading `/` or `./`, doubled slashes and `.` parts are dropped.
    ///
    /// # Errors
    /// When it holds `..` or NUL, or is too long.
    pub fn new(bytes: &[u8]) -> Result<Self, PathFault> {
        let mut clean = Vec::with_capacity(bytes.len());
        for part in bytes.split(|byte| *byte == b'/') {
            match part {
                b"" | b"." => continue,
                b".." => return Err(PathFault::Parent),
                _ if part.contains(&0) => return Err(PathFault::Nul),
                _ if part.len() > 255 => return Err(PathFault::LongName),
                _ => {}
            }
            if !clean.is_empty() {
                clean.push(b'/');
            }
            clean.extend_from_slice(part);
        }
        if clean.len() > 4096 {
            return Err(PathFault::Long);
        }
        Ok(Self(clean.into()))
    }

    /// Reads a path that a person wrote, which must be absolute.
    ///
    /// # Errors
    /// As [`ImagePath::new`], and when it does not start with `/`.
    pub fn absolute(text: &str) -> Result<Self, PathFault> {
        if text.starts_with('/') { Self::new(text.as_bytes()) } else { Err(PathFault::Relative) }
    }

    /// Returns the bytes, without a leading slash.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Says whether this is the root.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the last name; empty for the root.
    pub fn name(&self) -> &[u8] {
        self.0.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
    }

    /// Says whether a name in the path begins with `.wh.`. In a layer such a name adds no file: it hides one of the layers below
    /// (image-spec, `layer.md`, "Whiteouts").
    pub fn names_whiteout(&self) -> bool {
        self.names().any(|name| name.starts_with(WHITEOUT))
    }

    /// Returns the folder; `None` for the root.
    pub fn parent(&self) -> Option<Self> {
        if self.is_root() {
            return None;
        }
        let end = self.0.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        Some(Self(self.0[..end].into()))
    }

    /// Returns the path below this one.
    ///
    /// # Errors
    /// As [`ImagePath::new`].
    pub fn join(&self, below: &[u8]) -> Result<Self, PathFault> {
        let mut bytes = Vec::with_capacity(self.0.len() + 1 + below.len());
        bytes.extend_from_slice(&self.0);
        bytes.push(b'/');
        bytes.extend_from_slice(below);
        Self::new(&bytes)
    }

    /// Returns the names from the root downwards.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.0.split(|byte| *byte == b'/').filter(|name| !name.is_empty())
    }

    /// Returns all folders above, the topmost first, without the root.
    pub fn parents(&self) -> impl Iterator<Item = Self> {
        self.0.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(end, _)| Self(self.0[..end].into()))
    }

    /// Says whether this path is `folder` or below it.
    pub fn starts_with(&self, folder: &Self) -> bool {
        folder.is_root() || self.0.strip_prefix(&*folder.0).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    }
}

/// Sorted as its bytes are, so that all below a path can be found in a map.
impl Borrow<[u8]> for ImagePath {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

/// With the leading slash; bytes that no terminal should see are escaped.
impl fmt::Display for ImagePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("/")?;
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if is_hostile(character) {
                    write!(formatter, "{}", character.escape_default())?;
                } else {
                    write!(formatter, "{character}")?;
                }
            }
            chunk.invalid().iter().try_for_each(|byte| write!(formatter, "\\x{byte:02x}"))?;
        }
        Ok(())
    }
}

impl fmt::Debug for ImagePath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_clean() {
        let long = "x/".repeat(3000);
        let name = "n".repeat(256);
        for (text, expected) in [
            ("/usr/bin/x", Ok("/usr/bin/x")),
            ("./usr//bin/./x/", Ok("/usr/bin/x")),
            ("/", Ok("/")),
            ("", Ok("/")),
            ("a/../b", Err(PathFault::Parent)),
            ("..", Err(PathFault::Parent)),
            ("a\0b", Err(PathFault::Nul)),
            (&long, Err(PathFault::Long)),
            (&name, Err(PathFault::LongName)),
        ] {
            assert_eq!(ImagePath::new(text.as_bytes()).map(|path| path.to_string()), expected.map(str::to_owned), "{text}");
        }
        assert_eq!(ImagePath::absolute("usr"), Err(PathFault::Relative));
    }

    #[test]
    fn foreign_names_cannot_speak_to_the_terminal() {
        let path = ImagePath::new(b"a\x1b[2J\xffb").map(|path| path.to_string());
        assert_eq!(path, Ok("/a\\u{1b}[2J\\xffb".to_owned()));
    }

    #[test]
    fn whiteouts_are_told_by_any_name() -> Result<(), PathFault> {
        for (path, expected) in [
            ("a/.wh.b", true),
            ("a/.wh..wh..opq", true),
            (".wh.a/b", true),
            ("a/.wh.", true),
            ("a/.wh", false),
            ("a/x.wh.b", false),
            ("a/.WH.b", false),
        ] {
            assert_eq!(ImagePath::new(path.as_bytes())?.names_whiteout(), expected, "{path}");
        }
        Ok(())
    }

    #[test]
    fn families() -> Result<(), PathFault> {
        let path = ImagePath::new(b"usr/bin/x")?;
        assert_eq!(path.parent().map(|parent| parent.to_string()).as_deref(), Some("/usr/bin"));
        assert_eq!(path.parents().map(|parent| parent.to_string()).collect::<Vec<_>>(), ["/usr", "/usr/bin"]);
        assert_eq!(path.name(), b"x");
        assert!(path.starts_with(&ImagePath::new(b"usr")?));
        assert!(!path.starts_with(&ImagePath::new(b"us")?));
        assert_eq!(ImagePath::root().parent(), None);
        Ok(())
    }
}
