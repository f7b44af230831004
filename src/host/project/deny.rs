use super::glob;

/// A rule of the default deny list: what is left out of images unless the recipe allows it by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DenyRule {
    /// The name, as `allow` takes it.
    pub name: &'static str,
    /// Names, or a name and the folders that it is in; a `*` stands for any part of a name. Case does not matter. A `/` at the end says that it is
    /// the name of a folder, and that nothing that is anywhere below it belongs in an image either.
    pub patterns: &'static [&'static str],
    /// Names that the patterns match and that are harmless.
    pub except: &'static [&'static str],
    /// Names that are denied only for what the files hold.
    pub searched: &'static [&'static str],
    /// Why it never belongs in an image.
    pub why: &'static str,
}

/// The rule about private keys, which are looked for in all files.
pub const PRIVATE_KEY: &str = "private-key";
/// The rule about files of Maven, which hold passwords or not.
pub(super) const MAVEN: &str = "maven";

const CREDENTIALS: &str = "it holds credentials";
const TOKENS: &str = "it holds registry tokens";
const KEY: &str = "it holds a private key";
const KEYS: &str = "it holds private keys";

/// What the names of examples end with.
const EXAMPLES: &[&str] = &[
    "*.example",
    "*.sample",
    "*.template",
    "*.tmpl",
    "*.dist",
    "*-example",
    "*-sample",
    "*-template",
    "*-dist",
    "*_example",
    "*_sample",
    "*_template",
    "example.env",
    "sample.env",
    "template.env",
    "example.tfvars",
    "sample.tfvars",
    "template.tfvars",
];

/// What is added to a file's name when it is kept beside its successor.
const COPIES: [&str; 7] = ["~", ".bak", ".backup", ".old", ".orig", ".save", ".swp"];

/// The version of the deny list, which locks name: it says what an image contains. It is raised whenever a rule takes or leaves other
/// files than before.
pub const DENY_LIST_VERSION: u32 = 2;

/// The default deny list.
#[rustfmt::skip]
pub const DENY_RULES: &[DenyRule] = &[
    rule("git", &[".git/"], "the history contains deleted files, and its configuration may hold credentials"),
    rule("mercurial", &[".hg/"], "the history contains deleted files"),
    rule("subversion", &[".svn/"], "it holds a second copy of all files, and may hold credentials"),
    DenyRule { except: EXAMPLES,
        ..rule("env", &[".env", ".env.*", ".env-*", "*.env", ".envrc"], "give secrets to a container when it starts, and do not store them in its image") },
    rule("npmrc", &[".npmrc"], TOKENS),
    rule("netrc", &[".netrc", "_netrc"], CREDENTIALS),
    rule("pypirc", &[".pypirc"], TOKENS),
    rule("gem", &[".gem/credentials", ".local/share/gem/credentials"], TOKENS),
    DenyRule { searched: &[".m2/settings.xml"], ..rule(MAVEN, &[".m2/settings-security.xml"], "it holds passwords") },
    rule("composer", &[".composer/auth.json", ".config/composer/auth.json"], TOKENS),
    rule("git-credentials", &[".git-credentials", ".config/git/credentials"], CREDENTIALS),
    rule("gh", &[".config/gh/", ".config/hub/", ".config/glab-cli/"], "it holds tokens"),
    DenyRule { searched: &["*.pem", "*.key"],
        ..rule(PRIVATE_KEY, &["id_rsa", "id_dsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk", "deploy_key", "*.ppk"], KEY) },
    rule("keystore", &["*.p12", "*.pfx", "*.jks", "*.keystore"], "it may hold private keys"),
    rule("keepass", &["*.kdbx"], "it holds passwords"),
    rule("ssh", &[".ssh/"], KEYS),
    rule("gnupg", &[".gnupg/"], KEYS),
    rule("aws", &[".aws/"], CREDENTIALS),
    rule("s3cfg", &[".s3cfg"], CREDENTIALS),
    rule("boto", &[".boto"], CREDENTIALS),
    rule("azure", &[".azure/"], CREDENTIALS),
    rule("gcloud", &[".config/gcloud/", "application_default_credentials.json", "service-account.json", "service_account.json",
        "service-account-key.json", "service_account_key.json", "serviceaccountkey.json"], CREDENTIALS),
    rule("kube", &[".kube/", "kubeconfig", ".kubeconfig", "*.kubeconfig", "kubeconfig.yaml", "kubeconfig.yml", "kubeconfig.json"], CREDENTIALS),
    rule("docker", &[".docker/config.json", ".dockercfg", ".dockerconfigjson", ".config/containers/auth.json",
        "run/containers/auth.json", "run/user/*/containers/auth.json"], "it holds registry credentials"),
    rule("cargo", &[".cargo/credentials", ".cargo/credentials.toml"], TOKENS),
    DenyRule { except: EXAMPLES,
        ..rule("terraform", &[".terraform/", "*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json", ".terraformrc", "terraform.rc",
            "credentials.tfrc.json"], "state and variables hold secrets in plain text") },
    rule("vault", &[".vault-token"], CREDENTIALS),
    rule("pgpass", &[".pgpass"], CREDENTIALS),
    rule("mysql", &[".my.cnf", ".mylogin.cnf"], CREDENTIALS),
    rule("htpasswd", &[".htpasswd"], "it holds hashes of passwords"),
    rule("history", &[".*_history", "fish_history", ".history", ".histfile", ".zhistory", ".lesshst", ".viminfo", "consolehost_history.txt"],
        "what was typed may hold passwords"),
    rule("ds-store", &[".DS_Store"], "it names files that are not in the image, and changes by itself"),
];

const fn rule(name: &'static str, patterns: &'static [&'static str], why: &'static str) -> DenyRule {
    DenyRule { name, patterns, except: &[], searched: &[], why }
}

/// A name and the folders that it is in, as they are called: by the user, and on the host where links led elsewhere.
#[derive(Debug, Clone, Copy)]
pub(super) struct Named<'a> {
    pub(super) folders: [&'a [u8]; 2],
    pub(super) name: &'a [u8],
}

impl<'a> Named<'a> {
    /// Takes a path of which there is one form.
    pub(super) fn of(path: &'a [u8]) -> Self {
        let start = path.iter().rposition(|byte| *byte == b'/').map_or(0, |slash| slash + 1);
        Self { folders: [&path[..start.saturating_sub(1)]; 2], name: &path[start..] }
    }

    /// Says whether a pattern, or several joined by slashes, matches the end of the path.
    fn ends_with(self, pattern: &str, name: &[u8]) -> bool {
        let pattern = pattern.strip_suffix('/').unwrap_or(pattern);
        match pattern.rsplit_once('/') {
            Some((above, last)) => glob::matches(last, name) && self.folders.iter().any(|folder| glob::matches_end(above, folder)),
            None => glob::matches(pattern, name),
        }
    }

    /// Says whether the path ends with one that was written.
    pub(super) fn is_written(self, written: &str) -> bool {
        let (above, last) = written.rsplit_once('/').unwrap_or(("", written));
        let is_above = |folder: &&[u8]| {
            let rest = folder.strip_suffix(above.as_bytes());
            rest.is_some_and(|rest| above.is_empty() || rest.is_empty() || rest.ends_with(b"/"))
        };
        self.name == last.as_bytes() && self.folders.iter().any(is_above)
    }
}

impl DenyRule {
    /// Says whether the rule holds for a name in a folder, or for a copy of such a file that was kept beside it.
    pub(super) fn matches(&self, named: Named<'_>) -> bool {
        let is_denied = |name: &[u8]| self.patterns.iter().any(|pattern| named.ends_with(pattern, name));
        let original = original(named.name);
        (is_denied(named.name) || original.is_some_and(is_denied)) && !self.except.iter().any(|except| glob::matches(except, named.name))
    }

    /// Says whether nothing below a folder belongs in an image.
    pub(super) fn denies_all_below(&self, folder: Named<'_>) -> bool {
        self.patterns.iter().any(|pattern| pattern.ends_with('/') && folder.ends_with(pattern, folder.name))
    }

    /// Says whether what the file holds decides.
    pub(super) fn searches(&self, named: Named<'_>) -> bool {
        self.searched.iter().any(|pattern| named.ends_with(pattern, named.name))
    }
}

/// Returns the name of the file that this is a copy of, by its name: `id_rsa` for `id_rsa.bak`, `.env` for `#.env#`.
fn original(name: &[u8]) -> Option<&[u8]> {
    let kept = || COPIES.iter().find_map(|copy| name.strip_suffix(copy.as_bytes()));
    let edited = || name.strip_prefix(b"#")?.strip_suffix(b"#");
    kept().or_else(edited).filter(|original| !original.is_empty())
}

/// Says whether settings of Maven hold a password that is no placeholder, outside of comments.
pub(super) fn holds_password(settings: &[u8]) -> bool {
    let text = String::from_utf8_lossy(settings);
    let mut rest = &*text;
    while let Some(start) = rest.find('<') {
        rest = &rest[start..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            rest = comment.find("-->").map_or("", |end| &comment[end..]);
            continue;
        }
        let value = ["<password>", "<passphrase>"].iter().find_map(|tag| rest.strip_prefix(tag));
        if let Some(value) = value.map(|value| value.split('<').next().unwrap_or_default().trim())
            && !value.is_empty()
            && !(value.starts_with("${") && value.ends_with('}'))
        {
            return true;
        }
        rest = &rest[1..];
    }
    false
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
        let rules: Vec<_> = DENY_RULES.iter().map(|rule| (rule.name, rule.patterns, rule.except, rule.searched)).collect();
        let digest = Digest::of(format!("{rules:?} {COPIES:?}").as_bytes());
        assert_eq!((DENY_LIST_VERSION, &digest.hex()[..16]), (2, "05e4af0d88ea9e99"));
    }

    /// Paths, and the rule that leaves each out.
    const NAMES: &[(&str, Option<&str>)] = &[
        (".git", Some("git")),
        (".gitignore", None),
        (".env", Some("env")),
        (".env.production", Some("env")),
        (".ENV.local", Some("env")),
        (".env~", Some("env")),
        (".env-prod", Some("env")),
        ("prod.env", Some("env")),
        ("Prod.Env", Some("env")),
        ("#.env#", Some("env")),
        (".env.swp", Some("env")),
        (".env.example.com", Some("env")),
        (".env.example", None),
        (".env.local.example", None),
        (".env-sample", None),
        ("example.env", None),
        ("environment", None),
        ("env", None),
        (".environment", None),
        ("x.envelope", None),
        ("id_ed25519", Some("private-key")),
        ("id_rsa.bak", Some("private-key")),
        ("ID_RSA~", Some("private-key")),
        ("deploy_key", Some("private-key")),
        ("deploy_key.old", Some("private-key")),
        ("id_ed25519.pub", None),
        ("deploy_key.pub", None),
        ("store.P12", Some("keystore")),
        ("team.kdbx", Some("keepass")),
        (".config/gcloud", Some("gcloud")),
        ("home/.Config/gcloud", Some("gcloud")),
        ("gcloud", None),
        ("a.config/gcloud", None),
        (".docker/config.json", Some("docker")),
        (".docker/config.json.bak", Some("docker")),
        ("app/config.json", None),
        (".dockerconfigjson", Some("docker")),
        (".config/containers/auth.json", Some("docker")),
        ("run/containers/auth.json", Some("docker")),
        ("run/user/1000/containers/auth.json", Some("docker")),
        ("src/containers/auth.json", None),
        (".config/gh", Some("gh")),
        ("src/gh", None),
        (".gem/credentials", Some("gem")),
        ("gem/credentials.rb", None),
        (".composer/auth.json", Some("composer")),
        (".config/composer/auth.json", Some("composer")),
        ("kubeconfig", Some("kube")),
        ("prod.kubeconfig", Some("kube")),
        ("kubeconfig.go", None),
        ("terraform.tfstate.backup", Some("terraform")),
        ("prod.tfstate.1712", Some("terraform")),
        ("terraform.tfvars", Some("terraform")),
        ("prod.auto.tfvars.json", Some("terraform")),
        ("terraform.tfvars.example", None),
        (".terraformrc", Some("terraform")),
        (".terraform.d/credentials.tfrc.json", Some("terraform")),
        (".terraform.lock.hcl", None),
        ("main.tf", None),
        (".m2/settings-security.xml", Some("maven")),
        (".m2/settings.xml", None),
        (".my.cnf", Some("mysql")),
        ("my.cnf", None),
        (".s3cfg", Some("s3cfg")),
        (".boto", Some("boto")),
        (".htpasswd", Some("htpasswd")),
        (".bash_history", Some("history")),
        (".zsh_history", Some("history")),
        ("fish/fish_history", Some("history")),
        ("order_history", None),
        ("history", None),
        ("credentials", None),
        ("cert.pem", None),
        ("~", None),
    ];

    #[test]
    fn names_decide() {
        for (path, expected) in NAMES {
            let found = DENY_RULES.iter().find(|rule| rule.matches(Named::of(path.as_bytes()))).map(|rule| rule.name);
            assert_eq!(found, *expected, "{path}");
        }
    }

    #[test]
    fn folders_count_by_either_of_their_names() {
        let docker = DENY_RULES.iter().find(|rule| rule.name == "docker").unwrap();
        for (folders, expected) in [(["a", "home/.docker"], true), (["x/.docker", "b"], true), (["a", "b"], false), (["", ""], false)] {
            let named = Named { folders: folders.map(str::as_bytes), name: b"config.json" };
            assert_eq!(docker.matches(named), expected, "{folders:?}");
        }
    }

    #[test]
    fn what_is_written_is_the_end_of_a_path() {
        for (path, written, expected) in [
            ("a/b/c", "c", true),
            ("a/b/c", "b/c", true),
            ("a/b/c", "a/b/c", true),
            ("a/bb/c", "b/c", false),
            ("c", "b/c", false),
            ("a/C", "c", false),
        ] {
            assert_eq!(Named::of(path.as_bytes()).is_written(written), expected, "{path} {written}");
        }
    }

    #[test]
    fn passwords_of_maven_are_told_from_their_like() {
        let settings = |servers: &str| format!("<settings><servers><server><id>a</id>{servers}</server></servers></settings>");
        for (servers, expected) in [
            ("<password>secret</password>", true),
            ("<passphrase>\n  secret\n</passphrase>", true),
            ("<password>{COQLCE6DU6GtcS5P=}</password>", true),
            ("<password>${env.TOKEN}</password>", false),
            ("<password></password>", false),
            ("<password/>", false),
            ("<!-- <password>repopwd</password> -->", false),
            ("<!-- a --><password>secret</password>", true),
            ("<username>me</username>", false),
        ] {
            assert_eq!(holds_password(settings(servers).as_bytes()), expected, "{servers}");
        }
        assert!(!holds_password(b"<"));
    }
}
