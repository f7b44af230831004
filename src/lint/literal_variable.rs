use std::collections::{BTreeMap, BTreeSet};

use super::LintRequest;
use super::finding::{Level, Report};
use crate::diagnostic::{Span, snippet};
use crate::linkage::behind_launchers;
use crate::recipe::Spanned;

/// Variables that every runtime or shell sets, so that their names are meant as such.
const USUAL: &[&str] = &["HOME", "USER", "PWD"];

/// Programs whose options of these letters are followed by code: what they expand there is up to them.
const INTERPRETERS: &[(&str, &str)] = &[
    ("ash", "c"),
    ("bash", "c"),
    ("csh", "c"),
    ("dash", "c"),
    ("fish", "c"),
    ("ksh", "c"),
    ("mksh", "c"),
    ("node", "ep"),
    ("nodejs", "ep"),
    ("perl", "eE"),
    ("php", "r"),
    ("python", "c"),
    ("ruby", "e"),
    ("runuser", "c"),
    ("sh", "c"),
    ("su", "c"),
    ("tcsh", "c"),
    ("zsh", "c"),
];

/// Finds names of variables that nothing expands: there is no shell between the recipe and the program.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let environment = request.config.environment();
    let names_of_image: BTreeSet<&str> = environment.iter().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    let names: BTreeSet<&str> = names_of_image.iter().chain(USUAL).copied().collect();
    let process = &request.recipe.process;
    let mut found = Found { names, names_of_image, own: &process.env, report };
    for (name, value) in &process.env {
        let separated: Vec<&str> = value.split(':').collect();
        found.text(&format!("process.env.{name}"), value, separated.iter().any(|part| is_home(part)), value.span.as_ref());
    }
    let entrypoint = process.entrypoint.as_ref();
    let arguments = request.config.arguments();
    let code = begin_of_code(&arguments);
    let first_of_command = request.config.entrypoint().len();
    for (key, words, first) in [("process.entrypoint", entrypoint, 0), ("process.command", process.command.as_ref(), first_of_command)] {
        let words = words.into_iter().flat_map(|words| words.value.iter().map(|word| (word, words.span.as_ref())));
        for (_, (word, span)) in (first..).zip(words).filter(|(index, _)| *index < code) {
            found.text(key, word, is_home(word), span);
        }
    }
    if let Some(check) = &process.healthcheck {
        let words: Vec<&str> = check.command.iter().map(String::as_str).collect();
        words[..begin_of_code(&words).min(words.len())]
            .iter()
            .for_each(|word| found.text("process.healthcheck.command", word, is_home(word), None));
    }
}

struct Found<'a> {
    /// The variables whose names count.
    names: BTreeSet<&'a str>,
    names_of_image: BTreeSet<&'a str>,
    /// The variables of the recipe.
    own: &'a BTreeMap<String, Spanned<String>>,
    report: &'a mut Report,
}

impl Found<'_> {
    fn text(&mut self, key: &str, text: &str, is_home: bool, span: Option<&Span>) {
        let found = variables(text).into_iter().find(|variable| self.names.contains(variable.name));
        let literal = match &found {
            Some(variable) => variable.written,
            None if is_home => "~/",
            None => return,
        };
        let hint = match found.map(|variable| variable.name) {
            Some(name) => self.hint(key, name),
            None => "write the folder itself, as `/home/nonroot/`".to_owned(),
        };
        let message = format!("`{key}` holds `{}` as literal text: no shell expands it", literal.escape_debug());
        if !self.report.has(&message) {
            self.report.find(Level::Warning, message).at(span, "is not expanded").hint(hint);
        }
    }

    fn hint(&self, key: &str, name: &str) -> String {
        match self.own.get(name) {
            Some(value) if key.strip_prefix("process.env.") != Some(name) => format!("write its value: `{}`", snippet::part(value)),
            None if !self.names_of_image.contains(name) => format!("write the value of `{name}` itself; the image does not set it"),
            _ => format!("write `{{image.env.{name}}}`, which is the value that the base has"),
        }
    }
}

fn is_home(word: &str) -> bool {
    word.starts_with("~/")
}

/// A variable in a text: `$NAME`, `${NAME}`, `${NAME:-default}`.
#[derive(Debug, PartialEq, Eq)]
struct Variable<'a> {
    name: &'a str,
    written: &'a str,
}

/// Returns the variables in a text; `$$` stands for a literal `$`.
fn variables(text: &str) -> Vec<Variable<'_>> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(dollar) = text[at..].find('$') {
        let start = at + dollar;
        let rest = &text[start + 1..];
        at = start + 1;
        if rest.starts_with('$') {
            at += 1;
            continue;
        }
        let name = rest.strip_prefix('{').unwrap_or(rest);
        let end = name.find(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').unwrap_or(name.len());
        let (name, behind) = name.split_at(end);
        if name.is_empty() || name.starts_with(|letter: char| letter.is_ascii_digit()) {
            continue;
        }
        let is_braced = rest.starts_with('{');
        let length = if !is_braced {
            end
        } else if let (true, Some(close)) = (behind.starts_with(['}', ':', '-', '+', '?', '=', '%', '#', '/']), behind.find('}')) {
            end + close + 2
        } else {
            continue;
        };
        found.push(Variable { name, written: &text[start..=start + length] });
    }
    found
}

/// Returns the index of the first word that a shell or another interpreter reads as code; the number of words where there is none.
fn begin_of_code(words: &[&str]) -> usize {
    let program = behind_launchers(words);
    let begin = begin_in_program(&program);
    // Counted from the end: `env -S` makes several words of one.
    words.len().saturating_sub(program.len() - begin)
}

fn begin_in_program(words: &[String]) -> usize {
    let mut letters = "";
    for (index, word) in words.iter().enumerate() {
        let name = word.rsplit('/').next().unwrap_or_default();
        let name = name.trim_end_matches(|letter: char| letter.is_ascii_digit() || letter == '.');
        if let Some((_, options)) = INTERPRETERS.iter().find(|(known, _)| *known == name) {
            letters = options;
        } else if let Some(options) = word.strip_prefix('-').filter(|options| !options.starts_with('-')) {
            if !letters.is_empty() && options.contains(|letter| letters.contains(letter)) {
                return index + 1;
            }
        } else if matches!(word.as_str(), "--eval" | "--print" | "--command") && !letters.is_empty() {
            return index + 1;
        }
    }
    words.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_found_as_shells_write_them() {
        for (text, expected) in [
            ("$A", "A=$A"),
            ("x:${PATH}:y", "PATH=${PATH}"),
            ("${A:-b}/$C_1.d", "A=${A:-b} C_1=$C_1"),
            ("$$A $${B}", ""),
            ("$$$A", "A=$A"),
            ("$1 $ $(A) ${} ${A ${A!}", ""),
            ("æ$Aæ", "A=$A"),
        ] {
            let found: Vec<String> = variables(text).iter().map(|variable| format!("{}={}", variable.name, variable.written)).collect();
            assert_eq!(found.join(" "), expected, "{text}");
        }
    }

    #[test]
    fn what_a_shell_gets_is_code() {
        for (words, expected) in [
            (&["/bin/sh", "-c", "$A"][..], 2),
            (&["bash", "-ec", "$A", "x"], 2),
            (&["/usr/bin/env", "sh", "-e", "-c", "$A"], 4),
            (&["tini", "--", "busybox", "sh", "-c", "$A"], 5),
            (&["env", "-u", "sh", "/app", "-c", "$A"], 6),
            (&["tini", "-p", "SIGTERM", "--", "sh", "-c", "$A"], 6),
            (&["env", "-S", "sh -c", "$A"], 3),
            (&["python3.13", "-c", "$A"], 2),
            (&["node", "--eval", "$A"], 2),
            (&["/app", "-c", "$A"], 3),
            (&["sh", "/run.sh", "$A"], 3),
        ] {
            assert_eq!(begin_of_code(words), expected, "{words:?}");
        }
    }
}
