use std::collections::BTreeMap;

use super::cache::{LibraryAbi, ld_so_cache};
use super::certificates::{CertificateFault, ca_bundle, pem_certificates};
use super::files::{ImageFiles, file, put};
use super::generate::{self, SourceFault, Sources};
use super::key_store::{java_alias, java_key_store};
use super::libraries::{LibraryFile, SharedObject, libraries, library_directories};
use super::needs::Make;
use super::request::AssemblyRequest;
use super::scripts::{ScriptCommand, Step};
use crate::base::embedded::CERTIFICATES;
use crate::rootfs::{Content, EntryKind, ImagePath};

/// Where packages have certificates that `update-ca-certificates` joins.
const SOURCES: &[u8] = b"usr/share/ca-certificates/";
/// Where Java finds the certificates that it trusts.
const KEY_STORE: &str = "etc/ssl/certs/java/cacerts";
/// Where glibc's loader finds libraries by name.
const LOADER_CACHE: &str = "etc/ld.so.cache";
/// The configuration that says which folders the loader's list is made of.
const LOADER_CONFIGURATION: &[u8] = b"etc/ld.so.conf";

/// Why something could not be made of packages' files.
#[derive(Debug, thiserror::Error)]
pub enum MakeFault {
    /// A file of the recipe holds no certificates, or more than these.
    #[error("the certificates of file {number} of `certificates` cannot be used: {fault}")]
    Extra {
        /// Which file, counted from 1.
        number: usize,
        /// Why.
        fault: CertificateFault,
    },
    /// A package's certificate is none.
    #[error("the certificate `{name}` of a package cannot be used: {fault}")]
    Package {
        /// Its path below `/usr/share/ca-certificates`.
        name: String,
        /// Why.
        fault: CertificateFault,
    },
    /// A package's file cannot be read by what generates something of it.
    #[error("a package's file {0}")]
    Source(#[from] SourceFault),
}

impl MakeFault {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Extra { .. } => Some("name PEM files that begin with `-----BEGIN CERTIFICATE-----`".to_owned()),
            Self::Package { .. } => None,
            Self::Source(_) => {
                Some("exclude the package that contains it with `exclude`, or lock another version of the package".to_owned())
            }
        }
    }
}

/// Makes one thing of the image's files, and puts it among them. Returns what it lacks.
pub(super) fn make(
    what: Make,
    request: &AssemblyRequest<'_>,
    commands: &[ScriptCommand],
    image_files: &mut ImageFiles,
) -> Result<Vec<Step>, MakeFault> {
    let sources = Sources { request, commands, files: image_files };
    let missing = match what {
        Make::PixbufLoaders => generate::unknown_loaders(&sources),
        Make::GraphvizPlugins => generate::unknown_plugins(&sources),
        _ => Vec::new(),
    };
    let made = match what {
        Make::CaBundle => vec![(CERTIFICATES.trim_start_matches('/').to_owned(), file(&bundle(request)?))],
        Make::JavaKeyStore => vec![(KEY_STORE.to_owned(), file(&key_store(request)?))],
        Make::LoaderCache => loader_cache(request, image_files).map(|bytes| (LOADER_CACHE.to_owned(), file(&bytes))).into_iter().collect(),
        Make::PhpModules => generate::modules(&sources),
        Make::XmlCatalogs => generate::xml_catalogs(&sources),
        Make::SgmlCatalogs => generate::sgml_catalogs(&sources),
        Make::MimeCache => generate::mime_database(&sources)?,
        Make::PixbufLoaders => generate::loader_list(&sources),
        Make::GlibSchemas => generate::schema_cache(&sources)?,
        Make::GraphvizPlugins => generate::plugin_list(&sources),
        Make::ApacheLinks => generate::enabled_links(&sources),
        Make::GhostscriptCidFonts => generate::font_lists(&sources),
        Make::OdbcDrivers => generate::drivers(&sources),
    };
    for (path, entry) in made {
        put(image_files, &path, entry, None);
    }
    Ok(missing)
}

/// Returns the packages' certificates by their paths below `/usr/share/ca-certificates`.
fn of_packages(request: &AssemblyRequest<'_>) -> BTreeMap<String, Vec<u8>> {
    let kept = request.packages.iter().flat_map(|package| &package.facts.kept);
    let name = |path: &ImagePath| path.as_bytes().strip_prefix(SOURCES).map(|name| String::from_utf8_lossy(name).into_owned());
    kept.filter_map(|(path, content)| Some((name(path)?, content.0.to_vec()))).collect()
}

pub(super) fn bundle(request: &AssemblyRequest<'_>) -> Result<Vec<u8>, MakeFault> {
    for (index, extra) in request.certificates.iter().enumerate() {
        pem_certificates(extra).map_err(|fault| MakeFault::Extra { number: index + 1, fault })?;
    }
    Ok(ca_bundle(&of_packages(request), request.certificates))
}

fn key_store(request: &AssemblyRequest<'_>) -> Result<Vec<u8>, MakeFault> {
    let mut certificates = BTreeMap::new();
    for (name, bytes) in of_packages(request) {
        let found = pem_certificates(&bytes).map_err(|fault| MakeFault::Package { name: name.clone(), fault })?;
        certificates.extend(found.into_iter().take(1).map(|der| (java_alias(&name), der)));
    }
    for (index, extra) in request.certificates.iter().enumerate() {
        let found = pem_certificates(extra).map_err(|fault| MakeFault::Extra { number: index + 1, fault })?;
        certificates.extend(found.into_iter().enumerate().map(|(number, der)| (format!("recipe:{}-{}", index + 1, number + 1), der)));
    }
    Ok(java_key_store(&certificates, 0))
}

fn loader_cache(request: &AssemblyRequest<'_>, image_files: &ImageFiles) -> Option<Vec<u8>> {
    let abi = LibraryAbi::of(request.architecture)?;
    let kept = request.packages.iter().flat_map(|package| &package.facts.kept);
    let is_configuration = |path: &ImagePath| path.as_bytes().starts_with(LOADER_CONFIGURATION) && image_files.contains_key(path);
    let configuration =
        kept.filter(|(path, _)| is_configuration(path)).map(|(path, text)| (path.clone(), String::from_utf8_lossy(&text.0).into_owned()));
    let directories = library_directories(&configuration.collect(), abi);
    let files = image_files.iter().filter_map(|(path, file)| {
        let found = match &file.entry.kind {
            EntryKind::Directory => return None,
            EntryKind::Symlink(target) => LibraryFile::Symlink(target.to_vec()),
            EntryKind::File(Content::Packed(packed)) => SharedObject::of(&packed.head).map_or(LibraryFile::Other, LibraryFile::Object),
            EntryKind::File(_) | EntryKind::HardLink(_) => LibraryFile::Other,
        };
        Some((path.clone(), found))
    });
    Some(ld_so_cache(&libraries(&files.collect(), &directories, abi)))
}
