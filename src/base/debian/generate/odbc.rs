use std::fmt::Write as _;

use super::sources::{Generated, Sources};
use crate::base::debian::files::file;

/// The list of drivers (odbcinst.ini(5)).
const DRIVERS: &str = "etc/odbcinst.ini";

/// Returns the list of ODBC drivers: the templates that packages' scripts hand to `odbcinst -i -d -f FILE`, in the order of the packages.
pub(in crate::base::debian) fn drivers(sources: &Sources<'_>) -> Vec<Generated> {
    let mut text = String::new();
    for (_, words) in sources.commands().filter(|(_, words)| words[0] == "odbcinst") {
        let has = |option: &str| words.iter().any(|word| word == option);
        let template = words.iter().position(|word| word == "-f").and_then(|at| words.get(at + 1));
        let template = template.and_then(|path| sources.content(path.trim_start_matches('/')));
        if let Some(template) = template.filter(|_| has("-i") && has("-d")) {
            text.push_str(&installed(&String::from_utf8_lossy(template)));
        }
    }
    vec![(DRIVERS.to_owned(), file(text.as_bytes()))]
}

/// Returns a template's drivers as `odbcinst` writes them: no spaces around `=`, and counted as used once.
fn installed(template: &str) -> String {
    let mut text = String::new();
    let mut is_inside = false;
    let end = |text: &mut String, is_inside: bool| {
        if is_inside {
            text.push_str("UsageCount=1\n\n");
        }
    };
    for line in template.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            end(&mut text, is_inside);
            // A `String` takes all that is written to it.
            let _ = writeln!(text, "[{}]", name.trim());
            is_inside = true;
        } else if let Some((key, value)) = line.split_once('=').filter(|_| is_inside && !line.starts_with(['#', ';'])) {
            let _ = writeln!(text, "{}={}", key.trim(), value.trim());
        }
    }
    end(&mut text, is_inside);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drivers_are_written_as_odbcinst_does() {
        let template =
            "; a comment\nx = before\n[One ANSI]\nDescription\t= the one (A=B)\nDriver\t\t= one.so\nCPReuse = \n\n[Two]\nDriver=two.so\n";
        let expected =
            "[One ANSI]\nDescription=the one (A=B)\nDriver=one.so\nCPReuse=\nUsageCount=1\n\n[Two]\nDriver=two.so\nUsageCount=1\n\n";
        assert_eq!(installed(template), expected);
        assert_eq!(installed(""), "");
    }
}
