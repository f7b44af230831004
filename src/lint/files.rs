use super::LintRequest;
use crate::rootfs::{Fact, FactKind, ImagePath, Resolved, Rootfs};

/// The longest file that is read as text, in bytes.
const TEXT: u64 = 64 << 10;

/// Returns a small file's text, where its content is at hand: of files of a foreign layer, that of few.
pub(super) fn text(request: &LintRequest<'_>, path: &ImagePath) -> Option<String> {
    let Resolved::File(real, fact) = request.rootfs.resolve(path) else { return None };
    if !matches!(fact.kind, FactKind::File { size, .. } if size <= TEXT) {
        return None;
    }
    let bytes = request.rootfs.content(&real, request.contents).ok()??;
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
