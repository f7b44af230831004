use std::collections::BTreeSet;

use super::sources::{Generated, Sources};
use crate::base::debian::files::symlink;

/// How deep modules may depend on each other.
const DEPTH: usize = 8;

/// What scripts have switched on in Apache so far.
struct Enabled<'a> {
    sources: &'a Sources<'a>,
    modules: BTreeSet<String>,
    configurations: BTreeSet<String>,
    sites: BTreeSet<String>,
}

/// Returns the links by which Apache reads modules, configurations and sites: what scripts switch on with `a2enmod`, `a2enconf` and `a2ensite`, or with
/// `apache2_invoke` and `apache2_switch_mpm` of Debian's `apache2-maintscript-helper`. Apache's own script comes first, as in an installation.
pub(in crate::base::debian) fn enabled_links(sources: &Sources<'_>) -> Vec<Generated> {
    let mut enabled = Enabled { sources, modules: BTreeSet::new(), configurations: BTreeSet::new(), sites: BTreeSet::new() };
    let mut commands: Vec<_> = sources.commands().collect();
    commands.sort_by_key(|(package, _)| (*package != "apache2", *package));
    for (_, words) in commands {
        enabled.command(words);
    }
    enabled.links()
}

impl Enabled<'_> {
    fn command(&mut self, words: &[String]) {
        let (tool, rest) = match (words[0].as_str(), words.get(1)) {
            ("a2enmod" | "a2enconf" | "a2ensite", _) => (words[0].trim_start_matches("a2"), &words[1..]),
            ("apache2_switch_mpm", Some(mpm)) => return self.switch_mpm(mpm.trim_start_matches("mpm_")),
            ("apache2_invoke", Some(tool)) => (tool.as_str(), &words[2..]),
            _ => return,
        };
        for name in rest.iter().filter(|word| !word.starts_with('-') && !word.contains('/')) {
            match tool {
                "enmod" => self.enable_module(name, DEPTH),
                "enconf" if self.has("conf", name, "conf") => drop(self.configurations.insert(name.clone())),
                "ensite" if self.has("sites", name, "conf") => drop(self.sites.insert(name.clone())),
                _ => {}
            }
            if tool != "enmod" && words[0] == "apache2_invoke" {
                return;
            }
        }
    }

    fn has(&self, kind: &str, name: &str, suffix: &str) -> bool {
        self.sources.has(&format!("etc/apache2/{kind}-available/{name}.{suffix}"))
    }

    /// Switches a module on behind those that it depends on, unless it conflicts with one.
    fn enable_module(&mut self, name: &str, depth: usize) {
        let is_threaded = self.modules.iter().any(|module| matches!(module.as_str(), "mpm_event" | "mpm_worker"));
        let name = if name == "cgi" && is_threaded { "cgid" } else { name };
        if depth == 0 || self.modules.contains(name) || !self.has("mods", name, "load") {
            return;
        }
        let text =
            self.sources.content(&format!("etc/apache2/mods-available/{name}.load")).map(String::from_utf8_lossy).unwrap_or_default();
        for needed in named(&text, "Depends") {
            self.enable_module(needed, depth - 1);
        }
        let conflicts = named(&text, "Conflicts").any(|other| self.modules.contains(other));
        if !conflicts && named(&text, "Depends").all(|needed| self.modules.contains(needed)) {
            self.modules.insert(name.to_owned());
        }
    }

    /// Switches to another processing model: `prefork`.
    fn switch_mpm(&mut self, mpm: &str) {
        let module = format!("mpm_{mpm}");
        if self.has("mods", &module, "load") {
            self.modules.retain(|module| !matches!(module.as_str(), "mpm_event" | "mpm_worker" | "mpm_prefork"));
            self.enable_module(&module, DEPTH);
        }
    }

    fn links(&self) -> Vec<Generated> {
        let link = |kind: &str, name: &str, suffix: &str| {
            (format!("etc/apache2/{kind}-enabled/{name}.{suffix}"), symlink(&format!("../{kind}-available/{name}.{suffix}")))
        };
        let mut made = Vec::new();
        for name in &self.modules {
            made.push(link("mods", name, "load"));
            if self.has("mods", name, "conf") {
                made.push(link("mods", name, "conf"));
            }
        }
        made.extend(self.configurations.iter().map(|name| link("conf", name, "conf")));
        made.extend(self.sites.iter().map(|name| link("sites", name, "conf")));
        made
    }
}

/// Returns the modules that a line `# Depends: one two` or `# Conflicts: one two` of a module's file names.
fn named<'t>(text: &'t str, field: &str) -> impl Iterator<Item = &'t str> {
    let prefix = format!("# {field}:");
    let lines: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix(&prefix)).collect();
    lines.into_iter().flat_map(str::split_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_name_what_they_depend_on() {
        let text = "# Conflicts: php5 php7\n# Depends: mpm_prefork\nLoadModule php_module /usr/lib/x.so\n";
        assert_eq!(named(text, "Depends").collect::<Vec<_>>(), ["mpm_prefork"]);
        assert_eq!(named(text, "Conflicts").collect::<Vec<_>>(), ["php5", "php7"]);
    }
}
