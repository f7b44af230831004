use super::LintRequest;
use crate::rootfs::{Entry, EntryKind, Fact, FactKind, Head, ImagePath, OpenContent, OpenFile, ReadAt, Resolved, Rootfs};

/// The longest file that is read as text, in bytes.
const TEXT: u64 = 64 << 10;

/// Returns what a regular file is, from what is known of it or by reading its beginning.
pub(super) fn head(rootfs: &Rootfs<'_>, contents: Option<&dyn OpenContent>, path: &ImagePath, fact: &Fact) -> Option<Head> {
    match &fact.kind {
        FactKind::File { head: Head::Unread, .. } => {
            let (real, Entry { kind: EntryKind::File(content), .. }) = rootfs.own_entry(path)? else { return None };
            Head::read(&OpenFile { content, path: &real, contents: contents? }, content.size()).ok()
        }
        FactKind::File { head, .. } => Some(head.clone()),
        _ => None,
    }
}

/// Returns a small file's text; of files of a foreign layer, only of those that are kept whole.
pub(super) fn text(request: &LintRequest<'_>, path: &ImagePath) -> Option<String> {
    let Resolved::File(real, fact) = request.rootfs.resolve(path) else { return None };
    let FactKind::File { size, content, .. } = fact.kind else { return None };
    if let Some(text) = content {
        return Some(text.into());
    }
    let (real, Entry { kind: EntryKind::File(content), .. }) = request.rootfs.own_entry(&real)? else { return None };
    let mut bytes = vec![0; usize::try_from(size.min(TEXT)).ok()?];
    OpenFile { content, path: &real, contents: request.contents }.read_at(0, &mut bytes).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// Returns a regular file that anybody may execute, links followed.
pub(super) fn program(rootfs: &Rootfs<'_>, path: &ImagePath) -> Option<(ImagePath, Fact)> {
    match rootfs.resolve(path) {
        Resolved::File(real, fact) if matches!(fact.kind, FactKind::File { .. }) && fact.mode & 0o111 != 0 => Some((real, fact)),
        _ => None,
    }
}

/// Returns a file's name as text.
pub(super) fn name(path: &ImagePath) -> &str {
    std::str::from_utf8(path.name()).unwrap_or_default()
}
