use super::LintRequest;
use super::finding::{Level, Report};
use crate::diagnostic::first_of;
use crate::rootfs::{Fact, FactKind, ImagePath};

/// How many files are named.
const NAMED: usize = 5;

/// Tells of files of a base's layers that all may write to, and of programs that run with more rights than who starts them. Those of Debian
/// packages are told when the base is assembled.
pub(super) fn check(request: &LintRequest<'_>, report: &mut Report) {
    let of_base = request.rootfs.files().filter(|(path, _)| request.rootfs.own_entry(path).is_none());
    let (mut writable, mut raising) = (Vec::new(), Vec::new());
    for (path, file) in of_base {
        if is_writable(&file.fact) {
            writable.push(path.clone());
        }
        if raises(&file.fact) {
            raising.push(path);
        }
    }
    tell(report, &writable, "that all users may write to");
    tell(report, &raising, "with set-user-ID, set-group-ID or capabilities (more rights than those of the user)");
}

fn is_writable(fact: &Fact) -> bool {
    match fact.kind {
        FactKind::Directory => fact.mode & 0o1002 == 0o0002,
        FactKind::File { .. } => fact.mode & 0o0002 != 0,
        FactKind::Symlink(_) | FactKind::Device(_) | FactKind::Fifo => false,
    }
}

fn raises(fact: &Fact) -> bool {
    matches!(fact.kind, FactKind::File { .. })
        && fact.mode & 0o111 != 0
        && (fact.mode & 0o6000 != 0 || fact.attributes.capabilities().is_some())
}

fn tell(report: &mut Report, paths: &[ImagePath], what: &str) {
    if paths.is_empty() {
        return;
    }
    let named: Vec<String> = paths.iter().map(|path| format!("`{path}`")).collect();
    let files = if paths.len() == 1 { "1 file".to_owned() } else { format!("{} files", paths.len()) };
    let message = format!("the base has {files} {what}: {}", first_of(&named, NAMED));
    report.find(Level::Note, message).about(paths.iter().map(ToString::to_string));
}
