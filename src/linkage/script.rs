/// What `env` starts for a script whose first line names it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EnvLine {
    /// This program, sought on this `PATH` if it is one of the line's own.
    Starts { name: String, path: Option<String> },
    /// Nothing; why, after "it".
    Wrong(String),
}

/// What a C library seeks programs in when `PATH` is not set.
const NO_PATH: &str = "/bin:/usr/bin";

/// Reads the argument that the kernel hands to `env` (env(1) of GNU coreutils).
///
/// The kernel hands on all that follows the interpreter as one argument: only `-S` splits it.
pub(super) fn env_line(argument: Option<&str>) -> EnvLine {
    let argument = argument.map(str::trim).unwrap_or_default();
    let split = ["-S", "--split-string=", "-vS"].iter().find_map(|option| argument.strip_prefix(option));
    let Some(split) = split else {
        return match argument {
            "" => EnvLine::Wrong("names no program behind `env`".to_owned()),
            name if name.starts_with('-') => EnvLine::Wrong(format!("gives `env` the option `{}` and no program", name.escape_debug())),
            name if name.contains([' ', '\t']) => {
                EnvLine::Wrong(format!("has `env` look for a program called `{}`: only `env -S` takes several words", name.escape_debug()))
            }
            name => EnvLine::Starts { name: name.to_owned(), path: None },
        };
    };
    let words = words(split);
    let mut words = words.iter().map(String::as_str);
    let mut path = None;
    while let Some(word) = words.next() {
        match word {
            "-i" | "-" | "--ignore-environment" => path = Some(NO_PATH.to_owned()),
            "-u" | "--unset" => {
                if words.next() == Some("PATH") {
                    path = Some(NO_PATH.to_owned());
                }
            }
            "-C" | "--chdir" | "-a" | "--argv0" => drop(words.next()),
            _ if word.starts_with('-') => {}
            _ => match word.split_once('=') {
                Some(("PATH", value)) => path = Some(value.to_owned()),
                Some(_) => {}
                None => return EnvLine::Starts { name: word.to_owned(), path },
            },
        }
    }
    EnvLine::Wrong("names no program behind `env -S`".to_owned())
}

/// Splits as `env -S` does: at spaces, but not within quotes.
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

    #[test]
    fn env_is_read_as_it_reads_itself() {
        let starts = |name: &str, path: Option<&str>| EnvLine::Starts { name: name.to_owned(), path: path.map(str::to_owned) };
        for (argument, expected) in [
            ("node", Some(starts("node", None))),
            ("-S node --x", Some(starts("node", None))),
            ("-Snode", Some(starts("node", None))),
            ("--split-string=node -x", Some(starts("node", None))),
            ("-S -i A=1 PATH=/opt/bin '/a b/x' y", Some(starts("/a b/x", Some("/opt/bin")))),
            ("-S -u PATH -u X python3", Some(starts("python3", Some(NO_PATH)))),
            ("-S -C /tmp node", Some(starts("node", None))),
            ("node --x", None),
            ("-i", None),
            ("-S A=1", None),
            ("", None),
        ] {
            let found = env_line(Some(argument));
            match expected {
                Some(expected) => assert_eq!(found, expected, "{argument}"),
                None => assert!(matches!(found, EnvLine::Wrong(_)), "{argument}: {found:?}"),
            }
        }
        assert!(matches!(env_line(None), EnvLine::Wrong(_)));
    }
}
