use std::collections::BTreeMap;

use super::accounts::{GROUPS, USERS};
use super::commands::Commands;
use super::follow::{Call, follow};
use super::grammar::parse;
use super::judge::{judge, text_of};
use super::root::Root;
use super::step::{Action, Step};
use super::tmpfiles::of_tmpfiles;
use crate::base::debian::filter::Filters;
use crate::debian::DebFacts;
use crate::rootfs::{EntryKind, ImagePath};

/// The scripts that run when a package is installed, with the arguments that they get on a new system (Debian policy, section 6.5).
const SCRIPTS: &[(&str, &[&str])] = &[("preinst", &["install"]), ("postinst", &["configure", ""])];
/// The largest script that is read, in bytes.
const LIMIT: usize = 256 << 10;
/// Where packages have the files that `systemd-tmpfiles` reads.
const TMPFILES: &[u8] = b"usr/lib/tmpfiles.d/";

/// What scripts are read with.
pub(in crate::base::debian) struct Scripts<'a> {
    /// All that packages ship, also what is left out of the image.
    pub(in crate::base::debian) shipped: BTreeMap<&'a ImagePath, &'a EntryKind>,
    pub(in crate::base::debian) commands: &'a Commands,
    pub(in crate::base::debian) filters: &'a Filters,
    /// The architecture, by the name that images have for it.
    pub(in crate::base::debian) architecture: &'a str,
}

/// What scripts would do.
pub(in crate::base::debian) struct Followed {
    /// What becomes of the commands that do something, and of the files that stand in for scripts.
    pub(in crate::base::debian) steps: Vec<Step>,
    /// The commands all of whose words are known.
    pub(in crate::base::debian) commands: Vec<ScriptCommand>,
}

/// A command that a script would start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::base::debian) struct ScriptCommand {
    /// The package's number.
    pub(in crate::base::debian) package: usize,
    /// The command's name without its folder, and its arguments; variables are expanded.
    pub(in crate::base::debian) words: Vec<String>,
}

/// Follows the scripts of packages as at a first installation, and reads the files that stand in for scripts, in the order of the packages.
pub(in crate::base::debian) fn read<'p>(packages: impl Iterator<Item = (&'p str, &'p DebFacts)>, scripts: Scripts<'_>) -> Followed {
    let Scripts { shipped, commands, filters, architecture } = scripts;
    let names = USERS.iter().map(|(name, ..)| *name).chain(GROUPS.iter().map(|(name, _)| *name)).chain(["root", "nobody"]);
    let root = Root { shipped, commands, filters, architecture, accounts: names.map(str::to_owned).collect() };
    let mut followed = Followed { steps: Vec::new(), commands: Vec::new() };
    for (number, (package, facts)) in packages.enumerate() {
        for (script, arguments) in SCRIPTS {
            let Some(content) = facts.scripts.get(*script) else { continue };
            let text = String::from_utf8_lossy(&content.0);
            let (found, commands) = of_script(&text, arguments, package, &root);
            followed.commands.extend(commands.into_iter().map(|words| ScriptCommand { package: number, words }));
            for (line, command, action) in found {
                followed.steps.push(Step { package: number, script, line, command, action });
            }
        }
        // systemd's own files describe a machine.
        let files = facts.kept.iter().filter(|(path, _)| package != "systemd" && path.as_bytes().starts_with(TMPFILES));
        for (_, content) in files {
            for (line, command, action) in of_tmpfiles(&String::from_utf8_lossy(&content.0), &root) {
                followed.steps.push(Step { package: number, script: "tmpfiles.d", line, command, action });
            }
        }
    }
    followed
}

/// A line, the command in it, and what it would do.
type Effect = (usize, String, Action);

/// Returns what the commands of one script would do, each once, and the words of those that are known.
fn of_script(text: &str, arguments: &[&str], package: &str, root: &Root<'_>) -> (Vec<Effect>, Vec<Vec<String>>) {
    let first = text.lines().next().unwrap_or_default();
    let interpreter =
        first.strip_prefix("#!").unwrap_or_default().split_whitespace().find(|word| !word.ends_with("/env")).unwrap_or_default();
    let whole = |needed: &str| {
        let action = root.commands.of_package(package, first).cloned();
        vec![(1, first.chars().take(60).collect(), action.unwrap_or_else(|| Action::missing(None, needed)))]
    };
    if !matches!(interpreter.rsplit('/').next(), Some("sh" | "dash" | "bash")) {
        return (whole("this script is not a shell script, so its files are not made"), Vec::new());
    }
    if text.len() > LIMIT {
        return (whole("this script is too long, so its files are not made"), Vec::new());
    }
    let script = match parse(text) {
        Ok(script) => script,
        Err(fault) => {
            let (_, command, action) = whole("hardened cannot parse this script from this line on, so its files are not made").remove(0);
            return (vec![(fault.line, command, action)], Vec::new());
        }
    };
    let (calls, is_whole) = follow(&script, arguments, package, root);
    let mut found = Vec::new();
    for call in &calls {
        for action in judge(call, package, root) {
            let step = (call.line, text_of(call), action);
            if !found.contains(&step) {
                found.push(step);
            }
        }
    }
    if !is_whole {
        found.extend(whole("this script has more commands than hardened reads"));
    }
    (found, calls.iter().filter_map(Call::known_words).collect())
}
