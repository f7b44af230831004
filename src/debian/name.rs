/// Says whether a text is the name of a package: at least two of `a-z 0-9 + - .`, the first a letter or digit (policy 5.6.1).
pub fn is_package_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    (2..=128).contains(&bytes.len())
        && (bytes[0].is_ascii_lowercase() || bytes[0].is_ascii_digit())
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(byte))
}

/// Says whether a text is the name of an architecture: `a-z 0-9 -`, the first a letter or digit (policy 5.6.8).
pub fn is_architecture(text: &str) -> bool {
    let bytes = text.as_bytes();
    (1..=32).contains(&bytes.len())
        && bytes[0] != b'-'
        && bytes.iter().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-')
}

/// Says whether a text is a path below an archive's root that names one file only: printable ASCII without backslashes, no empty,
/// `.` or `..` part, not absolute, at most 1024 bytes.
pub fn is_archive_path(text: &str) -> bool {
    (1..=1024).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\')
        && text.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_keep_to_the_alphabet() {
        for good in ["libc6", "g++", "0ad", "libstdc++6", "python3.13-minimal", "a2"] {
            assert!(is_package_name(good), "{good}");
        }
        let long = "a".repeat(129);
        for bad in ["", "a", "-a", ".ab", "+ab", "Ab", "a_b", "a b", "a/b", "a\nb", "æøå", "a:b", long.as_str()] {
            assert!(!is_package_name(bad), "{bad:?}");
        }
        for (text, expected) in
            [("amd64", true), ("all", true), ("linux-any", true), ("", false), ("-x", false), ("AMD64", false), ("a.b", false)]
        {
            assert_eq!(is_architecture(text), expected, "{text:?}");
        }
    }

    #[test]
    fn paths_stay_below_the_root() {
        for good in
            ["pool/main/g/glibc/libc6_2.36-9+deb12u14_amd64.deb", "main/binary-amd64/Packages.xz", "a", "a/..b/c", "pool/x_1~2_all.deb"]
        {
            assert!(is_archive_path(good), "{good}");
        }
        let long = "a".repeat(1025);
        for bad in ["", "/a", "a/", "a//b", "../a", "a/../b", "a/..", "./a", "a/./b", "a b", "a\nb", "a\0b", "a\\b", "å", long.as_str()] {
            assert!(!is_archive_path(bad), "{bad:?}");
        }
    }
}
