use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::OnceLock;

use crate::net::Url;

/// The public suffix list, with its part of private domains (<https://publicsuffix.org/list/>), as it is published. CONTRIBUTING says how
/// it is renewed.
const LIST: &str = include_str!("public_suffix_list.dat");

/// The rules of the public suffix list, in the form in which URLs have their hosts: lower case, and international names in Punycode.
#[derive(Default)]
struct Rules {
    /// `co.uk`: the name is a suffix.
    names: BTreeSet<Cow<'static, str>>,
    /// `ck` for `*.ck`: each name directly below is a suffix.
    wildcards: BTreeSet<Cow<'static, str>>,
    /// `www.ck` for `!www.ck`: the name is none, whatever a wildcard says.
    exceptions: BTreeSet<Cow<'static, str>>,
}

impl Rules {
    fn read(list: &'static str) -> Self {
        let mut rules = Self::default();
        for line in list.lines() {
            let rule = line.split_whitespace().next().filter(|rule| !rule.starts_with("//"));
            let Some(rule) = rule else { continue };
            let (kind, name) = match (rule.strip_prefix('!'), rule.strip_prefix("*.")) {
                (Some(name), _) => (&mut rules.exceptions, name),
                (None, Some(name)) => (&mut rules.wildcards, name),
                (None, None) => (&mut rules.names, rule),
            };
            kind.extend(host_form(name));
        }
        rules
    }

    /// Returns where the longest suffix of a host begins among its labels. A top-level domain without a rule is a suffix.
    fn suffix_at(&self, labels: &[&str]) -> usize {
        for at in 0..labels.len() {
            let name = labels[at..].join(".");
            if self.exceptions.contains(name.as_str()) {
                return at + 1;
            }
            let above = labels[at + 1..].join(".");
            if self.names.contains(name.as_str()) || self.wildcards.contains(above.as_str()) {
                return at;
            }
        }
        labels.len().saturating_sub(1)
    }
}

/// Returns a name as a URL has it.
fn host_form(name: &'static str) -> Option<Cow<'static, str>> {
    if name.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_uppercase()) {
        return Some(Cow::Borrowed(name));
    }
    let url = Url::parse(&format!("https://{name}/")).ok()?;
    url.host_str().map(|host| Cow::Owned(host.to_owned()))
}

/// Returns the name that somebody registered: the public suffix of a host and one label more. `None` when the host is such a suffix itself, or no name.
///
/// The host is written as in a URL; one dot at its end is passed over.
pub(super) fn registered(host: &str) -> Option<String> {
    static RULES: OnceLock<Rules> = OnceLock::new();
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    let labels: Vec<&str> = host.split('.').collect();
    if labels.iter().any(|label| label.is_empty()) {
        return None;
    }
    let suffix = RULES.get_or_init(|| Rules::read(LIST)).suffix_at(&labels);
    suffix.checked_sub(1).map(|at| labels[at..].join("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The list's own examples (<https://github.com/publicsuffix/list>, `tests/test_psl.txt`), and registries.
    #[test]
    fn a_host_has_the_registered_name_that_the_list_gives_it() {
        for (host, expected) in [
            ("com", None),
            ("example.com", Some("example.com")),
            ("b.example.com", Some("example.com")),
            ("EXAMPLE.com.", Some("example.com")),
            (".example.com", None),
            ("example.com..", None),
            ("uk.com", None),
            ("b.example.uk.com", Some("example.uk.com")),
            ("ac", None),
            ("test.ac", Some("test.ac")),
            ("a.b.example.co.jp", Some("example.co.jp")),
            ("b.ide.kyoto.jp", Some("b.ide.kyoto.jp")),
            ("a.b.ide.kyoto.jp", Some("b.ide.kyoto.jp")),
            ("c.kobe.jp", None),
            ("b.c.kobe.jp", Some("b.c.kobe.jp")),
            ("city.kobe.jp", Some("city.kobe.jp")),
            ("www.city.kobe.jp", Some("city.kobe.jp")),
            ("ck", None),
            ("test.ck", None),
            ("b.test.ck", Some("b.test.ck")),
            ("www.www.ck", Some("www.ck")),
            ("k12.ak.us", None),
            ("test.k12.ak.us", Some("test.k12.ak.us")),
            ("a.unlisted", Some("a.unlisted")),
            ("localhost", None),
            ("xn--85x722f.xn--55qx5d.cn", Some("xn--85x722f.xn--55qx5d.cn")),
            ("www.xn--85x722f.xn--fiqs8s", Some("xn--85x722f.xn--fiqs8s")),
            ("xn--55qx5d.cn", None),
            ("eu.gcr.io", Some("gcr.io")),
            ("public.ecr.aws", Some("ecr.aws")),
            ("me.github.io", Some("me.github.io")),
        ] {
            assert_eq!(registered(host).as_deref(), expected, "{host}");
        }
    }

    #[test]
    fn the_whole_list_is_read() {
        let rules = Rules::read(LIST);
        let written = LIST.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("//")).count();
        assert_eq!(rules.names.len() + rules.wildcards.len() + rules.exceptions.len(), written);
        assert!(rules.exceptions.len() > 5 && rules.wildcards.len() > 100 && rules.names.len() > 9000);
        assert!(LIST.contains("Mozilla Public") && LIST.contains("// ===BEGIN PRIVATE DOMAINS==="));
    }
}
