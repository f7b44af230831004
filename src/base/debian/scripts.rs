use crate::debian::DebFacts;
use crate::rootfs::ImagePath;

/// The scripts that run when a package is installed. Those that run when it is removed never do here.
const SCRIPTS: &[&str] = &["preinst", "postinst"];
/// Parts that Debian's packaging tools add, and that do nothing an image would miss: caches of Python, menus and icons, services,
/// questions, and files that the tools move on an upgrade.
const HARMLESS_PARTS: &[&str] = &[
    "dh_installsystemd",
    "dh_installsystemduser",
    "dh_systemd_enable",
    "dh_systemd_start",
    "dh_installinit",
    "dh_installdeb",
    "dh_makeshlibs",
    "dh_python3",
    "dh_pycompile",
    "dh_installdebconf",
    "dh_installmenu",
    "dh_icons",
    "dh_installtmpfiles",
    "dh_ucf",
    "dh_installalternatives",
    "dh_apparmor",
    "dh_installdebhelper",
    "dh_bugfiles",
    "dh_desktop",
    "dh_installinfo",
    "dh_installudev",
];
/// Commands that change nothing in the image, or what it has no use for.
const HARMLESS: &[&str] = &[
    "set",
    "exit",
    "return",
    "true",
    "false",
    ":",
    "test",
    "[",
    "echo",
    "printf",
    "export",
    "local",
    "unset",
    "shift",
    "read",
    "dpkg",
    "dpkg-maintscript-helper",
    "dpkg-trigger",
    "dpkg-query",
    "ldconfig",
    "py3compile",
    "py3clean",
    "update-rc.d",
    "invoke-rc.d",
    "deb-systemd-helper",
    "deb-systemd-invoke",
    "systemctl",
    "update-alternatives",
    "command",
    "which",
    "db_version",
    "db_input",
    "db_get",
    "db_go",
    "db_stop",
    "db_set",
    "db_fset",
    "db_capb",
    "db_metaget",
    "db_purge",
    "db_unregister",
    "db_title",
    "db_beginblock",
    "db_endblock",
    ".",
    "break",
    "continue",
];
/// Words of the shell itself.
const SHELL: &[&str] = &[
    "if", "then", "else", "elif", "fi", "case", "in", "esac", "for", "while", "until", "do", "done", "{", "}", "(", ")", "!", "&&", "||",
    ";;",
];

/// A link that a package's script would set up among alternatives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Alternative {
    pub(super) link: ImagePath,
    pub(super) target: ImagePath,
    pub(super) priority: i64,
}

/// Returns the first script of a package that does something more than bookkeeping, and the command that shows it.
pub(super) fn unexplained(facts: &DebFacts) -> Option<(&'static str, String)> {
    SCRIPTS.iter().find_map(|name| {
        let script = facts.scripts.get(*name)?;
        let text = String::from_utf8_lossy(&script.0);
        command(&text).map(|command| (*name, command))
    })
}

/// Returns the first command of a script that is neither the shell's nor harmless.
fn command(script: &str) -> Option<String> {
    if !script.starts_with("#!/bin/sh") && !script.starts_with("#! /bin/sh") && !script.starts_with("#!/bin/bash") {
        return Some(script.lines().next().unwrap_or_default().chars().take(60).collect());
    }
    let mut part: Option<bool> = None;
    let mut continued = false;
    for line in script.lines().skip(1) {
        let line = line.trim();
        if let Some(tool) = line.strip_prefix("# Automatically added by ") {
            part = Some(HARMLESS_PARTS.contains(&tool.split(['/', ' ']).next().unwrap_or_default()));
            continue;
        }
        if line.starts_with("# End automatically added section") {
            part = None;
            continue;
        }
        let is_continued = std::mem::replace(&mut continued, line.ends_with('\\') || line.ends_with('|'));
        if part == Some(true) || is_continued || line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(word) = meaningful(line) {
            return Some(word);
        }
    }
    None
}

/// Returns the command of a line that is more than bookkeeping.
fn meaningful(line: &str) -> Option<String> {
    // A pattern of `case`, or the head of a function.
    if line.ends_with(')') && !line.contains(' ') || line.ends_with("() {") || line.ends_with("()") {
        return None;
    }
    let mut wants_command = true;
    for word in line.split_whitespace() {
        let ends = word.ends_with(';') || matches!(word, "&&" | "||" | "|" | "then" | "do" | "else" | "!");
        if wants_command {
            let bare = word.trim_end_matches(';');
            let is_assignment = bare
                .split_once('=')
                .is_some_and(|(name, _)| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_'));
            let is_pattern = bare.ends_with(')') && !bare.starts_with('$');
            if !SHELL.contains(&bare) && !is_assignment && !is_pattern && !bare.is_empty() {
                let name = bare.rsplit('/').next().unwrap_or(bare);
                if !HARMLESS.contains(&name) {
                    return Some(bare.chars().take(60).collect());
                }
                if matches!(name, "[" | "test" | "case" | "for") || !ends {
                    wants_command = false;
                }
            } else if matches!(bare, "case" | "for") {
                return None;
            }
        }
        if ends {
            wants_command = true;
        }
    }
    None
}

/// Returns the alternatives that a package's scripts would set up, as far as they are written plainly.
pub(super) fn alternatives(facts: &DebFacts) -> Vec<Alternative> {
    let Some(script) = facts.scripts.get("postinst") else { return Vec::new() };
    let text = String::from_utf8_lossy(&script.0).replace("\\\n", " ");
    let mut found = Vec::new();
    for line in text.lines().filter(|line| line.contains("update-alternatives") && !line.contains('$')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let mut priority = 0;
        for (index, word) in words.iter().enumerate() {
            let at = |offset: usize| words.get(index + offset).copied().unwrap_or_default();
            if *word == "--install" {
                priority = at(4).trim_matches([';', '"', '\'']).parse().unwrap_or_default();
            } else if !matches!(*word, "--slave") {
                continue;
            }
            let path = |word: &str| ImagePath::absolute(word.trim_matches(['"', '\''])).ok();
            if let (Some(link), Some(target)) = (path(at(1)), path(at(3))) {
                found.push(Alternative { link, target, priority });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::rootfs::ImageText;

    fn package(postinst: &str) -> DebFacts {
        let scripts = BTreeMap::from([("postinst".to_owned(), ImageText(postinst.as_bytes().into()))]);
        DebFacts { control: String::new(), md5sums: None, conffiles: None, scripts, data_size: 0, entries: vec![], kept: BTreeMap::new() }
    }

    #[test]
    fn bookkeeping_is_told_from_work() {
        for (script, expected) in [
            ("#!/bin/sh\nset -e\n", None),
            ("#!/bin/sh\nset -e\nif [ \"$1\" = configure ]; then\n    ldconfig\nfi\nexit 0\n", None),
            ("#!/bin/sh\n# Automatically added by dh_installsystemd/13\nrm -rf /x\n# End automatically added section\n", None),
            ("#!/bin/sh\n# Automatically added by dh_unheard/13\nrm -rf /x\n# End automatically added section\n", Some("rm")),
            ("#!/bin/sh\nadduser --system x\n", Some("adduser")),
            ("#!/bin/sh\ncase \"$1\" in\n  configure)\n    useradd x\n    ;;\nesac\n", Some("useradd")),
            ("#!/bin/sh\nif test -x /usr/bin/x; then mkdir /x; fi\n", Some("mkdir")),
            ("#!/bin/sh\nA=b\nupdate-alternatives --install /usr/bin/js js /usr/bin/node 50\n", None),
            ("#!/usr/bin/perl\nprint 1;\n", Some("#!/usr/bin/perl")),
        ] {
            let found = unexplained(&package(script));
            assert_eq!(found.as_ref().map(|(_, command)| command.as_str()), expected, "{script}");
        }
    }

    #[test]
    fn alternatives_are_read_with_their_slaves() {
        let script = "#!/bin/sh\nupdate-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\\n  --slave /usr/bin/nawk nawk /usr/bin/mawk\nupdate-alternatives --install /usr/bin/$x x /usr/bin/y 1\n";
        let path = |text: &str| ImagePath::absolute(text).unwrap();
        let alternative = |link: &str| Alternative { link: path(link), target: path("/usr/bin/mawk"), priority: 5 };
        assert_eq!(alternatives(&package(script)), [alternative("/usr/bin/awk"), alternative("/usr/bin/nawk")]);
    }
}
