//! The MIME database that programs read: `/usr/share/mime/mime.cache`, of the XML files that packages put beside it.
//!
//! The XML is the Shared MIME-info Database specification's (section 2.1); the cache is its version 1.2 (section 2.8).

mod magic;
mod read;
mod write;

use super::sources::{Generated, SourceFault, Sources};
use crate::base::debian::files::file;

/// Where packages put descriptions of types.
const SOURCES: &str = "usr/share/mime/packages/";

/// Returns the cache of the MIME database, or nothing when no package describes types.
pub(in crate::base::debian) fn mime_database(sources: &Sources<'_>) -> Result<Vec<Generated>, SourceFault> {
    let found = sources.contents(|path| path.starts_with(SOURCES));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    Ok(vec![("usr/share/mime/mime.cache".to_owned(), file(&mime_cache(&found)?))])
}

/// Returns the bytes of `mime.cache` for descriptions of types: each a path and its content. They are read in the order of their paths, and
/// `Override.xml` last, as `update-mime-database` does; a broken description of a type ends there and does not hinder the others.
///
/// # Errors
/// When a file is not XML, or larger than the bounds.
pub fn mime_cache(descriptions: &[(String, &[u8])]) -> Result<Vec<u8>, SourceFault> {
    let mut descriptions: Vec<&(String, &[u8])> = descriptions.iter().collect();
    descriptions.sort_by_key(|(path, _)| (path.ends_with("/Override.xml"), path.as_str()));
    let mut database = read::Database::default();
    for (path, content) in descriptions {
        database.read(content).map_err(|fault| SourceFault { path: path.clone(), fault: fault.to_string() })?;
    }
    Ok(write::cache(&database))
}

#[cfg(test)]
mod tests;
