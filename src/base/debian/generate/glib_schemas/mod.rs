//! The compiled schemas of GLib's settings: `gschemas.compiled`, of the XML files that packages put beside it.
//!
//! `glib-compile-schemas` says what the XML means; `GVariant` is the specification's serialisation, and the file is a table of GVDB, little-endian on every machine.

mod gvdb;
mod key;
mod override_file;
mod read;
mod text;
mod variant;

use super::sources::{Generated, SourceFault, Sources};
use crate::base::debian::files::file;

/// Where packages put schemas.
const SOURCES: &str = "usr/share/glib-2.0/schemas/";

/// Returns the compiled schemas, or nothing when no package has one.
pub(in crate::base::debian) fn schema_cache(sources: &Sources<'_>) -> Result<Vec<Generated>, SourceFault> {
    let found = sources.contents(|path| path.starts_with(SOURCES));
    let is_schema = |path: &str| [".gschema.xml", ".enums.xml"].iter().any(|end| path.ends_with(end));
    if !found.iter().any(|(path, _)| is_schema(path)) {
        return Ok(Vec::new());
    }
    Ok(vec![(format!("{SOURCES}gschemas.compiled"), file(&compiled_schemas(&found)?))])
}

/// Returns the bytes of `gschemas.compiled` for schemas, lists of names (`.enums.xml`) and overrides: each a path and its content. They are read in the
/// order of `glib-compile-schemas`: lists of names, then schemas, then overrides, and each by its path.
///
/// # Errors
/// When a file does not say what schemas say, or is larger than the bounds. An override that does not fit its schema is passed over, as GLib does.
pub fn compiled_schemas(sources: &[(String, &[u8])]) -> Result<Vec<u8>, SourceFault> {
    let mut sources: Vec<&(String, &[u8])> = sources.iter().collect();
    sources.sort_by_key(|(path, _)| (!path.ends_with(".enums.xml"), path.as_str()));
    let is_override = |path: &str| path.ends_with(".gschema.override");
    let mut schemas = read::Schemas::default();
    for (path, content) in sources.iter().filter(|(path, _)| !is_override(path)) {
        schemas.read(content).map_err(|fault| SourceFault { path: path.clone(), fault })?;
    }
    for (_, content) in sources.iter().filter(|(path, _)| is_override(path)) {
        override_file::apply(&String::from_utf8_lossy(content), &mut schemas);
    }
    Ok(gvdb::table_bytes(&schemas.table()))
}

#[cfg(test)]
mod tests;
