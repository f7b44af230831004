/// A script, read: its commands, and the bodies of its here-documents.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) commands: Vec<Node>,
    /// The here-documents, by the number that a redirection has.
    pub(super) here: Vec<Word>,
}

/// A command of the shell (POSIX.1-2024, section 2.9).
#[derive(Debug, Clone)]
pub(super) enum Node {
    Simple(Simple),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Not(Box<Node>),
    Pipe(Vec<Node>),
    If {
        arms: Vec<(Vec<Node>, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    Case {
        word: Word,
        arms: Vec<(Vec<Word>, Vec<Node>)>,
    },
    For {
        name: String,
        words: Option<Vec<Word>>,
        body: Vec<Node>,
    },
    While {
        condition: Vec<Node>,
        body: Vec<Node>,
    },
    Group(Vec<Node>),
    Subshell(Vec<Node>),
    Function {
        name: String,
        body: Box<Node>,
    },
    /// A compound command and where its output goes.
    Redirected(Box<Node>, Vec<Redirect>),
    /// A condition in bash's own syntax, `[[ … ]]` or `(( … ))`, which is not read.
    Condition,
}

/// A simple command: assignments, words, redirections.
#[derive(Debug, Clone, Default)]
pub(super) struct Simple {
    pub(super) assignments: Vec<(String, Word)>,
    pub(super) words: Vec<Word>,
    pub(super) redirects: Vec<Redirect>,
    /// The line that it begins in, from 1.
    pub(super) line: usize,
}

/// A redirection.
#[derive(Debug, Clone)]
pub(super) struct Redirect {
    pub(super) kind: RedirectKind,
    pub(super) target: Word,
}

/// What a redirection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedirectKind {
    Read,
    Write,
    Append,
    /// From or to another descriptor.
    Descriptor,
    /// A here-document, by its number.
    Here(usize),
}

/// A word before it is expanded.
#[derive(Debug, Clone, Default)]
pub(super) struct Word(pub(super) Vec<Part>);

/// A part of a word.
#[derive(Debug, Clone)]
pub(super) enum Part {
    Literal {
        text: String,
        quoted: bool,
    },
    Variable {
        name: String,
        change: Change,
        quoted: bool,
    },
    /// What commands print.
    Output {
        commands: Vec<Node>,
        quoted: bool,
    },
    /// What is not computed: arithmetic, and what only bash has.
    Unread(String),
}

/// What is done with a variable's value (POSIX.1-2024, section 2.6.2).
#[derive(Debug, Clone)]
pub(super) enum Change {
    None,
    /// `${x:-word}` and `${x:=word}`; `empty` says whether an empty value counts as none.
    Default {
        word: Word,
        empty: bool,
    },
    /// `${x:+word}`.
    Alternative {
        word: Word,
        empty: bool,
    },
    /// `${x%word}`, `${x##word}`: removes what fits at the front or at the end.
    Trim {
        word: Word,
        front: bool,
        longest: bool,
    },
    Length,
}

impl Word {
    /// Returns the text of a word that is written without quotes and variables.
    pub(super) fn bare(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Literal { text, quoted: false }] => Some(text),
            _ => None,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8], is_quoted: bool) {
        let more = String::from_utf8_lossy(bytes);
        match self.0.last_mut() {
            Some(Part::Literal { text, quoted }) if *quoted == is_quoted => text.push_str(&more),
            _ => self.0.push(Part::Literal { text: more.into_owned(), quoted: is_quoted }),
        }
    }
}
