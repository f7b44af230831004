use std::sync::OnceLock;

use crate::lock::LeftOutPackage;
use crate::ops::Tools;
use crate::package::debian::Index;
use crate::plan::WhoHas;

use super::choose::indexes_of;

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
    ("/usr/bin/perl", "perl-base"),
    ("/usr/bin/python3", "python3-minimal"),
    ("/usr/bin/node", "nodejs"),
    ("/bin/sh", "dash"),
    ("/usr/bin/sh", "dash"),
    ("/bin/bash", "bash"),
    ("/usr/bin/bash", "bash"),
    ("/usr/bin/env", "coreutils"),
];

/// Knows Debian's packages by the libraries that they are named after (Debian policy, section 8.1).
pub(in crate::ops) struct DebianNames<'a> {
    /// What was left out of this image.
    pub(in crate::ops) left_out: &'a [LeftOutPackage],
    /// What is needed to look at the archive's list, and the architecture.
    pub(in crate::ops) archive: Option<(&'a str, &'a str, &'a Tools)>,
    pub(in crate::ops) indexes: OnceLock<Vec<Index>>,
}

impl std::fmt::Debug for DebianNames<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("DebianNames").field("left_out", &self.left_out.len()).finish_non_exhaustive()
    }
}

impl WhoHas for DebianNames<'_> {
    fn package_with(&self, name: &str) -> Option<String> {
        let stem = stem(name)?;
        if let Some(left_out) = self.left_out.iter().find(|left_out| is_named(&left_out.name, &stem)) {
            return Some(left_out.name.clone());
        }
        // Only where something is missing is the archive's list worth its time.
        let indexes = self
            .indexes
            .get_or_init(|| self.archive.map(|(suite, architecture, tools)| indexes_of(suite, architecture, tools)).unwrap_or_default());
        let records = indexes.iter().flat_map(Index::records);
        let mut names: Vec<&str> = records.map(|record| record.name()).filter(|package| is_named(package, &stem)).collect();
        names.sort_by_key(|name| (name.len(), *name));
        names.first().map(|name| (*name).to_owned())
    }
}

/// Returns what the package of a library is called, up to a suffix of a transition.
fn stem(name: &str) -> Option<String> {
    if let Some((_, package)) = KNOWN.iter().find(|(known, _)| *known == name) {
        return Some((*package).to_owned());
    }
    if name.starts_with("ld-linux") {
        return Some("libc6".to_owned());
    }
    let (library, version) = name.split_once(".so.").or_else(|| Some((name.strip_suffix(".so")?, "")))?;
    let library = library.to_lowercase().replace('_', "-");
    let dash = if library.ends_with(|last: char| last.is_ascii_digit()) && !version.is_empty() { "-" } else { "" };
    Some(format!("{library}{dash}{version}"))
}

/// Says whether a package is called like this, or with a letter or `t64` behind it as after a transition.
fn is_named(package: &str, stem: &str) -> bool {
    let Some(rest) = package.strip_prefix(stem) else { return false };
    let rest = rest.strip_suffix("t64").unwrap_or(rest);
    rest.is_empty() || rest.len() == 1 && rest.bytes().all(|byte| byte.is_ascii_lowercase())
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
            ("/usr/bin/perl", "perl-base"),
        ] {
            assert!(stem(library).is_some_and(|stem| is_named(package, &stem)), "{library} {package}");
        }
        assert!(!is_named("libssl3-dev", "libssl3") && !is_named("libssl", "libssl3"));
        assert_eq!(stem("GLIBC_2.38"), None);
    }
}
