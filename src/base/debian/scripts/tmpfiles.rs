use super::accounts::fields_of;
use super::paths::no_use;
use super::root::Root;
use super::step::Action;

/// Reads a file of `tmpfiles.d` (tmpfiles.d(5)): the folders, links and files that are there as long as the machine runs.
pub(super) fn of_tmpfiles(text: &str, root: &Root<'_>) -> Vec<(usize, String, Action)> {
    let mut found = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let fields = fields_of(line);
        let field = |number: usize| fields.get(number).map(String::as_str).filter(|field| !matches!(*field, "-" | ""));
        let (Some(kind), Some(path)) = (field(0), field(1)) else { continue };
        let mode = field(2).and_then(|mode| u16::from_str_radix(mode.trim_start_matches([':', '~']), 8).ok());
        let written = field(3).is_some_and(|user| !matches!(user, "root" | "0"));
        let at = Root::path(path).filter(|_| !path.contains('%'));
        let action = match (kind.trim_end_matches(['+', '!', '-', '=', '~', '^', '$']), at) {
            _ if no_use(path, root).is_some() => Action::Harmless { why: no_use(path, root).unwrap_or_default() },
            ("d" | "D" | "v" | "q" | "Q", Some(path)) => Action::Folder { path, mode: mode.unwrap_or(0o755), written },
            ("L", Some(path)) => match field(6) {
                Some(target) => Action::Link { path, target: target.to_owned() },
                None => continue,
            },
            ("f" | "F", Some(path)) => {
                Action::Text { path, text: field(6).map(|text| format!("{text}\n")).unwrap_or_default(), appends: false }
            }
            ("C", Some(to)) => match field(6).and_then(Root::path) {
                Some(from) => Action::Copy { from, to },
                None => continue,
            },
            // Permissions, and what is removed at a start.
            ("z" | "Z" | "m" | "x" | "X" | "r" | "R" | "e" | "a" | "A" | "t" | "T" | "h" | "H", _) => continue,
            _ => Action::missing(Some(path), "a line of tmpfiles.d that hardened does not support"),
        };
        found.push((number + 1, line.to_owned(), action));
    }
    found
}
