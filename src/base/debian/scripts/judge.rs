use super::accounts;
use super::alternatives::alternatives;
use super::follow::Call;
use super::paths;
use super::root::Root;
use super::step::Action;
use super::templates::template;
use crate::base::debian::filter::path_text;

/// Says what a command of a package's script would do.
pub(super) fn judge(call: &Call, package: &str, root: &Root<'_>) -> Vec<Action> {
    let words: Vec<&str> = call.words.iter().map(|word| word.text.as_str()).collect();
    if let Some(action) = root.commands.of_package(package, &text_of(call)) {
        return vec![action.clone()];
    }
    let name = words.first().map_or("", |word| word.rsplit('/').next().unwrap_or(word));
    let mut actions = paths::writes(call, name, root);
    // What writes a file does nothing else.
    if actions.is_empty() {
        actions = command(name, call, package, root);
    }
    if call.certain { actions } else { actions.into_iter().map(|action| uncertain(action, name)).collect() }
}

/// Returns what becomes of an effect that depends on a condition which is not known.
fn uncertain(action: Action, name: &str) -> Action {
    let needed = |what: &str| format!("{what} that the script makes under a condition that hardened cannot evaluate");
    match action {
        Action::Text { text, .. } if text.is_empty() && name == "touch" => Action::harmless("an empty file that is made under a condition"),
        Action::Text { path, .. } => Action::Makes { file: path_text(&path), of: Vec::new(), needed: needed("a file") },
        Action::Link { path, .. } => Action::Makes { file: path_text(&path), of: Vec::new(), needed: needed("a link") },
        Action::Copy { to, .. } if name != "ucf" => Action::Makes { file: path_text(&to), of: Vec::new(), needed: needed("a copy") },
        other => other,
    }
}

fn command(name: &str, call: &Call, package: &str, root: &Root<'_>) -> Vec<Action> {
    match name {
        // A command that is not to be started at once, or in another way.
        "command" | "exec" | "nice" | "ionice" | "env" | "timeout" if call.words.len() > 1 => {
            let skipped = call.words[1..].iter().take_while(|word| word.text.starts_with('-') || word.text.contains('=')).count();
            let asks = call.words[1..].iter().take(skipped).any(|word| matches!(word.text.as_str(), "-v" | "-V"));
            if asks || call.words.len() == 1 + skipped {
                return vec![Action::harmless("checks whether a program is installed")];
            }
            judge(&Call { words: call.words[1 + skipped..].to_vec(), ..call.clone() }, package, root)
        }
        "update-alternatives" => alternatives(call),
        "ucf" => template(call, root),
        "adduser" | "useradd" => accounts::user(call, root),
        "addgroup" | "groupadd" => accounts::group(call, root),
        "mkdir" => paths::mkdir(call, root),
        "install" => paths::install(call, root),
        "ln" => paths::link(call, root),
        "cp" => paths::copy(call, root),
        "mv" => paths::moved(call, root),
        "rm" | "rmdir" | "unlink" => paths::remove(call, root),
        "touch" => paths::touch(call, root),
        "chmod" => paths::mode(call, root),
        "chown" | "chgrp" => paths::owner(call, root),
        "dpkg-statoverride" => paths::override_of(call, root),
        "sed" | "perl"
            if call.words.iter().any(|word| word.text.starts_with("-i") || word.text.starts_with("--in-place") || word.text == "-pi") =>
        {
            paths::edited(call, root)
        }
        "find" | "xargs" => paths::found(call),
        "dpkg-divert" => {
            vec![Action::harmless("moves a file of another package; if two packages have a file with the same path, the image is refused")]
        }
        "systemd-tmpfiles" => vec![Action::Made { by: "folders and links of tmpfiles.d".to_owned() }],
        "systemd-sysusers" => vec![Action::Made { by: "accounts of sysusers.d".to_owned() }],
        "echo" | "printf" | "cat" if call.asked => vec![Action::harmless("only prints")],
        name => match root.commands.named(name) {
            Some(action) => vec![action.clone()],
            None if call.asked => vec![Action::harmless("only its output is used")],
            None if call.words[0].text.starts_with("/etc/init.d/") => {
                vec![Action::harmless("services, which the container runtime starts")]
            }
            None => {
                vec![Action::Missing { file: None, needed: "hardened does not know this command, so its files are not made".to_owned() }]
            }
        },
    }
}

/// Returns a command as it is displayed: one line, not too long.
pub(super) fn text_of(call: &Call) -> String {
    let mut words: Vec<String> =
        call.words.iter().map(|word| if word.text.is_empty() { "''".to_owned() } else { word.text.clone() }).collect();
    for write in &call.writes {
        words.push(format!("{} {}", if write.appends { ">>" } else { ">" }, write.target.text));
    }
    let line = words.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= 120 { line } else { format!("{}…", line.chars().take(119).collect::<String>()) }
}
