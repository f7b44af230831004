use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::deny::{KEY_BYTES, PRIVATE_KEY, holds_key, may_be_key};
use super::{DENY_RULES, DenyRule, FileFault, HostPath, Request, Why};
use crate::diagnostic::nearest;

/// Which files of a folder a request takes.
#[derive(Debug)]
pub(super) struct Choice {
    exclude: Gitignore,
    glob: Option<Pattern>,
    rules: Vec<&'static DenyRule>,
    /// Names that are taken though a rule denies them, some with the folder that they are in.
    allowed: Vec<String>,
}

#[derive(Debug)]
struct Pattern {
    matcher: GlobMatcher,
    /// How deep a match can be, if that is bounded.
    depth: Option<usize>,
}

/// What is decided about one path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is taken with all that it holds.
    Take,
    /// It is a folder that does not match itself, and may hold what does.
    Enter,
    /// It does not match.
    Ignore,
    /// It would match, and is left out.
    Skip(Why),
}

impl Choice {
    pub(super) fn new(request: &Request, glob: Option<&str>) -> Result<Self, Vec<FileFault>> {
        let mut faults = Vec::new();
        let mut exclude = GitignoreBuilder::new("");
        for pattern in &request.exclude {
            if let Err(error) = exclude.add_line(None, pattern) {
                faults.push(malformed(pattern, &error));
            }
        }
        let exclude = exclude.build().unwrap_or_else(|error| {
            faults.push(malformed(&request.exclude.join(" "), &error));
            Gitignore::empty()
        });
        let mut allowed = Vec::new();
        for name in &request.allow {
            if DENY_RULES.iter().any(|rule| rule.name == name) {
                continue;
            }
            if is_denied(name.as_bytes()) {
                allowed.push(name.clone());
            } else {
                let nearest = nearest(name, DENY_RULES.iter().map(|rule| rule.name));
                faults.push(FileFault::UnknownRule { name: HostPath::new(name.as_bytes()), nearest });
            }
        }
        let glob = glob.and_then(|glob| Pattern::new(glob).map_err(|error| faults.push(malformed(glob, &error))).ok());
        let rules = DENY_RULES.iter().filter(|rule| !request.allow.iter().any(|name| name == rule.name)).collect();
        if faults.is_empty() { Ok(Self { exclude, glob, rules, allowed }) } else { Err(faults) }
    }

    /// Decides about a path below the request's folder. `folder` is the name of the folder that it is in,
    /// and `matched` says whether that folder was taken as a whole.
    pub(super) fn decide(&self, folder: &[u8], name: &[u8], path: &[u8], is_folder: bool, matched: bool) -> Decision {
        let file = Path::new(OsStr::from_bytes(path));
        let matched = matched || self.glob.as_ref().is_none_or(|glob| glob.matcher.is_match(file));
        let enters = is_folder && self.may_hold_matches(path);
        if !(matched || enters) {
            return Decision::Ignore;
        }
        let why = self.excluded(file, is_folder).or_else(|| self.denied(folder, name).map(Why::Denied));
        match why {
            Some(why) if matched => Decision::Skip(why),
            Some(_) => Decision::Ignore,
            None if matched => Decision::Take,
            None => Decision::Enter,
        }
    }

    /// Returns the rule that denies a name in a folder.
    pub(super) fn denied(&self, folder: &[u8], name: &[u8]) -> Option<&'static str> {
        self.rules.iter().find(|rule| rule.matches(folder, name)).map(|rule| rule.name).filter(|_| !self.is_allowed(folder, name))
    }

    /// Returns the rule that denies one of the names of a relative path.
    pub(super) fn denied_path(&self, path: &[u8]) -> Option<&'static str> {
        let mut folder: &[u8] = b"";
        path.split(|byte| *byte == b'/').find_map(|name| self.denied(std::mem::replace(&mut folder, name), name))
    }

    /// Says how much of a file must be seen to decide about it.
    pub(super) fn must_see(&self, name: &[u8]) -> Option<usize> {
        let holds = || self.rules.iter().any(|rule| rule.name == PRIVATE_KEY) && !self.is_allowed(b"", name);
        (may_be_key(name) && holds()).then_some(KEY_BYTES)
    }

    /// Returns the rule that denies a file with this beginning.
    pub(super) fn denied_content(beginning: &[u8]) -> Option<&'static str> {
        holds_key(beginning).then_some(PRIVATE_KEY)
    }

    fn is_allowed(&self, folder: &[u8], name: &[u8]) -> bool {
        self.allowed.iter().any(|allowed| match allowed.rsplit_once('/') {
            Some((above, allowed)) => above.as_bytes() == folder && allowed.as_bytes() == name,
            None => allowed.as_bytes() == name,
        })
    }

    fn excluded(&self, path: &Path, is_folder: bool) -> Option<Why> {
        match self.exclude.matched(path, is_folder) {
            ignore::Match::Ignore(glob) => Some(Why::Excluded(glob.original().to_owned())),
            ignore::Match::None | ignore::Match::Whitelist(_) => None,
        }
    }

    fn may_hold_matches(&self, path: &[u8]) -> bool {
        let names = path.split(|byte| *byte == b'/').count();
        self.glob.as_ref().and_then(|glob| glob.depth).is_none_or(|depth| names < depth)
    }
}

impl Pattern {
    fn new(glob: &str) -> Result<Self, globset::Error> {
        let matcher = GlobBuilder::new(glob).literal_separator(true).backslash_escape(true).build()?.compile_matcher();
        // A slash within braces makes one part of the pattern match several names.
        let bounded = !glob.contains("**") && !glob.contains('{');
        Ok(Self { matcher, depth: bounded.then(|| glob.split('/').count()) })
    }
}

/// Splits a path into the folder before its first glob sign and the glob, if it has one.
pub(super) fn split_glob(path: &str) -> Option<(&str, &str)> {
    let magic = path.find(['*', '?', '[', '{'])?;
    Some(match path[..magic].rfind('/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => ("", path),
    })
}

/// Says whether any rule may deny a name, written with or without the folder that it is in.
fn is_denied(name: &[u8]) -> bool {
    let (folder, name) = match name.iter().rposition(|byte| *byte == b'/') {
        Some(slash) => (&name[..slash], &name[slash + 1..]),
        None => (&b""[..], name),
    };
    may_be_key(name) || DENY_RULES.iter().any(|rule| rule.matches(folder, name))
}

fn malformed(pattern: &str, error: &dyn std::error::Error) -> FileFault {
    FileFault::Pattern { pattern: HostPath::new(pattern.as_bytes()), reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rootfs::{ImagePath, PathFault};

    #[test]
    fn globs_are_split_at_their_first_sign() {
        for (path, expected) in [
            ("dist/a", None),
            ("*.js", Some(("", "*.js"))),
            ("dist/*.js", Some(("dist", "*.js"))),
            ("a/b{c,d}/e", Some(("a", "b{c,d}/e"))),
            ("a/b/**/x?", Some(("a/b", "**/x?"))),
        ] {
            assert_eq!(split_glob(path), expected, "{path}");
        }
    }

    #[test]
    fn excludes_come_before_denials_and_do_not_lift_them() -> Result<(), PathFault> {
        let mut request = Request::new(".", crate::recipe::Destination::At(ImagePath::new(b"app")?));
        request.exclude = ["*.map", "!keep.map", "/top", "!.env"].map(str::to_owned).to_vec();
        let choice = Choice::new(&request, None).expect("the patterns are well formed");
        let excluded = |pattern: &str| Decision::Skip(Why::Excluded(pattern.to_owned()));
        for (path, is_folder, expected) in [
            ("a/x.map", false, excluded("*.map")),
            ("a/keep.map", false, Decision::Take),
            ("top", true, excluded("/top")),
            ("a/top", true, Decision::Take),
            ("a/.env", false, Decision::Skip(Why::Denied("env"))),
        ] {
            let name = path.rsplit('/').next().unwrap_or_default();
            assert_eq!(choice.decide(b"", name.as_bytes(), path.as_bytes(), is_folder, true), expected, "{path}");
        }
        Ok(())
    }

    #[test]
    fn a_bounded_glob_does_not_search_deeper_than_it_can_match() -> Result<(), PathFault> {
        let request = Request::new("*/x", crate::recipe::Destination::At(ImagePath::new(b"app")?));
        let choice = Choice::new(&request, Some("*/x")).expect("the patterns are well formed");
        let decide = |path: &str, is_folder| choice.decide(b"", b"n", path.as_bytes(), is_folder, false);
        assert_eq!(decide("a", true), Decision::Enter);
        assert_eq!(decide("a", false), Decision::Ignore);
        assert_eq!(decide("a/b", true), Decision::Ignore);
        assert_eq!(decide("a/x", true), Decision::Take);
        Ok(())
    }
}
