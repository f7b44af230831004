use crate::rootfs::{Letters, name_fits};

/// Says whether a name matches a pattern, in which each `*` stands for any part of a name. Case does not matter.
pub(super) fn matches(pattern: &str, name: &[u8]) -> bool {
    name_fits(pattern.as_bytes(), name, Letters::AnyCase)
}

/// Says whether the last names of a path match patterns, as many as there are.
pub(super) fn matches_end(patterns: &str, path: &[u8]) -> bool {
    let mut names = path.rsplit(|byte| *byte == b'/');
    patterns.rsplit('/').all(|pattern| names.next().is_some_and(|name| matches(pattern, name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_part_of_a_name() {
        for (pattern, name, expected) in [
            ("a", "A", true),
            ("a", "ab", false),
            ("*.env", ".env", true),
            ("*.env", "x.ENV", true),
            ("*.env", "env", false),
            (".env.*", ".env.", true),
            (".env.*", ".env", false),
            ("*.tfstate.*", "a.tfstate.b", true),
            ("*.tfstate.*", "a.tfstate", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "ac", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(matches(pattern, name.as_bytes()), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn patterns_match_the_end_of_a_path() {
        for (patterns, path, expected) in [(".config", "a/.config", true), ("b/c", "a/b/c", true), ("b/c", "c", false), ("c", "ac", false)]
        {
            assert_eq!(matches_end(patterns, path.as_bytes()), expected, "{patterns} {path}");
        }
    }
}
