use std::collections::{BTreeMap, VecDeque};

use super::field::Field;
use super::root::{Root, Truth};
use super::syntax::{Node, Redirect, RedirectKind, Script, Simple, Word};

/// How many commands are followed in a script.
const COMMANDS: usize = 20_000;
/// How deeply functions may call each other.
const CALLS: usize = 24;

/// A command that a script would start when its package is installed.
#[derive(Debug, Clone)]
pub(super) struct Call {
    /// The command and its arguments.
    pub(super) words: Vec<Field>,
    /// The files that its output goes to.
    pub(super) writes: Vec<Write>,
    /// The line in the script.
    pub(super) line: usize,
    /// Whether it surely runs; else a condition decides that is not known here.
    pub(super) certain: bool,
    /// Whether only what it prints is wanted.
    pub(super) asked: bool,
}

impl Call {
    /// Returns the command's name without its folder and its arguments, where all of them are known.
    pub(super) fn known_words(&self) -> Option<Vec<String>> {
        let (name, arguments) = self.words.split_first()?;
        let name = name.text.rsplit('/').next().unwrap_or_default().to_owned();
        let arguments = arguments.iter().map(|word| word.text.clone());
        self.words.iter().all(|word| word.known).then(|| [name].into_iter().chain(arguments).collect())
    }
}

/// A file that output goes to.
#[derive(Debug, Clone)]
pub(super) struct Write {
    pub(super) target: Field,
    pub(super) appends: bool,
    /// The here-document that is the command's input, if it is known.
    pub(super) input: Option<String>,
}

/// Why what follows is not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Exit,
    Return(Truth),
    Break,
    Continue,
    /// The script does more than is followed.
    Limit,
}

pub(super) type Run = Result<Truth, Stop>;

/// Follows a script as it would run when its package is installed for the first time. Where a condition is not known, both ways are followed.
pub(super) struct Follower<'a> {
    pub(super) root: &'a Root<'a>,
    here: &'a [Word],
    functions: BTreeMap<&'a str, &'a Node>,
    /// The variables; `None` is a value that is not known.
    pub(super) variables: BTreeMap<String, Option<String>>,
    /// Whether variables may have been set that are not seen.
    pub(super) sourced: bool,
    /// `$0`, `$1` and so on.
    pub(super) arguments: Vec<Field>,
    pub(super) calls: Vec<Call>,
    certain: bool,
    /// Whether the output of commands is a value or another command's input.
    pub(super) asked: bool,
    /// The lines that `read` has not read yet, where they are known.
    input: Option<VecDeque<String>>,
    /// What the function returned already where a condition was met that is not known.
    returned: Option<Truth>,
    followed: usize,
    depth: usize,
}

/// Returns the commands that a script would start with these arguments, and whether all of it was followed.
pub(super) fn follow<'a>(script: &'a Script, arguments: &[&str], package: &str, root: &'a Root<'a>) -> (Vec<Call>, bool) {
    let name = if arguments.first() == Some(&"install") { "preinst" } else { "postinst" };
    let variables = [
        ("DPKG_ROOT", Some(String::new())),
        ("DPKG_MAINTSCRIPT_PACKAGE", Some(package.to_owned())),
        ("DPKG_MAINTSCRIPT_NAME", Some(name.to_owned())),
        ("DPKG_MAINTSCRIPT_ARCH", Some(root.debian_architecture().to_owned())),
        ("HOME", None),
        ("PATH", None),
        ("IFS", None),
        ("PWD", None),
    ];
    let mut follower = Follower {
        root,
        here: &script.here,
        functions: BTreeMap::new(),
        variables: variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        sourced: false,
        arguments: [name].iter().chain(arguments).map(|text| Field::known(text)).collect(),
        calls: Vec::new(),
        certain: true,
        asked: false,
        input: None,
        returned: None,
        followed: 0,
        depth: 0,
    };
    let result = follower.list(&script.commands);
    (follower.calls, result != Err(Stop::Limit))
}

impl<'a> Follower<'a> {
    pub(super) fn list(&mut self, nodes: &'a [Node]) -> Run {
        let mut last = Truth::Yes;
        for node in nodes {
            last = self.node(node)?;
        }
        Ok(last)
    }

    fn count(&mut self) -> Result<(), Stop> {
        self.followed += 1;
        if self.followed > COMMANDS { Err(Stop::Limit) } else { Ok(()) }
    }

    fn node(&mut self, node: &'a Node) -> Run {
        self.count()?;
        match node {
            Node::Simple(simple) => self.simple(simple),
            Node::And(one, other) => match self.node(one)? {
                Truth::Yes => self.node(other),
                Truth::No => Ok(Truth::No),
                Truth::Unknown => self.either(|own| own.node(other), |_| Ok(Truth::No)),
            },
            Node::Or(one, other) => match self.node(one)? {
                Truth::Yes => Ok(Truth::Yes),
                Truth::No => self.node(other),
                Truth::Unknown => self.either(|own| own.node(other), |_| Ok(Truth::Yes)),
            },
            Node::Not(node) => Ok(self.node(node)?.not()),
            Node::Pipe(nodes) => self.pipe(nodes),
            Node::If { arms, otherwise } => self.when(arms, otherwise),
            Node::Case { word, arms } => {
                let value = self.text(word);
                self.arms(&value, arms)
            }
            Node::For { name, words, body } => self.each(name, words.as_deref(), body),
            Node::While { condition, body } => self.repeat(condition, body),
            Node::Group(nodes) => self.list(nodes),
            Node::Subshell(nodes) => self.apart(|own| own.list(nodes)),
            Node::Function { name, body } => {
                self.functions.insert(name, body);
                Ok(Truth::Yes)
            }
            Node::Redirected(node, redirects) => {
                let writes = self.writes(redirects);
                if !writes.is_empty() {
                    self.call(vec![Field::known("{")], writes, line_of(node));
                }
                let lines = self.here_of(redirects).map(|text| text.lines().map(str::to_owned).collect());
                let outer = std::mem::replace(&mut self.input, lines);
                let result = self.node(node);
                self.input = outer;
                result
            }
            Node::Condition => Ok(Truth::Unknown),
        }
    }

    fn call(&mut self, words: Vec<Field>, writes: Vec<Write>, line: usize) {
        self.calls.push(Call { words, writes, line, certain: self.certain, asked: self.asked });
    }

    fn pipe(&mut self, nodes: &'a [Node]) -> Run {
        let (asked, input) = (self.asked, self.input.take());
        let mut last = Truth::Yes;
        for (number, node) in nodes.iter().enumerate() {
            self.asked = asked || number + 1 < nodes.len();
            last = self.apart(|own| own.node(node))?;
        }
        (self.asked, self.input) = (asked, input);
        Ok(last)
    }

    /// Follows commands in a shell of their own: what they set is gone afterwards, and only they end.
    fn apart(&mut self, run: impl FnOnce(&mut Self) -> Run) -> Run {
        let (variables, arguments) = (self.variables.clone(), self.arguments.clone());
        let result = run(self);
        (self.variables, self.arguments) = (variables, arguments);
        match result {
            Err(Stop::Limit) => Err(Stop::Limit),
            Err(_) => Ok(Truth::Unknown),
            Ok(truth) => Ok(truth),
        }
    }

    /// Follows two ways, of which one would be taken. What they set differently is not known afterwards.
    fn either(&mut self, one: impl FnOnce(&mut Self) -> Run, other: impl FnOnce(&mut Self) -> Run) -> Run {
        let (before, arguments) = (self.variables.clone(), self.arguments.clone());
        let certain = std::mem::replace(&mut self.certain, false);
        let first = one(self);
        let after = std::mem::replace(&mut self.variables, before);
        self.arguments = arguments;
        let second = other(self);
        self.certain = certain;
        match (first, second) {
            (Err(Stop::Limit), _) | (_, Err(Stop::Limit)) => Err(Stop::Limit),
            (Err(Stop::Return(one)), Err(Stop::Return(other))) => Err(Stop::Return(one.either(other))),
            (Err(stop), Err(_)) => Err(stop),
            (Err(stop), Ok(_)) => {
                self.may_stop(stop);
                Ok(Truth::Unknown)
            }
            (Ok(_), Err(stop)) => {
                self.may_stop(stop);
                self.variables = after;
                Ok(Truth::Unknown)
            }
            (Ok(one), Ok(other)) => {
                self.join(after);
                Ok(one.either(other))
            }
        }
    }

    /// Notes that a function may have returned here.
    fn may_stop(&mut self, stop: Stop) {
        if let Stop::Return(truth) = stop {
            self.returned = Some(self.returned.map_or(truth, |before| before.either(truth)));
        }
    }

    fn join(&mut self, other: BTreeMap<String, Option<String>>) {
        let empty = Some(String::new());
        for (name, value) in &mut self.variables {
            if other.get(name).unwrap_or(&empty) != value {
                *value = None;
            }
        }
        for (name, value) in other {
            if value != empty {
                self.variables.entry(name).or_insert(None);
            }
        }
    }

    fn when(&mut self, arms: &'a [(Vec<Node>, Vec<Node>)], otherwise: &'a [Node]) -> Run {
        let Some(((condition, body), rest)) = arms.split_first() else { return self.list(otherwise) };
        match self.list(condition)? {
            Truth::Yes => self.list(body),
            Truth::No => self.when(rest, otherwise),
            Truth::Unknown => self.either(|own| own.list(body), |own| own.when(rest, otherwise)),
        }
    }

    fn arms(&mut self, value: &Field, arms: &'a [(Vec<Word>, Vec<Node>)]) -> Run {
        let Some(((patterns, body), rest)) = arms.split_first() else { return Ok(Truth::Yes) };
        let fits = patterns.iter().map(|pattern| self.fits(value, pattern)).fold(Truth::No, Truth::or);
        match fits {
            Truth::Yes => self.list(body),
            Truth::No => self.arms(value, rest),
            Truth::Unknown => self.either(|own| own.list(body), |own| own.arms(value, rest)),
        }
    }

    fn each(&mut self, name: &str, words: Option<&'a [Word]>, body: &'a [Node]) -> Run {
        let fields = match words {
            Some(words) => words.iter().flat_map(|word| self.fields(word)).collect(),
            None => self.arguments.iter().skip(1).cloned().collect::<Vec<_>>(),
        };
        let mut last = Truth::Yes;
        for field in fields {
            let is_known = field.known;
            self.variables.insert(name.to_owned(), is_known.then_some(field.text));
            let certain = self.certain;
            self.certain &= is_known;
            let result = self.list(body);
            self.certain = certain;
            match result {
                Ok(truth) => last = truth,
                Err(Stop::Continue) => {}
                Err(Stop::Break) => break,
                Err(stop) if is_known => return Err(stop),
                Err(Stop::Limit) => return Err(Stop::Limit),
                Err(stop) => {
                    self.may_stop(stop);
                    last = Truth::Unknown;
                }
            }
        }
        Ok(last)
    }

    /// Follows a loop over known lines, or any other loop once, with all that it changes unknown.
    fn repeat(&mut self, condition: &'a [Node], body: &'a [Node]) -> Run {
        if self.input.is_some() && matches!(condition, [Node::Simple(simple)] if simple.words.first().and_then(Word::bare) == Some("read"))
        {
            while self.list(condition)? == Truth::Yes {
                match self.list(body) {
                    Err(Stop::Break) => break,
                    Ok(_) | Err(Stop::Continue) => {}
                    Err(stop) => return Err(stop),
                }
            }
            return Ok(Truth::Yes);
        }
        let (before, certain, calls) = (self.variables.clone(), self.certain, self.calls.len());
        if self.list(condition)? == Truth::No {
            return Ok(Truth::Yes);
        }
        self.certain = false;
        let first = self.list(body);
        let after = std::mem::replace(&mut self.variables, before);
        self.join(after);
        for argument in self.arguments.iter_mut().skip(1) {
            argument.known = false;
        }
        self.calls.truncate(calls);
        if first != Err(Stop::Limit) {
            let _ = self.list(condition);
            if let Err(stop) = self.list(body) {
                self.may_stop(stop);
            }
        }
        self.certain = certain;
        if self.followed > COMMANDS { Err(Stop::Limit) } else { Ok(Truth::Yes) }
    }

    /// Returns the here-document among redirections, if all of it is known.
    fn here_of(&mut self, redirects: &'a [Redirect]) -> Option<String> {
        let number =
            redirects.iter().find_map(|redirect| if let RedirectKind::Here(number) = redirect.kind { Some(number) } else { None })?;
        let here = self.here;
        let text = self.text(here.get(number)?);
        text.known.then_some(text.text)
    }

    fn writes(&mut self, redirects: &'a [Redirect]) -> Vec<Write> {
        let input = self.here_of(redirects);
        let mut writes = Vec::new();
        for redirect in redirects {
            if matches!(redirect.kind, RedirectKind::Write | RedirectKind::Append) {
                let (target, appends) = (self.text(&redirect.target), redirect.kind == RedirectKind::Append);
                if target.text != "/dev/null" {
                    writes.push(Write { target, appends, input: input.clone() });
                }
            }
        }
        writes
    }

    fn simple(&mut self, simple: &'a Simple) -> Run {
        let words: Vec<Field> = simple.words.iter().flat_map(|word| self.fields(word)).collect();
        let writes = self.writes(&simple.redirects);
        let mut status = Truth::Yes;
        for (name, word) in &simple.assignments {
            let value = self.text(word);
            if words.is_empty() {
                if matches!(word.0.as_slice(), [super::syntax::Part::Output { .. }]) {
                    status = Truth::Unknown;
                }
                self.variables.insert(name.clone(), value.known.then_some(value.text));
            }
        }
        let Some(name) = words.first().map(|word| word.text.clone()) else {
            if !writes.is_empty() {
                self.call(words, writes, simple.line);
            }
            return Ok(status);
        };
        if let Some(body) = self.functions.get(name.as_str()).copied() {
            return self.function(body, words);
        }
        if let Some(result) = self.built_in(&name, &words) {
            return result;
        }
        let status = self.status(&name, &words);
        self.call(words, writes, simple.line);
        Ok(status)
    }

    fn function(&mut self, body: &'a Node, words: Vec<Field>) -> Run {
        if self.depth >= CALLS {
            return Err(Stop::Limit);
        }
        self.depth += 1;
        let arguments = std::mem::replace(&mut self.arguments, words);
        let outer = self.returned.take();
        let result = self.node(body);
        let early = std::mem::replace(&mut self.returned, outer);
        self.arguments = arguments;
        self.depth -= 1;
        match (result, early) {
            (Ok(truth) | Err(Stop::Return(truth)), Some(early)) => Ok(early.either(truth)),
            (Err(Stop::Return(truth)), None) | (Err(Stop::Exit), Some(truth)) => Ok(truth),
            (other, _) => other,
        }
    }

    /// Reads a line into variables: of a known input its next one, else one that is not known.
    fn read(&mut self, words: &[Field]) -> Truth {
        let names: Vec<&str> = words[1..].iter().map(|word| word.text.as_str()).filter(|name| !name.starts_with('-')).collect();
        let Some(lines) = &mut self.input else {
            self.variables.extend(names.iter().map(|name| ((*name).to_owned(), None)));
            return Truth::Unknown;
        };
        let Some(line) = lines.pop_front() else { return Truth::No };
        let mut rest = line.trim();
        for (number, name) in names.iter().enumerate() {
            let (value, after) = match rest.split_once(char::is_whitespace) {
                Some((value, after)) if number + 1 < names.len() => (value, after.trim_start()),
                _ => (rest, ""),
            };
            self.variables.insert((*name).to_owned(), Some(value.to_owned()));
            rest = after;
        }
        Truth::Yes
    }

    /// Follows what the shell itself does.
    fn built_in(&mut self, name: &str, words: &[Field]) -> Option<Run> {
        let truth = |word: Option<&Field>| match word {
            Some(word) if word.known => Truth::of(word.text == "0"),
            _ => Truth::Unknown,
        };
        Some(match name {
            "exit" => Err(Stop::Exit),
            "return" => Err(Stop::Return(truth(words.get(1)))),
            "break" => Err(Stop::Break),
            "continue" => Err(Stop::Continue),
            "true" | ":" => Ok(Truth::Yes),
            "false" => Ok(Truth::No),
            "shift" => {
                if self.arguments.len() > 1 {
                    self.arguments.remove(1);
                }
                Ok(Truth::Yes)
            }
            "set" => {
                if let Some(position) = words.iter().position(|word| word.text == "--") {
                    let own = self.arguments.first().cloned();
                    self.arguments = own.into_iter().chain(words[position + 1..].iter().cloned()).collect();
                }
                Ok(Truth::Yes)
            }
            "export" | "local" | "readonly" | "declare" | "typeset" => {
                for word in &words[1..] {
                    if let Some((name, value)) = word.text.split_once('=') {
                        self.variables.insert(name.to_owned(), word.known.then(|| value.to_owned()));
                    }
                }
                Ok(Truth::Yes)
            }
            "unset" => {
                self.variables.extend(words[1..].iter().map(|word| (word.text.clone(), Some(String::new()))));
                Ok(Truth::Yes)
            }
            "read" => Ok(self.read(words)),
            "[" | "test" => Ok(self.test(words)),
            _ => return None,
        })
    }
}

fn line_of(node: &Node) -> usize {
    match node {
        Node::Simple(simple) => simple.line,
        Node::And(one, _) | Node::Or(one, _) | Node::Not(one) | Node::Redirected(one, _) => line_of(one),
        Node::Pipe(nodes) | Node::Group(nodes) | Node::Subshell(nodes) => nodes.first().map_or(0, line_of),
        Node::For { body, .. } | Node::While { body, .. } => body.first().map_or(0, line_of),
        Node::If { arms, .. } => arms.first().and_then(|(condition, _)| condition.first()).map_or(0, line_of),
        Node::Case { .. } | Node::Function { .. } | Node::Condition => 0,
    }
}
