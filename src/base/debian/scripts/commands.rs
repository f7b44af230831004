use std::collections::BTreeMap;

use serde::Deserialize;

use super::step::Action;
use crate::debian::fits;

/// What is known of commands, in one file.
const COMMANDS: &str = include_str!("commands.toml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandsKeys {
    #[serde(rename = "command")]
    commands: Vec<CommandKeys>,
    #[serde(rename = "package")]
    packages: Vec<PackageKeys>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CommandKeys {
    names: Vec<String>,
    /// Why the image misses nothing without it.
    #[serde(default)]
    harmless: Option<String>,
    /// The file that it makes.
    #[serde(default)]
    makes: Option<String>,
    /// The files that it makes it of: without any, nothing is missing.
    #[serde(default)]
    of: Vec<String>,
    /// What is missing without it.
    #[serde(default)]
    needed: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PackageKeys {
    /// The packages, or patterns of them.
    names: Vec<String>,
    /// Patterns of commands with their arguments; without any, all commands.
    #[serde(default)]
    commands: Vec<String>,
    #[serde(default)]
    harmless: Option<String>,
    #[serde(default)]
    makes: Option<String>,
    #[serde(default)]
    needed: Option<String>,
}

/// What is known of the commands that scripts start.
pub(in crate::base::debian) struct Commands {
    by_name: BTreeMap<String, Action>,
    packages: Vec<(PackageKeys, Action)>,
}

impl Commands {
    /// Reads the table inside the program.
    ///
    /// # Errors
    /// When it does not parse, which a test finds first.
    pub(in crate::base::debian) fn new() -> Result<Self, String> {
        let keys: CommandsKeys = toml::from_str(COMMANDS).map_err(|fault| format!("scripts/commands.toml: {}", fault.message()))?;
        let mut by_name = BTreeMap::new();
        for CommandKeys { names, harmless, makes, of, needed } in keys.commands {
            let action = action(harmless, makes, of, needed);
            by_name.extend(names.into_iter().map(|name| (name, action.clone())));
        }
        let packages = keys.packages.into_iter().map(|mut keys| {
            let action = action(keys.harmless.take(), keys.makes.take(), Vec::new(), keys.needed.take());
            (keys, action)
        });
        Ok(Self { by_name, packages: packages.collect() })
    }

    /// Says whether a command is one that maintainer scripts use, so that Debian has it.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }

    /// Returns what a command of this name does.
    pub(super) fn named(&self, name: &str) -> Option<&Action> {
        self.by_name.get(name)
    }

    /// Returns what a command of a certain package does.
    pub(super) fn of_package(&self, package: &str, command: &str) -> Option<&Action> {
        let is_it = |keys: &PackageKeys| {
            keys.names.iter().any(|pattern| fits(pattern, package))
                && (keys.commands.is_empty() || keys.commands.iter().any(|pattern| fits(pattern, command)))
        };
        self.packages.iter().find(|(keys, _)| is_it(keys)).map(|(_, action)| action)
    }
}

fn action(harmless: Option<String>, makes: Option<String>, of: Vec<String>, needed: Option<String>) -> Action {
    match (harmless, makes, needed.unwrap_or_default()) {
        (Some(why), ..) => Action::Harmless { why },
        (None, Some(file), needed) => Action::Makes { file, of, needed },
        (None, None, needed) => Action::Missing { file: None, needed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_of_the_table_is_told_once_and_why() {
        let keys: CommandsKeys = toml::from_str(COMMANDS).unwrap();
        let names: Vec<&String> = keys.commands.iter().flat_map(|command| &command.names).collect();
        let unique: std::collections::BTreeSet<&&String> = names.iter().collect();
        assert_eq!(names.len(), unique.len());
        for command in &keys.commands {
            assert!(command.harmless.is_some() != command.needed.is_some(), "{:?}", command.names);
            assert!(command.makes.is_none() || command.needed.is_some(), "{:?}", command.names);
        }
        for package in &keys.packages {
            assert!(package.harmless.is_some() != package.needed.is_some(), "{:?}", package.names);
        }
    }
}
