use std::collections::BTreeMap;

/// How many commands a script may have once its loops are written out, how many words each, and how deep loops may lie in each other.
const COMMANDS: usize = 10_000;
const WORDS: usize = 200;
const DEPTH: usize = 4;

/// One word or separator of a shell script.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Word(String),
    /// The end of a command: a newline, `;`, `&`, `|` or a parenthesis.
    End,
}

/// Returns the simple commands of a shell script, each as its words without quotes. Loops over literal words are written out (`for x in a b; do c $x; done`
/// is `c a` and `c b`); a variable that is no loop's stays in its word as it is written. Conditions are not looked at: what follows `then` is a command.
pub(super) fn commands(script: &str) -> Vec<Vec<String>> {
    let tokens = tokens(script);
    let mut found = Vec::new();
    expand(&tokens, &BTreeMap::new(), DEPTH, &mut found);
    found
}

fn tokens(script: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = script.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some('\n') | None => {}
                Some(escaped) => word.get_or_insert_default().push(escaped),
            },
            '#' if word.is_none() => while characters.next_if(|character| *character != '\n').is_some() {},
            quote @ ('\'' | '"') => {
                let word = word.get_or_insert_default();
                while let Some(inside) = characters.next().filter(|character| *character != quote) {
                    match inside {
                        '\\' if quote == '"' => word.extend(characters.next().filter(|escaped| *escaped != '\n')),
                        inside => word.push(inside),
                    }
                }
            }
            '\n' | ';' | '&' | '|' | '(' | ')' => {
                tokens.extend(word.take().map(Token::Word));
                tokens.push(Token::End);
            }
            character if character.is_whitespace() => tokens.extend(word.take().map(Token::Word)),
            character => word.get_or_insert_default().push(character),
        }
    }
    tokens.extend(word.map(Token::Word));
    tokens
}

/// Collects the commands of a part of a script, in which some variables have values.
fn expand<'t>(tokens: &'t [Token], values: &BTreeMap<&'t str, String>, depth: usize, found: &mut Vec<Vec<String>>) {
    let mut command: Vec<String> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let Token::Word(word) = token else {
            end(&mut command, found);
            continue;
        };
        let begins = command.is_empty();
        match word.as_str() {
            "if" | "then" | "else" | "elif" | "while" | "until" | "do" | "done" | "fi" | "esac" | "!" | "{" | "}" if begins => {}
            "for" if begins && depth > 0 => {
                let (name, words, body, after) = for_loop(&tokens[at..]);
                at += after;
                for value in words {
                    let mut inner = values.clone();
                    inner.insert(name, value_of(value, values));
                    expand(body, &inner, depth - 1, found);
                    if found.len() >= COMMANDS {
                        return;
                    }
                }
            }
            word if command.len() < WORDS => command.push(value_of(word, values)),
            _ => {}
        }
    }
    end(&mut command, found);
}

fn end(command: &mut Vec<String>, found: &mut Vec<Vec<String>>) {
    if !command.is_empty() && found.len() < COMMANDS {
        found.push(std::mem::take(command));
    }
    command.clear();
}

/// Reads a loop behind its `for`: the variable, the words, the body, and how many tokens these are.
fn for_loop(tokens: &[Token]) -> (&str, Vec<&str>, &[Token], usize) {
    let word = |token: &'_ Token| matches!(token, Token::Word(_));
    let text = |at: usize| match tokens.get(at) {
        Some(Token::Word(word)) => word.as_str(),
        _ => "",
    };
    let (name, mut at) = (text(0), 1);
    let mut words = Vec::new();
    if text(at) == "in" {
        at += 1;
        while tokens.get(at).is_some_and(word) {
            words.push(text(at));
            at += 1;
        }
    }
    while at < tokens.len() && text(at) != "do" {
        at += 1;
    }
    let start = (at + 1).min(tokens.len());
    let (mut nested, mut stop) = (1, start);
    while stop < tokens.len() {
        let begins = matches!(tokens.get(stop.wrapping_sub(1)), None | Some(Token::End));
        match text(stop) {
            "do" => nested += 1,
            "done" if begins => nested -= 1,
            _ => {}
        }
        if nested == 0 {
            break;
        }
        stop += 1;
    }
    (name, words, &tokens[start..stop], (stop + 1).min(tokens.len()))
}

/// Puts the values of variables into a word: `$name` and `${name}`.
fn value_of(word: &str, values: &BTreeMap<&str, String>) -> String {
    let mut result = String::with_capacity(word.len());
    let mut rest = word;
    while let Some((before, after)) = rest.split_once('$') {
        result.push_str(before);
        let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let (name, behind) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some((name, behind)) => (name, behind),
            None => after.split_at(after.find(|character| !is_name(character)).unwrap_or(after.len())),
        };
        rest = if let Some(value) = values.get(name) {
            result.push_str(value);
            behind
        } else {
            result.push('$');
            after
        };
    }
    result + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(script: &str) -> Vec<String> {
        commands(script).iter().map(|words| words.join("|")).collect()
    }

    #[test]
    fn commands_are_words_without_quotes() {
        for (script, expected) in [
            ("a b  c\n", &["a|b|c"][..]),
            ("#!/bin/sh\n# a b\nc d # e\n", &["c|d"]),
            ("a \\\n  b; c && d || e | f\n", &["a|b", "c", "d", "e", "f"]),
            ("a --id \"-//X//DTD Y//EN\" 'b c' d\"e\"f\\ g\n", &["a|--id|-//X//DTD Y//EN|b c|def g"]),
            ("if [ \"$1\" = configure ]; then\n  a $1 ${RET}\nfi\n", &["[|$1|=|configure|]", "a|$1|${RET}"]),
            ("case $1 in\n  configure)\n    a\n  ;;\nesac\n", &["case|$1|in", "configure", "a"]),
            ("a \"b\nc", &["a|b\nc"]),
            ("", &[]),
        ] {
            assert_eq!(told(script), expected, "{script}");
        }
    }

    #[test]
    fn loops_over_literal_words_are_written_out() {
        for (script, expected) in [
            ("for m in a b \\\n  c ; do\n  enable -q $m\ndone\nd\n", &["enable|-q|a", "enable|-q|b", "enable|-q|c", "d"][..]),
            ("for m in a; do for n in x y; do f $m-${n}.so $o; done; done", &["f|a-x.so|$o", "f|a-y.so|$o"]),
            ("for m in $(ls); do f $m; done", &["f|$"]),
            ("for m in; do f; done; g", &["g"]),
            ("for m in a b", &[]),
            ("for", &[]),
            ("for m in a; do f \"$m", &["f|a"]),
        ] {
            assert_eq!(told(script), expected, "{script}");
        }
    }

    #[test]
    fn loops_in_loops_end_at_a_bound() {
        let words = "w ".repeat(100);
        let script = format!("for a in {words}; do for b in {words}; do for c in {words}; do f $a; done; done; done");
        assert_eq!(commands(&script).len(), COMMANDS);
        assert!(commands(&"for a in b; do ".repeat(5000)).len() <= COMMANDS);
    }
}
