use std::collections::BTreeSet;

use super::Version;

/// Returns the CVE numbers in those entries of a changelog (deb-changelog(5)) that are newer than a version, sorted.
pub fn vulnerabilities_since(changelog: &str, since: &str) -> Vec<String> {
    let Ok(since) = since.parse::<Version>() else { return Vec::new() };
    let mut found = BTreeSet::new();
    for line in changelog.lines() {
        let is_heading = !line.starts_with([' ', '\t']) && line.contains("; urgency");
        if is_heading {
            let version =
                line.split_once('(').and_then(|(_, rest)| rest.split_once(')')).and_then(|(text, _)| text.parse::<Version>().ok());
            if version.is_none_or(|version| version <= since) {
                break;
            }
        }
        for (start, _) in line.match_indices("CVE-") {
            let name: String =
                line[start..].chars().take_while(|character| character.is_ascii_alphanumeric() || *character == '-').collect();
            let mut parts = name.split('-').skip(1);
            let is_number = |part: Option<&str>| part.is_some_and(|part| part.len() >= 4 && part.bytes().all(|byte| byte.is_ascii_digit()));
            if is_number(parts.next()) && is_number(parts.next()) {
                found.insert(name.trim_end_matches('-').to_owned());
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vulnerabilities_of_newer_entries_are_named() {
        let changelog = "openssl (3.5.9-1~deb13u1) trixie-security; urgency=medium\n\n  * New upstream:\n   - CVE-2026-1111 (a bug), CVE-2026-22222.\n   - CVE-2026-X\n\n -- A <a@b>  Mon\n\nopenssl (3.5.4-1) unstable; urgency=medium\n\n  * CVE-2025-1234\n";
        assert_eq!(vulnerabilities_since(changelog, "3.5.4-1"), ["CVE-2026-1111", "CVE-2026-22222"]);
        assert_eq!(vulnerabilities_since(changelog, "3.5.9-1~deb13u1"), [""; 0]);
        assert_eq!(vulnerabilities_since(changelog, "3.5.0-1").len(), 3);
    }
}
