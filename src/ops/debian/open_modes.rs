use crate::base::debian::{OpenMode, OpenRight};
use crate::diagnostic::{Diagnostic, first_of, snippet};
use crate::recipe::{PlatformRecipe, Recipe};
use crate::rootfs::ImagePath;

/// How many files are named.
const NAMED: usize = 5;

/// Returns the warning about files of packages that all may write to, or that are set-user-ID or set-group-ID; those that the recipe replaces
/// are left out.
pub(super) fn warning(found: &[OpenMode], recipe: &Recipe) -> Option<Diagnostic> {
    let replaced = |part: &PlatformRecipe, path: &ImagePath| {
        part.files.iter().any(|files| files.to.path() == path) || part.directories.iter().any(|folder| folder.path.value == *path)
    };
    let left: Vec<&OpenMode> = found.iter().filter(|mode| !recipe.parts().iter().any(|part| replaced(part, &mode.path))).collect();
    let first = left.first()?;
    let what = |right: OpenRight| match right {
        OpenRight::Write => "writable by all",
        OpenRight::SetId => "set-user-ID or set-group-ID",
    };
    let named: Vec<String> = left.iter().map(|mode| format!("`{}` (of `{}`, {})", mode.path, mode.package, what(mode.right))).collect();
    let count = if left.len() == 1 { "1 file of a package gives".to_owned() } else { format!("{} files of packages give", left.len()) };
    let message = format!("{count} away rights: {}", first_of(&named, NAMED));
    let hint = format!("leave out a package that is not needed: `exclude = [{}]` in `base.debian`", snippet::string(&first.package));
    let mut warning = Diagnostic::warning(message).at(recipe.base.span.as_ref(), "in these packages").hint(hint);
    if let Some(open) = left.iter().find(|mode| mode.right == OpenRight::Write) {
        warning = warning.hint(format!(
            "to take the right away, put a file or folder of yours there: `to = {0}` in `[[files]]`, or `path = {0}` in `[[directories]]`",
            snippet::path(&open.path.to_string())
        ));
    }
    if left.iter().any(|mode| mode.right == OpenRight::SetId) {
        warning =
            warning.hint("set-user-ID and set-group-ID bits are not kept in the image: a program that needs one will not do its work");
    }
    Some(warning)
}
