use std::collections::BTreeMap;

use super::Check;
use crate::debian::{SUITES, flavour, flavours};
use crate::diagnostic::nearest;
use crate::recipe::model::{DebianArchive, DebianBase, Spanned};
use crate::recipe::node::At;
use crate::recipe::schema::{ArchiveKeys, DebianKeys};

/// How many layers packages become by default.
const LAYERS: u8 = 10;

impl Check<'_> {
    pub(super) fn debian(&mut self, at: At<'_>, keys: &DebianKeys) -> Option<DebianBase> {
        let archives = self.archives(at, keys.archives.as_deref().unwrap_or_default());
        let suite = self.suite(at, keys.suite.as_deref(), archives.is_empty());
        let mut wanted = BTreeMap::new();
        let mut of_flavour = None;
        if let Some(name) = &keys.flavour
            && let Some(flavour) = self.flavour(at.key("flavour"), name, suite.as_deref())
        {
            wanted.extend(flavour.packages.iter().map(|name| (name.clone(), None)));
            of_flavour = Some((flavour.exclude, flavour.entrypoint, flavour.environment));
        }
        let packages = self.texts(at.key("packages"), keys.packages.as_deref().unwrap_or_default());
        let mut spans = BTreeMap::new();
        for text in packages {
            let (name, version) = text.split_once('=').map_or((text.as_str(), None), |(name, version)| (name, Some(version)));
            if !is_package(name) || version.is_some_and(|version| !is_version(version)) {
                let hint = "write the name of a package, optionally with an exact version: `nginx`, `nginx=1.26.3-3+deb13u1`";
                self.fault(text.span.as_ref(), format!("`{}` is not a package", text.escape_debug()), "not a package", hint);
                continue;
            }
            if wanted.get(name).is_some_and(|known: &Option<String>| known.is_some()) {
                self.fault(text.span.as_ref(), format!("`packages` names `{name}` twice"), "once more", "keep one of them");
            }
            wanted.insert(name.to_owned(), version.map(str::to_owned));
            spans.insert(name.to_owned(), text.span.clone());
        }
        let mut exclude = self.patterns(at, "exclude", keys.exclude.as_deref());
        let keep = self.patterns(at, "keep", keys.keep.as_deref());
        if let Some(both) = keep.iter().find(|name| exclude.contains(name)) {
            let message = format!("`{both}` is in `keep` and in `exclude`");
            self.fault(at.key("keep").span(), message, "kept", "take it out of one of them");
        }
        let (of_flavour, entrypoint, environment) = of_flavour.unwrap_or_default();
        // What the recipe asks for goes before what its flavour leaves out.
        exclude.extend(of_flavour.into_iter().filter(|name| !keep.contains(name) && !wanted.contains_key(name)));
        exclude.sort();
        exclude.dedup();
        let certificates = self.project_files(at, "certificates", keys.certificates.as_deref());
        let more_keys = self.project_files(at, "keys", keys.keys.as_deref());
        let layers = match keys.layers.map(u8::try_from) {
            None => LAYERS,
            Some(Ok(layers)) if (2..=100).contains(&layers) => layers,
            Some(_) => {
                let message = format!("`base.debian.layers` is {}", at.key("layers").number(keys.layers.unwrap_or_default()));
                self.fault(at.key("layers").span(), message, "out of range", "write a number from 2 to 100: `layers = 10`");
                LAYERS
            }
        };
        let names_none = keys.packages.as_ref().is_none_or(Vec::is_empty) && keys.flavour.is_none();
        if names_none {
            let hint = "write `flavour = \"python3\"`, or `packages = [\"libc6\"]`, or both";
            self.fault(at.span(), "`base.debian` names no package".to_owned(), "names nothing", hint);
        }
        let slim = keys.slim.unwrap_or_default();
        (!names_none).then_some(DebianBase {
            suite,
            wanted,
            spans,
            exclude,
            keep,
            slim,
            certificates,
            keys: more_keys,
            archives,
            layers,
            entrypoint,
            environment,
        })
    }

    fn suite(&mut self, at: At<'_>, written: Option<&str>, alone: bool) -> Option<String> {
        let Some(written) = written else { return alone.then(|| SUITES[0].to_owned()) };
        let text = self.text(at.key("suite"), written)?;
        if SUITES.contains(&text.as_str()) {
            return Some(text);
        }
        let hint =
            "write `trixie` or `bookworm`; updates and security updates are included. Name the suite of another archive in `archives`";
        self.fault(at.key("suite").span(), format!("there is no suite `{}`", text.escape_debug()), "not known", hint);
        None
    }

    fn flavour(&mut self, at: At<'_>, written: &str, suite: Option<&str>) -> Option<crate::debian::Flavour> {
        let name = self.text(at, written)?;
        let Some(suite) = suite else {
            let hint = "write `suite = \"trixie\"` as well, or name the packages in `packages`";
            self.fault(
                at.span(),
                format!("the flavour `{}` consists of packages of Debian's archive", name.escape_debug()),
                "no suite",
                hint,
            );
            return None;
        };
        let found = flavour(&name, suite);
        if found.is_none() {
            let all: Vec<String> = flavours().map(|name| format!("`{name}`")).collect();
            let hint = nearest(&name, flavours())
                .map_or_else(|| format!("there are {}", all.join(", ")), |near| format!("write `flavour = \"{near}\"`"));
            self.fault(at.span(), format!("there is no flavour `{}`", name.escape_debug()), "not known", hint);
        }
        found
    }

    fn patterns(&mut self, at: At<'_>, key: &str, written: Option<&[String]>) -> Vec<String> {
        let texts = self.texts(at.key(key), written.unwrap_or_default());
        let mut patterns = Vec::new();
        for text in texts {
            if is_package(&text.replace('*', "a")) && !text.chars().all(|character| character == '*') {
                patterns.push(text.value);
            } else {
                let hint = format!("write names of packages, where `*` stands for any text: `{key} = [\"fonts-*\"]`");
                self.fault(
                    text.span.as_ref(),
                    format!("`{}` is neither a package name nor a pattern", text.escape_debug()),
                    "not a package",
                    hint,
                );
            }
        }
        patterns.sort();
        patterns.dedup();
        patterns
    }

    fn project_files(&mut self, at: At<'_>, key: &str, written: Option<&[String]>) -> Vec<Spanned<String>> {
        let texts = self.texts(at.key(key), written.unwrap_or_default());
        for text in texts.iter().filter(|text| text.trim().is_empty() || text.starts_with('/') || text.contains('\0')) {
            let hint = format!("write files relative to the recipe: `{key} = [\"corp.pem\"]`");
            self.fault(text.span.as_ref(), format!("`{}` is not a file of the project", text.escape_debug()), "not relative", hint);
        }
        texts
    }

    fn archives(&mut self, at: At<'_>, written: &[ArchiveKeys]) -> Vec<DebianArchive> {
        let at = at.key("archives");
        let archive = |(index, keys): (usize, &ArchiveKeys)| self.archive(at.index(index), keys);
        written.iter().enumerate().filter_map(archive).collect()
    }

    fn archive(&mut self, at: At<'_>, keys: &ArchiveKeys) -> Option<DebianArchive> {
        let hint = "write `archives = [{ url = \"https://deb.example.no/apt\", suite = \"stable\", keys = [\"apt.asc\"] }]`";
        for (key, is_written) in [("url", keys.url.is_some()), ("suite", keys.suite.is_some()), ("keys", keys.keys.is_some())] {
            if !is_written {
                self.missing(at.span(), format!("an archive has no `{key}`"), "incomplete", hint.to_owned());
            }
        }
        let url = keys.url.as_ref().and_then(|url| self.archive_url(at.key("url"), url, hint));
        let suite = keys.suite.as_ref().and_then(|suite| self.archive_name(at.key("suite"), suite, hint));
        let main = [Spanned { value: "main".to_owned(), span: None }];
        let components = match &keys.components {
            None => main.to_vec(),
            Some(written) => self.texts(at.key("components"), written),
        };
        let components = components.into_iter().filter_map(|component| self.name_in_archive(component, hint)).collect();
        let files = self.project_files(at, "keys", keys.keys.as_deref());
        if keys.keys.as_ref().is_some_and(Vec::is_empty) {
            self.fault(at.key("keys").span(), "an archive without keys cannot be trusted".to_owned(), "no key", hint);
        }
        let (url, suite) = (url?, suite?);
        keys.keys.as_ref()?;
        Some(DebianArchive { url: url.trim_end_matches('/').to_owned(), suite, components, keys: files, span: at.span().cloned() })
    }

    fn archive_url(&mut self, at: At<'_>, written: &str, hint: &str) -> Option<String> {
        let url = self.text(at, written)?;
        let address = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let host = address.map(|rest| rest.split('/').next().unwrap_or_default());
        let plain = !url.chars().any(|character| character.is_whitespace() || character.is_control()) && !url.contains(['?', '#']);
        if !plain || host.is_none_or(|host| host.is_empty() || host.contains('@')) {
            let message = format!("`{}` is not the URL of an archive", without_user(&url).escape_debug());
            self.fault(at.span(), message, "no address", hint);
            return None;
        }
        Some(url)
    }

    fn archive_name(&mut self, at: At<'_>, written: &str, hint: &str) -> Option<String> {
        let value = self.text(at, written)?;
        self.name_in_archive(Spanned { value, span: at.span().cloned() }, hint)
    }

    /// Reads the name of a suite or component.
    fn name_in_archive(&mut self, text: Spanned<String>, hint: &str) -> Option<String> {
        let parts = text.split('/').all(|part| !part.is_empty() && part != "." && part != "..");
        if parts && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._/+".contains(&byte)) {
            return Some(text.value);
        }
        self.fault(text.span.as_ref(), format!("`{}` is not the name of a suite or component", text.escape_debug()), "not a name", hint);
        None
    }
}

/// Returns an address without the user and password that may be in it.
fn without_user(url: &str) -> String {
    match url.split_once("://").and_then(|(scheme, rest)| Some((scheme, rest.rsplit_once('@')?.1))) {
        Some((scheme, rest)) => format!("{scheme}://{rest}"),
        None => url.to_owned(),
    }
}

// Debian policy, section 5.6.1: at least two characters of a small alphabet, beginning with a letter or digit.
fn is_package(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    first && name.len() >= 2 && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte))
}

// Debian policy, section 5.6.12.
fn is_version(version: &str) -> bool {
    let first = version.bytes().next().is_some_and(|byte| byte.is_ascii_digit());
    first && version.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".+-~:".contains(&byte))
}
