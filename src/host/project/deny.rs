/// A rule of the default deny list: what is left out of images unless the recipe allows it by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenyRule {
    /// The name, as `allow` takes it.
    pub name: &'static str,
    /// Names, or a folder and a name in it, with at most one `*` at the beginning or the end. Case does not matter.
    pub patterns: &'static [&'static str],
    /// Names that the patterns match and that are harmless.
    pub except: &'static [&'static str],
    /// Why it never belongs in an image.
    pub why: &'static str,
}

/// The rule that also looks into files.
pub(super) const PRIVATE_KEY: &str = "private-key";

/// How much of a file is searched for a private key.
pub(super) const KEY_BYTES: usize = 64 * 1024;

/// The names of files that are searched for a private key.
const KEY_NAMES: [&str; 2] = ["*.pem", "*.key"];

/// What the frame of a private key holds.
const KEY_MARKS: [&str; 2] = ["PRIVATE KEY-----", "PRIVATE KEY BLOCK-----"];

const CREDENTIALS: &str = "it holds credentials";

/// The version of the deny list, which locks name: it says what an image contains. It is raised whenever a rule takes or leaves other
/// files than before.
pub const DENY_LIST_VERSION: u32 = 1;

/// The default deny list.
#[rustfmt::skip]
pub const DENY_RULES: &[DenyRule] = &[
    rule("git", &[".git"], "the history holds what was deleted, and its configuration may hold credentials"),
    rule("mercurial", &[".hg"], "the history holds what was deleted"),
    rule("subversion", &[".svn"], "it holds a second copy of all files, and may hold credentials"),
    DenyRule { except: &[".env.example", ".env.sample", ".env.template", ".env.dist"],
        ..rule("env", &[".env", ".env.*", ".envrc"], "secrets are given to a container when it starts, and not kept in its image") },
    rule("npmrc", &[".npmrc"], "it holds registry tokens"),
    rule("netrc", &[".netrc", "_netrc"], CREDENTIALS),
    rule("pypirc", &[".pypirc"], "it holds registry tokens"),
    rule("git-credentials", &[".git-credentials"], CREDENTIALS),
    rule(PRIVATE_KEY, &["id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "*.ppk"], "it holds a private key"),
    rule("keystore", &["*.p12", "*.pfx", "*.jks", "*.keystore"], "it may hold private keys"),
    rule("ssh", &[".ssh"], "it holds private keys"),
    rule("gnupg", &[".gnupg"], "it holds private keys"),
    rule("aws", &[".aws"], CREDENTIALS),
    rule("azure", &[".azure"], CREDENTIALS),
    rule("gcloud", &[".config/gcloud", "application_default_credentials.json"], CREDENTIALS),
    rule("kube", &[".kube"], CREDENTIALS),
    rule("docker", &[".docker/config.json", ".dockercfg"], "it holds registry credentials"),
    rule("cargo", &[".cargo/credentials", ".cargo/credentials.toml"], "it holds registry tokens"),
    rule("terraform", &[".terraform", "*.tfstate", "terraform.tfstate.*"], "the state holds secrets in plain text"),
    rule("vault", &[".vault-token"], CREDENTIALS),
    rule("pgpass", &[".pgpass"], CREDENTIALS),
    rule("ds-store", &[".DS_Store"], "it names files that are not in the image, and changes by itself"),
];

const fn rule(name: &'static str, patterns: &'static [&'static str], why: &'static str) -> DenyRule {
    DenyRule { name, patterns, except: &[], why }
}

impl DenyRule {
    /// Says whether the rule holds for a name in a folder.
    pub(super) fn matches(&self, folder: &[u8], name: &[u8]) -> bool {
        self.patterns.iter().any(|pattern| match pattern.split_once('/') {
            Some((above, pattern)) => matches_name(pattern, name) && matches_name(above, folder),
            None => matches_name(pattern, name),
        }) && !self.except.iter().any(|except| matches_name(except, name))
    }
}

/// Says whether a file's name suggests that it holds a key; its content decides.
pub(super) fn may_be_key(name: &[u8]) -> bool {
    KEY_NAMES.iter().any(|pattern| matches_name(pattern, name))
}

/// Says whether a file's beginning holds a private key in one of the textual forms (RFC 7468, OpenSSH, PGP).
pub(super) fn holds_key(bytes: &[u8]) -> bool {
    KEY_MARKS.iter().any(|mark| bytes.windows(mark.len()).any(|window| window == mark.as_bytes()))
}

fn matches_name(pattern: &str, name: &[u8]) -> bool {
    let pattern = pattern.as_bytes();
    match (pattern.strip_prefix(b"*"), pattern.strip_suffix(b"*")) {
        (Some(end), _) => name.len().checked_sub(end.len()).is_some_and(|start| name[start..].eq_ignore_ascii_case(end)),
        (_, Some(start)) => name.get(..start.len()).is_some_and(|name| name.eq_ignore_ascii_case(start)),
        _ => name.eq_ignore_ascii_case(pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    #[test]
    fn every_rule_has_its_own_name_and_a_reason() {
        for (index, rule) in DENY_RULES.iter().enumerate() {
            assert!(!rule.why.is_empty() && !rule.patterns.is_empty(), "{}", rule.name);
            assert!(DENY_RULES[..index].iter().all(|other| other.name != rule.name), "{}", rule.name);
        }
    }

    /// A change of what a rule takes needs a raised [`DENY_LIST_VERSION`], and the new digest here.
    #[test]
    fn the_version_is_that_of_these_rules() {
        let rules: Vec<_> = DENY_RULES.iter().map(|rule| (rule.name, rule.patterns, rule.except)).collect();
        let digest = Digest::of(format!("{rules:?} {KEY_BYTES} {KEY_NAMES:?} {KEY_MARKS:?}").as_bytes());
        assert_eq!((DENY_LIST_VERSION, &digest.hex()[..16]), (1, "e4995e2de64b20c5"));
    }

    #[test]
    fn names_decide() {
        for (folder, name, expected) in [
            ("", ".git", Some("git")),
            ("", ".gitignore", None),
            ("", ".env", Some("env")),
            ("", ".env.production", Some("env")),
            ("", ".ENV.local", Some("env")),
            ("", ".env.example", None),
            ("", "x.env", None),
            ("", "id_ed25519", Some("private-key")),
            ("", "id_ed25519.pub", None),
            ("", "store.P12", Some("keystore")),
            (".config", "gcloud", Some("gcloud")),
            ("", "gcloud", None),
            (".docker", "config.json", Some("docker")),
            ("app", "config.json", None),
            ("", "terraform.tfstate.backup", Some("terraform")),
            ("", "main.tf", None),
            ("", "credentials", None),
        ] {
            let found = DENY_RULES.iter().find(|rule| rule.matches(folder.as_bytes(), name.as_bytes())).map(|rule| rule.name);
            assert_eq!(found, expected, "{folder}/{name}");
        }
    }

    #[test]
    fn keys_are_known_by_their_frame() {
        assert!(holds_key(b"-----BEGIN CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\n"));
        assert!(holds_key(b"-----BEGIN PGP PRIVATE KEY BLOCK-----"));
        assert!(!holds_key(b"-----BEGIN PUBLIC KEY-----"));
        assert!(!holds_key(b""));
    }
}
