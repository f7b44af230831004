use std::collections::BTreeMap;

/// How deep defaults of variables may hold others.
const DEPTH: usize = 4;
/// The longest value of a variable or word, in bytes: each line of a script may double one.
const VALUE: usize = 4096;

/// How scripts hand on all of their own arguments.
const GIVEN: [&str; 6] = ["\"$@\"", "$@", "$*", "\"${@}\"", "${1+\"$@\"}", "${1:+\"$@\"}"];

/// What is learned of a shell script without running it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Script {
    /// What it starts with `exec` or as its last command, in its order, where the program is known.
    pub(super) commands: Vec<Command>,
    /// The variables that it exports, where it does nothing but setting variables and starting a program; those of which the value is known.
    pub(super) exported: Vec<(String, String)>,
}

/// A program that a script starts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The program and its arguments, without those that the script is given itself.
    pub(super) words: Vec<String>,
    /// Says whether all of these are known.
    pub(super) is_whole: bool,
}

/// Reads a shell script that lies in `folder` and is started as `name`.
///
/// Conditions are not decided: every branch is taken, and the last value of a variable is the one.
pub(super) fn read(text: &str, folder: &str, name: &str) -> Script {
    let script = format!("{}/{name}", folder.trim_end_matches('/'));
    let variables = BTreeMap::from([("BASH_SOURCE".to_owned(), Some(script.clone()))]);
    let mut reader = Reader { script, variables };
    let (mut commands, mut last, mut exported, mut is_plain) = (Vec::new(), None, Vec::new(), true);
    for statement in statements(&text.replace("\\\n", " ")) {
        let tokens = tokens(&statement);
        let keyword = |token: &&String| matches!(token.as_str(), "then" | "else" | "do" | "{" | "if" | "elif" | "!" | "(");
        let mut words = tokens.iter().skip_while(keyword).peekable();
        let mut assigned = Vec::new();
        while let Some((name, value)) = words.peek().and_then(|word| assignment(word)) {
            assigned.push((name.to_owned(), reader.expand(value, 0)));
            words.next();
        }
        let Some(command) = words.next() else {
            reader.variables.extend(assigned);
            continue;
        };
        match command.as_str() {
            "fi" | "[" | "[[" | "test" | "true" | ":" | "set" | "shift" | "unset" | "exit" | "cd" => {}
            "export" | "readonly" => {
                for word in words.filter(|word| !word.starts_with('-')) {
                    let (name, value) = assignment(word).map_or((word.as_str(), None), |(name, value)| (name, Some(value)));
                    if let Some(value) = value {
                        let value = reader.expand(value, 0);
                        reader.variables.insert(name.to_owned(), value);
                    }
                    exported.push(name.to_owned());
                }
            }
            "exec" => {
                // `-a NAME` and others change the name only.
                while let Some(option) = words.next_if(|word| word.starts_with('-')) {
                    if option == "-a" {
                        words.next();
                    }
                }
                commands.extend(reader.started(words));
                last = None;
            }
            "case" | "for" | "while" | "until" | "function" => is_plain = false,
            _ if tokens.iter().any(|token| token.ends_with("()")) => is_plain = false,
            _ => last = reader.started(std::iter::once(command).chain(words)).filter(|last| last.words[0].contains('/')),
        }
    }
    commands.extend(last);
    exported.dedup();
    let value = |name: String| Some((name.clone(), reader.variables.get(&name).cloned().flatten()?));
    Script { commands, exported: if is_plain { exported.into_iter().filter_map(value).collect() } else { Vec::new() } }
}

/// Returns the name and value of a word that is an assignment.
fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let is_name = name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_name.then_some((name, value))
}

/// What the reader of quotes and substitutions is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Within {
    Single,
    Double,
    /// `$(…)`.
    Command,
    /// `${…}`.
    Braces,
    Backquotes,
}

/// Follows quotes and substitutions through a text, letter by letter.
#[derive(Debug, Default)]
struct Nesting {
    within: Vec<Within>,
    before: char,
    escaped: bool,
}

impl Nesting {
    /// Takes the next letter, and says whether it stands outside of all quotes and substitutions.
    fn takes(&mut self, letter: char) -> bool {
        let inner = self.within.last().copied();
        let was_outside = self.within.is_empty() && !self.escaped;
        if self.escaped {
            self.escaped = false;
        } else {
            match (letter, inner) {
                ('\'', Some(Within::Single))
                | ('"', Some(Within::Double))
                | ('`', Some(Within::Backquotes))
                | (')', Some(Within::Command))
                | ('}', Some(Within::Braces)) => drop(self.within.pop()),
                (_, Some(Within::Single)) => {}
                ('\\', _) => self.escaped = true,
                ('\'', inner) if inner != Some(Within::Double) => self.within.push(Within::Single),
                ('"', _) => self.within.push(Within::Double),
                ('`', _) => self.within.push(Within::Backquotes),
                ('(', _) if self.before == '$' => self.within.push(Within::Command),
                ('{', _) if self.before == '$' => self.within.push(Within::Braces),
                _ => {}
            }
        }
        self.before = letter;
        was_outside && self.within.is_empty() && !self.escaped
    }
}

/// Splits a script into its commands. Comments are left out.
fn statements(text: &str) -> Vec<String> {
    let (mut found, mut statement) = (Vec::new(), String::new());
    let mut nesting = Nesting::default();
    let mut in_comment = false;
    let mut before = '\n';
    for letter in text.chars() {
        if in_comment {
            in_comment = letter != '\n';
            if in_comment {
                continue;
            }
        }
        let is_outside = nesting.takes(letter);
        if is_outside && letter == '#' && before.is_whitespace() {
            in_comment = true;
        } else if is_outside && matches!(letter, '\n' | ';' | '&' | '|') {
            found.push(std::mem::take(&mut statement));
        } else {
            statement.push(letter);
        }
        before = letter;
    }
    found.push(statement);
    found
}

/// Splits a command into its words, with their quotes.
fn tokens(statement: &str) -> Vec<String> {
    let (mut found, mut token) = (Vec::new(), String::new());
    let mut nesting = Nesting::default();
    for letter in statement.chars() {
        if nesting.takes(letter) && letter.is_whitespace() {
            found.extend(Some(std::mem::take(&mut token)).filter(|token| !token.is_empty()));
        } else {
            token.push(letter);
        }
    }
    found.extend(Some(token).filter(|token| !token.is_empty()));
    found
}

struct Reader {
    /// The path of the script.
    script: String,
    /// The variables that the script sets; `None` where the value is not known.
    variables: BTreeMap<String, Option<String>>,
}

impl Reader {
    /// Returns what a command starts. A redirection ends it: of `exec` with nothing else, no program is left.
    fn started<'w>(&self, words: impl Iterator<Item = &'w String>) -> Option<Command> {
        let mut words = words.take_while(|word| !word.contains(['<', '>']));
        let mut command = Command { words: vec![self.expand(words.next()?, 0).filter(|program| !program.is_empty())?], is_whole: true };
        for word in words.filter(|word| !GIVEN.contains(&word.as_str())) {
            let Some(word) = self.expand(word, 0) else {
                command.is_whole = false;
                break;
            };
            command.words.push(word);
        }
        Some(command)
    }

    /// Returns what the shell makes of a word; `None` where that depends on what is not known.
    fn expand(&self, word: &str, depth: usize) -> Option<String> {
        if depth > DEPTH {
            return None;
        }
        let mut expanded = String::new();
        let mut rest = word;
        let mut is_single = false;
        while let Some(letter) = rest.chars().next().filter(|_| expanded.len() <= VALUE) {
            let after = &rest[letter.len_utf8()..];
            rest = match letter {
                '\'' => {
                    is_single = !is_single;
                    after
                }
                _ if is_single => {
                    expanded.push(letter);
                    after
                }
                '"' => after,
                '\\' => {
                    let next = after.chars().next()?;
                    expanded.push(next);
                    &after[next.len_utf8()..]
                }
                '`' => {
                    let (command, after) = after.split_once('`')?;
                    expanded.push_str(&self.command(command, depth + 1)?);
                    after
                }
                '$' => {
                    let (value, after) = self.dollar(after, depth)?;
                    expanded.push_str(&value);
                    after
                }
                _ => {
                    expanded.push(letter);
                    after
                }
            };
        }
        (expanded.len() <= VALUE).then_some(expanded)
    }

    /// Expands what stands behind `$`; returns the value and what follows.
    fn dollar<'t>(&self, text: &'t str, depth: usize) -> Option<(String, &'t str)> {
        if text.starts_with(['(', '{']) {
            let mut nesting = Nesting { before: '$', ..Nesting::default() };
            let end = text.char_indices().find(|(_, letter)| {
                nesting.takes(*letter);
                nesting.within.is_empty()
            })?;
            let (inside, after) = (&text[1..end.0], &text[end.0 + 1..]);
            let value = if text.starts_with('(') { self.command(inside, depth + 1) } else { self.braces(inside, depth) };
            return Some((value?, after));
        }
        if let Some(after) = text.strip_prefix('0') {
            return Some((self.script.clone(), after));
        }
        let end = text.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(text.len());
        Some((self.variables.get(&text[..end])?.clone()?, &text[end..]))
    }

    fn braces(&self, inside: &str, depth: usize) -> Option<String> {
        match inside {
            "0" | "BASH_SOURCE[0]" => return Some(self.script.clone()),
            "0%/*" | "BASH_SOURCE%/*" | "BASH_SOURCE[0]%/*" => return Some(folder_of(&self.script).to_owned()),
            "0##*/" => return Some(name_of(&self.script).to_owned()),
            _ => {}
        }
        let end = inside.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(inside.len());
        let (name, operator) = inside.split_at(end);
        let value = self.variables.get(name).cloned().flatten();
        let default = operator.strip_prefix(":-").or_else(|| operator.strip_prefix('-'));
        match (value, default) {
            (Some(value), _) if operator.is_empty() || default.is_some() => Some(value),
            (None, Some(default)) => self.expand(default, depth + 1),
            _ => None,
        }
    }

    /// Returns what a command prints that takes a path apart: `dirname`, `basename`, `readlink -f`, `realpath`, or `cd … && pwd`.
    /// Links are left as they are.
    fn command(&self, command: &str, depth: usize) -> Option<String> {
        let first = statements(command).into_iter().find(|statement| !statement.trim().is_empty())?;
        let tokens = tokens(&first);
        let (program, arguments) = tokens.split_first()?;
        let path = self.expand(arguments.iter().find(|word| !word.starts_with('-'))?, depth)?;
        match program.as_str() {
            "dirname" => Some(folder_of(&path).to_owned()),
            "basename" => Some(name_of(&path).to_owned()),
            "readlink" | "realpath" | "cd" => Some(path),
            _ => None,
        }
    }
}

/// Returns the folder of a path, as dirname(1) does.
fn folder_of(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    }
}

/// Returns the last name of a path.
pub(super) fn name_of(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn programs(text: &str) -> String {
        let commands = read(text, "/opt/app/bin", "app").commands;
        commands.iter().map(|command| command.words.join(" ")).collect::<Vec<_>>().join(" | ")
    }

    #[test]
    fn what_a_script_starts_is_read_without_running_it() {
        for (text, expected) in [
            ("#!/bin/sh\nexec /usr/lib/x/x \"$@\"\n", "/usr/lib/x/x"),
            ("NAME=x\nDIR=/usr/lib/$NAME\nexec $DIR/${NAME} $FLAGS \"$@\"", "/usr/lib/x/x"),
            ("# exec /no\nA=1 B='2 3' exec \"/a b\"/'c d'", "/a b/c d"),
            ("if [ -x /a ]; then exec /a \"$@\"; else\n  exec /b; fi", "/a | /b"),
            ("[ -x /a ] && exec /a \\\n  --long\nexec b \"$@\"", "/a --long | b"),
            ("exec \"$(dirname \"$0\")/../lib/app.bin\"", "/opt/app/bin/../lib/app.bin"),
            ("HERE=$(cd \"$(dirname \"$(readlink -f \"$0\")\")\" && pwd)\nexec \"$HERE/x\"", "/opt/app/bin/x"),
            ("exec `dirname $0`/x", "/opt/app/bin/x"),
            ("exec \"${0%/*}/x\"", "/opt/app/bin/x"),
            ("exec ${JAVA:-/usr/bin/java} -jar x", "/usr/bin/java -jar x"),
            ("W=\"`readlink -f \"$0\"`\"\nHERE=\"`dirname \"$W\"`\"\nexec -a \"$0\" \"$HERE/chrome\" \"$@\"", "/opt/app/bin/chrome"),
            ("exec \"$(dirname \"${BASH_SOURCE[0]}\")/${0##*/}.bin\" --x", "/opt/app/bin/app.bin --x"),
            ("exec python3 -m \"x y\" $OTHER z", "python3 -m x y"),
            ("/usr/lib/office/program \"$@\"\n", "/usr/lib/office/program"),
            ("exec $UNKNOWN \"$x/y\"", ""),
            ("exec > /dev/null\nexec /a", "/a"),
            ("echo \"exec /no\"\nexec '/a", "/a"),
            ("exec \"$(x", ""),
            ("", ""),
        ] {
            assert_eq!(programs(text), expected, "{text}");
        }
    }

    #[test]
    fn variables_are_told_where_nothing_else_is_done() {
        let erl = "ROOTDIR=/usr/lib/erlang\nBINDIR=\"$ROOTDIR/erts-1/bin\"\nPROGNAME=`basename \"$0\"`\nexport ROOTDIR\nexport BINDIR PROGNAME\n\
                   export LATER=$UNKNOWN\nexec \"$BINDIR/erlexec\" ${1+\"$@\"}\n";
        let script = read(erl, "/usr/lib/erlang/bin", "erl");
        let words = vec!["/usr/lib/erlang/erts-1/bin/erlexec".to_owned()];
        assert_eq!(script.commands, [Command { words, is_whole: true }]);
        let exported: Vec<String> = script.exported.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(exported, ["ROOTDIR=/usr/lib/erlang", "BINDIR=/usr/lib/erlang/erts-1/bin", "PROGNAME=erl"]);
        assert!(read(&format!("case $1 in a) ;; esac\n{erl}"), "/", "erl").exported.is_empty());
    }

    #[test]
    fn any_text_is_read_to_its_end() {
        for text in ["$", "${", "$(", "`", "\\", "'", "\"$", "exec ${A:-${A:-${A:-${A:-${A:-${A:-x}}}}}}", "exec $é", "=", "a=\nexec $a"] {
            let _ = programs(text);
        }
        assert!(programs(&"exec \"$(".repeat(5000)).is_empty());
        let doubled = "A=$A$A\n".repeat(200);
        assert!(programs(&format!("A=x\n{doubled}exec $A")).is_empty());
    }
}
