use super::field::Field;
use super::follow::Follower;
use super::root::Truth;
use crate::debian::Version;

/// Commands that a script relies on to succeed, since it would end otherwise.
const SUCCEEDS: &[&str] = &[
    "echo",
    "printf",
    "mkdir",
    "chown",
    "chmod",
    "chgrp",
    "ln",
    "cp",
    "mv",
    "rm",
    "rmdir",
    "touch",
    "install",
    "cat",
    "ldconfig",
    "ucf",
    "ucfr",
    "update-alternatives",
    "adduser",
    "addgroup",
    "useradd",
    "groupadd",
    "usermod",
    "umask",
    "trap",
    "cd",
    "db_version",
    "db_capb",
    "db_stop",
    "sed",
    "systemd-tmpfiles",
    "systemd-sysusers",
];

impl Follower<'_> {
    /// Says whether a command succeeds, and notes what it sets.
    pub(super) fn status(&mut self, name: &str, words: &[Field]) -> Truth {
        match name.rsplit('/').next().unwrap_or(name) {
            "." | "source" => {
                // debconf's library asks questions, and its answers are not known.
                self.sourced |= !words.get(1).is_some_and(|word| word.text.ends_with("/confmodule"));
                self.variables.insert("RET".to_owned(), None);
                Truth::Yes
            }
            "db_get" | "db_input" | "db_go" | "db_fget" | "db_metaget" => {
                self.variables.insert("RET".to_owned(), None);
                Truth::Unknown
            }
            "eval" => {
                self.sourced = true;
                Truth::Unknown
            }
            "dpkg" if words.get(1).is_some_and(|word| word.text == "--compare-versions") => compared(&words[2..]),
            "command" | "which" | "type" => match words.last() {
                Some(word) if word.known => self.root.has_program(&word.text),
                _ => Truth::Unknown,
            },
            "getent" if words.len() > 2 => self.account(&words[2]),
            "id" => words.last().map_or(Truth::Unknown, |word| self.account(word)),
            name if SUCCEEDS.contains(&name) => Truth::Yes,
            _ => Truth::Unknown,
        }
    }

    fn account(&self, name: &Field) -> Truth {
        if name.known && !name.text.starts_with('-') { Truth::of(self.root.accounts.contains(&name.text)) } else { Truth::Unknown }
    }

    /// Evaluates `[ … ]` and `test …` (test(1)).
    pub(super) fn test(&mut self, words: &[Field]) -> Truth {
        let mut words = &words[1..];
        if let Some((last, rest)) = words.split_last().filter(|(last, _)| last.text == "]") {
            let _ = last;
            words = rest;
        }
        self.any(words)
    }

    fn any(&self, words: &[Field]) -> Truth {
        words.split(|word| word.text == "-o").map(|part| self.all(part)).fold(Truth::No, Truth::or)
    }

    fn all(&self, words: &[Field]) -> Truth {
        words.split(|word| word.text == "-a").map(|part| self.one(part)).fold(Truth::Yes, Truth::and)
    }

    fn one(&self, words: &[Field]) -> Truth {
        let known = words.iter().all(|word| word.known);
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        match texts.as_slice() {
            [] => Truth::No,
            ["!", ..] if texts.len() > 1 => self.one(&words[1..]).not(),
            // A text with something known in it is not empty.
            ["-n", text] => {
                if known {
                    Truth::of(!text.is_empty())
                } else {
                    Truth::Unknown
                }
            }
            ["-z", text] => {
                if known {
                    Truth::of(text.is_empty())
                } else {
                    Truth::Unknown
                }
            }
            ["-n" | "-z"] => Truth::Yes,
            [operator @ ("-e" | "-f" | "-d" | "-x" | "-r" | "-w" | "-s" | "-L" | "-h" | "-S" | "-p" | "-b" | "-c"), path] if known => {
                if path.is_empty() {
                    Truth::No
                } else {
                    self.root.test(operator, path)
                }
            }
            [text] if known => Truth::of(!text.is_empty()),
            [one, operator, other] if known => binary(one, operator, other),
            _ => Truth::Unknown,
        }
    }
}

fn binary(one: &str, operator: &str, other: &str) -> Truth {
    let numbers = one.trim().parse::<i64>().ok().zip(other.trim().parse::<i64>().ok());
    let ordered = |test: fn(&i64, &i64) -> bool| numbers.map_or(Truth::Unknown, |(one, other)| Truth::of(test(&one, &other)));
    match operator {
        "=" | "==" => Truth::of(one == other),
        "!=" => Truth::of(one != other),
        "-eq" => ordered(|one, other| one == other),
        "-ne" => ordered(|one, other| one != other),
        "-lt" => ordered(|one, other| one < other),
        "-le" => ordered(|one, other| one <= other),
        "-gt" => ordered(|one, other| one > other),
        "-ge" => ordered(|one, other| one >= other),
        _ => Truth::Unknown,
    }
}

/// Compares versions as `dpkg --compare-versions` (dpkg(1)): an empty one is earlier than all, or later where the operator ends in `-nl`.
fn compared(words: &[Field]) -> Truth {
    let [one, operator, other] = words else { return Truth::Unknown };
    if !one.known || !operator.known || !other.known {
        return Truth::Unknown;
    }
    let (plain, later) = operator.text.strip_suffix("-nl").map_or((operator.text.as_str(), false), |plain| (plain, true));
    let order = match (one.text.is_empty(), other.text.is_empty()) {
        (true, true) => std::cmp::Ordering::Equal,
        (true, false) if later => std::cmp::Ordering::Greater,
        (true, false) => std::cmp::Ordering::Less,
        (false, true) if later => std::cmp::Ordering::Less,
        (false, true) => std::cmp::Ordering::Greater,
        (false, false) => match (one.text.parse::<Version>(), other.text.parse::<Version>()) {
            (Ok(one), Ok(other)) => one.cmp(&other),
            _ => return Truth::Unknown,
        },
    };
    match plain {
        "lt" | "<<" => Truth::of(order.is_lt()),
        "le" | "<" | "<=" => Truth::of(order.is_le()),
        "eq" | "=" => Truth::of(order.is_eq()),
        "ne" => Truth::of(order.is_ne()),
        "ge" | ">" | ">=" => Truth::of(order.is_ge()),
        "gt" | ">>" => Truth::of(order.is_gt()),
        _ => Truth::Unknown,
    }
}
