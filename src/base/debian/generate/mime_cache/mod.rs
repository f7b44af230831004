//! The MIME database that programs read: `/usr/share/mime/mime.cache` and the lists beside it, of the XML files that packages put there.
//!
//! The XML is the Shared MIME-info Database specification's (section 2.1); the cache is its version 1.2 (section 2.8). The descriptions of single types,
//! which only people read, are not written.

mod lists;
mod magic;
mod read;
mod tree_magic;
mod write;

use super::sources::{Generated, SourceFault, Sources};
use crate::base::debian::files::file;

/// Where packages put descriptions of types.
const SOURCES: &str = "usr/share/mime/packages/";

/// Returns the cache of the MIME database and its lists, or nothing when no package describes types.
pub(in crate::base::debian) fn mime_database(sources: &Sources<'_>) -> Result<Vec<Generated>, SourceFault> {
    let found = sources.contents(|path| path.starts_with(SOURCES));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let database = database(&found)?;
    let mut made = lists::lists(&database);
    made.push(("version", format!("{}\n", sources.upstream_version("shared-mime-info")).into_bytes()));
    made.push(("mime.cache", write::cache(&database)));
    Ok(made.into_iter().map(|(name, bytes)| (format!("usr/share/mime/{name}"), file(&bytes))).collect())
}

/// Returns the bytes of `mime.cache` for descriptions of types: each a path and its content. They are read in the order of their paths, and
/// `Override.xml` last, as `update-mime-database` does; a broken description of a type ends there and does not hinder the others.
///
/// # Errors
/// When a file is not XML, or larger than the bounds.
pub fn mime_cache(descriptions: &[(String, &[u8])]) -> Result<Vec<u8>, SourceFault> {
    database(descriptions).map(|database| write::cache(&database))
}

fn database(descriptions: &[(String, &[u8])]) -> Result<read::Database, SourceFault> {
    let mut descriptions: Vec<&(String, &[u8])> = descriptions.iter().collect();
    descriptions.sort_by_key(|(path, _)| (path.ends_with("/Override.xml"), path.as_str()));
    let mut database = read::Database::default();
    for (path, content) in descriptions {
        database.read(content).map_err(|fault| SourceFault { path: path.clone(), fault: fault.to_string() })?;
    }
    Ok(database)
}

#[cfg(test)]
mod tests;
