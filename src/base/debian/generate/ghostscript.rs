use super::sources::{Generated, Sources};
use crate::base::debian::files::file;

/// Where packages have parts of the list.
pub(super) const PARTS: &str = "etc/ghostscript/cidfmap.d";
/// The list of CID-keyed fonts, by which ghostscript substitutes fonts that a document does not bring along.
const LIST: &str = "var/lib/ghostscript/fonts/cidfmap";

/// Returns ghostscript's list of CID-keyed fonts: the parts of packages one after the other, as `update-gsfontmap` joins them.
pub(in crate::base::debian) fn cid_fonts(sources: &Sources<'_>) -> Vec<Generated> {
    let parts = sources.contents(|path| path.strip_prefix(PARTS).and_then(|name| name.strip_suffix(".conf")).is_some());
    let text: Vec<u8> = parts.into_iter().flat_map(|(_, text)| text.iter().copied()).collect();
    vec![(LIST.to_owned(), file(&text))]
}
