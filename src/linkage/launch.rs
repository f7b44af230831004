use Effect::{ChangesFolder, Clears, Ends, Splits, Unsets};
use OptionValue::{Optional, Required};

/// A program that starts the program that its arguments name.
#[derive(Debug)]
pub(super) struct Launcher {
    /// The names of its file; another may follow behind `-`, `_` or `.`, as in `tini-static`.
    names: &'static [&'static str],
    options: &'static [LaunchOption],
    /// What it does without a program.
    alone: Alone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Alone {
    /// It fails.
    Fails,
    /// It prints its environment: it is `env`, which also takes `NAME=VALUE` before the program.
    Prints,
}

#[derive(Debug)]
struct LaunchOption {
    short: Option<char>,
    long: &'static str,
    value: OptionValue,
    effect: Effect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum OptionValue {
    None,
    /// In the same word or the next.
    Required,
    /// Behind `=` only.
    Optional,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Effect {
    None,
    /// It prints something and ends.
    Ends,
    Clears,
    Unsets,
    ChangesFolder,
    Splits,
}

const fn option(short: Option<char>, long: &'static str, value: OptionValue, effect: Effect) -> LaunchOption {
    LaunchOption { short, long, value, effect }
}

/// The launchers with their options, by what they print for `-h` or `--help`: tini 0.19, dumb-init 1.2.5, catatonit 0.2.1, GNU coreutils 9.7.
const LAUNCHERS: &[Launcher] = &[
    Launcher {
        // Docker has a copy of its own for `--init`.
        names: &["tini", "docker-init"],
        options: &[
            option(Some('h'), "", OptionValue::None, Ends),
            option(Some('l'), "", OptionValue::None, Ends),
            option(None, "version", OptionValue::None, Ends),
            option(Some('s'), "", OptionValue::None, Effect::None),
            option(Some('v'), "", OptionValue::None, Effect::None),
            option(Some('w'), "", OptionValue::None, Effect::None),
            option(Some('g'), "", OptionValue::None, Effect::None),
            option(Some('p'), "", Required, Effect::None),
            option(Some('e'), "", Required, Effect::None),
        ],
        alone: Alone::Fails,
    },
    Launcher {
        names: &["dumb-init"],
        options: &[
            option(Some('h'), "help", OptionValue::None, Ends),
            option(Some('V'), "version", OptionValue::None, Ends),
            option(Some('c'), "single-child", OptionValue::None, Effect::None),
            option(Some('v'), "verbose", OptionValue::None, Effect::None),
            option(Some('r'), "rewrite", Required, Effect::None),
        ],
        alone: Alone::Fails,
    },
    Launcher {
        names: &["catatonit"],
        options: &[
            option(Some('h'), "", OptionValue::None, Ends),
            option(Some('L'), "", OptionValue::None, Ends),
            option(Some('V'), "", OptionValue::None, Ends),
            // It waits for the end of the container.
            option(Some('P'), "", OptionValue::None, Ends),
            option(Some('g'), "", OptionValue::None, Effect::None),
        ],
        alone: Alone::Fails,
    },
    ENV,
];

const ENV: Launcher = Launcher {
    names: &["env"],
    options: &[
        option(None, "help", OptionValue::None, Ends),
        option(None, "version", OptionValue::None, Ends),
        option(Some('i'), "ignore-environment", OptionValue::None, Clears),
        option(Some('u'), "unset", Required, Unsets),
        option(Some('C'), "chdir", Required, ChangesFolder),
        option(Some('S'), "split-string", Required, Splits),
        option(Some('a'), "argv0", Required, Effect::None),
        option(Some('0'), "null", OptionValue::None, Effect::None),
        option(Some('v'), "debug", OptionValue::None, Effect::None),
        option(None, "block-signal", Optional, Effect::None),
        option(None, "default-signal", Optional, Effect::None),
        option(None, "ignore-signal", Optional, Effect::None),
        option(None, "list-signal-handling", OptionValue::None, Effect::None),
    ],
    alone: Alone::Prints,
};

/// What a launcher does to the environment of the program that it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Set(String, String),
    Unset(String),
    /// All variables are unset.
    Clear,
    /// The working folder becomes another one.
    Folder(String),
}

/// What a launcher does with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Launch {
    /// It starts the first of these words with the others as arguments.
    Program {
        /// The words, at least one.
        words: Vec<String>,
        /// What happens to the environment before.
        changes: Vec<Change>,
    },
    /// It starts nothing, and does not fail.
    Nothing,
    /// It fails; why, after "it".
    Wrong(String),
    /// What it starts is not known; why, after "it".
    Unknown(String),
}

impl Launcher {
    /// Returns the launcher that a file is, by the name under which it is started or its own.
    pub(super) fn of(started: &str, real: &[u8]) -> Option<&'static Self> {
        let real = String::from_utf8_lossy(real);
        let names = [started.rsplit('/').next().unwrap_or_default(), &*real];
        LAUNCHERS.iter().find(|launcher| names.iter().any(|name| launcher.is_called(name)))
    }

    fn is_called(&self, name: &str) -> bool {
        self.names.iter().any(|own| match name.strip_prefix(own) {
            // `tini-static`, `dumb-init_1.2.5_x86_64`, `catatonit.x86_64`; but `env` is `env` only.
            Some(rest) => rest.is_empty() || self.alone == Alone::Fails && rest.starts_with(['-', '_', '.']),
            None => false,
        })
    }

    /// Reads the arguments as the launcher does. Options end at the first word that is none, or behind `--` (getopt(3) with `+`).
    pub(super) fn launch(&self, arguments: &[String]) -> Launch {
        let mut reading = Reading { launcher: self, left: arguments.iter().rev().cloned().collect(), changes: Vec::new() };
        if let Some(end) = reading.options() {
            return end;
        }
        let Reading { mut left, mut changes, .. } = reading;
        if self.alone == Alone::Prints {
            if left.last().is_some_and(|word| word == "-") {
                left.pop();
                changes.push(Change::Clear);
            }
            while let Some((name, value)) = left.last().and_then(|word| word.split_once('=')) {
                changes.push(Change::Set(name.to_owned(), value.to_owned()));
                left.pop();
            }
        }
        match (left.is_empty(), self.alone) {
            (false, _) => Launch::Program { words: left.into_iter().rev().collect(), changes },
            (true, Alone::Prints) => Launch::Nothing,
            (true, Alone::Fails) => Launch::Wrong(format!("names no program after `{}`", self.names[0])),
        }
    }
}

/// Arguments that are being read.
struct Reading<'a> {
    launcher: &'a Launcher,
    /// What is left of them, the next one last.
    left: Vec<String>,
    changes: Vec<Change>,
}

impl Reading<'_> {
    /// Reads all options; returns what they come to where no program follows.
    fn options(&mut self) -> Option<Launch> {
        while let Some(word) = self.left.last().filter(|word| word.len() > 1 && word.starts_with('-')).cloned() {
            self.left.pop();
            if word == "--" {
                return None;
            }
            let end = if let Some(long) = word.strip_prefix("--") { self.long(long) } else { self.short(&word[1..]) };
            if end.is_some() {
                return end;
            }
        }
        None
    }

    fn long(&mut self, option: &str) -> Option<Launch> {
        let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value.to_owned())));
        let all = || self.launcher.options.iter().filter(|known| !known.long.is_empty());
        // A name may be shortened as long as it is the only one.
        let shortened: Vec<&LaunchOption> = all().filter(|known| known.long.starts_with(name)).collect();
        let known = all().find(|known| known.long == name).or_else(|| shortened.first().copied().filter(|_| shortened.len() == 1));
        match known {
            Some(known) => self.take(known, value),
            None => Some(self.unknown(&format!("--{name}"))),
        }
    }

    fn short(&mut self, letters: &str) -> Option<Launch> {
        for (position, letter) in letters.char_indices() {
            let Some(known) = self.launcher.options.iter().find(|known| known.short == Some(letter)) else {
                return Some(self.unknown(&format!("-{letter}")));
            };
            let rest = &letters[position + letter.len_utf8()..];
            if known.value == Required {
                return self.take(known, Some(rest.to_owned()).filter(|rest| !rest.is_empty()));
            }
            let end = self.take(known, None);
            if end.is_some() {
                return end;
            }
        }
        None
    }

    fn unknown(&self, option: &str) -> Launch {
        let name = self.launcher.names[0];
        Launch::Unknown(format!("gives `{name}` the option `{}`, which hardened does not know", option.escape_debug()))
    }

    fn take(&mut self, option: &LaunchOption, value: Option<String>) -> Option<Launch> {
        let value = if option.value == Required { value.or_else(|| self.left.pop()) } else { value };
        if option.value == Required && value.is_none() {
            return Some(Launch::Wrong(format!("gives `{}` an option without its value", self.launcher.names[0])));
        }
        let value = value.unwrap_or_default();
        match option.effect {
            Effect::None => {}
            Ends => return Some(Launch::Nothing),
            Clears => self.changes.push(Change::Clear),
            Unsets => self.changes.push(Change::Unset(value)),
            ChangesFolder => self.changes.push(Change::Folder(value)),
            Splits if value.contains(['$', '\\']) => {
                return Some(Launch::Unknown("uses `env -S` with variables or escapes, which hardened does not expand".to_owned()));
            }
            Splits => self.left.extend(words(&value).into_iter().rev()),
        }
        None
    }
}

/// Returns the program and its arguments that a command comes to behind launchers such as `tini` and `env`, which are known by their names.
/// Where a launcher starts nothing, or nobody knows what, it stays the program.
pub fn behind_launchers(words: &[&str]) -> Vec<String> {
    let mut words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    while let Some((program, arguments)) = words.split_first()
        && let Some(Launch::Program { words: next, .. }) = Launcher::of(program, b"").map(|launcher| launcher.launch(arguments))
    {
        words = next;
    }
    words
}

/// Reads the argument that the kernel hands to `env` for a script whose first line names it (env(1) of GNU coreutils).
///
/// The kernel hands on all that follows the interpreter as one argument: only `-S` splits it.
pub(super) fn env_line(argument: Option<&str>) -> Launch {
    let argument = argument.map(str::trim).unwrap_or_default();
    let splits = ["-S", "--split-string=", "-vS"].iter().any(|option| argument.starts_with(option));
    match argument {
        "" => Launch::Wrong("names no program after `env`".to_owned()),
        _ if splits => match ENV.launch(&[argument.to_owned()]) {
            Launch::Nothing => Launch::Wrong("names no program after `env -S`".to_owned()),
            launch => launch,
        },
        name if name.starts_with('-') => Launch::Wrong(format!("gives `env` the option `{}` and no program", name.escape_debug())),
        name if name.contains([' ', '\t']) => {
            Launch::Wrong(format!("makes `env` look for a program called `{}`: only `env -S` takes several words", name.escape_debug()))
        }
        name => Launch::Program { words: vec![name.to_owned()], changes: Vec::new() },
    }
}

/// Splits a text into words as `env -S` does: at spaces, but not within quotes.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for letter in text.chars() {
        match (quote, letter) {
            (Some(open), _) if letter == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, ' ' | '\t') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(words: &str) -> Launch {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        Launcher::of(&words[0], b"").unwrap().launch(&words[1..])
    }

    fn program(words: &str, changes: &[Change]) -> Launch {
        Launch::Program { words: words.split(' ').map(str::to_owned).collect(), changes: changes.to_vec() }
    }

    #[test]
    fn options_of_launchers_are_read_as_they_read_them() {
        for (words, expected) in [
            ("tini app x", "app x"),
            ("/sbin/tini -- app --x", "app --x"),
            ("tini-static -s -g -- app", "app"),
            ("tini -gvp SIGTERM -e143 -e 3 app", "app"),
            ("tini -- -app", "-app"),
            ("dumb-init --rewrite 15:3 -r 2:3 --rewrite=1:0 -vc app", "app"),
            ("dumb-init_1.2.5_x86_64 --single-child -- env A=1", "env A=1"),
            ("dumb-init --rew 15:3 app", "app"),
            ("/usr/libexec/podman/catatonit -g -- app", "app"),
            ("docker-init app", "app"),
        ] {
            assert_eq!(launch(words), program(expected, &[]), "{words}");
        }
        for words in ["tini", "tini --", "dumb-init -c", "catatonit --", "tini -p", "env -u"] {
            assert!(matches!(launch(words), Launch::Wrong(_)), "{words}");
        }
        for words in ["tini -h", "tini --version", "dumb-init --help", "catatonit -P", "env", "env A=1 B=2", "env --help app"] {
            assert_eq!(launch(words), Launch::Nothing, "{words}");
        }
        for words in ["tini -x app", "dumb-init --new app", "catatonit --help", "env -S ${A}"] {
            assert!(matches!(launch(words), Launch::Unknown(_)), "{words}");
        }
    }

    #[test]
    fn env_changes_the_environment_of_its_program() {
        let set = |name: &str, value: &str| Change::Set(name.to_owned(), value.to_owned());
        assert_eq!(launch("env A=1 PATH=/opt app B=2"), program("app B=2", &[set("A", "1"), set("PATH", "/opt")]));
        assert_eq!(launch("env -i -u X -C /tmp --unset=Y app"), {
            let unset = |name: &str| Change::Unset(name.to_owned());
            program("app", &[Change::Clear, unset("X"), Change::Folder("/tmp".to_owned()), unset("Y")])
        });
        assert_eq!(launch("env --ignore-signal=INT --block-signal - A=1 -- app"), program("-- app", &[Change::Clear, set("A", "1")]));
        let split = ["-S".to_owned(), "-i A='x y' app --x".to_owned(), "more".to_owned()];
        assert_eq!(ENV.launch(&split), program("app --x more", &[Change::Clear, set("A", "x y")]));
    }

    #[test]
    fn launchers_behind_one_another_are_passed() {
        for (words, expected) in [
            (&["tini", "-p", "SIGTERM", "--", "env", "-u", "X", "A=1", "app", "-x"][..], "app -x"),
            (&["env", "-S", "dumb-init -c app", "x"], "app x"),
            (&["/app", "env", "x"], "/app env x"),
            (&["tini", "env", "--new", "app"], "env --new app"),
            (&[], ""),
        ] {
            assert_eq!(behind_launchers(words).join(" "), expected, "{words:?}");
        }
    }

    #[test]
    fn what_only_looks_like_a_launcher_is_none() {
        for name in ["env-vars", "environment", "tinier", "mytini", "node", ""] {
            assert!(Launcher::of(name, b"").is_none(), "{name}");
        }
        assert!(Launcher::of("init", b"tini-static").is_some() && Launcher::of("env", b"coreutils").is_some());
    }

    #[test]
    fn env_is_read_as_it_reads_itself() {
        for (argument, expected) in [
            ("node", "node"),
            ("-S node --x", "node --x"),
            ("-Snode", "node"),
            ("--split-string=node -x", "node -x"),
            ("-vS node", "node"),
            ("-S -a name node", "node"),
        ] {
            assert_eq!(env_line(Some(argument)), program(expected, &[]), "{argument}");
        }
        let folder = Change::Folder("/tmp".to_owned());
        assert_eq!(env_line(Some("-S -C /tmp node")), program("node", &[folder]));
        for argument in ["node --x", "-i", "-S A=1", ""] {
            assert!(matches!(env_line(Some(argument)), Launch::Wrong(_)), "{argument}");
        }
        assert!(matches!(env_line(None), Launch::Wrong(_)));
    }

    #[test]
    fn words_end_at_spaces_outside_of_quotes() {
        assert_eq!(words("A=1  '/a b/x'\t\"y z\"w ''"), ["A=1", "/a b/x", "y zw", ""]);
        assert!(words("  ").is_empty());
    }
}
