use super::LintRequest;
use super::files::name;
use crate::linkage::StartedProgram;

/// Returns the interpreter that the image starts: the program itself, one behind launchers, or that of a script's first line. `is_one` says
/// whether a program of this name is such an interpreter.
pub(super) fn started<'a>(request: &LintRequest<'a>, is_one: impl Fn(&str) -> bool) -> Option<&'a StartedProgram> {
    request.started.iter().find(|program| is_one(name(&program.named)) || is_one(name(&program.real)))
}

/// Returns the script among an interpreter's arguments: the first that is neither an option nor the value of one. `with_value` lists the
/// options whose value is the next argument.
pub(super) fn script<'a>(arguments: &'a [String], with_value: &[&str], is_option: impl Fn(&str) -> bool) -> Option<&'a str> {
    let mut words = arguments.iter().map(String::as_str);
    while let Some(word) = words.next() {
        if with_value.contains(&word) {
            words.next();
        } else if !is_option(word) {
            return Some(word);
        }
    }
    None
}
