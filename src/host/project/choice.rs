use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::deny::{Named, PRIVATE_KEY};
use super::{DENY_RULES, DenyRule, FileFault, HostPath, Request, Why};
use crate::diagnostic::nearest;

/// Which files of a folder a request takes.
#[derive(Debug)]
pub(super) struct Choice {
    exclude: Gitignore,
    glob: Option<Pattern>,
    rules: Vec<&'static DenyRule>,
    /// Names that are taken though a rule denies them, some with folders that they are in.
    allowed: Vec<String>,
    /// Those of them that no rule denies by name: files of these names must exist.
    unproved: Vec<String>,
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
        let is_rule = |name: &&String| DENY_RULES.iter().any(|rule| rule.name == **name);
        let allowed: Vec<String> = request.allow.iter().filter(|name| !is_rule(name)).cloned().collect();
        let unproved: Vec<String> = allowed.iter().filter(|name| !is_denied(name.as_bytes())).cloned().collect();
        let glob = glob.and_then(|glob| Pattern::new(glob).map_err(|error| faults.push(malformed(glob, &error))).ok());
        let rules = DENY_RULES.iter().filter(|rule| !request.allow.iter().any(|name| name == rule.name)).collect();
        if faults.is_empty() {
            return Ok(Self { exclude, glob, rules, allowed, unproved });
        }
        // No files are looked at, so that only what is nearly the name of a rule is known to be wrong.
        let misspelt = unproved.iter().map(|name| unknown(name));
        faults.extend(misspelt.filter(|fault| matches!(fault, FileFault::UnknownRule { nearest: Some(_), .. })));
        Err(faults)
    }

    /// Decides about a path below the request's folder. `named` is what it is called, and `matched` says whether the folder that it is in was
    /// taken as a whole.
    pub(super) fn decide(&self, named: Named<'_>, path: &[u8], is_folder: bool, matched: bool) -> Decision {
        let file = Path::new(OsStr::from_bytes(path));
        let matched = matched || self.glob.as_ref().is_none_or(|glob| glob.matcher.is_match(file));
        let enters = is_folder && self.may_hold_matches(path);
        if !(matched || enters) {
            return Decision::Ignore;
        }
        let why = self.excluded(file, is_folder).or_else(|| self.denied(named).map(Why::Denied));
        match why {
            Some(why) if matched => Decision::Skip(why),
            Some(_) => Decision::Ignore,
            None if matched => Decision::Take,
            None => Decision::Enter,
        }
    }

    /// Returns the rule that denies a name in a folder.
    pub(super) fn denied(&self, named: Named<'_>) -> Option<&'static str> {
        self.rules.iter().find(|rule| rule.matches(named)).map(|rule| rule.name).filter(|_| !self.is_allowed(named))
    }

    /// Returns the rule that denies one of the names of a path, of which the first `skipped` bytes are only what the others are in.
    pub(super) fn denied_path(&self, path: &[u8], skipped: usize) -> Option<&'static str> {
        let ends = (skipped + 1..=path.len()).filter(|end| path.get(*end).is_none_or(|byte| *byte == b'/'));
        ends.filter(|end| path[end - 1] != b'/').find_map(|end| self.denied(Named::of(&path[..end])))
    }

    /// Returns the rule that says of the folder with all files that it, or one above it, never belongs in an image. `root` is absolute.
    pub(super) fn denied_root(&self, root: &[u8]) -> Option<&'static str> {
        let ends = (1..=root.len()).filter(|end| root.get(*end).is_none_or(|byte| *byte == b'/'));
        let folders = ends.map(|end| Named::of(&root[..end])).filter(|folder| !self.is_allowed(*folder));
        folders.into_iter().find_map(|folder| self.rules.iter().find(|rule| rule.denies_all_below(folder))).map(|rule| rule.name)
    }

    /// Returns the rule by which the content of a file decides about it.
    pub(super) fn searched(&self, named: Named<'_>) -> Option<&'static str> {
        self.rules.iter().find(|rule| rule.searches(named)).map(|rule| rule.name).filter(|_| !self.is_allowed(named))
    }

    /// Says whether a file is taken with a private key in it.
    pub(super) fn allows_key(&self, named: Named<'_>) -> bool {
        self.rules.iter().all(|rule| rule.name != PRIVATE_KEY) || self.is_allowed(named)
    }

    /// Says whether any name is allowed.
    pub(super) fn allows_any(&self) -> bool {
        !self.allowed.is_empty() || self.rules.len() < DENY_RULES.len()
    }

    /// Returns a fault for each name that is allowed, is on no list, and is that of no file, as `is_called` says.
    pub(super) fn unknown(&self, is_called: &dyn Fn(&str) -> bool) -> Vec<FileFault> {
        self.unproved.iter().filter(|name| !is_called(name)).map(|name| unknown(name)).collect()
    }

    fn is_allowed(&self, named: Named<'_>) -> bool {
        self.allowed.iter().any(|allowed| named.is_written(allowed))
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

/// Says whether any rule may deny a name, written with or without folders that it is in.
fn is_denied(name: &[u8]) -> bool {
    DENY_RULES.iter().any(|rule| rule.matches(Named::of(name)) || rule.searches(Named::of(name)))
}

fn unknown(name: &str) -> FileFault {
    let nearest = nearest(name, DENY_RULES.iter().map(|rule| rule.name));
    FileFault::UnknownRule { name: HostPath::new(name.as_bytes()), nearest }
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
            assert_eq!(choice.decide(Named::of(path.as_bytes()), path.as_bytes(), is_folder, true), expected, "{path}");
        }
        Ok(())
    }

    #[test]
    fn a_bounded_glob_does_not_search_deeper_than_it_can_match() -> Result<(), PathFault> {
        let request = Request::new("*/x", crate::recipe::Destination::At(ImagePath::new(b"app")?));
        let choice = Choice::new(&request, Some("*/x")).expect("the patterns are well formed");
        let decide = |path: &str, is_folder| choice.decide(Named::of(b"n"), path.as_bytes(), is_folder, false);
        assert_eq!(decide("a", true), Decision::Enter);
        assert_eq!(decide("a", false), Decision::Ignore);
        assert_eq!(decide("a/b", true), Decision::Ignore);
        assert_eq!(decide("a/x", true), Decision::Take);
        Ok(())
    }

    #[test]
    fn folders_above_the_root_count_only_if_they_never_belong_in_an_image() -> Result<(), PathFault> {
        let mut request = Request::new(".", crate::recipe::Destination::At(ImagePath::new(b"app")?));
        let choice = |request: &Request| Choice::new(request, None).expect("there are no patterns");
        for (root, expected) in [
            ("/home/me/project", None),
            ("/home/me/.aws", Some("aws")),
            ("/home/me/.SSH/keys", Some("ssh")),
            ("/home/me/.config/gcloud/logs", Some("gcloud")),
            ("/home/me/.config/app", None),
            ("/home/me/prod.env/app", None),
            ("/home/me/kubeconfig", None),
            ("/", None),
        ] {
            assert_eq!(choice(&request).denied_root(root.as_bytes()), expected, "{root}");
        }
        request.allow = vec!["aws".to_owned()];
        assert_eq!(choice(&request).denied_root(b"/home/me/.aws"), None);
        request.allow = vec![".aws".to_owned()];
        assert_eq!(choice(&request).denied_root(b"/home/me/.aws/x"), None);
        Ok(())
    }

    #[test]
    fn names_above_a_skipped_part_are_only_what_the_others_are_in() -> Result<(), PathFault> {
        let choice = Choice::new(&Request::new(".", crate::recipe::Destination::At(ImagePath::new(b"app")?)), None).expect("none");
        for (path, skipped, expected) in [
            ("a/.env", 0, Some("env")),
            ("a/.env/b", 0, Some("env")),
            ("home/.env/a/b", 9, None),
            ("home/.config/gcloud", 12, Some("gcloud")),
            ("home/.config/gcloud", 19, None),
            ("", 0, None),
        ] {
            assert_eq!(choice.denied_path(path.as_bytes(), skipped), expected, "{path}");
        }
        Ok(())
    }
}
