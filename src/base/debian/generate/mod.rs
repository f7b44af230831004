//! What maintainer scripts of packages generate: indexes, caches and enabled links, of the packages' files alone.
//!
//! **Invariants.** The bytes are those of the tool that Debian's scripts run, or mean the same to its readers where the tool writes in the order of a
//! hash table. Everything read from a package is bounded. A file that the tool would refuse is an error with its path.

mod apache;
mod ghostscript;
mod glib_schemas;
mod graphviz;
mod mime_cache;
mod odbc;
mod php;
mod pixbuf;
mod sources;
mod xml;
mod xml_catalog;

pub use glib_schemas::compiled_schemas;
pub use mime_cache::mime_cache;
pub use sources::{SourceFault, is_generator_source};
pub use xml::XmlFault;

pub(super) use apache::enabled_links;
pub(super) use ghostscript::font_lists;
pub(super) use glib_schemas::schema_cache;
pub(super) use graphviz::{plugin_list, unknown_plugins};
pub(super) use mime_cache::mime_database;
pub(super) use odbc::drivers;
pub(super) use php::modules;
pub(super) use pixbuf::{loader_list, unknown_loaders};
pub(super) use sources::Sources;
pub(super) use xml_catalog::{sgml_catalogs, xml_catalogs};
