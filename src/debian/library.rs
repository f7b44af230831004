/// Libraries and interpreters whose packages are not called after them.
const KNOWN: &[(&str, &str)] = &[
    ("libm.so.6", "libc6"),
    ("libdl.so.2", "libc6"),
    ("libpthread.so.0", "libc6"),
    ("librt.so.1", "libc6"),
    ("libresolv.so.2", "libc6"),
    ("libutil.so.1", "libc6"),
    ("libmvec.so.1", "libc6"),
    ("libBrokenLocale.so.1", "libc6"),
    ("libz.so.1", "zlib1g"),
    ("libcrypto.so.3", "libssl3"),
    ("libbz2.so.1.0", "libbz2-1.0"),
    ("libGLU.so.1", "libglu1-mesa"),
    ("libjack.so.0", "libjack-jackd2-0"),
    ("/usr/bin/perl", "perl-base"),
    ("/usr/bin/python3", "python3-minimal"),
    ("/usr/bin/node", "nodejs"),
    ("/bin/sh", "dash"),
    ("/usr/bin/sh", "dash"),
    ("/bin/bash", "bash"),
    ("/usr/bin/bash", "bash"),
    ("/usr/bin/env", "coreutils"),
];

/// The name of the package that has a library, by the rule of Debian policy, section 8.1, without the suffix of an ABI transition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LibraryPackage(String);

impl LibraryPackage {
    /// Derives the name from a library's file name or an interpreter's path; `None` for what no package is named after.
    pub fn of(name: &str) -> Option<Self> {
        if let Some((_, package)) = KNOWN.iter().find(|(known, _)| *known == name) {
            return Some(Self((*package).to_owned()));
        }
        if name.starts_with("ld-linux") {
            return Some(Self("libc6".to_owned()));
        }
        let (library, version) = name.split_once(".so.").or_else(|| Some((name.strip_suffix(".so")?, "")))?;
        let library = library.to_lowercase().replace('_', "-");
        let dash = if library.ends_with(|last: char| last.is_ascii_digit()) && !version.is_empty() { "-" } else { "" };
        Some(Self(format!("{library}{dash}{version}")))
    }

    /// Says whether a package is called like this, or with a letter or `t64` behind it as after a transition.
    pub fn is_named(&self, package: &str) -> bool {
        let Some(rest) = package.strip_prefix(self.0.as_str()) else { return false };
        let rest = rest.strip_suffix("t64").unwrap_or(rest);
        rest.is_empty() || rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_lead_to_their_packages() {
        for (library, package) in [
            ("libssl.so.3", "libssl3t64"),
            ("libcrypto.so.3", "libssl3t64"),
            ("libharfbuzz.so.0", "libharfbuzz0b"),
            ("libgssapi_krb5.so.2", "libgssapi-krb5-2"),
            ("libgcc_s.so.1", "libgcc-s1"),
            ("libstdc++.so.6", "libstdc++6"),
            ("libc.so.6", "libc6"),
            ("ld-linux-aarch64.so.1", "libc6"),
            ("libz.so.1", "zlib1g"),
            ("libpq.so.5", "libpq5"),
            ("libGLU.so.1", "libglu1-mesa"),
            ("libglut.so.3.12", "libglut3.12"),
            ("/usr/bin/perl", "perl-base"),
        ] {
            assert!(LibraryPackage::of(library).is_some_and(|library| library.is_named(package)), "{library} {package}");
        }
        let openssl = LibraryPackage::of("libssl.so.3").unwrap();
        assert!(!openssl.is_named("libssl3-dev") && !openssl.is_named("libssl"));
        assert_eq!(LibraryPackage::of("GLIBC_2.38"), None);
    }
}
