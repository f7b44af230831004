use super::sources::{CID_FONT_PARTS, FONT_PARTS, Generated, Sources};
use crate::base::debian::files::file;

/// The lists of fonts by which ghostscript finds and substitutes them, and where packages have their parts.
const LISTS: [(&str, &str); 2] = [("var/lib/ghostscript/fonts/cidfmap", CID_FONT_PARTS), ("var/lib/ghostscript/fonts/Fontmap", FONT_PARTS)];

/// Returns ghostscript's lists of fonts: the parts of packages one after the other, as `update-gsfontmap` joins them.
pub(in crate::base::debian) fn font_lists(sources: &Sources<'_>) -> Vec<Generated> {
    let list = |(path, folder): (&str, &str)| {
        let is_part = |path: &str| path.strip_prefix(folder).and_then(|name| name.strip_suffix(".conf")).is_some();
        let text: Vec<u8> = sources.contents(is_part).into_iter().flat_map(|(_, text)| text.iter().copied()).collect();
        (path.to_owned(), file(&text))
    };
    LISTS.into_iter().map(list).collect()
}
