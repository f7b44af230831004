use super::field::Field;
use super::follow::Follower;
use super::root::Truth;
use super::syntax::{Change, Node, Part, Word};
use crate::debian::fits;

impl<'a> Follower<'a> {
    /// Expands a word to what a command gets: it may become several, or none.
    pub(super) fn fields(&mut self, word: &'a Word) -> Vec<Field> {
        let mut done: Vec<Field> = Vec::new();
        let mut current: Option<Field> = None;
        for part in &word.0 {
            match part {
                Part::Variable { name, quoted: true, .. } if name == "@" => {
                    let mut all = self.arguments.iter().skip(1).cloned();
                    if let Some(first) = all.next() {
                        let field = current.get_or_insert_with(Field::empty);
                        field.known &= first.known;
                        field.text.push_str(&first.text);
                    }
                    for next in all {
                        done.extend(current.replace(next));
                    }
                }
                part => {
                    let (value, quoted) = self.part(part);
                    let splits = !quoted && !matches!(part, Part::Literal { .. });
                    if !splits {
                        let field = current.get_or_insert_with(Field::empty);
                        field.known &= value.known;
                        field.add(&value.text, quoted);
                        continue;
                    }
                    if value.text.starts_with(char::is_whitespace) {
                        done.extend(current.take());
                    }
                    for (number, text) in value.text.split_whitespace().enumerate() {
                        if number > 0 {
                            done.extend(current.take());
                        }
                        let field = current.get_or_insert_with(Field::empty);
                        field.known &= value.known;
                        field.add(text, false);
                    }
                    if value.text.ends_with(char::is_whitespace) {
                        done.extend(current.take());
                    }
                }
            }
        }
        done.extend(current);
        done.into_iter().flat_map(|field| self.names(field)).collect()
    }

    /// Replaces a pattern by the names of the files that packages have.
    fn names(&self, field: Field) -> Vec<Field> {
        if !field.pattern || !field.known || !field.text.starts_with('/') {
            return vec![field];
        }
        let names = self.root.matching(&field.text);
        // Without a file the pattern stays, as the shell has it.
        if names.is_empty() { vec![field] } else { names.iter().map(|name| Field::known(name)).collect() }
    }

    /// Expands a word to one text, as in an assignment.
    pub(super) fn text(&mut self, word: &'a Word) -> Field {
        let mut whole = Field::empty();
        for part in &word.0 {
            let (value, quoted) = self.part(part);
            whole.known &= value.known;
            whole.add(&value.text, quoted);
        }
        whole
    }

    fn part(&mut self, part: &'a Part) -> (Field, bool) {
        match part {
            Part::Literal { text, quoted } => (Field::known(text), *quoted),
            Part::Variable { name, change, quoted } => (self.variable(name, change), *quoted),
            Part::Output { commands, quoted } => {
                let value = self.output(commands);
                let text = value.as_deref().map_or("$(…)", |text| text.trim_end_matches('\n')).to_owned();
                (Field { text, known: value.is_some(), pattern: false }, *quoted)
            }
            Part::Unread(source) => (Field { text: source.clone(), known: false, pattern: false }, true),
        }
    }

    fn variable(&mut self, name: &'a str, change: &'a Change) -> Field {
        let value = self.value(name);
        let unknown = || Field { text: format!("${name}"), known: false, pattern: false };
        match change {
            Change::None => value.map_or_else(unknown, |text| Field::known(&text)),
            Change::Default { word, empty } => match value {
                None => unknown(),
                // An empty variable and none are one here: a script that tells them apart is rare.
                Some(text) if text.is_empty() && (*empty || !self.variables.contains_key(name)) => self.text(word),
                Some(text) => Field::known(&text),
            },
            Change::Alternative { word, empty } => match value {
                None => unknown(),
                Some(text) if text.is_empty() && (*empty || !self.variables.contains_key(name)) => Field::empty(),
                Some(_) => self.text(word),
            },
            Change::Trim { word, front, longest } => {
                let pattern = self.text(word);
                match value.filter(|_| pattern.known) {
                    Some(text) => Field::known(trimmed(&text, &pattern.text, *front, *longest)),
                    None => unknown(),
                }
            }
            Change::Length => value.map_or_else(unknown, |text| Field::known(&text.chars().count().to_string())),
        }
    }

    /// Returns a variable's value; empty where it is not set, `None` where it is not known.
    fn value(&self, name: &str) -> Option<String> {
        if let Ok(number) = name.parse::<usize>() {
            return match self.arguments.get(number) {
                Some(field) => field.known.then(|| field.text.clone()),
                None => Some(String::new()),
            };
        }
        match name {
            "#" => Some(self.arguments.len().saturating_sub(1).to_string()),
            "@" | "*" => {
                let all = self.arguments.iter().skip(1);
                all.clone().all(|field| field.known).then(|| all.map(|field| field.text.as_str()).collect::<Vec<_>>().join(" "))
            }
            "?" | "$" | "!" | "-" => None,
            name => match self.variables.get(name) {
                Some(value) => value.clone(),
                None => (!self.sourced).then(String::new),
            },
        }
    }

    /// Follows commands whose output is a value, and returns it where it is plain.
    fn output(&mut self, commands: &'a [Node]) -> Option<String> {
        let first = self.calls.len();
        let variables = self.variables.clone();
        let asked = std::mem::replace(&mut self.asked, true);
        let _ = self.list(commands);
        self.variables = variables;
        self.asked = asked;
        let calls = self.calls.get(first..)?;
        if !calls.iter().all(|call| call.writes.is_empty() && call.words.iter().all(|word| word.known)) {
            return None;
        }
        let words: Vec<Vec<String>> = calls.iter().map(|call| call.words.iter().map(|word| word.text.clone()).collect()).collect();
        match (commands, words.as_slice()) {
            ([Node::Simple(_)], [words]) => self.printed(words),
            ([Node::Pipe(nodes)], [words, cut]) if nodes.len() == 2 => cut_of(&self.printed(words)?, cut),
            _ => None,
        }
    }

    /// Returns what a command prints, where that is plain.
    fn printed(&self, words: &[String]) -> Option<String> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let value = match words.as_slice() {
            ["echo", rest @ ..] if !rest.first().is_some_and(|word| word.starts_with('-')) => rest.join(" "),
            ["printf", "%s" | "%s\\n", text] => (*text).to_owned(),
            ["dpkg", "--print-architecture"] => self.root.debian_architecture().to_owned(),
            ["dpkg-architecture", "-qDEB_HOST_MULTIARCH" | "-qDEB_TARGET_MULTIARCH" | "-qDEB_BUILD_MULTIARCH"] => {
                self.root.multiarch()?.to_owned()
            }
            ["basename", path] => path.rsplit('/').next()?.to_owned(),
            ["basename", path, suffix] => {
                let name = path.rsplit('/').next()?;
                name.strip_suffix(suffix).unwrap_or(name).to_owned()
            }
            ["dirname", path] => path.rsplit_once('/').map_or(".", |(above, _)| above).to_owned(),
            ["command", "-v", name] | ["which", name] if self.root.has_program(name) == Truth::Yes => format!("/usr/bin/{name}"),
            _ => return None,
        };
        Some(value)
    }

    /// Says whether a value fits a pattern of `case`.
    pub(super) fn fits(&mut self, value: &Field, pattern: &'a Word) -> Truth {
        let pattern = self.text(pattern);
        if pattern.text == "*" {
            return Truth::Yes;
        }
        if !value.known || !pattern.known || pattern.text.contains('[') {
            return if value.known && value.text == pattern.text { Truth::Yes } else { Truth::Unknown };
        }
        Truth::of(if pattern.pattern { fits(&pattern.text, &value.text) } else { pattern.text == value.text })
    }
}

/// Returns a field of a text, as `cut -d: -f2` prints it.
fn cut_of(text: &str, words: &[String]) -> Option<String> {
    let [name, options @ ..] = words else { return None };
    let option = |letter: &str| options.iter().find_map(|option| option.strip_prefix(letter));
    let (delimiter, field) = (option("-d")?, option("-f")?.parse::<usize>().ok()?);
    if name != "cut" || options.len() != 2 || delimiter.chars().count() != 1 || text.trim_end().contains('\n') || field == 0 {
        return None;
    }
    let fields: Vec<&str> = text.split(delimiter).collect();
    // A text without the delimiter is printed whole.
    Some(if fields.len() == 1 { text } else { fields.get(field - 1).copied().unwrap_or_default() }.to_owned())
}

/// Removes what fits a pattern at one end of a text: the shortest or the longest.
fn trimmed<'t>(text: &'t str, pattern: &str, front: bool, longest: bool) -> &'t str {
    let mut cuts: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
    if front == longest {
        cuts.reverse();
    }
    let cut = cuts.into_iter().find(|cut| fits(pattern, if front { &text[..*cut] } else { &text[*cut..] }));
    match cut {
        Some(cut) if front => &text[cut..],
        Some(cut) => &text[..cut],
        None => text,
    }
}
